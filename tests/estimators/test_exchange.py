"""Fitted networks from scikit-learn and back: what they predict, and how they go on."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import accelnn as ours
from accelnn import from_sklearn
from tests.estimators.conftest import data as of_task

pytestmark = [
    # A few epochs, so as to compare.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

#: As in test_same_as_sklearn.py: rounding, a thousandfold for what training makes of it.
WEIGHTS: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-10}
CLOSE: dict[Any, dict[str, Any]] = {
    np.float64: {"rtol": 1e-12, "atol": 1e-13},
    np.float32: {"rtol": 1e-5, "atol": 1e-6},
}

CLASSIFIERS = ["binary", "multiclass", "multilabel"]
TASKS = [*CLASSIFIERS, "regression 1", "regression 3", "poisson"]
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    # Nothing improves by 1, so that the rate is divided by 5 in every second epoch.
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    "adam": {"solver": "adam"},
}
COMMON = [
    *["loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"],
    *["n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"],
    *["feature_names_in_", "classes_", "coefs_", "intercepts_"],
]


def data(task: str) -> tuple[Any, Any]:
    if task == "poisson":
        X, y = of_task("regression 1")
        return X, np.floor(np.exp(np.clip(y, -1, 2)))
    return of_task(task)


def made(library: Any, task: str, **arguments: Any) -> Any:
    """Return an estimator of one of the two libraries, not fitted."""
    common: dict[str, Any] = {
        "hidden_layer_sizes": (9, 5),
        "activation": "tanh",
        "max_iter": 6,
        "batch_size": 64,
        "learning_rate_init": 0.02,
        "random_state": 3,
    }
    if task == "poisson":
        common["loss"] = "poisson"
    kind = library.MLPClassifier if task in CLASSIFIERS else library.MLPRegressor
    return kind(**common | arguments)


def arrays(model: Any) -> list[Any]:
    return [*model.coefs_, *model.intercepts_]


def assert_same_weights(a: Any, b: Any) -> None:
    for mine, reference in zip(arrays(a), arrays(b), strict=True):
        assert mine.dtype == reference.dtype
        assert_allclose(mine, reference, **WEIGHTS)


def assert_same_state(a: Any, b: Any) -> None:
    """Bitwise the same attributes, but no memory in common."""
    for name in COMMON:
        assert hasattr(a, name) == hasattr(b, name), name
        if hasattr(a, name):
            mine, reference = getattr(a, name), getattr(b, name)
            assert type(mine) is type(reference), name
            if name in ("coefs_", "intercepts_"):
                for one, other in zip(mine, reference, strict=True):
                    assert one.dtype == other.dtype
                    assert_array_equal(one, other)
                    assert not np.may_share_memory(one, other)
            else:
                assert_array_equal(mine, reference, err_msg=name)
                assert mine is not reference or not isinstance(mine, list | np.ndarray), name


def outputs(model: Any, X: Any) -> list[Any]:
    """Return all that a fitted model says of X."""
    names = ["predict"]
    names += ["predict_proba", "predict_log_proba"] if hasattr(model, "predict_proba") else []
    return [getattr(model, name)(X) for name in names]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", TASKS)
def test_predictions_are_scikit_learns(task: str, solver: str, dtype: Any) -> None:
    X, y = data(task)
    X = X.astype(dtype)
    reference = made(theirs, task, solver=solver).fit(X, y)
    mine = from_sklearn(reference)
    assert_same_state(mine, reference)
    for found, expected in zip(outputs(mine, X), outputs(reference, X), strict=True):
        assert found.dtype == expected.dtype
        assert_allclose(found, expected, **CLOSE[dtype])
    assert mine.score(X, y) == pytest.approx(reference.score(X, y), rel=1e-5)
    known = reference.get_params()
    assert {name: mine.get_params()[name] for name in known} == known


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", TASKS)
def test_there_and_back(task: str, solver: str, backend: str) -> None:
    X, y = data(task)
    model = made(ours, task, solver=solver, backend=backend).fit(X, y)
    there = model.to_sklearn()
    back = from_sklearn(there, backend=backend)
    for twin in (there, back):
        assert_same_state(twin, model)
    assert back.get_params() == model.get_params()
    assert (back.backend_, back.backend_choice_) == (backend, "named in the call")
    said = zip(outputs(model, X), outputs(back, X), outputs(there, X), strict=True)
    for first, again, other in said:
        assert first.tobytes() == again.tobytes()
        assert first.dtype == other.dtype
        assert_allclose(other, first, **CLOSE[np.float64])
    if solver != "lbfgs":
        assert_array_equal(back._rule.kept, model._rule.kept)
        assert back._rule.lr == model._rule.lr


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", ["multiclass", "regression 3"])
def test_training_goes_on_here(task: str, solver: str, backend: str) -> None:
    """Velocities, moments, the count of the steps and the rate are those that were reached."""
    X, y = data(task)
    reference = made(theirs, task, **SOLVERS[solver]).fit(X, y)
    mine = from_sklearn(reference, backend=backend)
    for _ in range(3):
        reference.partial_fit(X, y)
        mine.partial_fit(X, y)
    assert_same_weights(mine, reference)
    assert mine.t_ == reference.t_ == 9 * 150
    assert len(mine.loss_curve_) == 9
    if solver == "adaptive":
        assert mine._rule.lr == reference._optimizer.learning_rate < 0.02 / 5


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", ["multiclass", "regression 3"])
def test_training_goes_on_there(task: str, solver: str, backend: str) -> None:
    X, y = data(task)
    mine = made(ours, task, backend=backend, **SOLVERS[solver]).fit(X, y)
    there = mine.to_sklearn()
    for _ in range(3):
        mine.partial_fit(X, y)
        there.partial_fit(X, y)
    assert_same_weights(mine, there)
    assert there.t_ == 9 * 150
    if solver == "adaptive":
        assert there._optimizer.learning_rate == mine._rule.lr < 0.02 / 5


@pytest.mark.parametrize("direction", ["here", "there"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_warm_start_goes_on(early_stopping: bool, direction: str) -> None:
    """It stops in the same epoch too: how long nothing has improved is not forgotten."""
    X, y = data("binary")
    how = {"warm_start": True, "max_iter": 30, "tol": 0.01, "n_iter_no_change": 4, "alpha": 0.0}
    how |= {"early_stopping": early_stopping}
    first = made(theirs if direction == "here" else ours, "binary", **how).fit(X, y)
    second = from_sklearn(first) if direction == "here" else first.to_sklearn()
    first.fit(X, y)
    second.fit(X, y)
    assert second.n_iter_ == first.n_iter_ < 30
    assert_same_weights(second, first)
    assert_allclose(second.loss_curve_, first.loss_curve_, rtol=1e-9)
    assert second.validation_scores_ == first.validation_scores_
    if direction == "here" and early_stopping:  # scikit-learn keeps no losses of them
        curve = np.array(second.validation_loss_curve_)
        unknown = len(curve) - second.n_iter_
        assert len(curve) == len(second.validation_scores_)
        assert np.isnan(curve).tolist() == [True] * unknown + [False] * second.n_iter_


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_optimizers_own_numbers_count(optimizer: str) -> None:
    """In scikit-learn they outlast ``set_params``, until the next ``fit``."""
    X, y = data("binary")
    reference = made(theirs, "binary", solver=optimizer).fit(X, y)
    reference.set_params(learning_rate_init=0.5, momentum=0.1, beta_1=0.5)
    mine = from_sklearn(reference)
    assert_same_weights(mine.partial_fit(X, y), reference.partial_fit(X, y))


def test_nothing_done_to_one_changes_the_other() -> None:
    X, y = data("binary")
    reference = made(theirs, "binary").fit(X, y)
    expected = reference.predict_proba(X)
    mine = from_sklearn(reference)
    there = mine.to_sklearn()
    for model in (mine, there):
        model.partial_fit(X, y)
    assert_array_equal(reference.predict_proba(X), expected)
    kept = [*reference._optimizer.ms, *reference._optimizer.vs]
    fresh = from_sklearn(reference)
    fresh._rule.kept[...] = 0.0
    assert all(a.any() for a in kept)


def test_a_generator_goes_on_in_both() -> None:
    X, y = data("binary")
    reference = made(theirs, "binary", random_state=np.random.RandomState(7)).fit(X, y)
    mine = from_sklearn(reference)
    assert mine.random_state is not reference.random_state
    assert_same_weights(mine.partial_fit(X, y), reference.partial_fit(X, y))


@pytest.mark.parametrize(
    "labels",
    [["only"] * 150, np.array(["no", "yes"] * 75, object), np.arange(150) % 3 * 10 - 5],
    ids=["one class", "text", "integers"],
)
def test_labels(labels: Any) -> None:
    X, y = data("binary")[0], np.asarray(labels)
    reference = made(theirs, "binary").fit(X, y)
    mine = from_sklearn(reference)
    there = mine.to_sklearn()
    for model in (mine, there):
        assert model.classes_.tolist() == reference.classes_.tolist()
        assert model.classes_.dtype == reference.classes_.dtype
        assert model.predict(X).tolist() == reference.predict(X).tolist()
        assert model.predict_proba(X).shape == reference.predict_proba(X).shape


def test_classes_that_partial_fit_has_not_met() -> None:
    X, y = data("binary")
    reference = made(theirs, "binary").partial_fit(X, y, classes=[0, 1, 2])
    mine = from_sklearn(reference)
    there = mine.to_sklearn()
    late = np.where(np.arange(150) % 3 == 2, 2, y)
    reference.partial_fit(X, late)
    for model in (mine, there):
        assert_same_weights(model.partial_fit(X, late), reference)
        assert model.predict_proba(X).shape == (150, 3)


def test_feature_names_and_pickle() -> None:
    X, y = data("multiclass")
    reference = made(theirs, "multiclass").fit(X, y)
    reference.feature_names_in_ = np.array(list("abcdefg"), object)
    there = from_sklearn(reference).to_sklearn()
    twin = pickle.loads(pickle.dumps(there))
    assert twin.feature_names_in_.tolist() == list("abcdefg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # X has no names
        assert_array_equal(twin.predict_proba(X), reference.predict_proba(X))
        assert_same_weights(twin.partial_fit(X, y), reference.partial_fit(X, y))


def test_without_hidden_layers() -> None:
    X, y = data("multiclass")
    reference = made(theirs, "multiclass", hidden_layer_sizes=()).fit(X, y)
    mine = from_sklearn(reference)
    one_per_hidden_layer: list[str] = []
    for activation in ("tanh", one_per_hidden_layer):
        there = mine.set_params(activation=activation).to_sklearn()
        assert_array_equal(there.predict_proba(X), reference.predict_proba(X))


def test_early_stopping_returns_to_the_weights_that_came_over() -> None:
    """If no later epoch is better; scikit-learn keeps the best weights in arrays of their own."""
    X, y = data("binary")
    how = {"early_stopping": True, "warm_start": True}
    there = made(ours, "binary", **how).fit(X, y).to_sklearn()
    there.best_validation_score_ = 2.0
    came = [w.copy() for w in arrays(there)]
    assert not np.may_share_memory(there._best_coefs[0], there.coefs_[0])
    there.fit(X, y)
    for found, expected in zip(arrays(there), came, strict=True):
        assert_array_equal(found, expected)


class Subclass(theirs.MLPClassifier):  # type: ignore[misc]
    """Might predict in a way of its own."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Subclass(), "not of a subclass; got .*test_exchange.Subclass"),
        (ours.MLPClassifier(), "got accelnn.estimators.classifier.MLPClassifier"),
        (make_pipeline(theirs.MLPClassifier()), "got sklearn.pipeline.Pipeline"),
    ],
)
def test_what_is_not_taken(given: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        from_sklearn(given)


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError, match="MLPRegressor instance is not fitted"):
        from_sklearn(theirs.MLPRegressor())
    with pytest.raises(NotFittedError, match="MLPClassifier instance is not fitted"):
        ours.MLPClassifier().to_sklearn()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"activation": ["relu", "tanh"]}, r"one activation for all .* not \['relu', 'tanh'\]"),
        ({"activation": "leaky_relu"}, "no activation='leaky_relu'"),
        ({"activation": ["elu", "elu"]}, "no activation='elu'"),
        ({"normalization": "layer"}, "no normalisation layers: normalization='layer'"),
    ],
)
def test_networks_that_scikit_learn_has_not(arguments: dict[str, Any], said: str) -> None:
    model = made(ours, "binary", **arguments).fit(*data("binary"))
    with pytest.raises(ValueError, match=said):
        model.to_sklearn()


def test_outputs_that_scikit_learn_has_not() -> None:
    model = made(ours, "regression 1").fit(*data("regression 1"))
    model.out_activation_ = "exp"
    with pytest.raises(ValueError, match="out_activation_='exp', from loss='squared_error': there"):
        model.to_sklearn()


def test_a_list_of_one_activation_is_that_activation() -> None:
    X, y = data("binary")
    model = made(ours, "binary", activation=["tanh", "tanh"]).fit(X, y)
    there = model.to_sklearn()
    assert there.activation == "tanh"
    assert_allclose(there.predict_proba(X), model.predict_proba(X), **CLOSE[np.float64])


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("multiclass", {"class_weight": "balanced", "label_smoothing": 0.1}),
        ("multiclass", {"dropout": [0.0, 0.2], "l1": 0.1}),
        ("multiclass", {"weight_decay": 0.01, "max_grad_norm": 1.0}),
        ("multiclass", {"loss": "focal"}),
        ("multiclass", {"solver": "adamw"}),
        ("multiclass", {"solver": "rmsprop", "dtype": "float64"}),
        ("regression 3", {"loss": "huber"}),
        ("regression 1", {"learning_rate": lambda epoch, max_iter: 1.0}),
        ("regression 1", {"max_time": 60.0}),
    ],
)
def test_what_concerns_training_alone_is_named(task: str, arguments: dict[str, Any]) -> None:
    X, y = data(task)
    model = made(ours, task, **arguments).fit(X, y)
    with pytest.warns(UserWarning, match="cannot do this and trains without it") as caught:
        there = model.to_sklearn()
    assert [warning.filename for warning in caught] == [__file__]
    named = str(caught[0].message).rpartition(": ")[2]
    assert sorted(named.split(", ")) == sorted(arguments)
    for found, expected in zip(outputs(there, X), outputs(model, X), strict=True):
        assert_allclose(found, expected, **CLOSE[np.float64])
    assert hasattr(there, "_optimizer") == ("solver" not in arguments)  # another's states
    there.partial_fit(X, y)  # goes on, in scikit-learn's way
    assert there.t_ == model.t_ + 150


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_schedule_leaves_no_rate_behind(solver: str) -> None:
    X, y = data("binary")
    model = made(ours, "binary", solver=solver, learning_rate=lambda epoch, max_iter: 1e-9)
    with pytest.warns(UserWarning, match=r": learning_rate$"):
        there = model.fit(X, y).to_sklearn()
    assert there.learning_rate == "constant"
    optimizer = there._optimizer
    rate = optimizer.learning_rate if solver == "sgd" else optimizer.learning_rate_init
    assert rate == 0.02
    before = [w.copy() for w in there.coefs_]
    there.partial_fit(X, y)
    assert max(abs(a - b).max() for a, b in zip(before, there.coefs_, strict=True)) > 1e-3


def test_callbacks_stay_behind() -> None:
    model = made(ours, "binary").fit(*data("binary")).set_callbacks(ProgressBar())
    with pytest.warns(UserWarning, match=": callbacks$"):
        model.to_sklearn()
