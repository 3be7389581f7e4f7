"""Lower a stack, a loss and an optimizer to flat buffers and a table of layers.

A ``Program`` owns the buffers drawn in ``backends/plan.py``; the parameters of the stack become
views of them, so that the stack always shows what was learned. Which kernels run, and whether step
by step or as one compiled call, is the backend's affair.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from accelnn import nn
from accelnn.autograd import Parameter
from accelnn.backends import Backend
from accelnn.backends.plan import Plan, Update
from accelnn.errors import NotLowerable
from accelnn.kernels import table as t

#: Layer class -> its code and how to read its scalar. Exact classes: a subclass may compute
#: something else.
_CODES: dict[type, tuple[int, Callable[[Any], float]]] = {
    nn.Linear: (t.LINEAR, lambda layer: 0.0),
    nn.Dropout: (t.DROPOUT, lambda layer: layer.p),
    nn.Identity: (t.IDENTITY, lambda layer: 0.0),
    nn.Sigmoid: (t.SIGMOID, lambda layer: 0.0),
    nn.Tanh: (t.TANH, lambda layer: 0.0),
    nn.ReLU: (t.RELU, lambda layer: 0.0),
    nn.LeakyReLU: (t.LEAKY_RELU, lambda layer: layer.negative_slope),
    nn.ELU: (t.ELU, lambda layer: layer.alpha),
    nn.Softmax: (t.SOFTMAX, lambda layer: 0.0),
    nn.LogSoftmax: (t.LOG_SOFTMAX, lambda layer: 0.0),
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
    """What a program needs of an optimizer."""

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
    return [model]


def kernels_of(layer: nn.Module) -> list[str]:
    """Return the names of the kernels that a layer of the closed set runs, forward and back."""
    code = _CODES[type(layer)][0]
    if code == t.LINEAR:
        bias = isinstance(layer, nn.Linear) and layer.bias is not None
        return ["matmul", "add_bias", "sum_rows"] if bias else ["matmul"]
    name = t.LAYERS[code]
    return [name] if code == t.DROPOUT else [name, name + "_backward"]


def check_lowerable(model: nn.Module, loss: Any, optimizer: Any) -> list[nn.Module]:
    """Return the layers of a stack that a program can train, or raise ``NotLowerable``."""
    layers = flat_layers(model)
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if not linears:
        raise NotLowerable("the stack has no Linear layer, so there is nothing to train")
    if type(loss) not in _LOSSES:
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


class Program:
    """A stack that is trained from flat buffers; made by ``lower``.

    Attributes
    ----------
    plan : Plan
        Buffers and table.
    backend : Backend
    rule : Rule
        The optimizer.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        loss: RowLoss,
        rule: Rule,
        backend: Backend,
        batch_size: int,
    ) -> None:
        self.layers, self.rule, self.backend = layers, rule, backend
        linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
        self._weights = [layer.weight for layer in linears]
        self._biases = [layer.bias for layer in linears if layer.bias is not None]
        n_in, n_out = linears[0].in_features, linears[-1].out_features
        table, widths, widest = _table(layers, n_in, batch_size)
        dtype = self._weights[0].dtype
        n_params = sum(p.data.size for p in self._parameters())
        self.plan = Plan(
            table=table,
            loss=loss.code,
            loss_scale=loss.scale,
            loss_mean=loss.mean,
            update=rule.update(),
            batch_size=batch_size,
            n_in=n_in,
            n_out=n_out,
            n_weights=sum(p.data.size for p in self._weights),
            params=backend.zeros((n_params,), dtype),
            grads=backend.zeros((n_params,), dtype),
            states=backend.zeros((rule.update().n_states, n_params), dtype),
            work=backend.zeros((batch_size * widths,), dtype),
            deltas=backend.zeros((2, batch_size * widest), dtype),
        )
        self._adopt()

    def _parameters(self) -> Iterable[Parameter]:
        return [*self._weights, *self._biases]

    def _adopt(self) -> None:
        """Copy parameters and optimizer states in and make the originals views of the buffers."""
        offset = 0
        states = getattr(self.rule, "states", None)
        for p in self._parameters():
            n_flat, shape = p.data.size, tuple(p.shape)

            def view(buffer: Any, start: int = offset, size: int = n_flat, s: Any = shape) -> Any:
                return buffer[start : start + size].reshape(s[::-1])

            mine = view(self.plan.params)
            mine[...] = p.data.T
            if states is not None:
                held = states(p)
                for row, state in enumerate(held):
                    mine_too = view(self.plan.states[row])
                    mine_too[...] = state.T
                    held[row] = mine_too.T
            p.data, p.grad = mine.T, None
            offset += n_flat

    @property
    def stale(self) -> bool:
        """Whether a parameter was replaced since, so that the program must be built again."""
        overlap = self.backend.xp.may_share_memory
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        now = [layer.weight for layer in linears]
        now += [layer.bias for layer in linears if layer.bias is not None]
        return [id(p) for p in now] != [id(p) for p in self._parameters()] or any(
            not overlap(p.data, self.plan.params) for p in now
        )

    def bind(self, X: Any, y: Any) -> None:
        """Set the data to train on: X (n, n_in), y (n,) int64 or (n, n_out), arrays of the backend.

        Nothing is copied; ``training.py`` has checked both.
        """
        plan = self.plan
        plan.X, plan.y = X, y
        plan.row_losses = self.backend.zeros((X.shape[0],), plan.params.dtype)
        self.start_epoch(np.arange(X.shape[0]))

    def start_epoch(self, order: Any) -> None:
        """Set the order in which the rows are visited, (n,) int64 on the host."""
        self.plan.order = self.backend.asarray(np.ascontiguousarray(order, np.int64))

    @property
    def n_batches(self) -> int:
        """Minibatches of an epoch; the last one may be smaller."""
        return -(-len(self.plan.order) // self.plan.batch_size)

    def run(self, first: int, last: int, learning_rates: Any) -> float:
        """Train on minibatches ``first`` ... ``last - 1`` and return the sum of their rows' losses.

        Parameters
        ----------
        first, last : int
            0 <= first <= last <= n_batches.
        learning_rates : sequence of last - first floats
            One per step.
        """
        plan = self.plan
        if not 0 <= first <= last <= self.n_batches or len(learning_rates) != last - first:
            raise ValueError(
                f"expected 0 <= first <= last <= {self.n_batches} and one learning rate per step, "
                f"got first={first}, last={last} and {len(learning_rates)} rates"
            )
        scalars = np.array(
            [self.rule.scalars(self.rule.t + 1 + i, lr) for i, lr in enumerate(learning_rates)]
        ).reshape(last - first, 3)
        self.backend.run_steps(plan, first, last, scalars)
        self.rule.t += last - first
        self._count_dropouts()
        rows = plan.row_losses[first * plan.batch_size : last * plan.batch_size]
        return float(self.backend.xp.sum(rows, dtype=np.float64)) * plan.loss_scale

    def loss_and_grad(self, batch: int = 0) -> tuple[float, Any]:
        """Return loss and flat gradient of one minibatch of the epoch, changing no parameter.

        The gradient is the program's own buffer, laid out as in ``backends/plan.py``.
        """
        plan, kept = self.plan, self.plan.update
        rows = min((batch + 1) * plan.batch_size, len(plan.order)) - batch * plan.batch_size
        plan.update = Update()
        try:
            self.backend.run_steps(plan, batch, batch + 1, np.zeros((1, 3)))
        finally:
            plan.update = kept
        self._count_dropouts()
        losses = plan.row_losses[batch * plan.batch_size : batch * plan.batch_size + rows]
        total = float(self.backend.xp.sum(losses, dtype=np.float64)) * plan.loss_weight(rows)
        return total, plan.grads

    def predict(self, X: Any) -> Any:
        """Return the outputs, (n, n_out), for rows of X (n, n_in), an array of the backend."""
        out = self.backend.empty((X.shape[0], self.plan.n_out), self.plan.params.dtype)
        self.backend.run_forward(self.plan, X, out)
        return out

    def _count_dropouts(self) -> None:
        for record, layer in zip(self.plan.table, self.layers, strict=True):
            if isinstance(layer, nn.Dropout):
                layer.call = int(record["call"])


def lower(
    model: nn.Module, loss: Any, optimizer: Any, backend: Backend, batch_size: int
) -> Program:
    """Return the program of a stack, whose parameters must be on ``backend`` already.

    Raises
    ------
    NotLowerable
        Where a part is outside the closed set; the message names it.
    """
    if not backend.in_place:
        raise NotLowerable(f"backend {backend.name!r} cannot write into buffers")
    layers = check_lowerable(model, loss, optimizer)
    return Program(layers, row_loss(loss, layers), optimizer, backend, batch_size)


def row_loss(loss: nn.Loss, layers: list[nn.Module]) -> RowLoss:
    """Return a loss module's kernel and weights.

    A mean is over rows for classes, and over rows and outputs for the element-wise losses.
    """
    code, mean = _LOSSES[type(loss)], loss.reduction == "mean"
    n_out = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)][-1]
    by_output = mean and code != t.CROSS_ENTROPY
    return RowLoss(code, 1 / n_out if by_output else 1.0, mean)


def _table(layers: list[nn.Module], n_in: int, batch_size: int) -> tuple[Any, int, int]:
    """Return (records, sum of the widths in the workspace, widest layer).

    An activation behind a Linear overwrites it: no derivative needs z once the output is there.
    Everything else gets a place of its own.
    """
    table = np.zeros(len(layers), t.RECORD)
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    weight, bias = 0, sum(lin.weight.data.size for lin in linears)
    width, widths, source, widest = n_in, n_in, 0, n_in
    before = -1
    for record, layer in zip(table, layers, strict=True):
        kind, scalar = _CODES[type(layer)]
        record["kind"], record["scalar"], record["bias"] = kind, scalar(layer), -1
        record["n_in"], record["source"] = width, source
        if isinstance(layer, nn.Linear):
            record["weight"], width = weight, layer.out_features
            weight += layer.weight.data.size
            if layer.bias is not None:
                record["bias"] = bias
                bias += layer.bias.data.size
        if isinstance(layer, nn.Dropout):
            record["seed"], record["call"] = layer.seed, layer.call
        if kind in (t.LINEAR, t.DROPOUT) or before != t.LINEAR:
            source = widths * batch_size
            widths += width
        record["n_out"], record["target"] = width, source
        widest = max(widest, width)
        before = kind
    return table, widths, widest
