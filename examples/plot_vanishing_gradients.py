"""
Gradients vanish with depth
===========================

The way back through a layer multiplies by the slope of its activation. The notes say that the
sigmoid's slope is below 1/4, so that the first layers of a deep network hardly learn. How small do
the gradients get, does it help to take tanh or ReLU, and is the slope the only factor?
"""

# %%
# One unit per layer
# ------------------
#
# The shortest deep network is a chain, :math:`\hat y = \sigma(w_L\,\sigma(\cdots\sigma(w_1 x)))`.
# The chain rule gives
#
# .. math:: \frac{\partial\hat y}{\partial w_1} = x\,\sigma'(z_1)\prod_{l=2}^{L} w_l\,\sigma'(z_l),
#    \qquad \sigma'(z) = \sigma(z)\,(1 - \sigma(z)) \le \tfrac14 .
#
# At :math:`z = 0` the slope is 1/4 exactly: "at most", not "below". With all weights and x equal to
# 1 the product is at most :math:`0.25^L`.

import numpy as np
from matplotlib import pyplot as plt

import accelnn
from accelnn import Tensor, datasets, nn

DEPTHS = range(1, 11)


def chain(activation, depth, weight=1.0, bias=0.0, x=1.0):
    """Return the derivative of the output of a chain by its first weight."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(1, 1, dtype="float64", backend="numpy"), activation()]
        nn.init.constant_(layers[-2].weight, weight)
        nn.init.constant_(layers[-2].bias, bias)
    model = nn.Sequential(*layers)
    model(Tensor([x], dtype="float64", backend="numpy")).backward()
    return model[0].weight.grad.item()


activations = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}
chains = {name: [chain(kind, L) for L in DEPTHS] for name, kind in activations.items()}
bound = [0.25**L for L in DEPTHS]

print(" L   sigmoid       0.25^L        tanh     ReLU")
columns = (chains["sigmoid"], bound, chains["tanh"], chains["ReLU"])
for L, s, limit, t, r in zip(DEPTHS, *columns, strict=True):
    print(f"{L:2}   {s:.6e}  {limit:.6e}  {t:.5f}  {r:.0f}")

# %%
# From 0.196612 for one layer to 2.784767e-07 for ten, always below the bound. The slope of tanh is
# 1 at 0 and falls as well, but slowly: 0.041 after ten layers. A ReLU that is on has the slope 1,
# and the gradient stays as it is.
#
# But the factor of a layer is :math:`w\,\sigma'(z)`, not :math:`\sigma'(z)`. With w = 4 and b = -2
# a unit that gets 1/2 gives 1/2, at z = 0, and its factor is 4 · 1/4 = 1: there the sigmoid's
# gradient does not vanish, whatever the depth.

large_weights = [chain(nn.Sigmoid, L, weight=4.0, bias=-2.0, x=0.5) for L in DEPTHS]
print(large_weights[0], large_weights[-1])

# %%
# Networks that read digits
# -------------------------
#
# Now layers of 32 units on images of digits, before the first step of training. ``layer_health``
# makes one pass forward and one back and returns :math:`\lVert\partial\ell/\partial W\rVert` of
# each layer. The weights are drawn from PyTorch's default, :math:`U(-1/\sqrt n, 1/\sqrt n)`.

data = datasets.load_digits()
X, y = data.features(np.float64)[0][:500], data.y_train[:500]
HIDDEN = (1, 2, 4, 8)


def network(activation, hidden):
    """Return 64-32-...-32-10."""
    accelnn.manual_seed(0)
    layers = []
    for width in [64] + [32] * (hidden - 1):
        layers += [nn.Linear(width, 32, dtype="float64", backend="numpy"), activation()]
    return nn.Sequential(*layers, nn.Linear(32, 10, dtype="float64", backend="numpy"))


def gradient_norms(model):
    """Return the norm of dW of each Linear, first to last."""
    health = accelnn.layer_health(model, nn.CrossEntropyLoss(), X, y)
    return [layer.gradient_norm for layer in health if layer.gradient_norm is not None]


norms = {
    name: {hidden: gradient_norms(network(kind, hidden)) for hidden in HIDDEN}
    for name, kind in activations.items()
}
first_against_last = {
    name: {hidden: found[0] / found[-1] for hidden, found in by_depth.items()}
    for name, by_depth in norms.items()
}
for name, ratios in first_against_last.items():
    print(
        f"{name:8}", "  ".join(f"{hidden} hidden: {ratio:.1e}" for hidden, ratio in ratios.items())
    )

# %%
# The start matters as much. The variance that keeps gradients alive depends on the activation:
# Glorot and Bengio's for sigmoid and tanh, He's, which is twice as large, for ReLU.

matched = {}
for name, kind in activations.items():
    model = network(kind, 8)
    for layer in model:
        if isinstance(layer, nn.Linear):
            if name == "ReLU":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    matched[name] = gradient_norms(model)
for name, found in matched.items():
    print(f"{name:8} 8 hidden, matched start, first against last: {found[0] / found[-1]:.1e}")

# %%

colours = {"sigmoid": "#0072B2", "tanh": "#E69F00", "ReLU": "#009E73"}
markers = {"sigmoid": "o", "tanh": "s", "ReLU": "^"}
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for name in activations:
    style = {"color": colours[name], "marker": markers[name], "label": name}
    left.semilogy(DEPTHS, chains[name], **style)
    middle.semilogy(range(1, 10), norms[name][8], **style)
    right.semilogy(range(1, 10), matched[name], **style)
left.semilogy(DEPTHS, bound, "k:", label="$0.25^L$")
left.semilogy(DEPTHS, large_weights, color="#56B4E9", marker="x", label="sigmoid, w = 4")
left.set(title="chain, all weights 1", xlabel="layers L", ylabel="derivative by the first weight")
middle.set(
    title="8 hidden layers, PyTorch's start",
    xlabel="layer, 1 = first",
    ylabel="norm of the gradient",
)
right.set(title="8 hidden layers, matched start", xlabel="layer, 1 = first")
right.sharey(middle)
for ax in (left, middle, right):
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
plt.show()

# %%
# Left, the chain: a straight line down on the logarithmic axis for the sigmoid, just below the
# bound; with w = 4 a level one at 0.125.
#
# In the middle the networks confirm the notes for the sigmoid: after 8 hidden layers the first gets
# a gradient of 3e-07 times the last one's; with one hidden layer it was 0.29. For tanh it is 0.1.
# But ReLU, whose slope is 1, loses as well, 0.012: PyTorch's default weights have the variance
# 1/(3n), and half of the units are off.
#
# Right, with weights whose variance matches the activation, tanh and ReLU keep their gradients
# through all layers (ratios 1.2 and 1.8). The sigmoid gains a factor of 30 and is still at 9e-06:
# this start does not make up for slopes of 1/4 either. That the sigmoid's gradient vanishes holds,
# then; that ReLU's does not, only with weights to match.
