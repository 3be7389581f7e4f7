"""The matrix product, with the transposes that the three products of backpropagation need."""

from typing import Any

from accelnn.kernels.cost import Cost, cost


def _matmul_cost(a: Any, b: Any, *, ta: bool = False, tb: bool = False) -> Cost:
    n, k = (a.shape[1], a.shape[0]) if ta else a.shape
    m = b.shape[0] if tb else b.shape[1]
    return Cost(n * k * m, n * max(k - 1, 0) * m, reads=n * k + k * m, writes=n * m)


@cost(_matmul_cost)
def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False) -> Any:
    """``op(a) @ op(b)``, where ``op`` transposes if ``ta``, ``tb``; 2-D, one dtype.

    Forward ``x @ w``, gradient of the weights ``xᵀ @ dy`` (``ta``), gradient of the input
    ``dy @ wᵀ`` (``tb``).
    """
    return (a.T if ta else a) @ (b.T if tb else b)
