"""What a kernel costs, declared beside its formula in ``kernels/reference``.

Counts follow the textbook: a product of (n, k) by (k, m) is n·k·m multiplications and
n·(k-1)·m additions. Comparisons, exponentials, divisions and roots count as ``other``. Reads and
writes are array elements that must cross the memory bus once if no cache holds them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Cost:
    """Operations and traffic of one kernel call, or of several added up.

    Attributes
    ----------
    multiplications, additions, other : int
        Floating-point operations; ``flops`` is their sum.
    reads, writes : int
        Array elements read and written.
    """

    multiplications: int = 0
    additions: int = 0
    other: int = 0
    reads: int = 0
    writes: int = 0

    @property
    def flops(self) -> int:
        """All floating-point operations."""
        return self.multiplications + self.additions + self.other

    def nbytes(self, itemsize: int) -> int:
        """Bytes moved for elements of ``itemsize`` bytes."""
        return (self.reads + self.writes) * itemsize

    def __add__(self, more: "Cost") -> "Cost":
        return Cost(
            self.multiplications + more.multiplications,
            self.additions + more.additions,
            self.other + more.other,
            self.reads + more.reads,
            self.writes + more.writes,
        )


def cost(of_call: Callable[..., Cost]) -> Callable[[F], F]:
    """Declare the cost of a kernel as a function of its own arguments (only shapes are looked at).

    The declaration is read as ``kernel.cost(*args, **kwargs)``.
    """

    def declare(kernel: F) -> F:
        kernel.cost = of_call  # type: ignore[attr-defined]
        return kernel

    return declare


def per_element(mul: int = 0, add: int = 0, other: int = 0, arrays: int = 1) -> Callable[..., Cost]:
    """Cost of an element-wise kernel that reads ``arrays`` arrays of its first argument's shape."""

    def of_call(x: Any, *rest: Any, **parameters: Any) -> Cost:
        n = size(x)
        return Cost(mul * n, add * n, other * n, reads=arrays * n, writes=n)

    return of_call


class Shaped:
    """Stands for an array of which only the shape is asked."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __len__(self) -> int:
        return self.shape[0]


def size(x: Any) -> int:
    """Number of elements, from the shape alone (the array API allows ``x.size`` to be None)."""
    n = 1
    for d in x.shape:
        n *= d
    return n
