"""The graph itself: what an operation leaves behind, how it is walked back, who records."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from accelnn import changes
from accelnn.changes import changed as changed
from accelnn.changes import moment
from accelnn.errors import GraphError

if TYPE_CHECKING:
    from accelnn.autograd import Tensor

recording: ContextVar[bool] = ContextVar("accelnn_recording", default=True)

Backward = Callable[[Any], Sequence[Any]]


class Node:
    """The operation that made a tensor: its name, its inputs, the way back to them, its moment.

    A later operation has a larger moment, and so has a later change in place.
    """

    __slots__ = ("backward", "moment", "name", "parents")

    def __init__(self, name: str, parents: tuple[Any, ...], backward: Backward) -> None:
        self.name = name
        self.parents = parents
        self.backward: Backward | None = backward  # None once a backward pass has used it
        self.moment = moment()


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
        From the gradient of the result to one gradient per parent, of the parent's shape; None for
        one that needs none. What it reads it must hold in its closure: an array there that is
        changed in place before it is called makes ``Tensor.backward`` raise, so it should hold no
        Tensor or array of which it reads nothing but the shape.

    Returns
    -------
    Tensor
    """
    first = parents[0]
    made: Tensor = first._of(data, first.backend)
    for parent in parents:
        if parent.requires_grad:
            if recording.get():
                made.requires_grad = True
                made._node = Node(name, parents, backward)
            break
    return made


def is_grad_enabled() -> bool:
    """Whether operations leave a graph behind: not inside ``no_grad``."""
    return recording.get()


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

    Without recursion: a graph may be deeper than Python's stack. They are collected in any order
    and sorted by the moments of their operations, which is one.
    """
    leaves: list[Any] = []
    inner: list[Any] = []
    (leaves if root._node is None else inner).append(root)
    seen = {id(root)}
    for tensor in inner:  # grows while it is walked
        for parent in tensor._node.parents:
            if parent.requires_grad:
                key = id(parent)
                if key not in seen:
                    seen.add(key)
                    (leaves if parent._node is None else inner).append(parent)
    inner.sort(key=_moment)
    return leaves + inner


_moment = attrgetter("_node.moment")


def gradients(root: Any, seed: Any, *, retain_graph: bool = False) -> Iterator[tuple[Any, Any]]:
    """Walk a graph back; yield each tensor with its gradient once that is complete.

    Parameters
    ----------
    root : Tensor
        That needs a gradient; the walk starts here.
    seed : array
        Its gradient.
    retain_graph : bool
        Keep the graph for another walk.

    Yields
    ------
    Tensor, array
        From ``root`` to the leaves. The gradient of a leaf, or of a tensor with ``retain_grad``, is
        an array of its own; others may share memory and must be copied before they are kept.

    Raises
    ------
    GraphError
        For a graph that was used up already, or an array that was changed in place since an
        operation kept it; before the first gradient is yielded.
    """
    order = topological_order(root)
    check_way_back(order)
    if root._node is None or root._retain:
        seed = root.backend.copy(seed)
    grads: dict[int, Any] = {id(root): seed}
    for tensor in reversed(order):
        grad = grads.pop(id(tensor), None)
        if grad is None:  # nothing that depends on it has a gradient to give
            continue
        yield tensor, grad
        node = tensor._node
        if node is None:
            continue
        parts = node.backward(grad)
        for parent, part in zip(node.parents, parts, strict=True):
            if part is None or not parent.requires_grad:
                continue
            if part.dtype != parent.array.dtype:  # another operand was wider
                part = parent.backend.asarray(part, dtype=parent.array.dtype)
            key = id(parent)
            held = grads.get(key)
            if held is not None:
                part = held + part
            elif parent._node is None or parent._retain:
                part = _own(part, grad, parts, parent.backend)
            grads[key] = part
        if not retain_graph:
            node.backward = None


def check_way_back(order: list[Any]) -> None:
    """Raise if an operation was used up, or needs what was overwritten after it."""
    latest, endangered = changes.latest(), []
    for tensor in order:
        node = tensor._node
        if node is None:
            continue
        if node.backward is None:
            raise GraphError(
                f"this graph was used up by an earlier backward pass (at {node.name}); compute "
                "the forward pass again or call backward(retain_graph=True) the first time"
            )
        if node.moment < latest:
            endangered.append((node, tensor))
    for node, tensor in endangered:
        found = changes.overwritten(node.backward, node.moment, tensor.backend.xp)
        if found is not None:
            raise GraphError(
                f"the way back through {node.name} needs an array of shape {tuple(found.shape)} "
                f"that was changed in place after {node.name} had read it; change a clone() of it, "
                "compute y = y + x instead of changing y, or compute the forward pass again"
            )


def _own(part: Any, source: Any, parts: Sequence[Any], backend: Any) -> Any:
    """Return a gradient that is to be kept, copied if its memory is also that of another.

    Sums, reshapes and the like pass their gradient on as it is; two ``.grad`` that share memory
    would both change when one is clipped in place.
    """
    if not backend.in_place:
        return part
    owner = changes.owner
    mine = owner(part)
    if mine is not owner(source):
        holders = [p for p in parts if p is not None and owner(p) is mine]
        if len(holders) == 1:  # itself
            return part
    return backend.xp.array(part)


def unbroadcast(grad: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which its operand was broadcast from ``shape``."""
    if grad.shape == shape:
        return grad
    extra = len(grad.shape) - len(shape)
    if extra:
        grad = grad.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1)
    return grad.sum(axis=axes, keepdims=True) if axes else grad
