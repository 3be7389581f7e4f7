"""What a picture of a computation shows: its operations and, on each edge, value and gradient.

The gradients come from a sweep of their own, which writes no ``.grad`` and uses nothing up.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from accelnn.autograd import Tensor
from accelnn.drawing.signs import TAKES_CONSTANT, exponent_of, formula, sign
from accelnn.drawing.values import array_text, number
from accelnn.errors import GraphError
from accelnn.graph import check_way_back

#: A picture of more is no picture.
MOST_NODES = 300


@dataclass
class Vertex:
    """A leaf, an operation, the place where a graph was cut off, or the result.

    ``gradient`` is the whole one of this tensor, the sum over its edges; ``parts`` are they.
    """

    kind: str  # "leaf", "constant", "operation", "cut" or "result"
    name: str
    named: bool
    sign: str
    value: str
    formula: str = ""
    gradient: str | None = None
    operands: int = 0
    parts: list[str] = field(default_factory=list)


@dataclass
class Wire:
    """From the vertex that made a tensor to one that reads it, with the reader's gradient."""

    source: int
    target: int
    operand: int
    value: str
    gradient: str | None


@dataclass
class Flow:
    """Vertices, each after those it reads, and wires; ``notes`` say what could not be shown."""

    vertices: list[Vertex]
    wires: list[Wire]
    notes: list[str]


def flow_of(
    root: Tensor,
    names: dict[int, str],
    gradient: Any,
    digits: int,
    depth: int | None,
    result: str = "result",
) -> Flow:
    """Read the graph of a tensor.

    Parameters
    ----------
    root : Tensor
    names : dict of int to str
        ``id`` of a tensor -> its name.
    gradient : array, optional
        Of whatever comes after, of the shape of ``root``.
    digits : int
        Significant ones.
    depth : int, optional
        Operations further from the result than this are left out.
    result : str
        Its name, if ``names`` has none.
    """
    inside = _expanded(root, depth)
    order = _topological(root, inside)
    totals, parts, notes = _gradients(root, order, inside, gradient)
    if root._node is None:
        notes.append("No operation was recorded: a leaf, or computed where no gradient is needed.")
    folded = _folded(order, inside, names)
    shown = [tensor for tensor in order if id(tensor) not in folded]
    place = {id(tensor): i for i, tensor in enumerate(shown)}
    spoken = _spoken(shown, names, root, result)

    def text(array: Any, tensor: Tensor) -> str | None:
        return None if array is None else array_text(tensor.backend.to_numpy(array), digits)

    flow = Flow([], [], notes)
    for i, tensor in enumerate(shown):
        name, value = spoken[id(tensor)], array_text(tensor.numpy(), digits)
        total = text(totals.get(id(tensor)), tensor)
        vertex = Vertex(_kind(tensor, inside), name, id(tensor) in names, "", value, gradient=total)
        flow.vertices.append(vertex)
        if tensor._node is None or id(tensor) not in inside:
            continue
        parents = tensor._node.parents
        constants = [text(p.array, p) if id(p) in folded else None for p in parents]
        operands = [c or spoken[id(p)] for c, p in zip(constants, parents, strict=True)]
        power = exponent_of(tensor._node)
        exponent = None if power is None else number(power, digits)
        vertex.sign = sign(tensor._node.name, constants, exponent)
        vertex.formula = formula(tensor._node.name, operands, exponent)
        for operand, parent in enumerate(parents):
            if id(parent) not in folded:
                part = text(parts.get((id(tensor), operand)), parent)
                _connect(flow, place[id(parent)], i, operand, part)
    made = flow.vertices[-1]
    made.named = False  # the name stands in the result's box
    flow.vertices.append(
        Vertex("result", made.name, True, made.name, made.value, gradient=made.gradient)
    )
    _connect(flow, len(shown) - 1, len(shown), 0, made.gradient)
    return flow


def _connect(flow: Flow, source: int, target: int, operand: int, part: str | None) -> None:
    read = flow.vertices[source]
    flow.wires.append(Wire(source, target, operand, read.value, part))
    flow.vertices[target].operands += 1
    read.parts += [] if part is None else [part]


def _expanded(root: Tensor, depth: int | None) -> dict[int, Tensor]:
    """Return the tensors whose operation is drawn, nearest to the result first."""
    inside: dict[int, Tensor] = {}
    nearest, far = [root], 0
    seen, count = {id(root)}, 1
    while nearest and (depth is None or far < depth):
        following = []
        for tensor in nearest:
            if tensor._node is None:
                continue
            inside[id(tensor)] = tensor
            for parent in tensor._node.parents:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    following.append(parent)
                    count += parent.requires_grad or parent.ndim > 0  # numbers stand in circles
        nearest, far = following, far + 1
    if count > MOST_NODES:
        raise ValueError(
            f"the graph has {count} nodes, more than the {MOST_NODES} that a picture can show; "
            "draw a part: draw(result, depth=5) shows the last five operations, draw(u) what led "
            "to a tensor u on the way, and draw(model) a network layer by layer"
        )
    return inside


def _topological(root: Tensor, inside: dict[int, Tensor]) -> list[Tensor]:
    """Return all tensors of the picture, constants too, each after those it reads."""

    def parents(tensor: Tensor) -> Any:
        return iter(tensor._node.parents if tensor._node and id(tensor) in inside else ())

    order: list[Tensor] = []
    seen = {id(root)}
    stack = [(root, parents(root))]
    while stack:
        tensor, waiting = stack[-1]
        parent = next(waiting, None)
        if parent is None:
            order.append(tensor)
            stack.pop()
        elif id(parent) not in seen:
            seen.add(id(parent))
            stack.append((parent, parents(parent)))
    return order


Gradients = tuple[dict[int, Any], dict[tuple[int, int], Any], list[str]]


def _gradients(
    root: Tensor, order: list[Tensor], inside: dict[int, Tensor], seed: Any
) -> Gradients:
    """Return the gradient of each tensor, that of each operand, and why any are missing."""
    if not root.requires_grad:
        return {}, {}, []
    made = [t for t in order if id(t) in inside and t._node is not None]
    if any(t._node.backward is None for t in made):  # type: ignore[union-attr]
        left = {id(t): t.grad.array for t in order if t.grad is not None}
        return (
            left,
            {},
            [
                "A backward pass has used this graph up: of the gradients only those in .grad are "
                "left. Draw before it, or call backward(retain_graph=True)."
            ],
        )
    if seed is None and root.array.size != 1:
        return {}, {}, [f"For gradients of a result of shape {root.shape}, give gradient=."]
    seed = root._seed(seed)
    try:
        check_way_back(made)
        return *_swept(root, order, inside, seed), []
    except GraphError as error:
        return {}, {}, [f"No gradients: {error}."]


def _swept(
    root: Tensor, order: list[Tensor], inside: dict[int, Tensor], seed: Any
) -> tuple[dict[int, Any], dict[tuple[int, int], Any]]:
    """Return the gradients of all tensors and of all operands.

    What reaches a tensor is the sum over the operations that read it, so one visit to each, the
    last first, is enough.
    """
    totals: dict[int, Any] = {id(root): seed}
    parts: dict[tuple[int, int], Any] = {}
    for tensor in reversed(order):
        node, grad = tensor._node, totals.get(id(tensor))
        if grad is None or node is None or node.backward is None or id(tensor) not in inside:
            continue
        for operand, (parent, part) in enumerate(
            zip(node.parents, node.backward(grad), strict=True)
        ):
            if part is None or not parent.requires_grad:
                continue
            part = parent.backend.asarray(part, dtype=parent.array.dtype)
            before = totals.get(id(parent))
            parts[id(tensor), operand] = part
            totals[id(parent)] = part if before is None else before + part
    return totals, parts


def _folded(
    order: list[Tensor], inside: dict[int, Tensor], names: dict[int, str]
) -> dict[int, Tensor]:
    """Return the plain numbers that one operation reads: they stand in its circle."""
    readers = [t._node for t in order if t._node is not None and id(t) in inside]
    uses = Counter(id(p) for node in readers for p in node.parents)
    return {
        id(p): p
        for node in readers
        if node.name in TAKES_CONSTANT
        for p in node.parents
        if p.ndim == 0 and not p.requires_grad and uses[id(p)] == 1 and id(p) not in names
    }


def _kind(tensor: Tensor, inside: dict[int, Tensor]) -> str:
    if tensor._node is not None:
        return "operation" if id(tensor) in inside else "cut"
    return "leaf" if tensor.requires_grad else "constant"


def _spoken(
    shown: list[Tensor], names: dict[int, str], root: Tensor, result: str
) -> dict[int, str]:
    """Return a name for each tensor: the given one, or x1, x2 ... for leaves, v1 ... for others."""
    taken = set(names.values()) | {result}
    spoken = {}
    counts = {"x": 0, "v": 0}
    for tensor in shown:
        if id(tensor) in names:
            spoken[id(tensor)] = names[id(tensor)]
            continue
        letter = "x" if tensor._node is None else "v"
        while True:
            counts[letter] += 1
            name = f"{letter}{counts[letter]}"
            if name not in taken:
                break
        spoken[id(tensor)] = name
    if id(root) not in names:
        spoken[id(root)] = result
    return spoken
