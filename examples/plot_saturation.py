"""
Saturated units learn slowly
============================

Far from 0 a sigmoid and a tanh are flat. The notes warn of the small gradients there. How small are
they, how many units of a network get there when it starts from weights that are too large, and what
does that cost in training?
"""

# %%
# The slopes
# ----------
#
# .. math:: \sigma'(z) = \sigma(z)\,(1 - \sigma(z)), \qquad \tanh'(z) = 1 - \tanh^2 z
#
# The graph gives them: the gradient of the sum of all outputs is the slope at each point.

import numpy as np
from matplotlib import pyplot as plt

import accelnn
from accelnn import Tensor, datasets, nn, optim

z = np.linspace(-10, 10, 401)
slopes = {}
for name, function in (
    ("sigmoid", accelnn.sigmoid),
    ("tanh", accelnn.tanh),
    ("ReLU", accelnn.relu),
):
    points = Tensor(z, requires_grad=True, backend="numpy")
    function(points).sum().backward()
    slopes[name] = points.grad.numpy()

for at in (0, 2, 5, 10):
    here = np.argmin(abs(z - at))
    print(
        f"z = {at:2}:", "  ".join(f"{name}' = {slope[here]:.4e}" for name, slope in slopes.items())
    )

# %%
# At 10 the sigmoid has 1/5500 of its greatest slope and tanh 1/120,000,000. tanh starts from the
# greater slope, 1 against 1/4, and loses it sooner.
#
# Too large weights
# -----------------
#
# A network 64-32-32-10 reads digits, from three starts. It is the same network each time, but
# before the training the weights of its two hidden layers are multiplied by a factor.
# ``layer_health`` counts as *saturated* the outputs whose slope is at most 1 % of the greatest.

data = datasets.load_digits()
X_train, X_test = data.features()
y_train, y_test = data.y_train, data.y_test
FACTORS, EPOCHS, SEEDS = (1, 4, 16, 64), 10, (0, 1, 2)


def start(activation, factor, seed):
    """Return the network before its training."""
    accelnn.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(64, 32, backend="numpy"),
        activation(),
        nn.Linear(32, 32, backend="numpy"),
        activation(),
        nn.Linear(32, 10, backend="numpy"),
    )
    for layer in (model[0], model[2]):
        layer.weight.data = layer.weight.data * factor
    return model


saturated, moved, losses, accuracy = {}, {}, {}, {}
loss = nn.CrossEntropyLoss()
for name, activation in (("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid)):
    for factor in FACTORS:
        for seed in SEEDS:
            model, run = start(activation, factor, seed), (name, factor, seed)
            health = accelnn.layer_health(model, loss, X_train, y_train)
            saturated[run] = (health["1"].saturated + health["3"].saturated) / 2
            w = model[0].weight.numpy().copy()
            sgd = optim.SGD(model.parameters(), lr=0.1)
            history = accelnn.train(
                model,
                loss,
                sgd,
                X_train,
                y_train,
                epochs=EPOCHS,
                batch_size=32,
                seed=seed,
                backend="numpy",
            )
            losses[run] = history["loss"]
            moved[run] = np.linalg.norm(model[0].weight.numpy() - w) / np.linalg.norm(w)
            accuracy[run] = (model(X_test).numpy().argmax(axis=1) == y_test).mean()


def over_seeds(values, name, factor):
    """Return the mean over the starts."""
    return np.mean([values[name, factor, seed] for seed in SEEDS], axis=0)


print("          factor  saturated  W1 moved by  test accuracy")
for name in ("tanh", "sigmoid"):
    for factor in FACTORS:
        a, b, c = (over_seeds(values, name, factor) for values in (saturated, moved, accuracy))
        print(f"{name:8}  {factor:6}  {a:9.1%}  {b:11.1%}  {c:13.1%}")

# %%

colours = dict(zip(FACTORS, ("#009E73", "#56B4E9", "#E69F00", "#D55E00"), strict=True))
fig, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(9, 7.5), layout="constrained")
for (name, slope), colour in zip(slopes.items(), ("#0072B2", "#E69F00", "#009E73"), strict=True):
    a.semilogy(z, np.where(slope > 0, slope, np.nan), color=colour, label=name)
a.set(title="slopes", xlabel="z", ylabel="slope", ylim=(1e-9, 3))
for name, style in (("tanh", "s-"), ("sigmoid", "o--")):
    colour = {"tanh": "#E69F00", "sigmoid": "#0072B2"}[name]
    means = [over_seeds(saturated, name, factor) for factor in FACTORS]
    b.plot(FACTORS, means, style, color=colour, label=name)
    means = [over_seeds(accuracy, name, factor) for factor in FACTORS]
    d.plot(FACTORS, means, style, color=colour, label=name)
    for seed in SEEDS:
        d.plot(
            FACTORS,
            [accuracy[name, f, seed] for f in FACTORS],
            style[0],
            color=colour,
            alpha=0.4,
            ms=4,
        )
for factor in FACTORS:
    means = over_seeds(losses, "tanh", factor)
    c.plot(range(1, EPOCHS + 1), means, color=colours[factor], label=f"weights × {factor}")
b.set(
    title="saturated at the start",
    xlabel="weights multiplied by",
    ylabel="fraction of hidden outputs",
)
c.set(title="tanh: training", xlabel="epoch", ylabel="loss", ylim=(0, None))
d.set(
    title=f"after {EPOCHS} epochs",
    xlabel="weights multiplied by",
    ylabel="test accuracy",
    ylim=(0, 1),
)
for ax in (b, d):
    ax.set_xscale("log", base=4)
    ax.set_xticks(FACTORS, [str(factor) for factor in FACTORS])
    ax.minorticks_off()
for ax in (a, b, c, d):
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
plt.show()

# %%
# Above: the flat ends of both functions on a logarithmic axis (ReLU has the slope 0 left of 0,
# which has no place there), and the fraction of hidden outputs that start in them.
#
# With tanh the warning holds. With weights 16 times as large 60 % of the outputs are saturated, and
# after ten epochs the accuracy is 85 % instead of 94 %; with 64 times it is 90 % and 67 %. The
# first layer, with 64 times its length, moves by 0.9 % of that, and by 131 % with the usual
# weights: it hardly changes any more. The loss of the saturated networks even falls faster in the
# first epochs, and then stalls.
#
# With the sigmoid the usual weights are the worst: 10 % is guessing. Around 0 its outputs hardly
# differ and its slope is 1/4, so a factor of 4 or 16 helps, although with 16 a fifth of the outputs
# is saturated. Only 64 is too much here. Large weights are bad, then, once they saturate most
# units; below that it is not saturation that decides.
