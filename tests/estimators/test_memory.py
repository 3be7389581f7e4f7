"""A fit takes X as it is where it can, and little memory beside it.

NumPy reports its arrays to ``tracemalloc``; the peak of whole processes is the bench's.
"""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier
from accelnn.program import Program

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: Bytes that the requirement grants beside parameters and workspaces.
REST = 64_000_000
#: X in float32 takes 12.8 MB, six times what is left to everything that is counted row by row.
ROWS, WIDTH, HIDDEN = 16_000, 200, 100
PER_ROW = 2_000_000


class Seen:
    """What programs were bound to, and the bytes of their plans: 4 x the parameters, workspaces."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.X: list[Any] = []
        self.plan_bytes = 0
        bind, close = Program.bind, Program.close

        def noting(program: Program, X: Any, y: Any, *rest: Any, **named: Any) -> None:
            bind(program, X, y, *rest, **named)
            self.X.append(program.plan.X)

        def counting(program: Program) -> None:
            plan = program.plan
            if plan.work is not None:  # Numba's threads have workspaces of their own
                own = sum(v.nbytes for v in plan.views.values() if isinstance(v, np.ndarray))
                buffers = plan.work.nbytes + plan.deltas.nbytes
                self.plan_bytes = 4 * plan.params.nbytes + buffers + own
            close(program)

        monkeypatch.setattr(Program, "bind", noting)
        monkeypatch.setattr(Program, "close", counting)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Return what is noted from here on."""
    return Seen(monkeypatch)


def rows(dtype: Any) -> tuple[Any, Any]:
    """Return C-contiguous X and y of three classes."""
    X = np.random.default_rng(3).standard_normal((ROWS, WIDTH)).astype(dtype)
    return X, np.arange(ROWS) % 3


def model(backend: str, early_stopping: bool = False, **given: Any) -> Any:
    """Return an estimator that fits two epochs."""
    how = {
        "hidden_layer_sizes": (HIDDEN,),
        "max_iter": 2,
        "random_state": 0,
        "early_stopping": early_stopping,
        **given,
    }
    return MLPClassifier(backend=backend, **how)


def peak(estimator: Any, X: Any, y: Any) -> int:
    """Return the most bytes that a second fit holds above what was held before it."""
    estimator.fit(X[:600], y[:600])  # compiles, starts threads, imports
    gc.collect()
    tracemalloc.start()
    try:
        estimator.fit(X, y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_as_they_should_be_are_not_copied(dtype: Any, backend: str, seen: Seen) -> None:
    X, y = rows(dtype)
    taken = peak(model(backend), X, y)
    assert np.shares_memory(seen.X[-1], X)
    assert taken <= seen.plan_bytes + PER_ROW < X.nbytes
    assert taken <= seen.plan_bytes + REST


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_early_stopping_copies_once_as_scikit_learn(dtype: Any, backend: str, seen: Seen) -> None:
    """``train_test_split`` picks rows at random, which is a copy of all of them, and no more."""
    X, y = rows(dtype)
    taken = peak(model(backend, early_stopping=True), X, y)
    assert not np.shares_memory(seen.X[-1], X)
    assert seen.X[-1].shape == (0.9 * ROWS, WIDTH)
    scoring = X.nbytes // 5  # the layers of the rows held back, and the best weights so far
    assert X.nbytes < taken <= X.nbytes + scoring + seen.plan_bytes + PER_ROW


def test_a_validation_set_given_is_not_copied(backend: str, seen: Seen) -> None:
    X, y = rows(np.float32)
    split = 3 * ROWS // 4
    estimator = model(backend, early_stopping=True)
    estimator.fit(X[:600], y[:600], X_val=X[:100], y_val=y[:100])
    tracemalloc.start()
    estimator.fit(X[:split], y[:split], X_val=X[split:], y_val=y[split:])
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.shares_memory(seen.X[-1], X)
    outputs = (ROWS - split) * (HIDDEN + 3) * 4  # of the rows of the set, layer by layer
    assert taken <= seen.plan_bytes + PER_ROW + 2 * outputs


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        pytest.param(np.asfortranarray, None, id="Fortran order"),
        pytest.param(lambda X: X[:, ::-1], None, id="reversed columns"),
        pytest.param(lambda X: X, "float64", id="another dtype asked for"),
    ],
)
def test_other_data_are_copied_once(make: Any, dtype: Any, backend: str, seen: Seen) -> None:
    X, y = rows(np.float32)
    X = make(X)
    taken = peak(model(backend, dtype=dtype), X, y)
    bound = seen.X[-1]
    assert not np.shares_memory(bound, X)
    assert bound.flags.c_contiguous
    assert bound.dtype == (dtype or np.float32)
    assert bound.nbytes < taken <= bound.nbytes + seen.plan_bytes + PER_ROW


def test_the_bound_holds_where_parameters_are_most_of_it(backend: str, seen: Seen) -> None:
    X, y = rows(np.float32)
    taken = peak(model(backend, hidden_layer_sizes=(2000, 1000)), X[:1000], y[:1000])
    assert seen.plan_bytes > 4 * 4 * 1_800_000
    assert taken <= seen.plan_bytes + REST
