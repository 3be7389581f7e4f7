"""scikit-learn's callback protocol: what callbacks hear, when, and that they change nothing.

``ProgressBar`` and ``ScoringMonitor`` are in ``test_tools.py``.
"""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning

from accelnn import MLPClassifier, MLPRegressor, nn
from tests.estimators.by_hand import assert_equal_weights, weights
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer. Maximum iterations")

WAYS: dict[str, dict[str, Any]] = {
    "program": {},
    "eager": {"loss": nn.FocalLoss()},
    "batch": {"normalization": "batch"},
    "dropout": {"dropout": 0.3},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}
ways = pytest.mark.parametrize("way", WAYS)


class Heard:
    """A callback that notes all that it hears."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.events: list[str] = []
        self.given: list[tuple[Any, Any, Any]] = []
        self.models: list[Any] = []
        self.then: list[list[Any]] = []
        self.epochs = 0

    def setup(self, estimator: Any, context: Any) -> None:
        self.events.append("setup")
        assert context.task_name == "fit"
        self.max_subtasks = context.max_subtasks

    def teardown(self, estimator: Any, context: Any) -> None:
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.events.append(f"{context.task_name} {context.task_id} begins")

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        X: Any,
        y: Any,
        metadata: Any,
        fitted_estimator: Any,
    ) -> bool:
        self.events.append(f"{context.task_name} {context.task_id} ends")
        self.given.append((X, y, metadata))
        self.models.append(fitted_estimator)
        self.then.append(weights(fitted_estimator))
        if context.task_name == "fit":
            return False
        self.epochs += 1
        return self.epochs == self.stop_after


def network(backend: str, way: str = "program", **arguments: Any) -> Any:
    made: dict[str, Any] = {"max_iter": 4, "random_state": 0, "batch_size": 40}
    return MLPClassifier((5,), backend=backend, **(made | WAYS[way] | arguments))


def epochs(n: int) -> list[str]:
    return [f"epoch {i} {what}" for i in range(n) for what in ("begins", "ends")]


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@ways
def test_order_and_number_of_tasks(way: str, backend: str) -> None:
    X, y = data("binary")
    heard = Heard()
    model = network(backend, way).set_callbacks(heard).fit(X, y)
    assert model.n_iter_ == 4
    around = [["setup", "fit 0 begins"], ["fit 0 ends", "teardown"]]
    assert heard.events == around[0] + epochs(4) + around[1]
    assert heard.max_subtasks == 4


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@ways
def test_callbacks_change_nothing(way: str, backend: str) -> None:
    X, y = data("binary")
    listened = network(backend, way).set_callbacks(Heard()).fit(X, y)
    plain = network(backend, way).fit(X, y)
    assert_equal_weights(listened, plain)
    assert listened.loss_ == pytest.approx(plain.loss_, rel=1e-14)
    assert set(vars(listened)) - set(vars(plain)) == {"_skl_callbacks"}


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@ways
def test_the_estimator_as_of_each_epoch(way: str, backend: str) -> None:
    """It predicts as a shorter fit does, and later epochs do not change it."""
    X, y = data("binary")
    heard = Heard()
    model = network(backend, way).set_callbacks(heard).fit(X, y)
    for epoch, (then, held) in enumerate(zip(heard.models, heard.then, strict=True), 1):
        for a, b in zip(weights(then), held, strict=True):
            np.testing.assert_array_equal(a, b)
        assert then is not model
        if way == "early stopping":  # a shorter fit would keep the best
            continue
        short = network(backend, way, max_iter=min(epoch, 4)).fit(X, y)
        np.testing.assert_array_equal(then.predict_proba(X), short.predict_proba(X))
        assert then.n_iter_ == min(epoch, 4)
    np.testing.assert_array_equal(heard.models[-1].predict_proba(X), model.predict_proba(X))
    assert not np.array_equal(heard.then[0][0], heard.then[3][0])


def test_early_stopping_ends_with_the_best(backend: str) -> None:
    """An epoch's estimator is as it was then, the fit's is the best of them."""
    X, y = data("multiclass")
    heard = Heard()
    arguments: Any = {"learning_rate_init": 0.1, "max_iter": 30, "scoring": "loss"}
    model = network(backend, "early stopping", **arguments).set_callbacks(heard).fit(X, y)
    best = int(np.argmax(model.validation_scores_))
    assert best < model.n_iter_ - 1
    for a, b in zip(weights(model), heard.then[best], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(heard.then[-2][0], heard.then[best][0])


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@ways
def test_what_callbacks_are_given(way: str, backend: str) -> None:
    """The data, and the weights of rows as given, without those of classes."""
    X, y = data("binary")
    rows = np.random.default_rng(0).random(150)
    plain, weighted = Heard(), Heard()
    model = network(backend, way, class_weight={0: 1, 1: 5})
    model.set_callbacks(plain).fit(X, y)
    model.set_callbacks(weighted).fit(X, y, sample_weight=rows)
    for heard, metadata in ((plain, {}), (weighted, {"sample_weight": rows})):
        assert len(heard.given) == 5
        for given in heard.given:
            np.testing.assert_array_equal(given[0], X)
            np.testing.assert_array_equal(given[1], y)
            assert given[2].keys() == metadata.keys()
            for name, expected in metadata.items():
                np.testing.assert_array_equal(given[2][name], expected)


def test_a_monitor_weighs_rows(backend: str) -> None:
    X, y = data("binary")
    rows = np.random.default_rng(0).random(150)
    monitor = ScoringMonitor(scoring="accuracy")
    model = network(backend, class_weight={0: 1, 1: 9}).set_callbacks(monitor)
    model.fit(X, y, sample_weight=rows)
    found = monitor.get_logs().data[0]["accuracy"]
    assert found == pytest.approx(model.score(X, y, sample_weight=rows))
    assert found != pytest.approx(model.score(X, y))


@ways
def test_a_wish_to_stop(way: str, backend: str) -> None:
    """No warning then that ``max_iter`` was not enough."""
    X, y = data("binary")
    heard = Heard(stop_after=2)
    model = network(backend, way, max_iter=50).set_callbacks(heard).fit(X, y)
    assert heard.events[2:-2] == epochs(2)
    assert heard.events[-2:] == ["fit 0 ends", "teardown"]
    assert model.n_iter_ == 2
    for a, b in zip(weights(model), heard.then[-1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_iteration_of_lbfgs_tells_its_loss(backend: str) -> None:
    """Also in a warm start, whose iterations are counted anew."""

    class Losses(Heard):
        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            """Nothing to note."""

        def on_fit_task_end(self, estimator: Any, context: Any) -> bool:  # type: ignore[override]
            self.events.append(f"{estimator.n_iter_} {estimator.loss_:.12f}")
            return False

    X, y = data("binary")
    expected = []
    for epochs in (1, 2, 3):
        short = network(backend, "lbfgs", max_iter=epochs)
        with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
            expected.append(f"{epochs} {short.fit(X, y).loss_:.12f}")
    heard = Losses()
    model = network(backend, "lbfgs", max_iter=3, warm_start=True).set_callbacks(heard)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        model.fit(X, y)
    assert heard.events == ["setup", *expected, expected[-1], "teardown"]
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        model.fit(X, y)
    assert [event[0] for event in heard.events[7:-1]] == ["1", "2", "3", "3"]


def test_one_of_two_wishes_is_enough(backend: str) -> None:
    X, y = data("binary")
    stops, hears = Heard(stop_after=1), Heard()
    model = network(backend).set_callbacks(stops, hears).fit(X, y)
    assert model.n_iter_ == 1
    assert stops.events == hears.events


def test_partial_fit_is_one_epoch(backend: str) -> None:
    X, y = data("binary")
    heard = Heard()
    model = network(backend).set_callbacks(heard)
    model.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    once = ["setup", "fit 0 begins", *epochs(1), "fit 0 ends", "teardown"]
    assert heard.events == once * 2
    assert heard.max_subtasks == 1
    plain = network(backend).partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    assert_equal_weights(model, plain)


def test_a_regressor(backend: str) -> None:
    X, y = data("regression 3")
    heard = Heard()
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0, backend=backend)
    model.set_callbacks(heard).fit(X, y)
    short = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0, backend=backend)
    np.testing.assert_array_equal(heard.models[1].predict(X), short.fit(X, y).predict(X))


def test_an_error_tears_callbacks_down(backend: str) -> None:
    class Fails(Heard):
        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            super().on_fit_task_begin(estimator, context)
            if context.task_name == "epoch":
                raise RuntimeError("enough")

    heard = Fails()
    model = network(backend).set_callbacks(heard)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(*data("binary"))
    assert heard.events == ["setup", "fit 0 begins", "epoch 0 begins", "teardown"]
    assert not hasattr(model, "coefs_")


def test_who_sets_none_pays_for_none(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No context is made, no state taken, no attribute left."""

    def never(*arguments: Any, **named: Any) -> None:
        raise AssertionError("nobody listens")

    for name in ("_init_callback_context", "_state", "_fitted_on"):
        monkeypatch.setattr(MLPClassifier, name, never)
    X, y = data("binary")
    model = network(backend).fit(X, y)
    monkeypatch.undo()
    assert not [name for name in vars(model) if "callback" in name]
    removed = network(backend).set_callbacks(Heard()).set_callbacks().fit(X, y)
    assert vars(removed).keys() == vars(model).keys()


def test_a_bar_ends_where_the_fit_does(backend: str, capsys: Any) -> None:
    heard = Heard(stop_after=2)
    model = network(backend, max_iter=1000).set_callbacks(ProgressBar(), heard)
    model.fit(*data("binary"))
    assert "100%" in capsys.readouterr().out


# max_time ---------------------------------------------------------------------------------------


class Clock:
    """A clock in place of ``time.monotonic`` that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_time_ends_in_the_middle_of_an_epoch(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is read at the start and after each part of an epoch: three minibatches a part."""
    from accelnn import training
    from accelnn.estimators import _stochastic

    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)  # so that each minibatch is a part
    monkeypatch.setattr(_stochastic, "time", SimpleNamespace(monotonic=Clock()))
    X, y = data("binary")
    arguments: Any = {"batch_size": 50, "max_iter": 9, "shuffle": False, "solver": "sgd"}
    model = network(backend, max_time=5.0, **arguments)
    with pytest.warns(ConvergenceWarning, match=r"max_time=5.0 seconds are over after 1 epochs"):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.n_iter_ == len(model.loss_curve_) == 1
    assert model.t_ == 150
    # After the 5 minibatches that were taken: an epoch of three, and two.
    by_hand = network(backend, **(arguments | {"max_iter": 1})).fit(X, y)
    by_hand.partial_fit(X[:100], y[:100])
    for a, b in zip(weights(model), weights(by_hand), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_time_enough(backend: str) -> None:
    X, y = data("binary")
    assert_equal_weights(network(backend, max_time=1e6).fit(X, y), network(backend).fit(X, y))


def test_no_time_at_all(backend: str) -> None:
    """At least a part of an epoch is trained, and the model predicts."""
    X, y = data("binary")
    started = time.monotonic()
    model = network(backend, max_time=1e-9, max_iter=10**9)
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds are over after 0 epochs"):
        model.fit(X, y)
    assert time.monotonic() - started < 60
    assert model.n_iter_ == 0
    assert model.predict_proba(X).shape == (150, 2)
