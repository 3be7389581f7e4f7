"""What listings print of a gradient."""

from typing import Any


def slopes(x: Any) -> Any:
    """Return what backward left at a tensor, as an array of NumPy."""
    assert x.grad is not None
    return x.grad.numpy()
