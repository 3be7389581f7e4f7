"""A sparse X, some minibatches at a time: their rows are laid out densely, always in one place.

A window is a range of minibatches. While it is open, the plan shows a backend nothing but its rows,
in the order of their visits, as if they were all the data; no backend knows of sparse matrices.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from accelnn.backends import Backend
from accelnn.backends.plan import Plan
from accelnn.checking import as_features

#: Most bytes of a window, if that is a minibatch at least.
WINDOW = 16 * 2**20


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy's, of any format."""
    return hasattr(X, "tocsr") and hasattr(X, "toarray")


def as_csr(X: Any, dtype: Any, scale: float = 1.0) -> Any:
    """Return ``X * scale`` in ``dtype`` as CSR; X itself where that is what it is."""
    X = X.tocsr()
    if not X.has_canonical_format:  # duplicates are added up in the dtype they came in
        X = X.copy()
        X.sum_duplicates()
    with np.errstate(over="ignore"):  # a number too large becomes infinite, as in a dense X
        held = X.astype(dtype, copy=False)
        return held if scale == 1 else held * scale


class SparseRows:
    """The X of a plan that trains on a sparse matrix.

    Attributes
    ----------
    shape : (n, n_in)
    dtype : of the parameters
    """

    def __init__(self, X: Any, dtype: Any, scale: float) -> None:
        self._csr = as_csr(X, dtype, scale)
        self.shape, self.dtype = self._csr.shape, self._csr.dtype
        self._room: Any = None
        self._open: tuple[int, int] | None = None
        self._data: dict[str, Any] = {}

    def forget(self) -> None:
        """Take note that the order of the rows is another one."""
        self._open = None

    @contextmanager
    def window(self, plan: Plan, backend: Backend, first: int, last: int) -> Iterator[None]:
        """Show minibatches ``first`` ... ``last - 1`` as the whole data of the plan.

        Opened twice in a row, as L-BFGS does with its one minibatch, it is not laid out again.
        """
        here = slice(first * plan.batch_size, min(last * plan.batch_size, len(plan.order)))
        if self._open != (first, last):
            self._open = None  # until all of it is there
            self._data = self._lay_out(plan, backend, here)
            self._open = first, last
        kept = {name: getattr(plan, name) for name in (*self._data, "row_losses", "weights")}
        try:
            vars(plan).update(self._data)
            plan.row_losses = plan.row_losses[here]
            plan.weights = None if plan.weights is None else plan.weights[here]
            yield
        finally:
            vars(plan).update(kept)

    def _lay_out(self, plan: Plan, backend: Backend, here: slice) -> dict[str, Any]:
        chosen = plan.order[here]
        if self._room is None:
            self._room = np.empty((_batches(plan) * plan.batch_size, plan.n_in), self.dtype)
        dense = self._room[: len(chosen)]
        self._csr[backend.to_numpy(chosen)].toarray(out=dense)
        return {
            "X": as_features(dense, self.dtype, backend),
            "y": backend.take_rows(plan.y, chosen),
            "order": backend.asarray(np.arange(len(chosen))),
            "per_epoch": len(chosen),
        }


def in_windows(
    plan: Plan, backend: Backend, first: int, last: int, run: Callable[[int, int, int], None]
) -> None:
    """Call ``run(i, j, start)`` until minibatches ``first`` ... ``last - 1`` of the epoch are done.

    For ``run`` they are minibatches i ... j - 1 of the plan, which are start + i ... of the epoch.
    """
    X = plan.X
    if not isinstance(X, SparseRows) or first == last:
        run(first, last, 0)
        return
    many = _batches(plan)
    for start in range(first, last, many):
        stop = min(start + many, last)
        with X.window(plan, backend, start, stop):
            run(0, stop - start, start)


def blocks(plan: Plan, backend: Backend, X: Any) -> Iterator[tuple[slice, Any]]:
    """Yield the rows of a CSR matrix, some at a time: which, and as an array of the backend."""
    X = as_csr(X, plan.params.dtype)
    high = _batches(plan) * plan.batch_size
    room = np.empty((min(high, X.shape[0]), plan.n_in), X.dtype)
    for start in range(0, X.shape[0], high):
        here = slice(start, min(start + high, X.shape[0]))
        dense = room[: here.stop - here.start]
        X[here].toarray(out=dense)
        yield here, as_features(dense, X.dtype, backend)


def _batches(plan: Plan) -> int:
    """Return the minibatches of a window."""
    n_bytes: int = plan.batch_size * plan.n_in * plan.params.dtype.itemsize
    return max(1, WINDOW // n_bytes)
