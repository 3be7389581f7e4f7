"""What every display needs: the network it shows, and matplotlib, loaded when it draws."""

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def fitted_network(estimator: Any) -> Any:
    """Return the network in a pipeline or a search."""
    check_is_fitted(estimator)
    if hasattr(estimator, "best_estimator_"):
        return fitted_network(estimator.best_estimator_)
    return fitted_network(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def pyplot(caller: str) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib: pip install "accelnn[plot]" brings it.'
        ) from error
    return plt
