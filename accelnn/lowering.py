"""What can be lowered: layers, losses, optimizers, and the table that describes a stack.

The set is closed. Everything outside it is refused by name, and trains the eager way.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from accelnn import nn
from accelnn.backends.plan import Update
from accelnn.errors import NotLowerable
from accelnn.kernels import table as t


def _none(layer: Any) -> tuple[float, ...]:
    return ()


#: Layer class -> its code and how to read the numbers of its record. Exact classes: a subclass may
#: compute something else. A Maxout is a Linear here, and then one record more.
_CODES: dict[type, tuple[int, Callable[[Any], tuple[float, ...]]]] = {
    nn.Linear: (t.LINEAR, _none),
    nn.Maxout: (t.LINEAR, _none),
    nn.Dropout: (t.DROPOUT, lambda layer: (layer.p,)),
    nn.Identity: (t.IDENTITY, _none),
    nn.Sigmoid: (t.SIGMOID, _none),
    nn.Tanh: (t.TANH, _none),
    nn.ReLU: (t.RELU, _none),
    nn.LeakyReLU: (t.LEAKY_RELU, lambda layer: (layer.negative_slope,)),
    nn.ELU: (t.ELU, lambda layer: (layer.alpha,)),
    nn.Softmax: (t.SOFTMAX, _none),
    nn.LogSoftmax: (t.LOG_SOFTMAX, _none),
    nn.LogSigmoid: (t.LOG_SIGMOID, _none),
    nn.Hardtanh: (t.HARDTANH, lambda layer: (layer.min_val, layer.max_val)),
    nn.ReLU6: (t.HARDTANH, lambda layer: (0.0, 6.0)),
    nn.GELU: (t.GELU, _none),
    nn.SiLU: (t.SILU, _none),
    nn.Sign: (t.STEP, lambda layer: (-1.0, layer.at_zero)),
    nn.Step: (t.STEP, lambda layer: (0.0, layer.at_zero)),
}
_LOSSES: dict[type, int] = {
    nn.MSELoss: t.SQUARED_ERROR,
    nn.BCEWithLogitsLoss: t.BINARY_CROSS_ENTROPY,
    nn.CrossEntropyLoss: t.CROSS_ENTROPY,
}


class RowLoss(NamedTuple):
    """A loss as a program sees it: a kernel, and how much a row's loss weighs in the total.

    Attributes
    ----------
    code : int
        Of ``kernels/table.py``.
    scale : float
        Weight of a row.
    mean : bool
        Whether the weight is divided by the rows of the minibatch.
    """

    code: int
    scale: float
    mean: bool


class Rule(Protocol):
    """What a program needs of an optimizer.

    One that does more than an update kernel, as clipping gradients by their norm, may also have
    ``step_plan(plan, backend, share, lr)``. It is called when the gradients of a minibatch are in
    ``plan.grads`` and ``t`` has counted the step, and changes parameters and states itself;
    ``stepper.update`` is the kernel, and ``share`` the last of its scalars.
    """

    t: int

    def update(self) -> Update:
        """Return what stays the same from step to step."""

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """Return what changes, for step ``t`` = 1, 2, ..."""


def flat_layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers in order: nested Sequentials opened, Flatten left out.

    Raises
    ------
    NotLowerable
        For a layer outside the closed set; its name is in the message.
    """
    if type(model) is nn.Sequential:
        return [inner for layer in model for inner in flat_layers(layer)]
    if type(model) is nn.Flatten:
        return []
    if type(model) not in _CODES:
        raise NotLowerable(f"{type(model).__name__} is not a layer that programs know")
    if isinstance(model, nn.LeakyReLU) and model.negative_slope < 0:
        raise NotLowerable(
            f"LeakyReLU(negative_slope={model.negative_slope}) hides the sign of z in its output"
        )
    if isinstance(model, nn.ELU) and model.alpha < 0:
        raise NotLowerable(f"ELU(alpha={model.alpha}) hides the sign of z in its output")
    if isinstance(model, nn.Softmax | nn.LogSoftmax) and model.dim not in (-1, 1):
        raise NotLowerable(f"{type(model).__name__}(dim={model.dim}) does not work along the rows")
    return [model]


def _records(layer: nn.Module) -> list[tuple[int, tuple[float, ...]]]:
    """Return the code and the numbers of each record that a layer of the closed set becomes."""
    code, numbers = _CODES[type(layer)]
    if isinstance(layer, nn.GELU) and layer.approximate == "tanh":
        code = t.GELU_TANH
    more = [(t.MAXOUT, (float(layer.pieces),))] if isinstance(layer, nn.Maxout) else []
    return [(code, numbers(layer)), *more]


def kernels_of(layer: nn.Module) -> list[str]:
    """Return the names of the kernels that a layer of the closed set runs, forward and back."""
    found = []
    for code, _ in _records(layer):
        name = t.LAYERS[code]
        if code == t.LINEAR:
            bias = isinstance(layer, nn.Linear) and layer.bias is not None
            found += ["matmul", "add_bias", "sum_rows"] if bias else ["matmul"]
        else:
            found += [name] if code == t.DROPOUT else [name, t.backward_of(code)]
    return found


def check_lowerable(model: nn.Module, loss: Any, optimizer: Any) -> list[nn.Module]:
    """Return the layers of a stack that a program can train, or raise ``NotLowerable``."""
    if any(module.has_hooks for module in model.modules()):
        raise NotLowerable("a layer has hooks, which a program would pass by")
    layers = flat_layers(model)
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if not linears:
        raise NotLowerable("the stack has no Linear layer, so there is nothing to train")
    if type(loss) not in _LOSSES or getattr(loss, "label_smoothing", False):
        raise NotLowerable(f"the loss {loss!r} is not one that programs know")
    if loss.reduction == "none":
        raise NotLowerable("a loss with reduction='none' is no single number to descend")
    found = list(model.parameters())
    expected = [p for lin in linears for p in (lin.weight, lin.bias) if p is not None]
    if len(found) != len(expected):
        raise NotLowerable("a parameter is shared between layers")
    if any(not p.requires_grad for p in found):
        raise NotLowerable("a parameter is frozen (requires_grad=False)")
    if len({str(p.dtype) for p in found}) > 1:
        raise NotLowerable("the parameters have more than one dtype")
    if not all(hasattr(optimizer, name) for name in ("update", "scalars", "t")):
        raise NotLowerable(f"{type(optimizer).__name__} does not say what its step computes")
    if {id(p) for p in getattr(optimizer, "parameters", found)} != {id(p) for p in found}:
        raise NotLowerable("the optimizer holds other parameters than the stack's")
    for before, after in pairwise(linears):
        if before.out_features != after.in_features:
            raise NotLowerable(
                f"Linear({before.in_features}, {before.out_features}) is followed by "
                f"Linear({after.in_features}, {after.out_features})"
            )
    return layers


def row_loss(loss: nn.Loss, layers: list[nn.Module]) -> RowLoss:
    """Return a loss module's kernel and weights.

    A mean is over rows for classes, and over rows and outputs for the element-wise losses.
    """
    code, mean = _LOSSES[type(loss)], loss.reduction == "mean"
    n_out = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)][-1]
    by_output = mean and code != t.CROSS_ENTROPY
    return RowLoss(code, 1 / n_out if by_output else 1.0, mean)


def layer_table(layers: list[nn.Module], n_in: int, batch_size: int) -> tuple[Any, int, int]:
    """Return (records, sum of the widths in the workspace, widest layer).

    An activation behind a Linear overwrites it, unless its derivative needs z once the output is
    there. Everything else gets a place of its own.
    """
    rows = [(layer, *record) for layer in layers for record in _records(layer)]
    table = np.zeros(len(rows), t.RECORD)
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    weight, bias = 0, sum(lin.weight.array.size for lin in linears)
    width, widths, source, widest = n_in, n_in, 0, n_in
    before = -1
    for record, (layer, kind, numbers) in zip(table, rows, strict=True):
        record["kind"], record["bias"] = kind, -1
        record["scalar"], record["second"] = (*numbers, 0.0, 0.0)[:2]
        record["n_in"], record["source"] = width, source
        if kind == t.LINEAR and isinstance(layer, nn.Linear):
            record["weight"], width = weight, layer.weight.shape[0]
            weight += layer.weight.array.size
            if layer.bias is not None:
                record["bias"] = bias
                bias += layer.bias.array.size
        if isinstance(layer, nn.Maxout) and kind == t.MAXOUT:
            width = layer.out_features
        if isinstance(layer, nn.Dropout):
            record["seed"], record["call"] = layer.seed, layer.call
        if kind in (t.LINEAR, t.DROPOUT, *t.READS_Z) or before != t.LINEAR:
            source = widths * batch_size
            widths += width
        record["n_out"], record["target"] = width, source
        widest = max(widest, width)
        before = kind
    return table, widths, widest
