r"""
What a gradient costs
=====================

Backpropagation takes time in proportion to the number of weights, say the notes and the textbook;
moving each weight by itself takes its square. Both can be counted exactly, from the costs that the
kernels declare, and both can be seen on a clock.
"""

# %%
# Counted
# -------
#
# A network without biases and with :math:`P` weights needs, for one row, :math:`P` multiplications
# for its output, and :math:`2P - d_0 d_1` to go back, besides one for each hidden unit or so:
# every weight is used once for the gradient before it and once for its own, only the gradient of
# the input is not asked for. Central differences compute the output :math:`2P` times, which makes
# :math:`2P^2`. ``accelnn.count_ops`` adds up what the kernels of a pass cost.
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import accelnn
from accelnn import nn
from accelnn.nn import functional as F


def network(*widths, bias=True):
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out, bias=bias, dtype="float64", backend="numpy"), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


counted = {}  # widths -> weights, multiplications forward, backward, by central differences
for widths in (
    (3, 2, 2, 3),
    (2, 2, 3, 2),
    *((16, h, h, 4) for h in (8, 16, 32, 64, 128, 256, 512)),
):
    model = network(*widths, bias=False)
    weights = sum(p.numel() for p in model.parameters())
    count = accelnn.count_ops(model, 1)
    forward, backward = count.forward.multiplications, count.backward.multiplications
    counted[widths] = weights, forward, backward, 2 * weights * forward
print("network            weights  forward  backward  together  differences")
for widths, (weights, forward, backward, differences) in counted.items():
    name = "-".join(map(str, widths))
    ratio = (forward + backward) / weights
    print(f"{name:<17}{weights:>9}{forward:>9}{backward:>10}{ratio:>8.2f} P{differences:>15,}")

# %%
# Together they are below :math:`3P`, and near it for large networks. The first row is the network
# of the textbook's figure 11.2: 16 and 26.
#
# How often does ``accelnn.numerical_gradient`` really call the function? A loss that counts:
calls = {"numerical": 0}
inputs = accelnn.tensor(np.linspace(-1, 1, 64 * 16).reshape(64, 16))
targets = accelnn.zeros(64, 4, dtype="float64")
mse = nn.MSELoss()


def loss_of(*parameters):
    calls["numerical"] += 1
    a = inputs
    for i in range(0, len(parameters), 2):
        a = F.linear(a if i == 0 else F.relu(a), parameters[i], parameters[i + 1])
    return mse(a, targets)


# %%
# On the clock
# ------------
#
# 64 rows at once, medians of rounds in which all candidates take turns, so that whatever else the
# machine does hits all of them. Differences are only taken of the three smallest networks. Times
# vary from run to run and from machine to machine; here they are only a picture.
sizes = (8, 16, 32, 64, 128, 256, 512)
accelnn.manual_seed(0)
models = {h: network(16, h, h, 4) for h in sizes}
n_parameters = {h: sum(p.numel() for p in model.parameters()) for h, model in models.items()}
forward_seconds = {h: [] for h in sizes}
backward_seconds = {h: [] for h in sizes}
difference_seconds = {h: [] for h in sizes[:3]}
calls_of_differences, worst_difference = {}, {}
for round_number in range(15):
    for h, model in models.items():
        model.zero_grad()
        started = time.perf_counter()
        loss = mse(model(inputs), targets)
        between = time.perf_counter()
        loss.backward()
        ended = time.perf_counter()
        forward_seconds[h].append(between - started)
        backward_seconds[h].append(ended - between)
    if round_number < 3:
        for h in difference_seconds:
            calls["numerical"] = 0
            parameters = list(models[h].parameters())
            started = time.perf_counter()
            by_differences = accelnn.numerical_gradient(loss_of, *parameters)
            difference_seconds[h].append(time.perf_counter() - started)
            calls_of_differences[h] = calls["numerical"]
            worst_difference[h] = max(
                abs(d.numpy() - p.grad.numpy()).max()
                for d, p in zip(by_differences, parameters, strict=True)
            )

for h in sizes:
    there, back = np.median(forward_seconds[h]), np.median(backward_seconds[h])
    line = f"{n_parameters[h]:>7} parameters: "
    line += f"forward {there * 1e3:6.3f} ms, backward {back * 1e3:6.3f} ms"
    if h in difference_seconds:
        slow = np.median(difference_seconds[h])
        line += f"; differences {slow * 1e3:5.0f} ms in {calls_of_differences[h]} passes"
    print(line)

# %%
# The picture
# -----------
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
table = np.array([row for widths, row in counted.items() if widths[0] == 16])
left.loglog(table[:, 0], table[:, 1], "o-", color="#0072B2", markersize=4, label="forward")
left.loglog(table[:, 0], table[:, 2], "^-", color="#D55E00", markersize=4, label="backward")
left.loglog(table[:, 0], table[:, 3], "s-", color="#009E73", markersize=4, label="differences")
left.set(xlabel="weights", ylabel="multiplications for one row", title="counted")
left.legend()
P = [n_parameters[h] for h in sizes]
for seconds, style, colour in (
    (forward_seconds, "o-", "#0072B2"),
    (backward_seconds, "^-", "#D55E00"),
    (difference_seconds, "s-", "#009E73"),
):
    medians = [1e3 * np.median(rounds) for rounds in seconds.values()]
    right.loglog(P[: len(medians)], medians, style, color=colour, markersize=4)
right.set(xlabel="parameters", ylabel="milliseconds for 64 rows", title="on the clock")
plt.show()

# %%
# In the count the lines of forward and backward are parallel, of slope 1, and that of the
# differences has the slope 2. On the clock the small networks all take alike: there it is Python's
# calls that cost, not arithmetic. From some ten thousand parameters on, time grows with them, and
# backward keeps its distance from forward. The differences lose from the start, since even the
# cheapest pass adds up 2P times.
