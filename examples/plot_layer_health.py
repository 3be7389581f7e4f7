r"""
Is the network able to learn? Dead and saturated units
======================================================

A network that does not learn looks like any other from outside: the loss stands still. Inside, the
slopes of its activations say more. Where a ReLU is off for every row, or a sigmoid far out, nothing
comes back to the weights before it. ``accelnn.layer_health`` looks once, and the callback
``accelnn.WatchLayers`` after every epoch. Here are a healthy training and three kinds of sick ones.
"""

# %%
# What is measured
# ----------------
#
# - *dead*: the fraction of units whose slope :math:`g'(z)` is 0 for all rows;
# - *saturated*: the fraction of outputs whose slope is at most 1 % of the greatest;
# - the norm of the gradient of each weight matrix.
#
# The network is 64-32-32-10 on scikit-learn's digits, by plain gradient descent.
import matplotlib.pyplot as plt

import accelnn
from accelnn import nn, optim
from accelnn.datasets import load_digits

digits = load_digits()
X_train, X_test = digits.features()
epochs = 10


def network(activation, seed=0):
    accelnn.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, 32, backend="numpy"),
        activation(),
        nn.Linear(32, 32, backend="numpy"),
        activation(),
        nn.Linear(32, 10, backend="numpy"),
    )


def watched(model, rate, seed=0):
    watch = accelnn.WatchLayers(X_train, digits.y_train)
    history = accelnn.train(
        model,
        nn.CrossEntropyLoss(),
        optim.SGD(model.parameters(), lr=rate),
        X_train,
        digits.y_train,
        epochs=epochs,
        batch_size=50,
        X_val=X_test,
        y_val=digits.y_test,
        seed=seed,
        backend="numpy",
        callbacks=[watch],
    )
    return watch, history["val_accuracy"]


healthy = network(nn.ReLU)
print("before the training")
print(accelnn.layer_health(healthy, nn.CrossEntropyLoss(), X_train, digits.y_train))

# %%
# For a ReLU *saturated* means off: half of all outputs, before anything is learned, which is as it
# should be. *Dead* is what counts.
#
# Too large a learning rate
# -------------------------
#
# One step that is too long can carry the weights of a ReLU to where it is off for every row. In the
# first hidden layer there is no way back: the rows stay as they are, the gradient of these weights
# is 0, and plain descent never moves them again. So there the fraction can only grow. A unit of the
# second layer may come back to life, as the units below it change its inputs.
rates = (0.1, 0.5, 1.0, 2.0)
seeds = range(3)
dead, accuracy = {}, {}
for rate in rates:
    for seed in seeds:
        watch, reached = watched(network(nn.ReLU, seed), rate, seed)
        dead[rate, seed] = {layer: [r[layer].dead for r in watch.reports] for layer in ("1", "3")}
        accuracy[rate, seed] = reached[-1]
    first = [f"{dead[rate, seed]['1'][-1]:.0%}" for seed in seeds]
    second = [f"{dead[rate, seed]['3'][-1]:.0%}" for seed in seeds]
    right = [f"{accuracy[rate, seed]:.0%}" for seed in seeds]
    print(f"rate {rate}: dead {first} and {second}, right {right}")

# %%
# A bad start
# -----------
#
# The rate is moderate again, but the biases of the first layer start at -3: with pixels from 0 to 1
# and weights of at most 1/8 nearly no row gets over that. The units are dead before the first step,
# and all that the network can learn is how frequent the classes are.
unlucky = network(nn.ReLU)
nn.init.constant_(unlucky[0].bias, -3.0)
weights_before = unlucky[0].weight.numpy().copy()
watch_unlucky, accuracy_unlucky = watched(unlucky, 0.1)
dead_unlucky = [report["1"].dead for report in watch_unlucky.reports]
moved = abs(unlucky[0].weight.numpy() - weights_before).max()
print(watch_unlucky.reports[-1])
print(f"right {accuracy_unlucky[-1]:.0%}; the first layer's weights have moved by {moved}")

# %%
# Sigmoids too far out
# --------------------
#
# Weights drawn from a normal distribution of deviation 4 bring the sigmoids of both hidden layers
# to their flat ends. They are not dead, only slow: their slopes are small, but not 0.
saturated, first_gradient, sigmoid_accuracy = {}, {}, {}
for std in (1.0, 4.0):
    model = network(nn.Sigmoid)
    for linear in (model[0], model[2]):
        nn.init.normal_(linear.weight, std=std)
    watch, reached = watched(model, 0.1)
    saturated[std] = [report["1"].saturated for report in watch.reports]
    first_gradient[std] = [report["0"].gradient_norm for report in watch.reports]
    sigmoid_accuracy[std] = reached[-1]
    print(f"deviation {std:.0f}: right {reached[-1]:.0%}; in the first layer")
    print(
        f"  saturated {saturated[std][0]:.0%} after an epoch, {saturated[std][-1]:.0%} at the end"
    )
    print(f"  norm of the gradient {first_gradient[std][-1]:.3f} at the end")

# %%
# What these numbers do not show is worth knowing, too. From PyTorch's default start not one
# sigmoid is saturated, and the network learns less than both:
usual = network(nn.Sigmoid)
watch_usual, accuracy_usual = watched(usual, 0.1)
print(watch_usual.reports[0])
print(f"right {accuracy_usual[-1]:.0%}")

# %%
# Its gradients tell. After the first epoch those of both hidden layers are below 0.01; the ReLU
# network above starts from 0.09 and 0.05. Near 0, where all these sigmoids are, each layer has the
# slope 1/4, and the weights are small besides.
#
# The picture
# -----------
colours = dict(zip(rates, ("#009E73", "#0072B2", "#E69F00", "#D55E00"), strict=True))
number = range(1, epochs + 1)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True, layout="constrained")
for ax, layer, title in ((axes[0], "1", "first"), (axes[1], "3", "second")):
    for (rate, seed), found in dead.items():
        label = f"rate {rate}" if seed == 0 else None
        ax.plot(number, found[layer], color=colours[rate], linewidth=1.5, alpha=0.8, label=label)
    ax.set(title=f"ReLU, {title} hidden layer", xlabel="epoch")
axes[0].plot(number, dead_unlucky, "k:", linewidth=2, label="biases -3")
axes[0].set(ylabel="fraction dead", ylim=(-0.03, 1.05))
axes[0].legend(fontsize="small", loc="center right", bbox_to_anchor=(1, 0.34))
for std, colour in ((4.0, "#D55E00"), (1.0, "#0072B2")):
    axes[2].plot(number, saturated[std], color=colour, label=f"deviation {std:.0f}")
found = [report["1"].saturated for report in watch_usual.reports]
axes[2].plot(number, found, color="#009E73", label="default")
axes[2].set(title="sigmoid, first hidden layer", xlabel="epoch", ylabel="fraction saturated")
axes[2].legend(fontsize="small", loc="center right", bbox_to_anchor=(1, 0.42))
plt.show()

# %%
# Left, a line for each of three starts: at the rates 0.1 and 0.5 at most an eighth of a layer is
# dead in the end, at 1.0 two thirds of the first, and there the lines never go down. In the middle
# they do, now and then. At the rate 2.0 the second layer is dead but for a unit at most, and the
# network guesses. Right: saturated sigmoids stay where they are, since it is their own slope that
# would have to move them.
