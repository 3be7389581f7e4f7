"""
A start of zeros
================

Why are weights drawn at random? The notes say that from zeros all hidden units compute the same
function for ever. That is exactly so with the sigmoid; with tanh and ReLU even less happens. A
little noise is enough to end it.
"""

# %%
# Sixty points in space are to be told apart by their distance from the origin, which no network
# with a single hidden unit can do. The network is 3-4-1:
#
# .. math:: a = g(W_1 x + b_1), \qquad z = W_2 a + b_2, \qquad
#    \frac{\partial\ell}{\partial W_1} = \sum_{\text{rows}}
#    \bigl(W_2^\top\,dz \odot g'(z_1)\bigr)\,x^\top,
#    \qquad \frac{\partial\ell}{\partial W_2} = \sum_{\text{rows}} dz\,a^\top .
#
# Where all rows of :math:`W_1` and all elements of :math:`W_2` and :math:`b_1` are equal, so are
# all rows of these gradients. From zeros the units get the same step, and the next one, and so on.

import numpy as np
from matplotlib import pyplot as plt

import accelnn
from accelnn import nn, optim

X = np.random.default_rng(0).normal(size=(60, 3))
y = (np.linalg.norm(X, axis=1, keepdims=True) < 1.6).astype(float)
STEPS = 300


def trained(activation, std, steps=STEPS, seed=0):
    """Return the model, and the loss and W1 of each step; W starts at std · randn, b at 0."""
    accelnn.manual_seed(seed)
    hidden = nn.Linear(3, 4, dtype="float64", backend="numpy")
    model = nn.Sequential(hidden, activation(), nn.Linear(4, 1, dtype="float64", backend="numpy"))
    for p in model.parameters():
        (nn.init.normal_(p, std=std) if p.ndim == 2 and std else nn.init.zeros_(p))
    adam, loss = optim.Adam(model.parameters(), lr=0.05), nn.BCEWithLogitsLoss()
    losses, weights = [], [hidden.weight.numpy().copy()]
    for _ in range(steps):
        ell = loss(model(X), y)
        adam.zero_grad()
        ell.backward()
        adam.step()
        losses.append(ell.item())
        weights.append(hidden.weight.numpy().copy())
    return model, losses, np.array(weights)


activations = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}
zeros = {name: trained(kind, std=0) for name, kind in activations.items()}
noise = {name: trained(kind, std=0.01) for name, kind in activations.items()}


def spread(weights):
    """Return how far the units of W1 are apart at most, in each step."""
    return (weights.max(axis=1) - weights.min(axis=1)).max(axis=1)


zeros_spread = {name: spread(weights) for name, (_, _, weights) in zeros.items()}
noise_spread = {name: spread(weights) for name, (_, _, weights) in noise.items()}
zeros_loss = {name: losses for name, (_, losses, _) in zeros.items()}
noise_loss = {name: losses for name, (_, losses, _) in noise.items()}

print("         start       loss   units apart   W1 moved by")
for start, runs, apart in (("zeros", zeros, zeros_spread), ("0.01 randn", noise, noise_spread)):
    for name, (_, losses, weights) in runs.items():
        moved = abs(weights[-1] - weights[0]).max()
        print(f"{name:8} {start:10}  {losses[-1]:.4f}  {apart[name][-1]:10.4f}  {moved:10.4f}")

# %%
# From zeros the four rows of :math:`W_1` stay equal with every activation. With the sigmoid all
# hidden outputs are 1/2, :math:`W_2` moves, then :math:`W_1`: the four units learn, but as one.
# With tanh and ReLU the hidden outputs are 0, so :math:`W_2` gets no gradient, and :math:`W_1` none
# through it. One number of the network learns at all, the last bias:

zeros_parameters = {
    name: {key: p.numpy() for key, p in run[0].named_parameters()} for name, run in zeros.items()
}
for name, parameters in zeros_parameters.items():
    print(f"{name:8}", {key: bool(values.any()) for key, values in parameters.items()})

# %%

colours = {"sigmoid": "#0072B2", "tanh": "#E69F00", "ReLU": "#009E73"}
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for unit, width in enumerate((8, 5.5, 3.2, 1.2)):
    colour = ("#56B4E9", "#E69F00", "#009E73", "#000000")[unit]
    for ax, runs, size in ((left, zeros, width), (middle, noise, 2)):
        ax.plot(runs["sigmoid"][2][:, unit, 2], color=colour, lw=size, label=f"unit {unit + 1}")
left.set(title="sigmoid, from zeros", xlabel="step", ylabel="third weight of a hidden unit")
middle.set(title="sigmoid, from 0.01 · randn", xlabel="step")
middle.sharey(left)
for name in activations:
    right.plot(noise_loss[name], color=colours[name], label=name)
    right.plot(zeros_loss[name], ":" if name == "ReLU" else "--", color=colours[name], lw=2.5)
right.plot([], [], "k--", lw=2.5, label="from zeros")
right.set(title="what it costs", xlabel="step", ylabel="loss", ylim=(0, 0.75))
for ax in (left, middle, right):
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small", loc="lower left")
plt.show()

# %%
# Left four lines lie on each other; in the middle the noise of the start has driven them apart.
# Right, the losses: from zeros tanh and ReLU are the same level line, 0.684, which is guessing at
# the share of the classes; the sigmoid's four units that are one end at 0.479. From the noise all
# three fall further (0.24, 0.19 and 0.23 from this start).
#
# So the notes are right: a start of zeros is pointless. But biases may well start at 0, as they do
# here in every run.
