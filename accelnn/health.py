"""Whether a network can learn: gradients of its weights, units that are dead, slopes near 0.

A sigmoid far from 0 has a slope near 0 and lets nothing through on the way back; a ReLU whose unit
is negative for every row learns nothing at all. Both show here as fractions, layer by layer.
"""

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from accelnn.autograd import Tensor
from accelnn.checking import as_features, check_count, check_targets
from accelnn.history import Callback, Epoch
from accelnn.nn import CrossEntropyLoss, Dropout, Flatten, Linear, LogSoftmax, Module, Softmax
from accelnn.observing import Observed, observe

#: A slope of at most this part of the greatest counts as saturated.
SATURATED_BELOW = 0.01
#: These have no slope of an element by itself, or are no activations.
_WITHOUT_SLOPE = (Softmax, LogSoftmax, Dropout, Flatten)


class LayerHealth(NamedTuple):
    """What ``layer_health`` finds of one layer; None where a number does not apply.

    Attributes
    ----------
    name : str
        Dotted, as in ``Module.named_modules``.
    layer : str
        Name of its class.
    gradient_norm, weight_norm : float or None
        √(Σ dW²) and √(Σ W²) of the ``weight``, without the bias.
    dead : float or None
        Fraction of the units, the last axis, whose slope g'(z) is 0 for every row: of a ReLU those
        that give 0 for every row. Nothing passes back through them.
    saturated : float or None
        Fraction of all outputs, rows times units, whose slope is at most 1 % of the greatest that
        the activation has for z = -8 ... 8: of a sigmoid ``|z|`` > 5.98, of tanh ``|z|`` > 2.99.
    """

    name: str
    layer: str
    gradient_norm: float | None = None
    weight_norm: float | None = None
    dead: float | None = None
    saturated: float | None = None


class HealthReport(list[LayerHealth]):
    """The layers in order of execution; prints as a table."""

    def __str__(self) -> str:
        table = [tuple(word.replace("_", " ") for word in LayerHealth._fields)]
        for row in self:
            norms = ["" if x is None else f"{x:.3g}" for x in row[2:4]]
            parts = ["" if x is None else f"{x:.1%}" for x in row[4:]]
            table.append((*row[:2], *norms, *parts))
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        return "\n".join(
            "  ".join(
                f"{cell:{'<' if i < 2 else '>'}{widths[i]}}" for i, cell in enumerate(line)
            ).rstrip()
            for line in table
        )

    def __getitem__(self, key: Any) -> Any:
        """Return the layer of a name or a position."""
        if isinstance(key, str):
            found = next((row for row in self if row.name == key), None)
            if found is None:
                known = ", ".join(repr(row.name) for row in self)
                raise KeyError(f"no layer {key!r}; there are {known}")
            return found
        return super().__getitem__(key)


def layer_health(
    model: Module, loss: Any, X: Any, y: Any, *, input_scale: float = 1.0
) -> HealthReport:
    """Return gradient norms of the layers with weights, and dead and saturated fractions.

    One forward and one backward pass over all rows at once, in evaluation mode, on a copy: the
    model, its gradients, buffers and counters stay as they are.

    Parameters
    ----------
    model : Module
    loss : Loss or callable (prediction, target) -> Tensor
        With a reduction to one number.
    X, y : arrays
        As for ``accelnn.train``; some hundred rows say enough.
    input_scale : float
        The network sees ``X * input_scale``.

    Returns
    -------
    HealthReport
        A list of LayerHealth that prints as a table; ``report["0"]`` is the layer of that name.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn
    >>> model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> model.load_state_dict({"0.weight": [[1.0], [-1.0]], "0.bias": [0.0, 0.0],
    ...                        "2.weight": [[1.0, 1.0]], "2.bias": [0.0]})
    >>> print(accelnn.layer_health(model, nn.MSELoss(), [[1.0], [2.0]], [0.0, 0.0]))
    name  layer   gradient norm  weight norm   dead  saturated
    0     Linear              5         1.41
    1     ReLU                                50.0%      50.0%
    2     Linear              5         1.41
    """
    twin = _twin(model)
    backend = twin.backend
    with observe(twin) as seen:
        x = Tensor(_features(twin, X, input_scale), backend=backend or "auto")
        output = twin(x)
        classes = isinstance(loss, CrossEntropyLoss)
        width = output.shape[1] if output.ndim == 2 else None
        target = check_targets(y, x.shape[0], width, classes, output.dtype, output.backend)
        loss(output, Tensor(target, backend=output.backend)).backward()
    weights = [row for layer in seen.values() if (row := _of_weight(layer)) is not None]
    slopes = [row for layer in seen.values() if (row := _of_activation(layer)) is not None]
    place = {name: i for i, name in enumerate(seen)}
    return HealthReport(sorted(weights + slopes, key=lambda row: place[row.name]))


class WatchLayers(Callback):
    """Callback of ``accelnn.train`` that keeps the ``layer_health`` of the model as it learns.

    Parameters
    ----------
    X, y : arrays
        Rows to look at; the same at each time.
    every : int
        Epochs from one look to the next; the last look is at a multiple of it.
    input_scale : float
        As for ``train``.

    Attributes
    ----------
    epochs : list of int
        When it looked, counted from 1.
    reports : list of HealthReport
        What it saw.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn, optim
    >>> accelnn.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    >>> X, y = [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0]
    >>> watch = accelnn.WatchLayers(X, y, every=2)
    >>> sgd = optim.SGD(model.parameters(), lr=0.1)
    >>> history = accelnn.train(model, nn.MSELoss(), sgd, X, y, epochs=4, callbacks=[watch])
    >>> watch.epochs, [report["1"].dead for report in watch.reports]
    ([2, 4], [0.0, 0.0])
    """

    def __init__(self, X: Any, y: Any, every: int = 1, *, input_scale: float = 1.0) -> None:
        self.X, self.y, self.every = X, y, check_count("every", every)
        self.input_scale = input_scale
        self.epochs: list[int] = []
        self.reports: list[HealthReport] = []
        self._model: Any = None
        self._loss: Any = None

    def on_model(self, model: Module, loss: Any) -> None:
        """Keep what is trained, and forget what an earlier training left."""
        self._model, self._loss = model, loss
        self.epochs, self.reports = [], []

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Look at the layers."""
        if epoch.epoch % self.every == 0:
            scale = self.input_scale
            seen = layer_health(self._model, self._loss, self.X, self.y, input_scale=scale)
            self.epochs.append(epoch.epoch)
            self.reports.append(seen)


def _twin(model: Module) -> Module:
    """Return a copy in evaluation mode, without the hooks and gradients of the model."""
    twin = deepcopy(model).eval()
    for module in twin.modules():
        vars(module).pop("_hooks", None)
    twin.zero_grad()
    return twin


def _features(model: Module, X: Any, scale: float) -> Any:
    """Return X in the dtype of the model, images as rows where it begins with a Linear."""
    dtype = next((str(p.dtype) for p in model.parameters()), "float32")
    given = X.array if isinstance(X, Tensor) else X
    given = given if hasattr(given, "dtype") else np.asarray(given)
    backend = model.backend
    x = given if backend is None else as_features(given, dtype, backend, scale)
    first = next(module for module in model.modules() if not module._modules)
    return x.reshape(x.shape[0], -1) if isinstance(first, Linear) and len(x.shape) > 2 else x


def _norm(x: Tensor) -> float:
    """Return √(Σ x²); in float64, where squares of small gradients do not vanish."""
    return float(np.linalg.norm(np.asarray(x.numpy(), np.float64)))


def _of_weight(layer: Observed) -> LayerHealth | None:
    weight = getattr(layer.module, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    gradient = None if weight.grad is None else _norm(weight.grad)
    return LayerHealth(layer.name, type(layer.module).__name__, gradient, _norm(weight))


def _of_activation(layer: Observed) -> LayerHealth | None:
    """Return what the slopes of a layer say, if it works element by element on its own."""
    module, z = layer.module, layer.input
    if isinstance(module, _WITHOUT_SLOPE) or module._parameters or module._buffers:
        return None
    if layer.output.shape != z.shape or z.ndim == 0 or not z.array.size:
        return None
    slopes = np.abs(_slopes(module, z)).reshape(-1, z.shape[-1])
    grid = Tensor(np.linspace(-8, 8, 1601)[:, None], dtype=str(z.dtype), backend=z.backend)
    greatest = np.abs(_slopes(module, grid)).max()
    dead = (slopes == 0).all(axis=0).mean()
    saturated = (slopes <= SATURATED_BELOW * greatest).mean()
    return LayerHealth(layer.name, type(module).__name__, None, None, float(dead), float(saturated))


def _slopes(module: Module, z: Tensor) -> Any:
    """Return g'(z) on the host: what the way back makes of ones."""
    x = Tensor(z.array, requires_grad=True, backend=z.backend)
    a = module.forward(x)
    if not a.requires_grad:  # a function without a way back
        return np.zeros(z.shape)
    a.backward(np.ones(z.shape, str(z.dtype)))
    return np.zeros(z.shape) if x.grad is None else x.grad.numpy()
