"""Epochs that are run ahead in blocks, and taken back: the same bits as one by one."""

from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier, MLPRegressor, training
from accelnn.estimators import _ahead
from accelnn.program import Program
from tests.estimators.conftest import data

pytestmark = [
    # Some fits end at their last epoch.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that fills with the steps of each run; blocks are not kept short by time."""
    steps: list[int] = []
    run = Program.run

    def noted(self: Program, first: int, last: int, rates: Any) -> float:
        steps.append(last - first)
        return run(self, first, last, rates)

    monkeypatch.setattr(Program, "run", noted)
    monkeypatch.setattr(_ahead, "_SECONDS", 1e9)
    return steps


def fitted(task: str, rng: Any, weights: Any = None, **how: Any) -> Any:
    kind: Any = MLPRegressor if task.startswith("regression") else MLPClassifier
    X, y = data(task)
    return kind(hidden_layer_sizes=(6,), random_state=rng, **how).fit(X, y, sample_weight=weights)


def assert_same(a: Any, b: Any) -> None:
    assert (a.n_iter_, a.t_, a.loss_curve_) == (b.n_iter_, b.t_, b.loss_curve_)
    assert a._rule.lr == b._rule.lr
    assert a._rule.t == b._rule.t
    for x, y in zip(
        [*a.coefs_, *a.intercepts_, a._rule.kept], [*b.coefs_, *b.intercepts_, b._rule.kept],
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(x, y)


CASES: dict[str, dict[str, Any]] = {
    "to the last epoch": {"max_iter": 23},
    "stopped": {"tol": 1e-2, "n_iter_no_change": 3},
    "slower twice and more": {
        "solver": "sgd", "learning_rate": "adaptive", "tol": 2e-2, "n_iter_no_change": 2,
        "max_iter": 60,
    },
    "three minibatches": {"batch_size": 50, "max_iter": 23},
    "a smaller minibatch at the end of each": {"batch_size": 64, "max_iter": 23},
    "not shuffled": {"shuffle": False, "max_iter": 23},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("task", ["multiclass", "regression 3"])
def test_a_block_leaves_what_single_epochs_leave(
    task: str, case: str, runs: list[int], monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    ahead, single = np.random.RandomState(3), np.random.RandomState(3)
    how = CASES[case] | {"backend": backend}
    found = fitted(task, ahead, **how)
    assert max(runs) > 3  # in blocks indeed
    monkeypatch.setattr(_ahead, "_EPOCHS", 1)
    runs.clear()
    expected = fitted(task, single, **how)
    assert max(runs) == (3 if "batch_size" in how else 1)
    assert_same(found, expected)
    assert ahead.rand() == single.rand()  # as much was drawn


@pytest.mark.parametrize("batch_size", [150, 64, 37])
def test_weights_of_rows_count_in_blocks_too(
    runs: list[int], monkeypatch: pytest.MonkeyPatch, backend: str, batch_size: int
) -> None:
    w = np.random.default_rng(0).random(150)
    how: Any = {"max_iter": 20, "alpha": 0.1, "backend": backend, "batch_size": batch_size}
    found = fitted("binary", 0, w, **how)
    assert max(runs) > 3
    monkeypatch.setattr(_ahead, "_EPOCHS", 1)
    assert_same(found, fitted("binary", 0, w, **how))


def test_ctrl_c_goes_back_to_the_last_epoch_that_was_said(
    runs: list[int], monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    ended = MLPClassifier._epoch_ended

    def interrupted(self: Any, loss: float, n: int) -> None:
        if self.n_iter_ == 7:
            raise KeyboardInterrupt
        ended(self, loss, n)

    expected = fitted("binary", 0, max_iter=8, backend=backend)
    monkeypatch.setattr(MLPClassifier, "_epoch_ended", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        found = fitted("binary", 0, backend=backend)
    assert found.n_iter_ == 7
    # The eighth epoch was trained; it is the block behind it that is taken back.
    np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])


def test_ctrl_c_before_the_first_loss_of_a_block_takes_all_of_it_back(
    runs: list[int], monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    read = Program.losses

    def interrupted(self: Program, first: int, last: int) -> float:
        if first == 2:  # the third epoch of the block that follows the first, single one
            raise KeyboardInterrupt
        return read(self, first, last)

    expected = fitted("binary", 0, max_iter=1, backend=backend)
    monkeypatch.setattr(Program, "losses", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        found = fitted("binary", 0, backend=backend)
    assert max(runs) == 4
    assert_same(found, expected)


def test_a_long_epoch_comes_in_pieces(
    runs: list[int], monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """Ctrl-C waits for a piece, not for an epoch."""
    monkeypatch.setattr(_ahead, "_SECONDS", 0.0)
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)
    fitted("binary", 0, max_iter=5, batch_size=50, backend=backend)
    assert runs == [0] + [1] * 15


@pytest.mark.parametrize(
    "how",
    [
        {"early_stopping": True},
        {"learning_rate": lambda epoch, max_iter: 1.0},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"dropout": 0.5},
        {"l1": 0.1},
        {"max_time": 1e9},
    ],
)
def test_where_epochs_are_not_alike_they_come_one_by_one(
    how: dict[str, Any], runs: list[int], backend: str
) -> None:
    fitted("binary", 0, max_iter=10, backend=backend, **how)
    assert max(runs) <= 3
