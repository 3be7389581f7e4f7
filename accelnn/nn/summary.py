"""What a model consists of: layers, shapes of their outputs, numbers of parameters."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from accelnn.autograd import Parameter, Tensor
from accelnn.graph import no_grad

if TYPE_CHECKING:
    from accelnn.nn.module import Module


class SummaryRow(NamedTuple):
    """One layer of a model.

    Attributes
    ----------
    name : str
        Dotted, as in ``named_modules``.
    layer : str
        Name of its class.
    output : tuple of int, or None
        Shape of what it returns without the batch axis; None where it is not known.
    parameters : int
        Its own; one that an earlier layer shares with it is counted there.
    biases : int
        Those of them that are added: what the layer would have less with ``bias=False``.
    """

    name: str
    layer: str
    output: tuple[int, ...] | None
    parameters: int
    biases: int


@dataclass(frozen=True)
class Summary:
    """The layers of a model; ``print`` it.

    Attributes
    ----------
    rows : tuple of SummaryRow
        The modules without others below them, and those with parameters of their own.
    total, trainable : int
        Parameters, each once, and those with ``requires_grad``.
    biases : int
        Of the total.
    """

    rows: tuple[SummaryRow, ...]
    total: int
    trainable: int
    biases: int

    def __str__(self) -> str:
        table = [("name", "layer", "output", "parameters", "biases")]
        for row in self.rows:
            shape = "?" if row.output is None else f"({', '.join(map(str, ('n', *row.output)))})"
            table.append((row.name, row.layer, shape, f"{row.parameters:,}", f"{row.biases:,}"))
        table.append(("total", "", "", f"{self.total:,}", f"{self.biases:,}"))
        table.append(("trainable", "", "", f"{self.trainable:,}", ""))
        widths = [max(len(line[i]) for line in table) for i in range(5)]
        sides = ("<", "<", "<", ">", ">")
        return "\n".join(
            "  ".join(
                f"{cell:{side}{n}}" for cell, side, n in zip(line, sides, widths, strict=True)
            ).rstrip()
            for line in table
        )

    __repr__ = __str__


def summarise(model: "Module", input_shape: tuple[int, ...] | None) -> Summary:
    """Return the summary of a model; see ``Module.summary``."""
    shapes = _declared(model) if input_shape is None else _measured(model, input_shape)
    rows, counted = [], set[int]()
    for name, module in model.named_modules():
        own = {key: p for key, p in module._parameters.items() if id(p) not in counted}
        counted.update(map(id, own.values()))
        if module._parameters or not module._modules:
            biases = sum(_size(p) for key, p in own.items() if key == "bias")
            number = sum(map(_size, own.values()))
            kind = type(module).__name__
            rows.append(SummaryRow(name, kind, shapes.get(name), number, biases))
    every = list(model.parameters())
    trainable = sum(_size(p) for p in every if p.requires_grad)
    biases = sum(row.biases for row in rows)
    return Summary(tuple(rows), sum(map(_size, every)), trainable, biases)


def _size(p: Parameter) -> int:
    return int(p.array.size)


def _measured(model: "Module", shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Pass a batch of one through a copy of the model; return the shapes by name."""
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(
            f"input_shape is that of one sample without the batch axis, such as (784,) or "
            f"(28, 28); got {shape!r}"
        )
    twin = deepcopy(model).eval()
    shapes: dict[str, tuple[int, ...]] = {}

    def listen(name: str, module: "Module") -> None:
        def keep(_: Any, inputs: Any, output: Any) -> None:
            shapes[name] = output.shape[1:]

        vars(module).pop("_hooks", None)  # the model's own are not for zeros
        module.register_forward_hook(keep)

    for name, module in twin.named_modules():
        listen(name, module)
    dtype = next((str(p.dtype) for p in twin.parameters()), "float32")
    with no_grad():
        twin(Tensor(np.zeros((1, *shape), dtype), backend=twin.backend or "auto"))
    return shapes


def _declared(model: "Module") -> dict[str, tuple[int, ...]]:
    """Return what the layers of a Sequential say of their widths, up to the next Flatten."""
    shapes: dict[str, tuple[int, ...]] = {}
    width = None
    for name, layer in _in_order(model):
        if type(layer).__name__ == "Flatten":
            width = None
        width = getattr(layer, "out_features", getattr(layer, "num_features", width))
        if width is not None:
            shapes[name] = (int(width),)
    return shapes


def _in_order(model: "Module", name: str = "") -> Iterator[tuple[str, "Module"]]:
    """Yield the leaves of nested Sequentials; of other modules' insides nothing is known."""
    if type(model).__name__ == "Sequential":
        for below, layer in model.named_children():
            yield from _in_order(layer, f"{name}.{below}" if name else below)
    elif not model._modules:
        yield name, model
