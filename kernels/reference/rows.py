"""Rows of a batch: gather them, add a bias to each, sum over them."""

from typing import Any

from accelnn.kernels.cost import Cost, cost, size


@cost(
    lambda x, index: Cost(
        reads=len(index) * (size(x) // max(x.shape[0], 1)),
        writes=len(index) * (size(x) // max(x.shape[0], 1)),
    )
)
def take_rows(x: Any, index: Any) -> Any:
    """``x[index]``: a minibatch. x (n, m) or (n,), index (k,) of int64 -> (k, m) or (k,)."""
    return x.__array_namespace__().take(x, index, axis=0)


@cost(lambda z, b: Cost(0, size(z), reads=size(z) + size(b), writes=size(z)))
def add_bias(z: Any, b: Any) -> Any:
    """``z + b`` for each row. z (n, m), b (m,) -> (n, m)."""
    return z + b


@cost(lambda dz: Cost(0, max(dz.shape[0] - 1, 0) * dz.shape[1], reads=size(dz), writes=dz.shape[1]))
def sum_rows(dz: Any) -> Any:
    """``Σᵢ dz[i, :]``: the gradient of a bias. dz (n, m) -> (m,)."""
    return dz.__array_namespace__().sum(dz, axis=0)
