"""The two ways through a stack, behind the four calls that the fit loop makes."""

import warnings
from typing import Any, Protocol

import numpy as np

from accelnn import nn
from accelnn.autograd import Tensor
from accelnn.backends import Backend, resolve_backend
from accelnn.checking import as_features, as_given, check_scale
from accelnn.errors import NotLowerable
from accelnn.graph import no_grad
from accelnn.history import Explanation
from accelnn.kernels import table as t
from accelnn.lowering import check_lowerable, kernels_of, row_loss
from accelnn.program import lower


class Engine(Protocol):
    """What the loop drives: a Program or an EagerEngine."""

    @property
    def n_batches(self) -> int:
        """Minibatches of an epoch."""

    def bind(self, X: Any, y: Any, input_scale: float = 1.0) -> None:
        """Set the data; the network sees ``X * input_scale``."""

    def start_epoch(self, order: Any) -> None:
        """Set the order of the rows."""

    def run(self, first: int, last: int, learning_rates: Any) -> float:
        """Train on minibatches; return the sum of the rows' losses."""

    def outputs(self, features: Any) -> Any:
        """Return the outputs, an array of the backend, for what ``as_features`` returned."""

    def close(self) -> None:
        """Release what only training needs."""


class EagerEngine:
    """The same calls through tensors, for whatever a program does not know."""

    def __init__(
        self, model: nn.Module, loss: Any, optimizer: Any, backend: Backend, batch_size: int
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.backend, self.batch_size = backend, batch_size
        self.X: Any = None
        self.y: Any = None
        self.order: Any = None
        self.scale = 1.0
        self.dtype = next((str(p.dtype) for p in model.parameters()), "float32")

    def bind(self, X: Any, y: Any, input_scale: float = 1.0) -> None:
        """Set the data, arrays; the network sees ``X * input_scale``."""
        self.scale = check_scale(input_scale)
        self.X = as_features(X, self.dtype, self.backend, self.scale)
        self.y = self.backend.asarray(y)
        self.start_epoch(np.arange(X.shape[0]))

    def start_epoch(self, order: Any) -> None:
        """Set the order of the rows."""
        self.order = self.backend.asarray(order, dtype=np.int64)

    @property
    def n_batches(self) -> int:
        """Minibatches of an epoch."""
        return -(-len(self.order) // self.batch_size)

    def run(self, first: int, last: int, learning_rates: Any) -> float:
        """Forward, backward and step for each minibatch."""
        total, take, rows = 0.0, self.backend.take_rows, self._rows
        for step, rate in zip(range(first, last), learning_rates, strict=True):
            chosen = self.order[step * self.batch_size : (step + 1) * self.batch_size]
            x = Tensor(rows(chosen), backend=self.backend)
            target = Tensor(take(self.y, chosen), backend=self.backend)
            self.optimizer.zero_grad()
            value = self.loss(self.model(x), target)
            value.backward()
            self.optimizer.lr = rate
            self.optimizer.step()
            share = 1 if getattr(self.loss, "reduction", "mean") == "sum" else len(chosen)
            total += value.item() * share
        return total

    def _rows(self, chosen: Any) -> Any:
        """Gather a minibatch; on the host where X was too big for the device."""
        if isinstance(self.X, np.ndarray) and not isinstance(chosen, np.ndarray):
            return self.backend.asarray(self.X[self.backend.to_numpy(chosen)])
        return self.backend.take_rows(self.X, chosen)

    def predict(self, X: Any) -> Any:
        """Outputs for an array X, of X's kind: of its library on a GPU, else of NumPy."""
        features = as_features(X, self.dtype, self.backend, self.scale)
        return as_given(self.outputs(features), X, self.backend)

    def outputs(self, features: Any) -> Any:
        """Outputs in evaluation mode, without a graph."""
        mode = self.model.training
        self.model.eval()
        try:
            with no_grad():
                parts = [
                    self.model(Tensor(features[i : i + 1024], backend=self.backend)).array
                    for i in range(0, features.shape[0], 1024)
                ]
        finally:
            self.model.train(mode)
        return self.backend.xp.concatenate(parts)

    def close(self) -> None:
        """Let go of the data."""
        self.X = self.y = self.order = None


def explain(
    model: nn.Module, loss: Any, optimizer: Any, backend: str | Backend = "auto"
) -> Explanation:
    """Say which way ``train`` would take, and the kernels behind each layer.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn, optim
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> print(accelnn.explain(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters())))
    program on numpy
      Linear(in_features=4, out_features=8, bias=True, dtype='float32')  matmul, add_bias, sum_rows
      ReLU()                                                             relu, relu_backward
      Linear(in_features=8, out_features=3, bias=True, dtype='float32')  matmul, add_bias, sum_rows
      CrossEntropyLoss(reduction='mean')                                 cross_entropy, cross_entropy_backward
      SGD(lr=0.001, momentum=0.0, nesterov=False, weight_decay=0.0)      sgd
    """  # noqa: E501 - the output as it is
    held = resolve_backend(backend) if backend != "auto" else model.backend or resolve_backend()
    try:
        if not held.in_place:
            raise NotLowerable(f"backend {held.name!r} cannot write into buffers")
        layers = check_lowerable(model, loss, optimizer)
    except NotLowerable as why:
        listed = [(repr(layer), "its forward()") for layer in leaves(model)]
        return Explanation("eager", held.name, str(why), tuple(listed))
    rows = [(repr(layer), ", ".join(kernels_of(layer))) for layer in layers]
    name = t.LOSSES[row_loss(loss, layers).code]
    rows.append((repr(loss), f"{name}, {name}_backward"))
    rows.append((repr(optimizer), t.UPDATES[optimizer.update().kind]))
    return Explanation("program", held.name, "", tuple(rows))


def leaves(model: nn.Module) -> list[nn.Module]:
    """Return the modules without children, in order."""
    below = [leaf for child in model.children() for leaf in leaves(child)]
    return below or [model]


def make_engine(
    model: nn.Module,
    loss: Any,
    optimizer: Any,
    backend: Backend,
    batch_size: int,
    explanation: Explanation,
    precision: str = "float32",
) -> Engine:
    """Return a program if the explanation says so, else the eager way with one warning."""
    if explanation.engine == "program":
        return lower(model, loss, optimizer, backend, batch_size, precision)
    warnings.warn(
        f"training the eager way, step by step through tensors, because {explanation.reason}",
        UserWarning,
        stacklevel=3,
    )
    return EagerEngine(model, loss, optimizer, backend, batch_size)
