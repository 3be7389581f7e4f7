"""
A perceptron for cancer
=======================

A tumour of size x is malignant or not: the notes' first neural network has one weight and one bias,
and says

.. math:: h(x) = \\operatorname{sign}(-3.5 + 1 \\cdot x), \\qquad
   +1 \\text{ malignant}, \\quad -1 \\text{ benign}.

Can the perceptron's rule find such numbers from six examples, and which does it find?
"""

# %%
# The unit
# --------
#
# sign gives +1 at 0, too, so a tumour of size 3.5 counts as malignant.

import numpy as np
from matplotlib import pyplot as plt

import accelnn
from accelnn import Tensor, nn

unit = nn.Sequential(nn.Linear(1, 1, backend="numpy"), nn.Sign())
unit.load_state_dict({"0.weight": [[1.0]], "0.bias": [-3.5]})
sizes = [3.0, 3.5, 4.0]
decisions = unit(Tensor(sizes, backend="numpy").reshape(3, 1)).reshape(3).tolist()
print(dict(zip(sizes, decisions, strict=True)))

# %%
# The rule
# --------
#
# The bias counts as a weight :math:`w_0` of an input that is always 1. For one example after the
# other
#
# .. math:: w \leftarrow w + \gamma\,(y - \hat y)\,x .
#
# Nothing changes where the prediction is right. Where it is wrong, :math:`y - \hat y` is 2 or -2,
# so with γ = 1/2 the example itself is added or subtracted. The sizes 1 ... 6 come in this order
# again and again, from weights of 0.

X = np.arange(1.0, 7.0)[:, None]
y = np.array([-1, -1, -1, 1, 1, 1])

perceptron = accelnn.Perceptron(gamma=0.5, shuffle=False, backend="numpy").fit(X, y)
weights = (perceptron.intercept_[0], perceptron.coef_[0, 0])
print("w =", weights, " border at", -weights[0] / weights[1])
print("mistakes in each epoch:", perceptron.n_mistakes_)
print("predicted:", perceptron.predict(X).tolist())

# %%
# It stops at w = (-8, 2), that is at a border of 4: as soon as there is no mistake, and there is
# none, since sign(0) is +1. The example 4 lies *on* the border; the notes' 3.5 is in the middle
# between the classes, but the rule knows nothing of middles. Any border above 3 and up to 4 would
# do.
#
# Every single step, by ``partial_fit`` with one example at a time:

step_by_step = accelnn.Perceptron(gamma=0.5, shuffle=False, backend="numpy")
path = [(0.0, 0.0)]
for _ in range(perceptron.n_iter_):
    for size, label in zip(X, y, strict=True):
        step_by_step.partial_fit([size], [label], classes=[-1, 1])
        path.append((step_by_step.intercept_[0], step_by_step.coef_[0, 0]))
path = np.array(path)
changes = int((np.diff(path, axis=0) != 0).any(axis=1).sum())
print(changes, "of", len(path) - 1, "steps changed something; the end:", path[-1])

# %%
# Another order of the examples leads elsewhere:

borders = []
for seed in range(50):
    other = accelnn.Perceptron(gamma=0.5, random_state=seed, backend="numpy").fit(X, y)
    borders.append(-other.intercept_[0] / other.coef_[0, 0])
print(
    f"50 random orders: {len(set(borders))} borders, {min(borders):.3f} to {max(borders):.3f}, "
    f"mean {np.mean(borders):.3f}"
)

# %%

blue, orange = "#0072B2", "#D55E00"
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
line = np.linspace(0, 7, 2)
left.plot(line, -3.5 + line, "k--", label="the notes: -3.5 + x")
left.plot(line, weights[0] + weights[1] * line, color="#009E73", label="the rule: -8 + 2x")
left.axhline(0, color="grey", lw=0.8)
for label, colour, marker, word in ((-1, blue, "o", "benign"), (1, orange, "^", "malignant")):
    left.plot(X[y == label], 0 * X[y == label], marker, color=colour, ms=9, label=word)
left.set(title="the sum that goes into sign", xlabel="size x", ylabel="$w_0 + w_1 x$")
slopes = np.linspace(0, 4, 2)
right.fill_betweenx(
    slopes, -4 * slopes, -3 * slopes, color="#009E73", alpha=0.25, label="all six right"
)
right.plot(*path.T, ".-", color=blue, lw=1, label="after each example")
right.plot(-3.5, 1, "kD", label="the notes: (-3.5, 1)")
right.plot(*path[-1], "*", color=orange, ms=14, label="the end: (-8, 2)")
right.set(title="the path of the weights", xlabel="$w_0$", ylabel="$w_1$")
for ax in (left, right):
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
plt.show()

# %%
# Left, both lines change their sign between the classes, the rule's just at the example 4. Right,
# the weights that are right for all six examples form a wedge, :math:`3w_1 < -w_0 \le 4w_1`. Each
# mistake moves the weights by an example, (1, x), or back; they jump to and fro until they hit the
# wedge, after 24 mistakes in nine epochs, and the tenth epoch is without one. Of 50 random orders
# 33 end at the border 4, too, and the others at 3.2 to 3.5.
#
# The rule ends because a border exists; where none does, it never ends: see
# :doc:`/gallery/plot_gates`.
