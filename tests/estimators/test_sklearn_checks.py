"""scikit-learn's own suite for estimators, with no expected failures."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from accelnn import MLPClassifier, MLPRegressor

ESTIMATORS = [m(backend=b) for m in (MLPClassifier, MLPRegressor) for b in ("numpy", "numba")]

pytestmark = [
    # The suite gives every estimator few epochs and tiny data, on which none can converge.
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer. Maximum iterations"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
    # Checks for what is not installed or not claimed (pandas, sparse input) skip with a warning.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


@parametrize_with_checks(ESTIMATORS)  # type: ignore[untyped-decorator]
def test_scikit_learn_agrees(estimator: Any, check: Any) -> None:
    check(estimator)
