"""
XNOR from a hundred starts
==========================

Two hidden units are enough for XNOR, with the right weights. Does training find them? The loss is
not convex, and the textbook warns that the start matters and that nothing is guaranteed. How often
does it go well?
"""

# %%
# One start
# ---------
#
# A network 2-2-1, the logistic loss
#
# .. math:: \ell = -\frac14\sum_{i=1}^{4} y_i\log\sigma(z_i) + (1 - y_i)\log(1 - \sigma(z_i)),
#
# and a thousand steps of Adam on all four corners.

import math

import numpy as np
from matplotlib import pyplot as plt

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.nn import functional as F

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[1.0], [0.0], [0.0], [1.0]])
STEPS, STARTS = 1000, 100


def network(hidden, activation, seed):
    """Return 2-hidden-1 with PyTorch's initial weights."""
    accelnn.manual_seed(seed)
    first = nn.Linear(2, hidden, dtype="float64", backend="numpy")
    return nn.Sequential(
        first, activation(), nn.Linear(hidden, 1, dtype="float64", backend="numpy")
    )


alone = network(2, nn.Tanh, seed=0)
history = accelnn.train(
    alone,
    nn.BCEWithLogitsLoss(),
    optim.Adam(alone.parameters(), lr=0.05),
    X,
    y,
    epochs=STEPS,
    batch_size=4,
    shuffle=False,
    backend="numpy",
)
print("loss", history["loss"][-1], "outputs", accelnn.sigmoid(alone(X))[:, 0].numpy().round(3))

# %%
# A hundred at a time
# -------------------
#
# The weights of all starts lie in one array with a leading axis, W1 of shape (100, 2, hidden), and
# a product of such arrays multiplies matrix by matrix. The sum of all losses has for each network
# the gradients of its own loss, and Adam goes element by element: each learns as it would alone,
# and a hundred take little longer than one.


def from_all_starts(hidden, activation):
    """Return the losses, (steps, starts), and the outputs after the last step, (starts, 4)."""
    models = [network(hidden, activation, seed) for seed in range(STARTS)]

    def stacked(layer, kind, shape):
        values = np.stack([getattr(model[layer], kind).numpy().T for model in models])
        return Tensor(values.reshape(STARTS, *shape), requires_grad=True, backend="numpy")

    W1, b1 = stacked(0, "weight", (2, hidden)), stacked(0, "bias", (1, hidden))
    W2, b2 = stacked(2, "weight", (hidden, 1)), stacked(2, "bias", (1, 1))
    inputs, function = Tensor(X, backend="numpy"), activation()
    targets = Tensor(np.broadcast_to(y, (STARTS, 4, 1)).copy(), backend="numpy")
    adam = optim.Adam([W1, b1, W2, b2], lr=0.05)
    losses = np.empty((STEPS, STARTS))
    for step in range(STEPS):
        z = function(inputs @ W1 + b1) @ W2 + b2
        each = F.binary_cross_entropy_with_logits(z, targets, reduction="none").mean(dim=(1, 2))
        adam.zero_grad()
        each.sum().backward()
        adam.step()
        losses[step] = each.numpy()
    return losses, accelnn.sigmoid(z).numpy()[:, :, 0]


activations = {"ReLU": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
runs = {
    (hidden, name): from_all_starts(hidden, kind)
    for hidden in (2, 8)
    for name, kind in activations.items()
}
print("as alone:", runs[2, "tanh"][0][-1, 0], history["loss"][-1])
ends = {case: losses[-1] for case, (losses, _) in runs.items()}
successes = {case: int((end < 0.05).sum()) for case, end in ends.items()}
for (hidden, name), number in successes.items():
    print(f"2-{hidden}-1 {name:8} {number} of {STARTS}")

# %%
# The first line: start 0 among the hundred ends at the same loss as by itself.
#
# Where the others end
# --------------------
#
# A network that gives two corners one output can do no better for these than its mean, and so on.
# Where 2, 3 or 4 corners share an output and the rest is right, the least losses are

stuck = {
    "2 corners as one": math.log(2) / 2,
    "3 corners as one": (math.log(3) + 2 * math.log(1.5)) / 4,
    "4 corners as one": math.log(2),
}
outcomes = {
    case: [int((abs(end - loss) < 0.02).sum()) for loss in (0.0, *stuck.values())]
    for case, end in ends.items()
}
print({words: round(loss, 4) for words, loss in stuck.items()})
for (hidden, name), counts in outcomes.items():
    print(
        f"2-{hidden}-1 {name:8} learned {counts[0]:3}, stuck at",
        *zip(counts[1:], stuck, strict=True),
    )

# %%

colours = ("#009E73", "#F0E442", "#E69F00", "#D55E00")
fig, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), layout="constrained", width_ratios=(1, 1.3)
)
for end, losses in zip(ends[2, "ReLU"], runs[2, "ReLU"][0].T, strict=True):
    nearest = np.argmin([abs(end - loss) for loss in (0.0, *stuck.values())])
    left.plot(losses, color=colours[nearest], lw=0.8)
left.set(title="2-2-1 with ReLU, a hundred starts", xlabel="step", ylabel="loss", ylim=(0, 0.9))
cases = [f"2-{hidden}-1 {name}" for hidden, name in outcomes]
before = np.zeros(len(cases))
for number, (words, colour) in enumerate(zip(("learned", *stuck), colours, strict=True)):
    width = np.array([counts[number] for counts in outcomes.values()])
    right.barh(cases, width, left=before, color=colour, label=words, edgecolor="black", lw=0.5)
    before += width
right.invert_yaxis()
right.set(title="where they end", xlabel="starts")
fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# Left, every line is one start. Those that fail do not learn slowly: they lie level at one of the
# three values. Right, the counts: with two hidden units, the smallest network that can do it,
# training finds XNOR from 23 (ReLU), 46 (tanh) and 49 (sigmoid) of 100 starts. With eight units
# tanh and sigmoid always do, ReLU from 95.
#
# So the start does decide, as the textbook says, in a network that is just large enough. It nearly
# ceases to matter with a few units to spare, although the loss is no more convex than before.
# (These are the rates of this start, this loss and this optimizer; others have others.)
