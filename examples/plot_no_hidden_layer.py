r"""
Networks without a hidden layer
===============================

The perceptron, linear regression and logistic regression are the same network, a single linear
layer :math:`z = w \cdot x + b`; what differs is the loss that teaches it. So the three estimators
and the layer trained through the graph must end at the same weights. They do.
"""

# %%
# Three losses
# ------------
#
# ======================  ==============================================  ==========================
# model                   loss of a row                                   gradient by :math:`z`
# ======================  ==============================================  ==========================
# perceptron              :math:`(\hat y - y)\,z`, with                   :math:`\hat y - y`
#                         :math:`\hat y = \operatorname{sign} z`
#                         a constant
# linear regression       :math:`\tfrac12 (z - y)^2`                      :math:`z - y`
# logistic regression     :math:`-y \log \sigma(z)                        :math:`\sigma(z) - y`
#                         - (1 - y) \log(1 - \sigma(z))`
# ======================  ==============================================  ==========================
#
# In all three the gradient is "output minus target", and :math:`\partial z/\partial w = x`.
import matplotlib.pyplot as plt
import numpy as np

import accelnn
from accelnn import nn, optim

rng = np.random.default_rng(1)
classes = np.repeat([0, 1], 40)
overlapping = rng.normal(0, 1.0, (80, 2)) + np.where(classes[:, None] == 1, 1.0, -1.0)
drawn = rng.uniform(-3, 3, (100, 2))
side = drawn[:, 0] - 0.5 * drawn[:, 1] + 0.8  # no point near the line where this is 0
separable, sides = drawn[abs(side) > 0.3], (side[abs(side) > 0.3] > 0).astype(int)
x_line = rng.uniform(-2, 2, (80, 1))
y_line = 1.5 * x_line[:, 0] - 0.5 + rng.normal(0, 0.6, 80)

# %%
# The estimators
# --------------
perceptron = accelnn.Perceptron(shuffle=False, backend="numpy").fit(separable, sides)
line = accelnn.LinearRegression(tol=1e-12, backend="numpy").fit(x_line, y_line)
logistic = accelnn.LogisticRegression(tol=1e-9, max_iter=5000, backend="numpy")
logistic.fit(overlapping, classes)
print(f"perceptron: mistakes in each epoch {perceptron.n_mistakes_}")
print(f"linear regression: {line.n_iter_} steps at rate {line.learning_rate_:.3f}")
print(f"logistic regression: {logistic.n_iter_} steps at rate {logistic.learning_rate_:.3f}")


# %%
# The same by a Linear
# --------------------
#
# All weights start at 0. The perceptron looks at one row after the other; the two regressions take
# as many steps on all rows as their estimators did, at the same rates.
def layer(n_in):
    linear = nn.Linear(n_in, 1, dtype="float64", backend="numpy")
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def descend(linear, loss, rate, X, y, steps):
    optimizer = optim.SGD(linear.parameters(), lr=rate)
    X, y = accelnn.tensor(X), accelnn.tensor(y, dtype="float64").reshape(-1, 1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(linear(X), y).backward()
        optimizer.step()


by_graph = {name: layer(n_in) for name, n_in in (("perceptron", 2), ("line", 1), ("logistic", 2))}

sign = nn.Sign()  # 1 at 0
for _ in range(perceptron.n_iter_):
    for row, target in zip(separable, 2 * sides - 1, strict=True):
        descend(
            by_graph["perceptron"],
            lambda z, y: ((sign(z).detach() - y) * z).sum(),
            perceptron.gamma,
            row[None],
            [target],
            steps=1,
        )

half_mse = nn.MSELoss()
descend(
    by_graph["line"],
    lambda z, y: half_mse(z, y) / 2,
    line.learning_rate_,
    x_line,
    y_line,
    line.n_iter_,
)
descend(
    by_graph["logistic"],
    nn.BCEWithLogitsLoss(),
    logistic.learning_rate_,
    overlapping,
    classes,
    logistic.n_iter_,
)

differences = {}
estimators = {"perceptron": perceptron, "line": line, "logistic": logistic}
for name, estimator in estimators.items():
    w, b = np.ravel(estimator.coef_), np.ravel(estimator.intercept_)
    linear = by_graph[name]
    differences[name] = max(
        abs(linear.weight.numpy()[0] - w).max(), abs(linear.bias.numpy() - b).max()
    )
    print(
        f"{name:<10} w = {w.round(4)}, b = {b.round(4)}; graph differs by {differences[name]:.0e}"
    )

# %%
# Linear regression has a closed form besides, the normal equations, and descent has reached it:
A = np.column_stack([x_line, np.ones(80)])
closed_form = np.linalg.lstsq(A, y_line, rcond=None)[0]
off = max(abs(line.coef_[0] - closed_form[0]), abs(line.intercept_ - closed_form[1]))
print(f"least squares {closed_form.round(4)}, descent is off by {off:.0e}")

# %%
# The pictures
# ------------
figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
colours = np.array(["#0072B2", "#D55E00"])
for ax, X, y, estimator, title in (
    (axes[0], separable, sides, perceptron, "perceptron"),
    (axes[2], overlapping, classes, logistic, "logistic regression"),
):
    for label, marker in ((0, "o"), (1, "^")):
        chosen = X[y == label]
        ax.scatter(*chosen.T, c=colours[label], marker=marker, s=16, label=f"class {label}")
    scale = np.linspace(-4, 4, 101)
    grid = np.stack(np.meshgrid(scale, scale), axis=-1).reshape(-1, 2)
    z = estimator.decision_function(grid)
    if estimator is logistic:
        p = (1 / (1 + np.exp(-z))).reshape(101, 101)
        ax.contour(scale, scale, p, [0.1, 0.5, 0.9], colors="black", linewidths=[0.7, 1.5, 0.7])
    else:
        ax.contour(scale, scale, z.reshape(101, 101), [0.0], colors="black", linewidths=1.5)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$", aspect="equal", ylim=(-4.4, 4))
axes[0].legend(loc="lower center", ncols=2, fontsize="small", borderpad=0.2, columnspacing=1)
axes[1].plot(x_line, y_line, ".", color="#0072B2")
ends = np.array([[-2.2], [2.2]])
axes[1].plot(ends, line.predict(ends), color="black")
axes[1].set(title="linear regression", xlabel="$x$", ylabel="$y$")
plt.show()

# %%
# Left: the perceptron stops at the first line that makes no mistake, here after one epoch with ten
# of them, however near to a point that line lies. Right: the classes overlap, no line is without
# mistakes, and the perceptron would never end; logistic regression has a best line, and says beside
# it how sure it is (thin lines: a probability of 0.1 and of 0.9).
