r"""
Learning the square function
============================

The notes of NUS IT5005 train a small network on a hundred noisy points of :math:`y = x^2` for
10,000 epochs; the losses that they print end near 0.58. How good is that? The loss is to be seen
beside the noise, which no honest model can get below, and beside the error at :math:`x^2` itself.
"""

# %%
# The data
# --------
#
# :math:`x = 5\, r` with :math:`r` normal, and :math:`y = x^2 + \text{noise}`, the noise normal,
# too. A model that is exactly :math:`x^2` has the mean square of the noise as its loss: the
# *noise floor*.
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import accelnn
from accelnn import nn, optim

accelnn.manual_seed(0)
x = 5 * accelnn.randn(100, 1, dtype="float64")
noise = accelnn.randn_like(x)
y = x**2 + noise
noise_floor = (noise**2).mean().item()
print(f"noise floor {noise_floor:.3f}")

# %%
# The training
# ------------
#
# Two networks with ReLU, the notes' 1-8-8-1 of 97 parameters and a 1-8-1, by Adam at its rate of
# 0.1, each step on all rows. ``accelnn.train`` makes a program of it, without a Python call for
# each operation, so 10,000 epochs are a matter of seconds.
epochs = 10_000
models, histories = {}, {}
for widths in ((1, 8, 8, 1), (1, 8, 1)):
    accelnn.manual_seed(0)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out, dtype="float64", backend="numpy"), nn.ReLU()]
    name = "-".join(map(str, widths))
    models[name] = nn.Sequential(*layers[:-1])
    histories[name] = accelnn.train(
        models[name],
        nn.MSELoss(),
        optim.Adam(models[name].parameters(), lr=0.1),
        x,
        y,
        epochs=epochs,
        batch_size=100,
        shuffle=False,
        backend="numpy",
    )

losses = {name: np.array(history["loss"]) for name, history in histories.items()}
errors = {name: ((model(x) - x**2) ** 2).mean().item() for name, model in models.items()}
for name, loss in losses.items():
    print(
        f"{name}: {histories[name].engine}, loss {loss[0]:.0f} at first, {loss.min():.3f} at best;"
    )
    print("  every 1000 epochs", *(f"{value:.2f}" for value in loss[999::1000]))
    print(f"  at the end {errors[name]:.3f} from x² itself, at the same points")

# %%
# The notes' own network
# ----------------------
#
# They also print the 97 numbers of a trained network. Here they are loaded, and asked for the five
# test points of the notes.
printed = nn.Sequential(
    nn.Linear(1, 8, dtype="float64", backend="numpy"),
    nn.ReLU(),
    nn.Linear(8, 8, dtype="float64", backend="numpy"),
    nn.ReLU(),
    nn.Linear(8, 1, dtype="float64", backend="numpy"),
)
printed.load_state_dict(
    {
        "0.weight": [
            [-0.84808],
            [-1.6513],
            [0.00073262],
            [1.2931],
            [-1.2794],
            [0.62609],
            [1.0877],
            [1.0415],
        ],
        "0.bias": [-7.2229, -4.7316, -1.6215, -2.8653, -1.5121, -0.3011, -1.2276, -7.6588],
        "2.weight": [
            [4.6861, -0.4884, 0.3506, -0.3301, 0.3303, -0.5205, -0.5355, 6.3255],
            [-0.5538, -0.5617, -0.3647, -0.1368, -0.5342, -0.7102, -0.8007, -0.3282],
            [0.595, 1.607, -0.1568, 1.1529, 0.0298, 0.0076, 0.4839, 0.9624],
            [0.6179, 1.832, -0.2905, 1.0212, -0.487, -0.1435, 0.5969, 0.6689],
            [0.3527, 1.6112, 0.0848, 1.5503, -0.8342, 0.3396, 0.876, 0.8615],
            [-0.5923, -0.6296, -0.6366, -0.4786, -0.5051, -0.5808, -0.8134, -0.6187],
            [1.6187, 1.2003, 0.0634, 0.7204, 2.4347, 1.3357, 1.4979, 1.7267],
            [1.5565, 1.7537, -0.1973, 1.4202, 0.1672, -0.0336, 0.6651, 0.6998],
        ],
        "2.bias": [-1.3254, -0.6541, -5.4646, -6.0203, -4.0982, -0.435, 0.0093, -6.5684],
        "4.weight": [[0.74, 0.493, 0.6233, 0.5519, 0.7737, 0.4144, 1.4362, 0.9378]],
        "4.bias": [0.5673],
    }
)
x2 = accelnn.tensor(
    [
        5.367788791656494,
        0.8833026885986328,
        -0.6179562211036682,
        4.864236831665039,
        5.316009998321533,
    ],
    dtype="float64",
).reshape(-1, 1)
predictions = printed(x2).numpy()[:, 0]
for at, prediction in zip(x2.tolist(), predictions, strict=True):
    print(f"x = {at[0]:6.3f}   x² = {at[0] ** 2:6.3f}   network {prediction:6.3f}")

# %%
# The pictures
# ------------
grid = np.linspace(-20, 20, 801)[:, None]
at_grid = {name: model(accelnn.tensor(grid)).numpy() for name, model in models.items()}
at_grid["the notes'"] = printed(accelnn.tensor(grid)).numpy()
styles = {"1-8-8-1": ("#0072B2", "-"), "1-8-1": ("#D55E00", "-"), "the notes'": ("#009E73", ":")}

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.5, 3.6), layout="constrained")
for name, loss in losses.items():
    left.loglog(np.arange(1, epochs + 1), loss, color=styles[name][0], linewidth=0.8, label=name)
left.axhline(noise_floor, color="black", linestyle="--", linewidth=1, label="noise floor")
left.set(xlabel="epoch", ylabel="loss", title="training")
left.legend()
inside = abs(grid[:, 0]) <= 10
for name, value in at_grid.items():
    colour, line = styles[name]
    middle.plot(grid[inside], (value - grid**2)[inside], line, color=colour, label=name)
    right.plot(grid, value, line, color=colour)
middle.plot(x.numpy(), noise.numpy(), ".", color="grey", markersize=4, label="data")
middle.set(xlabel="$x$", ylabel="minus $x^2$", title="where the data are", ylim=(-4, 4))
middle.set_xlim(-10, 10)
middle.legend(fontsize="small", ncols=2)
right.plot(grid, grid**2, color="black", linewidth=1, linestyle="--", label="$x^2$")
right.set(xlabel="$x$", ylabel="$y$", title="farther out", ylim=(-5, 420))
right.legend(loc="upper center")
plt.show()

outside = {name: float(value[-1, 0]) for name, value in at_grid.items()}
print("at x = 20, where x² is 400:", {name: round(value) for name, value in outside.items()})

# %%
# The claim holds, and is less than it seems. Both networks come to a loss *below* the noise floor,
# which is no merit: they have begun to learn the noise. From :math:`x^2` itself they are 0.3 to 0.4
# away, in mean square, and the larger network is not better there than the 1-8-1. The spikes are
# Adam's, at a rate of 0.1: the loss of the last epoch is a matter of luck, as in the notes, where
# 1.78 stands between 0.62 and 0.65.
#
# In the middle: a function of straight pieces, bent where the data are. Outside there is nothing
# to bend it, and it goes on straight, at x = 20 by 22 to 32 % below :math:`x^2`, the notes'
# network as well. That one gives 29.461, 1.064, 0.581, 23.684 and 28.839 for the notes' test
# points; the predictions which the notes print beside it (29.595, 0.834, 0.555, 23.755, 28.972)
# are of another moment of the training.
