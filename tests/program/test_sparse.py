"""A sparse X trains and predicts as the same X in dense, in windows of some minibatches."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from accelnn import nn, optim, windows
from accelnn.backends import Backend, get_backend
from accelnn.program import Program, lower
from tests.program.test_steps_by_hand import Clipped
from tests.stacks import data, stack

ROWS, BATCH = 70, 8


@pytest.fixture(params=[1, 3, 100], ids=lambda n: f"windows of {n}")
def minibatches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Windows of so many minibatches, and a bit."""
    monkeypatch.setattr(windows, "WINDOW", request.param * BATCH * 7 * 8 + 5)
    return int(request.param)


def holes(n: int = ROWS, dtype: str = "float64") -> tuple[Any, Any]:
    """Return X (n, 7), of which two thirds are 0 and a row entirely, and classes."""
    X, y = data(nn.CrossEntropyLoss(), n, dtype)
    X[np.random.default_rng(3).random(X.shape) < 2 / 3] = 0
    X[4] = 0
    return X, y


def made(backend: Backend, rule: Any = None, dtype: str = "float64") -> Program:
    model = stack("dropout", backend, dtype)
    rule = rule or optim.Adam(model.parameters(), lr=0.05)
    return lower(model, nn.CrossEntropyLoss(), rule, backend, BATCH)


def params(program: Program) -> Any:
    return program.backend.to_numpy(program.plan.params).copy()


def train(program: Program, X: Any, y: Any, **how: Any) -> tuple[list[float], Any, Any]:
    """Train two epochs in unequal ranges; return losses, parameters and the last rows' losses."""
    program.bind(X, y, **how)
    program.run(0, 0, [])
    rng, losses = np.random.default_rng(9), []
    for order in (rng.permutation(ROWS), rng.integers(0, ROWS, ROWS + 7)):
        program.start_epoch(order)
        n = program.n_batches
        rates = np.linspace(0.02, 0.06, n)
        losses += [program.run(0, 2, rates[:2]), program.run(2, n, rates[2:])]
        losses.append(program.loss_and_grad(n - 1)[0])
    rows = program.backend.to_numpy(program.plan.row_losses).copy()
    return losses, params(program), rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_has_the_bits_of_a_dense_x(backend: Backend, dtype: str, minibatches: int) -> None:
    X, y = holes()
    how = {"row_weights": np.arange(ROWS) % 3, "input_scale": 0.7}
    dense = train(made(backend, dtype=dtype), X, y, **how)
    for X_sparse in (sparse.csr_array(X), sparse.csr_matrix(X)):
        found = train(made(backend, dtype=dtype), X_sparse, y, **how)
        for a, b in zip(found, dense, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_rule_of_its_own_steps_in_windows(backend: Backend, minibatches: int) -> None:
    X, y = holes()
    rules = Clipped(), Clipped()
    dense = train(made(backend, rules[0]), X, y)
    found = train(made(backend, rules[1]), sparse.csr_array(X), y)
    for a, b in zip(found, dense, strict=True):
        np.testing.assert_array_equal(a, b)
    assert rules[0].seen == rules[1].seen
    assert rules[0].norms == rules[1].norms


def test_values_and_their_windows(minibatches: int) -> None:
    """Targets of several columns, and the sum of the penalties over windows."""
    backend, X = get_backend("numpy"), holes()[0]
    y = np.random.default_rng(1).standard_normal((ROWS, 3))
    found = []
    for X_any in (X, sparse.csr_array(X)):
        model = stack("tanh", backend, "float64")
        rule = optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
        program = lower(model, nn.MSELoss(), rule, backend, BATCH)
        program.bind(X_any, y)
        found.append((program.run(0, 9, [0.1] * 9), program.penalty))
        assert np.shape(program.plan.y) == (ROWS, 3)  # and no longer those of the window
    assert found[0][0] == found[1][0]
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-12)


@pytest.mark.parametrize("n", [0, 1, 8, 70])
@pytest.mark.usefixtures("minibatches")
def test_predictions(backend: Backend, n: int) -> None:
    program, (X, y) = made(backend), holes()
    program.bind(X, y, input_scale=0.3)
    expected = program.predict(X[:n])
    found = program.predict(sparse.csr_array(X[:n]))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, expected)
    seen = sparse.csr_matrix(X[:n] * 0.3)
    np.testing.assert_array_equal(backend.to_numpy(program.outputs(seen)), expected)


def test_kinds_of_sparse_matrices() -> None:
    """Explicit zeros, unsorted and repeated indices; other formats, dtypes and read-only parts."""
    backend, (X, y) = get_backend("numpy"), holes()
    X = np.round(4 * X)
    expected = train(made(backend), X, y)
    csr = sparse.csr_array(X)
    zeros = csr.copy()
    zeros.data[::5] = 0
    dense_zeros = zeros.toarray()
    rows, columns = X.nonzero()
    half = X[rows, columns] / 2
    twice = np.concatenate([rows, rows[::-1]]), np.concatenate([columns, columns[::-1]])
    order = np.argsort(twice[0], kind="stable")  # the rows one after another, columns unsorted
    pointers = np.concatenate([[0], np.cumsum(np.bincount(twice[0], minlength=ROWS))])
    repeated = sparse.csr_array(
        (np.concatenate([half, half[::-1]])[order], twice[1][order], pointers), shape=X.shape
    )
    kept = repeated.indices.copy(), repeated.data.copy()
    fixed = csr.copy()
    for part in (fixed.data, fixed.indices, fixed.indptr):
        part.flags.writeable = False
    for given in (repeated, fixed, csr.tocsc(), csr.tocoo(), csr.todok(), csr.astype(np.int8)):
        for a, b in zip(train(made(backend), given, y), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(repeated.indices, kept[0])  # no array of the user is changed
    np.testing.assert_array_equal(repeated.data, kept[1])
    found, dense = train(made(backend), zeros, y), train(made(backend), dense_zeros, y)
    np.testing.assert_array_equal(found[1], dense[1])


def test_repeated_truth_is_true() -> None:
    """Duplicates are added in the dtype they came in, as ``toarray`` does."""
    X = sparse.csr_array((np.ones(2, bool), [1, 1], [0, 2, 2]), shape=(2, 7))
    program = made(get_backend("numpy"))
    program.bind(np.zeros((2, 7)), [0, 1])
    np.testing.assert_array_equal(program.predict(X), program.predict(X.toarray()))


def test_a_window_has_one_place_and_is_not_recorded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = get_backend("numba")
    monkeypatch.setattr(windows, "WINDOW", 2 * BATCH * 7 * 8)
    program, seen = made(backend), []
    X, y = holes()
    program.bind(sparse.csr_array(X), y)
    program.run(0, 3, [0.1] * 3)  # a window of two, and one of one
    program.run(8, 9, [0.1])  # the last minibatch, which is smaller
    recorded, X_whole = set(program.plan.views), program.plan.X
    run_steps = backend.run_steps

    def watch(plan: Any, first: int, last: int, scalars: Any) -> None:
        seen.append((plan.X.ctypes.data, len(plan.X), first, last))
        run_steps(plan, first, last, scalars)

    monkeypatch.setitem(vars(backend), "run_steps", watch)
    program.start_epoch(np.arange(ROWS)[::-1])
    program.run(0, 9, [0.1] * 9)
    assert [each[1:] for each in seen] == [(16, 0, 2)] * 4 + [(6, 0, 1)]
    assert len({place for place, *_ in seen}) == 1
    assert set(program.plan.views) == recorded
    assert program.plan.X is X_whole


def test_a_window_that_stays_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """L-BFGS asks for the same minibatch again and again; a new order is another one."""
    program, (X, y) = made(get_backend("numpy")), holes(8)
    program.bind(sparse.csr_array(X), y)
    laid: list[int] = []
    lay_out = windows.SparseRows._lay_out

    def count(self: Any, *arguments: Any) -> Any:
        laid.append(1)
        return lay_out(self, *arguments)

    monkeypatch.setattr(windows.SparseRows, "_lay_out", count)
    for _ in range(3):
        program.loss_and_grad()
    assert len(laid) == 1
    order = np.arange(8)
    program.start_epoch(order)
    program.loss_and_grad()
    order[:] = order[::-1].copy()  # the same array, other rows
    program.start_epoch(order)
    program.loss_and_grad()
    assert len(laid) == 3


def test_an_error_in_a_window_leaves_the_data_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    program, (X, y) = made(get_backend("numpy")), holes()
    program.bind(sparse.csr_array(X), y, row_weights=np.ones(ROWS))
    plan = program.plan
    names = ("X", "y", "order", "row_losses", "weights")
    before = [getattr(plan, name) for name in names]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(vars(program.backend), "run_steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            program.run(0, 2, [0.1] * 2)
    assert all(getattr(plan, name) is b for name, b in zip(names, before, strict=True))
    assert np.isfinite(program.run(0, 9, [0.1] * 9))


@pytest.mark.parametrize(
    ("X", "error", "said"),
    [
        (sparse.csr_array((6, 5)), ValueError, r"X must have a row of 7 .* got shape \(6, 5\)"),
        (sparse.csr_array((0, 7)), ValueError, r"X has no rows \(shape \(0, 7\)\)"),
        (sparse.csr_array((6, 7), dtype=complex), TypeError, "real numbers, got dtype complex128"),
    ],
)
def test_bad_sparse_data(X: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        made(get_backend("numpy")).bind(X, np.zeros(6, int))
