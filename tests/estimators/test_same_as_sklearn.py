"""Same arguments, same seed, same data: scikit-learn's weights and losses, in float64.

Both run the same algorithm with the same random draws, so after a few epochs they differ by
rounding only, which the tolerance of the weights allows a thousandfold for what training makes
of it.
"""

import inspect
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs

import accelnn as ours
from tests.estimators.conftest import data
from tests.estimators.pairs import (
    EXACT,
    NAMES,
    SOLVERS,
    assert_same_fit,
    assert_same_weights,
    both,
    small,
)

pytestmark = [
    # Eight epochs are enough to compare, not to converge.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

#: What the estimators take beyond scikit-learn's arguments, with what leaves it out.
MORE: dict[str, Any] = {
    "dropout": 0.0,
    "normalization": None,
    "l1": 0.0,
    "weight_decay": None,
    "max_grad_norm": None,
    "initial_weights": None,
    "scoring": None,
    "max_time": None,
    "dtype": None,
    "backend": "auto",
}
CLASSIFIERS: dict[str, Any] = {"loss": "log_loss", "class_weight": None, "label_smoothing": 0.0}


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_constructor_is_theirs_and_more(name: str) -> None:
    expected = inspect.signature(getattr(theirs, name)).parameters
    found = inspect.signature(getattr(ours, name)).parameters
    more = MORE if name == "MLPRegressor" else CLASSIFIERS | MORE
    assert list(found) == [*expected, *more]  # positions too
    for argument, parameter in expected.items():
        assert (found[argument].default, found[argument].kind) == (
            parameter.default,
            parameter.kind,
        )
    assert {argument: found[argument].default for argument in more} == more
    assert {found[argument].kind for argument in more} == {inspect.Parameter.KEYWORD_ONLY}
    assert getattr(ours, name)().get_params() == getattr(theirs, name)().get_params() | more


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
    np.testing.assert_allclose(mine.loss_curve_, reference.loss_curve_, **EXACT)
    assert mine.loss_ == mine.loss_curve_[-1]
    assert mine.best_loss_ == min(mine.loss_curve_)
    assert_same_fit(mine, reference)
    assert (mine.backend_, mine.engine_) == (backend, "program")


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("task", NAMES)
def test_lbfgs(task: str, alpha: float, backend: str) -> None:
    X, y = data(task)
    reference, mine = both(task, backend, alpha=alpha, solver="lbfgs")
    reference.fit(X, y)
    mine.fit(X, y)
    assert mine.n_iter_ == reference.n_iter_ == 8
    assert_same_fit(mine, reference)


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
@pytest.mark.parametrize("batch_size", ["auto", 1, 149, 150])
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
    assert_same_fit(mine, reference)


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
    assert_same_fit(mine, reference)
    assert (mine.t_, mine.n_iter_) == (reference.t_, reference.n_iter_) == (80 + 3 * 70, 1)


@pytest.mark.parametrize("sizes", [(), (1,), 12, np.int64(4), [6, 4, 3], np.array([3, 2])])
def test_hidden_layers(sizes: Any, backend: str) -> None:
    X, y = data("multiclass")
    reference, mine = both("multiclass", backend, hidden_layer_sizes=sizes)
    assert_same_fit(mine.fit(X, y), reference.fit(X, y))


@pytest.mark.parametrize(
    "arguments",
    [{"n_iter_no_change": np.inf, "tol": 1e9}, {"tol": 0.0}, {"tol": 1e9, "n_iter_no_change": 2}],
    ids=["never", "any improvement counts", "none counts"],
)
def test_when_to_stop(arguments: dict[str, Any], backend: str) -> None:
    X, y = data("binary")
    reference, mine = both("binary", backend, alpha=0.0, max_iter=30, **arguments)
    assert_same_fit(mine.fit(X, y), reference.fit(X, y))


@pytest.mark.parametrize("arguments", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
@pytest.mark.parametrize("task", ["binary", "regression 3"])
def test_a_random_state_is_left_as_theirs(
    task: str, arguments: dict[str, Any], backend: str
) -> None:
    """A generator is drawn from, not seeded anew: a second fit goes on where the first ended."""
    X, y = small(task)
    states = []
    pair = both(task, backend, **arguments)
    for estimator in pair:
        drawn = np.random.RandomState(7)
        estimator.set_params(random_state=drawn).fit(X, y).fit(X, y)
        states.append(drawn.get_state(legacy=False))
    np.testing.assert_equal(states[1], states[0])
    assert_same_fit(pair[1], pair[0])


def test_without_a_seed_numpy_s_global_one_is_drawn_from(backend: str) -> None:
    X, y = data("binary")
    pair = both("binary", backend, random_state=None)
    before = np.random.get_state()  # noqa: NPY002 - that one is meant
    try:
        for estimator in pair:
            np.random.seed(5)  # noqa: NPY002
            estimator.fit(X, y)
    finally:
        np.random.set_state(before)  # noqa: NPY002
    assert_same_fit(pair[1], pair[0])
