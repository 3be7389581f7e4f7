r"""
The boundaries that networks draw
=================================

Without a hidden layer a classifier can only draw a straight line. Hidden units bend it, and the
activation says how: with ReLU the boundary consists of straight pieces, with tanh it is smooth.
"""

# %%
# Two data sets, five networks
# ----------------------------
#
# Two moons and two rings of scikit-learn, 200 points each, with noise. The networks are a logistic
# regression and ``MLPClassifier`` with 4 or twice 32 hidden units.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_circles, make_moons

import accelnn
from accelnn import LogisticRegression, MLPClassifier, nn

data = {
    "moons": make_moons(200, noise=0.15, random_state=0),
    "rings": make_circles(200, noise=0.08, factor=0.5, random_state=0),
}


def classifiers():
    how = {
        "solver": "lbfgs",
        "alpha": 1e-2,
        "tol": 1e-3,
        "max_iter": 2000,
        "random_state": 1,
        "backend": "numpy",
    }
    return {
        "no hidden layer": LogisticRegression(solver="lbfgs", backend="numpy"),
        "ReLU 4": MLPClassifier((4,), activation="relu", **how),
        "ReLU 32-32": MLPClassifier((32, 32), activation="relu", **how),
        "tanh 4": MLPClassifier((4,), activation="tanh", **how),
        "tanh 32-32": MLPClassifier((32, 32), activation="tanh", **how),
    }


fitted = {}
for name, (X, y) in data.items():
    for label, classifier in classifiers().items():
        fitted[name, label] = classifier.fit(X, y)
right = {key: classifier.score(*data[key[0]]) for key, classifier in fitted.items()}
for (name, label), score in right.items():
    print(f"{name}, {label:<16} {score:.1%} of the points right")

# %%
# How to tell straight from smooth
# --------------------------------
#
# The boundary is where the last sum :math:`z` before the sigmoid is 0. If it is straight, the
# gradient :math:`\partial z/\partial x` is the same all along. So the weights of the estimators go
# into a ``Sequential``, and a backward pass gives that gradient at the points of a fine grid: how
# many different ones are there?
scale = np.linspace(-2, 3, 101), np.linspace(-2, 2, 101)
grid = np.stack(np.meshgrid(*scale), axis=-1).reshape(-1, 2)
bends = {"relu": nn.ReLU, "tanh": nn.Tanh}

heights, gradients, pieces = {}, {}, {}
for key, classifier in fitted.items():
    layers = []
    for W, b in zip(classifier.coefs_, classifier.intercepts_, strict=True):
        linear = nn.Linear(*W.shape, dtype="float64", backend="numpy")
        linear.load_state_dict({"weight": W.T, "bias": b})
        layers += [linear, bends.get(classifier.activation, nn.Identity)()]
    model = nn.Sequential(*layers[:-1])
    points = accelnn.tensor(grid, requires_grad=True)
    z = model(points)
    (slope,) = accelnn.grad(z.sum(), points)
    heights[key], gradients[key] = z.numpy()[:, 0], slope.numpy()
    size = np.abs(gradients[key]).max()
    pieces[key] = len(np.unique((gradients[key] / size).round(9), axis=0))
    print(f"{', '.join(key)}: {pieces[key]} different gradients at {len(grid)} points")

# %%
# A logistic regression has a single one. Four ReLUs are four lines, which cut the plane into at
# most 1 + 4 + 6 = 11 regions, and in each of them the gradient is constant; 2 · 32 of them make
# more and smaller regions. With tanh nearly every point has a gradient of its own.
#
# The pictures
# ------------
labels = list(classifiers())
figure, axes = plt.subplots(2, 5, figsize=(10, 3.9), height_ratios=(2, 3), layout="constrained")
for row, (name, (X, y)) in zip(axes, data.items(), strict=True):
    for ax, label in zip(row, labels, strict=True):
        z = heights[name, label].reshape(101, 101)
        ax.contourf(*scale, z, [-np.inf, 0, np.inf], colors=["#0072B2", "#D55E00"], alpha=0.2)
        ax.contour(*scale, z, [0], colors="black", linewidths=1.5)
        for value, marker, colour in ((0, "o", "#0072B2"), (1, "^", "#D55E00")):
            ax.plot(*X[y == value].T, marker, color=colour, markersize=2.5)
        ax.set(title=f"{label}, {right[name, label]:.1%}", xticks=[], yticks=[], aspect="equal")
        ax.title.set_fontsize("medium")
        limits = {"moons": (-1.6, 2.6, -1.2, 1.6), "rings": (-1.5, 1.5, -1.5, 1.5)}[name]
        ax.axis(limits)
plt.show()

# %%
# The boundaries of 4 ReLUs are polygons. Those of twice 32 look nearly as round as tanh's, but are
# polygons too, with shorter sides; a picture hides what the count of gradients shows.
#
# Does the activation matter beyond the looks? These were networks from a start that went well. Of
# ten starts each, how many have at least 99 % of the points right?
successes = {}
for name, (X, y) in data.items():
    for activation in ("relu", "tanh"):
        scores = [
            MLPClassifier(
                (4,),
                activation=activation,
                solver="lbfgs",
                alpha=1e-2,
                tol=1e-3,
                max_iter=2000,
                random_state=start,
                backend="numpy",
            )
            .fit(X, y)
            .score(X, y)
            for start in range(10)
        ]
        successes[name, activation] = sum(score >= 0.99 for score in scores)
        print(f"{name}, {activation} 4: {successes[name, activation]} of 10 starts")

# %%
# It does, in so small a network: on the moons most starts with 4 ReLUs end in a bend that is no
# better than a straight line, and none of tanh's do. A ReLU that is off for all points on the way
# is lost, and of four there are none to spare.
