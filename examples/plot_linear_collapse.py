"""
Linear layers collapse into one
===============================

What if the hidden layers have no activation? Then, the notes say, however deep the network is, it
is no more than one matrix. So it is, and training does not change that. It does change how the
network learns.
"""

# %%
# Three matrices that are one
# ---------------------------
#
# .. math:: W_o\,(W_2\,(W_1 x)) = (W_o W_2 W_1)\,x = W' x
#
# The textbook's network 3-2-2-3, without its ReLU:

import numpy as np
from matplotlib import pyplot as plt

import accelnn
from accelnn import Tensor, nn, optim

EXACT = {"dtype": "float64", "backend": "numpy"}
weights = {
    "W1": [[2.0, -3.0, 0.0], [-1.0, 1.0, 2.0]],
    "W2": [[1.0, 2.0], [2.0, -2.0]],
    "Wo": [[-1.0, 2.0], [2.0, 1.0], [1.0, 2.0]],
}
W1, W2, Wo = (Tensor(w, **EXACT) for w in weights.values())
one_matrix = Wo @ W2 @ W1
x = Tensor([1.0, 1.0, 1.0], **EXACT)
without_relu = Wo @ (W2 @ (W1 @ x))
with_relu = Wo @ accelnn.relu(W2 @ accelnn.relu(W1 @ x))
print("W' =", one_matrix.tolist())
print("W' x =", (one_matrix @ x).tolist(), " layer by layer:", without_relu.tolist())
print("with ReLU:", with_relu.tolist())

# %%
# The Jacobian :math:`\partial o/\partial x` says it for all x at once. Without ReLU it is W' at
# every point. With ReLU it is a matrix as well, but another one from region to region.


def linear(x):
    return Wo @ (W2 @ (W1 @ x))


def bent(x):
    return Wo @ accelnn.relu(W2 @ accelnn.relu(W1 @ x))


points = [
    Tensor(p, **EXACT)
    for p in ([1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [-1.0, 1.0, 2.0], [0.0, -1.0, 1.0])
]
linear_jacobians = [accelnn.jacobian(linear, p).numpy() for p in points]
bent_jacobians = [accelnn.jacobian(bent, p).numpy() for p in points]
print("different Jacobians, linear:", len({J.tobytes() for J in linear_jacobians}))
print("different Jacobians, ReLU:  ", len({(J + 0.0).tobytes() for J in bent_jacobians}))

# %%
# After training
# --------------
#
# Networks 1-16-16-16-1 learn :math:`|x - 1|`, with ReLU and without any activation. A single layer,
# 1-1, learns it too. The best straight line is known from the normal equations.

x_train = np.linspace(-2.0, 3.0, 51)[:, None]
y_train = abs(x_train - 1.0)
slope, height = np.polyfit(x_train[:, 0], y_train[:, 0], 1)
best_line = slope * x_train + height
best_line_loss = ((best_line - y_train) ** 2).mean()


def learned(*activation, hidden=3, epochs=400):
    """Return the trained network and its losses."""
    accelnn.manual_seed(0)
    layers, width = [], 1
    for _ in range(hidden):
        layers += [nn.Linear(width, 16, **EXACT), *(kind() for kind in activation)]
        width = 16
    model = nn.Sequential(*layers, nn.Linear(width, 1, **EXACT))
    sgd = optim.SGD(model.parameters(), lr=0.05)
    history = accelnn.train(
        model,
        nn.MSELoss(),
        sgd,
        x_train,
        y_train,
        epochs=epochs,
        batch_size=51,
        shuffle=False,
        backend="numpy",
    )
    return model, history["loss"]


deep_linear, deep_losses = learned()
single, single_losses = learned(hidden=0)
relu, relu_losses = learned(nn.ReLU)


def product(model):
    """Return W' and b' of a stack of Linear layers."""
    W, b = np.eye(1), np.zeros(1)
    for layer in model:
        W, b = layer.weight.numpy() @ W, layer.weight.numpy() @ b + layer.bias.numpy()
    return W, b


W, b = product(deep_linear)
collapse_error = abs(deep_linear(x_train).numpy() - (x_train @ W.T + b)).max()
parameters = deep_linear.summary().total
print(f"deep linear: {parameters} parameters, W' = {W.item():.6f}, b' = {b.item():.6f}")
print("largest difference from W' x + b':", collapse_error)
print(f"best line:   slope {slope:.6f}, height {height:.6f}, loss {best_line_loss:.6f}")
for name, losses in (
    ("deep linear", deep_losses),
    ("one layer", single_losses),
    ("ReLU", relu_losses),
):
    print(f"{name:12} loss after 20 epochs {losses[19]:.4f}, after 400 {losses[-1]:.6f}")

# %%
# 593 parameters of the deep linear network make one slope and one height, and these are the best
# line's to six digits. The hidden layers are not without any effect, though: the loss reaches that
# of the best line in 20 steps, which takes the single layer longer. What a network can compute and
# how it gets there are two things.


def derivative(model):
    """Return the derivative of the output at each point."""
    points = Tensor(x_train, requires_grad=True, **EXACT)
    model(points).sum().backward()
    return points.grad.numpy()[:, 0]


linear_derivative, relu_derivative = derivative(deep_linear), derivative(relu)

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
left.plot(x_train, y_train, "k:", lw=3, label="$|x - 1|$")
left.plot(x_train, deep_linear(x_train).numpy(), color="#E69F00", lw=4, label="deep, linear")
left.plot(x_train, best_line, "--", color="#0072B2", label="best line")
left.plot(x_train, relu(x_train).numpy(), color="#009E73", label="deep, ReLU")
middle.plot(x_train, linear_derivative, color="#E69F00", lw=3, label="deep, linear")
middle.step(x_train[:, 0], relu_derivative, color="#009E73", where="mid", label="deep, ReLU")
for losses, colour, label in (
    (deep_losses, "#E69F00", "deep, linear"),
    (single_losses, "#0072B2", "one layer"),
    (relu_losses, "#009E73", "deep, ReLU"),
):
    right.loglog(range(1, len(losses) + 1), losses, color=colour, label=label)
left.set(title="what was learned", xlabel="x", ylabel="output")
middle.set(title="its derivative", xlabel="x", ylabel="derivative by x")
right.set(title="training", xlabel="step", ylabel="mean squared error")
for ax in (left, middle, right):
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
plt.show()

# %%
# The deep linear network draws the best line, whose derivative is one number everywhere. The
# network with ReLU bends where it has to: its derivative is near -1 left of 1 and near 1 right of
# it. Its loss after 400 steps is 0.001, that of both linear ones 0.482.
