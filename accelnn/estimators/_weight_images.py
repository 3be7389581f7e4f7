"""The weights of the first layer, as pictures."""

from math import isqrt
from typing import Any

import numpy as np

from accelnn.estimators._drawing import fitted_network, pyplot


class WeightImageDisplay:
    """What the units of the first layer look at: the weights of each as an image.

    Parameters
    ----------
    weights : ndarray of shape (n_units, height, width)

    Attributes
    ----------
    axes_ : ndarray of matplotlib axes
        One per image, in rows.
    figure_
        The figure that holds them.
    images_ : list of matplotlib images
        One per unit. All have one range of colours, from -m to m, where m is the greatest
        absolute weight among them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from accelnn import MLPClassifier
    >>> from accelnn.estimators.display import WeightImageDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPClassifier(early_stopping=True, random_state=0).fit(X / 16, y)
    >>> display = WeightImageDisplay.from_estimator(model)
    >>> display.images_[0].get_array().shape
    (8, 8)
    """

    def __init__(self, *, weights: Any) -> None:
        self.weights = weights

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        shape: tuple[int, int] | None = None,
        n_units: int = 16,
        cmap: Any = "RdBu_r",
        figure: Any = None,
    ) -> "WeightImageDisplay":
        """Draw the weights of the first units of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted network, scikit-learn's own included; a pipeline that ends in one; a fitted
            search for one.
        shape : (height, width) or None
            Of an image. None: a square, where the number of inputs is one.
        n_units : int
            How many units of the first layer to draw at most, from the first on.
        cmap, figure
            As in ``plot``.

        Returns
        -------
        WeightImageDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the inputs do not fill an image of this shape, or the estimator is not a network.
        ImportError
            If matplotlib is not installed.
        """
        if n_units < 1:
            raise ValueError(f"n_units must be at least 1, got {n_units}.")
        network = fitted_network(estimator)
        if not hasattr(network, "coefs_"):
            raise ValueError(
                f"{type(network).__name__} has no coefs_: only multi-layer perceptrons have a "
                "first layer to draw."
            )
        first = np.asarray(network.coefs_[0])
        height, width = _image_shape(len(first), shape)
        return cls(weights=first[:, :n_units].T.reshape(-1, height, width)).plot(
            cmap=cmap, figure=figure
        )

    def plot(self, *, cmap: Any = "RdBu_r", figure: Any = None) -> "WeightImageDisplay":
        """Draw the images in a grid.

        Parameters
        ----------
        cmap : str or matplotlib colormap
            Its middle is a weight of zero.
        figure : matplotlib figure or subfigure, or None
            To draw in; a new one by default.

        Returns
        -------
        WeightImageDisplay
            This one.
        """
        plt = pyplot("WeightImageDisplay")
        n = len(self.weights)
        columns = isqrt(n - 1) + 1
        if figure is None:
            figure = plt.figure(layout="constrained")
        grid = figure.subplots(-(-n // columns), columns, squeeze=False).ravel()
        self.figure_, self.axes_ = figure, grid[:n]
        for unused in grid[n:]:
            unused.remove()
        limit = float(np.abs(self.weights).max()) or 1.0  # 1: all are zero, and any range will do
        self.images_ = []
        for i, (ax, image) in enumerate(zip(self.axes_, self.weights, strict=True)):
            self.images_.append(ax.imshow(image, cmap=cmap, vmin=-limit, vmax=limit))
            ax.set_title(f"Unit {i}", fontsize="small")
            ax.set(xticks=[], yticks=[])
        figure.colorbar(self.images_[0], ax=list(self.axes_), label="Weight")
        return self


def _image_shape(n_inputs: int, shape: tuple[int, int] | None) -> tuple[int, int]:
    if shape is None:
        side = isqrt(n_inputs)
        if side**2 == n_inputs:
            return side, side
        got = "which make no square image"
    else:
        height, width = shape
        if height * width == n_inputs:
            return height, width
        got = f"which do not fill an image of shape {tuple(shape)}"
    raise ValueError(
        f"The first layer has {n_inputs} inputs, {got}: pass shape=(height, width) with "
        f"height * width == {n_inputs}."
    )
