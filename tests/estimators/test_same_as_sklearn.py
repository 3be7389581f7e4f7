"""Same arguments, same seed, same data: scikit-learn's weights and losses, in float64.

Both run the same algorithm with the same random draws, so after a few epochs they differ by
rounding only, which the tolerance of the weights allows a thousandfold for what training makes
of it.
"""

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.exceptions import ConvergenceWarning

import accelnn as ours
from tests.estimators.conftest import data

pytestmark = [
    # Eight epochs are enough to compare, not to converge.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

WEIGHTS: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-10}
#: With alpha we report the mean of the penalty at both ends of an epoch, scikit-learn the mean
#: over its minibatches: the same while the weights change evenly, close to it otherwise.
PENALISED: dict[str, Any] = {"rtol": 2e-4, "atol": 0.0}

NAMES = {
    "binary": "MLPClassifier",
    "multiclass": "MLPClassifier",
    "multilabel": "MLPClassifier",
    "regression 1": "MLPRegressor",
    "regression 3": "MLPRegressor",
}
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    # Nothing improves by 1, so that the rate is divided by 5 in every second epoch.
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    "adam": {"solver": "adam"},
}


def both(task: str, backend: str, **arguments: Any) -> tuple[Any, Any]:
    """Return scikit-learn's estimator and ours, not fitted."""
    common: dict[str, Any] = {
        "hidden_layer_sizes": (9, 5),
        "max_iter": 8,
        "batch_size": 64,
        "learning_rate_init": 0.02,
        "random_state": 3,
    }
    common |= arguments
    name = NAMES[task]
    return getattr(theirs, name)(**common), getattr(ours, name)(**common, backend=backend)


def assert_same_weights(mine: Any, reference: Any) -> None:
    assert len(mine.coefs_) == len(reference.coefs_)
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(mine, name), getattr(reference, name), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, **WEIGHTS)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_constructor_is_theirs_and_backend(name: str) -> None:
    expected = dict(inspect.signature(getattr(theirs, name)).parameters)
    found = dict(inspect.signature(getattr(ours, name)).parameters)
    assert found.pop("backend").default == "auto"
    described = {k: (p.default, p.kind) for k, p in found.items()}
    assert described == {k: (p.default, p.kind) for k, p in expected.items()}
    assert list(found) == list(expected)  # positions too
    mine = getattr(ours, name)().get_params()
    assert mine.pop("backend") == "auto"
    assert mine == getattr(theirs, name)().get_params()


@pytest.mark.parametrize("alpha", [0.0, 0.01])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", NAMES)
def test_weights_and_losses(task: str, solver: str, alpha: float, backend: str) -> None:
    X, y = data(task)
    reference, mine = both(task, backend, alpha=alpha, **SOLVERS[solver])
    reference.fit(X, y)
    mine.fit(X, y)
    assert_same_weights(mine, reference)
    assert len(mine.loss_curve_) == 8
    exact: dict[str, Any] = {"rtol": 1e-10, "atol": 0.0}
    np.testing.assert_allclose(
        mine.loss_curve_, reference.loss_curve_, **(PENALISED if alpha else exact)
    )
    assert mine.loss_ == mine.loss_curve_[-1]
    assert mine.best_loss_ == min(mine.loss_curve_)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_"):
        assert getattr(mine, name) == getattr(reference, name), name
    assert (mine.backend_, mine.engine_) == (backend, "program")


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("task", NAMES)
def test_lbfgs(task: str, alpha: float, backend: str) -> None:
    X, y = data(task)
    reference, mine = both(task, backend, alpha=alpha, solver="lbfgs")
    reference.fit(X, y)
    mine.fit(X, y)
    assert mine.n_iter_ == reference.n_iter_ == 8
    assert_same_weights(mine, reference)
    assert mine.loss_ == pytest.approx(reference.loss_, rel=1e-10)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", ["multiclass", "regression 1"])
def test_activations(task: str, activation: str, backend: str) -> None:
    X, y = data(task)
    reference, mine = both(task, backend, activation=activation)
    assert_same_weights(mine.fit(X, y), reference.fit(X, y))


@pytest.mark.parametrize("task", NAMES)
def test_predictions(task: str, backend: str) -> None:
    X, y = data(task)
    reference, mine = both(task, backend)
    reference.fit(X, y)
    mine.fit(X, y)
    methods = ["predict"]
    if NAMES[task] == "MLPClassifier":
        methods += ["predict_proba", "predict_log_proba"]
        np.testing.assert_array_equal(mine.classes_, reference.classes_)
    for method in methods:
        found, expected = getattr(mine, method)(X), getattr(reference, method)(X)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    assert mine.score(X, y) == pytest.approx(reference.score(X, y), rel=1e-9)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", ["auto", 1, 150])
def test_minibatches(shuffle: bool, batch_size: Any, backend: str) -> None:
    X, y = data("binary")
    more = {"shuffle": shuffle, "batch_size": batch_size, "max_iter": 3}
    reference, mine = both("binary", backend, **more)
    assert_same_weights(mine.fit(X, y), reference.fit(X, y))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", NAMES)
def test_early_stopping(task: str, solver: str, backend: str) -> None:
    """The same rows are held back, the same epoch is the best, its weights are kept."""
    X, y = data(task)
    more = {"solver": solver, "early_stopping": True, "max_iter": 40, "n_iter_no_change": 3}
    reference, mine = both(task, backend, alpha=0.0, learning_rate_init=0.1, **more)
    reference.fit(X, y)
    mine.fit(X, y)
    np.testing.assert_allclose(mine.validation_scores_, reference.validation_scores_, rtol=1e-8)
    assert mine.n_iter_ == reference.n_iter_ < 40
    assert mine.best_loss_ is None
    assert_same_weights(mine, reference)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start(solver: str, backend: str) -> None:
    X, y = data("binary")
    reference, mine = both("binary", backend, solver=solver, warm_start=True, max_iter=4)
    for estimator in (reference, mine):
        estimator.fit(X, y).fit(X, y)
    assert_same_weights(mine, reference)
    assert mine.n_iter_ == reference.n_iter_ == 4


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", NAMES)
def test_partial_fit_goes_on(task: str, solver: str, backend: str) -> None:
    """Momentum, Adam's averages, the learning rate and the step count last between the calls."""
    X, y = data(task)
    reference, mine = both(task, backend, alpha=0.0, **SOLVERS[solver])
    classes = np.arange(3) if task == "multilabel" else np.unique(y)
    first = {"classes": classes} if NAMES[task] == "MLPClassifier" else {}
    for estimator in (reference, mine):
        estimator.partial_fit(X[:80], y[:80], **first)
        for _ in range(3):
            estimator.partial_fit(X[80:], y[80:])
    assert_same_weights(mine, reference)
    np.testing.assert_allclose(mine.loss_curve_, reference.loss_curve_, rtol=1e-10)
    assert (mine.t_, mine.n_iter_) == (reference.t_, reference.n_iter_) == (80 + 3 * 70, 1)


def test_fit_then_partial_fit(backend: str) -> None:
    X, y = data("binary")
    reference, mine = both("binary", backend)
    for estimator in (reference, mine):
        estimator.fit(X, y).partial_fit(X, y).partial_fit(X[:80], y[:80])
    assert_same_weights(mine, reference)


@pytest.mark.parametrize("sizes", [(), (1,), 12, [6, 4, 3], np.array([3, 2])])
def test_hidden_layers(sizes: Any, backend: str) -> None:
    X, y = data("multiclass")
    reference, mine = both("multiclass", backend, hidden_layer_sizes=sizes)
    assert_same_weights(mine.fit(X, y), reference.fit(X, y))


def test_stopping_when_nothing_improves(backend: str, capsys: Any) -> None:
    X, y = data("binary")
    reference, mine = both(
        "binary", backend, alpha=0.0, tol=0.05, n_iter_no_change=2, max_iter=300, verbose=True
    )
    said = []
    for estimator in (reference, mine):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            estimator.fit(X, y)
        said.append(capsys.readouterr().out.splitlines())
    assert mine.n_iter_ == reference.n_iter_ < 300
    assert said[0] == said[1]  # the words too
    assert said[1][-1].startswith("Training loss did not improve more than tol=0.05")
