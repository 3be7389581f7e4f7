"""
Gates, and the one that needs two layers
========================================

AND, OR and NOR are one unit each. XNOR, "both or neither", is none: the notes build it from the
three. Does it work with the usual weights, and is it true that no linear model can do it?
"""

# %%
# One unit
# --------
#
# A unit with a step gives
#
# .. math:: a = \operatorname{step}(b + w_1 x_1 + w_2 x_2), \qquad
#    \operatorname{step}(z) = 1 \text{ for } z \ge 0, \text{ else } 0 .

import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.exceptions import ConvergenceWarning

import accelnn
from accelnn import nn

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
WEIGHTS = {"AND": (-1.5, 1.0, 1.0), "OR": (-0.5, 1.0, 1.0), "NOR": (0.5, -1.0, -1.0)}  # b, w1, w2


def gate(name):
    """Return one unit of two inputs."""
    b, *w = WEIGHTS[name]
    unit = nn.Sequential(nn.Linear(2, 1, dtype="float64", backend="numpy"), nn.Step())
    unit.load_state_dict({"0.weight": [w], "0.bias": [b]})
    return unit


gates = {name: gate(name) for name in WEIGHTS}
truth = {name: unit(X)[:, 0].tolist() for name, unit in gates.items()}
print("x1 x2 ", *X.astype(int).tolist())
for name, outputs in truth.items():
    print(f"{name:6}", outputs)

# %%
# XNOR = OR(AND, NOR)
# -------------------
#
# AND and NOR become the two hidden units of one network, OR its output.

xnor = nn.Sequential(
    nn.Linear(2, 2, dtype="float64", backend="numpy"),
    nn.Step(),
    nn.Linear(2, 1, dtype="float64", backend="numpy"),
    nn.Step(),
)
xnor.load_state_dict(
    {
        "0.weight": [WEIGHTS["AND"][1:], WEIGHTS["NOR"][1:]],
        "0.bias": [WEIGHTS["AND"][0], WEIGHTS["NOR"][0]],
        "2.weight": [WEIGHTS["OR"][1:]],
        "2.bias": [WEIGHTS["OR"][0]],
    }
)
with accelnn.observe(xnor) as seen:
    truth["XNOR"] = xnor(X)[:, 0].tolist()
hidden = seen["1"].output.numpy()
for corner, units, out in zip(X.astype(int).tolist(), hidden, truth["XNOR"], strict=True):
    print(corner, "-> AND, NOR =", units.tolist(), "-> XNOR =", out)

# %%
# The network with the values for x = (1, 1): AND is on, NOR off, and OR of the two is on.

accelnn.draw(xnor, X[3], style="neurons", title="XNOR from AND, NOR and OR, at x = (1, 1)")

# %%
# The hidden layer has moved the points: (0, 1) and (1, 0) fall on one, (0, 0), and a line separates
# that from the others.
#
# Linear models
# -------------
#
# A line with XNOR on its sides would need b ≥ 0, b + w₁ < 0, b + w₂ < 0 and b + w₁ + w₂ ≥ 0. The
# first and the last add up to 2b + w₁ + w₂ ≥ 0, the other two to less than 0: there is none. What
# do models find that look for one?

y = np.array([1, 0, 0, 1])
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # that it does not end is what is shown
    perceptron = accelnn.Perceptron(max_iter=1000, shuffle=False, backend="numpy").fit(X, y)
logistic = accelnn.LogisticRegression(alpha=0.0, backend="numpy").fit(X, y)
accuracy = {
    "XNOR of steps": float((xnor(X)[:, 0].numpy() == y).mean()),
    "AND, taken for XNOR": float((gates["AND"](X)[:, 0].numpy() == y).mean()),
    "perceptron": perceptron.score(X, y),
    "logistic regression": logistic.score(X, y),
}
print(accuracy)
print("perceptron: ended", perceptron.converged_, "after", perceptron.n_iter_, "epochs")
print("logistic regression: probabilities", logistic.predict_proba(X)[:, 1].round(4))

# %%

# sphinx_gallery_thumbnail_number = 2
side = np.linspace(-0.5, 1.5, 201)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
panels = {
    name: (unit(grid).numpy(), truth[name]) for name, unit in [*gates.items(), ("XNOR", xnor)]
}
panels["perceptron on XNOR"] = perceptron.predict(grid), truth["XNOR"]
panels["logistic regression on XNOR"] = logistic.predict_proba(grid)[:, 1], truth["XNOR"]

fig, axes = plt.subplots(2, 3, figsize=(9, 6.2), layout="constrained", sharex=True, sharey=True)
for ax, (name, (output, wanted)) in zip(axes.flat, panels.items(), strict=True):
    picture = ax.pcolormesh(side, side, output.reshape(201, 201), cmap="PuOr", vmin=-0.4, vmax=1.4)
    on = np.array(wanted) == 1
    ax.plot(*X[on].T, "k^", ms=11, label="wanted 1")
    ax.plot(*X[~on].T, "ko", ms=11, mfc="white", label="wanted 0")
    ax.set(title=name, aspect="equal", xticks=(0, 1), yticks=(0, 1))
for ax in axes[1]:
    ax.set_xlabel("$x_1$")
for ax in axes[:, 0]:
    ax.set_ylabel("$x_2$")
fig.colorbar(
    picture,
    ax=axes,
    label="output",
    boundaries=np.linspace(0, 1, 101),
    ticks=(0, 0.5, 1),
    shrink=0.6,
)
axes[0, 0].legend(loc="upper left", fontsize="small")
plt.show()

# %%
# Violet is 1, orange 0. Each of the three units cuts the plane once. XNOR needs two parallel cuts,
# one from each hidden unit, and has them. The perceptron runs round in circles: it was stopped
# after 1000 epochs with half of the corners right. Logistic regression can do no better than a
# probability of 1/2 everywhere, by symmetry. Three corners of four is all a line can do, and AND
# taken for XNOR does that.
#
# So XNOR is OR of AND and NOR, as the notes say, and no linear model suffices. That a network
# *learns* XNOR is another question: see :doc:`/gallery/plot_xnor_starts`.
