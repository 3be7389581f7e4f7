"""Pictures of a fitted network, as displays in scikit-learn's manner and as methods.

They are drawn with matplotlib, which is imported only when something is drawn.
"""

from typing import Any

from accelnn.estimators._loss_curve import LossCurveDisplay as LossCurveDisplay
from accelnn.estimators._weight_images import WeightImageDisplay as WeightImageDisplay


class DisplayMixin:
    """The displays as methods of an estimator."""

    def plot_loss_curve(self, **kwargs: Any) -> LossCurveDisplay:
        """Draw the loss over the epochs; needs matplotlib.

        Parameters
        ----------
        **kwargs
            As ``accelnn.estimators.LossCurveDisplay.from_estimator`` takes them.

        Returns
        -------
        LossCurveDisplay
        """
        return LossCurveDisplay.from_estimator(self, **kwargs)

    def plot_weights(self, **kwargs: Any) -> WeightImageDisplay:
        """Draw the weights of the first layer as images; needs matplotlib.

        Parameters
        ----------
        **kwargs
            As ``accelnn.estimators.WeightImageDisplay.from_estimator`` takes them.

        Returns
        -------
        WeightImageDisplay
        """
        return WeightImageDisplay.from_estimator(self, **kwargs)
