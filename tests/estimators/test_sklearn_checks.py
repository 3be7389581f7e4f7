"""scikit-learn's own suite for estimators, with no expected failures."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from accelnn import (
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Perceptron,
    list_backends,
)

#: The backends that run here; on a machine without a GPU that is all but "cupy".
BACKENDS = [s.name for s in list_backends() if s.usable and s.name in ("numpy", "numba", "cupy")]

#: One of each kind of fit: what is special to it does not depend on the backend. Early stopping is
#: not among them: it has no ``partial_fit``, and the suite's data are too few to hold any back.
#: max_fun keeps L-BFGS from probabilities of exactly 1, which one check does not allow.
KINDS: list[Any] = [
    MLPClassifier(solver="lbfgs", max_fun=30, backend="numpy"),
    MLPRegressor(solver="lbfgs", backend="numpy"),
    MLPClassifier(solver="sgd", backend="numpy"),
    MLPRegressor(solver="sgd", learning_rate_init=0.01, backend="numba"),
    MLPClassifier(solver="sgd", normalization="batch", backend="numpy"),
    MLPRegressor(normalization="layer", backend="numpy"),
    MLPClassifier(dropout=0.2, random_state=0, backend="numba"),
    MLPRegressor(loss="poisson", learning_rate_init=0.05, backend="numpy"),
]
ESTIMATORS = [
    kind(backend=name)
    for kind in (MLPClassifier, MLPRegressor, Perceptron, LinearRegression, LogisticRegression)
    for name in BACKENDS
]

#: What two checks cannot ask for: they repeat a row in place of weighing it by 2.
REPEATED = "check_sample_weight_equivalence_on_"
OF_ROWS = {
    "dropout": "each of the repeated rows loses units of its own",
    "normalization": "the mean and variance of a minibatch are those of its rows, unweighted",
}

pytestmark = [
    # The suite gives every estimator few epochs and tiny data, on which none can converge.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@parametrize_with_checks([*ESTIMATORS, *KINDS])  # type: ignore[untyped-decorator]
def test_scikit_learn_agrees(estimator: Any, check: Any) -> None:
    for argument, reason in OF_ROWS.items():
        changed = getattr(estimator, argument, None) not in (None, 0.0, "layer")
        if changed and check.func.__name__.startswith(REPEATED):
            pytest.skip(f"{argument}: {reason}")
    check(estimator)
