"""The graph itself: what an operation leaves behind, in which order it is walked, who records."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelnn.autograd import Tensor

recording: ContextVar[bool] = ContextVar("accelnn_recording", default=True)

Backward = Callable[[Any], Sequence[Any]]


class Node:
    """The operation that made a tensor: its name, its inputs and the way back to them."""

    __slots__ = ("backward", "name", "parents")

    def __init__(self, name: str, parents: tuple[Any, ...], backward: Backward) -> None:
        self.name = name
        self.parents = parents
        self.backward: Backward | None = backward  # None once a backward pass has used it


def record(name: str, data: Any, parents: tuple[Any, ...], backward: Backward) -> "Tensor":
    """Wrap a result and, if a gradient will be wanted, remember how it was made.

    Parameters
    ----------
    name : str
        Of the operation, for messages and pictures.
    data : array
        The result.
    parents : tuple of Tensor
    backward : callable
        From the gradient of the result to one gradient per parent, of the parent's shape.

    Returns
    -------
    Tensor
    """
    made: Tensor = parents[0]._of(data, parents[0].backend)
    if recording.get() and any(p.requires_grad for p in parents):
        made.requires_grad = True
        made._node = Node(name, parents, backward)
    return made


@contextmanager
def no_grad() -> Iterator[None]:
    """Operations inside leave no graph behind.

    Examples
    --------
    >>> import accelnn
    >>> w = accelnn.Tensor([2.0], requires_grad=True)
    >>> with accelnn.no_grad():
    ...     (w * 3).requires_grad
    False
    """
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


def topological_order(root: Any) -> list[Any]:
    """Return all tensors that need a gradient, each after those it was computed from.

    Without recursion: a graph may be deeper than Python's stack.
    """
    order: list[Any] = []
    seen = {id(root)}
    stack = [(root, iter(root._node.parents if root._node else ()))]
    while stack:
        tensor, parents = stack[-1]
        parent = next(parents, None)
        if parent is None:
            order.append(tensor)
            stack.pop()
        elif parent.requires_grad and id(parent) not in seen:
            seen.add(id(parent))
            stack.append((parent, iter(parent._node.parents if parent._node else ())))
    return order


def unbroadcast(grad: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which its operand was broadcast from ``shape``."""
    extra = len(grad.shape) - len(shape)
    if extra:
        grad = grad.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1)
    return grad.sum(axis=axes, keepdims=True) if axes else grad
