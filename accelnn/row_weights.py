"""Weights of rows: what each counts in its minibatch, and by what the minibatch divides."""

from typing import Any

import numpy as np

from accelnn.backends.plan import Plan
from accelnn.checking import from_gpu


def check_row_weights(weights: Any, n: int) -> Any:
    """Return the weights of ``n`` rows as (n,) float64 on the host.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there is not one for each row, or one is negative, NaN or infinite.
    """
    given = np.asarray(from_gpu(weights))
    if given.dtype.kind not in "fiub":
        raise TypeError(f"row_weights must hold real numbers, got dtype {given.dtype}")
    if given.shape != (n,):
        raise ValueError(
            f"row_weights must hold a weight for each of the {n} rows of X, shape ({n},), got "
            f"shape {given.shape}"
        )
    held = given.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        total = held.sum()
    if not np.isfinite(total) or held.min() < 0:
        raise ValueError(
            "row_weights must be finite and not negative, and so must their sum, got "
            f"{held.min()} ... {held.max()}"
        )
    return held


def weigh(plan: Plan, weights: Any, order: Any) -> tuple[Any, Any]:
    """Return what the rows of an order count, and the share of the decays in each minibatch.

    Parameters
    ----------
    plan : Plan
    weights : ndarray of float64 of shape (n,), or None
        Of the rows of X.
    order : ndarray of int64 of shape (m,)

    Returns
    -------
    counts : ndarray of float64 of shape (m,), or None
        By place in the order. Times ``plan.loss_weight(rows)`` it is what the loss of a row counts:
        its part of the sum of the weights in its minibatch for a mean, its weight for a sum.
    shares : ndarray of float64 of shape (n_batches,)
        What the decays are multiplied by: 1, or one over the sum of the weights, and 0 where all
        weights of a minibatch are 0. Without weights each row has weight 1.
    """
    starts = np.arange(0, len(order), plan.batch_size)
    rows = np.minimum(plan.batch_size, len(order) - starts)
    per_row = plan.update.decay_per_row
    if weights is None:
        return None, 1.0 / rows if per_row else np.ones(len(rows))
    visited = weights[order]
    sums = np.add.reduceat(visited, starts)
    some = sums > 0
    sums[~some] = 1.0
    counts = visited * np.repeat(rows / sums, rows) if plan.loss_mean else visited
    return counts, some / sums if per_row else some.astype(np.float64)
