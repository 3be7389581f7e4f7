"""The fit loop: minibatches, validation, history, callbacks; over a program or the eager way.

The loop asks for about ``CHUNK_SECONDS`` of work at a time, so that Ctrl-C, progress bars and
time budgets work between calls into compiled code or a GPU.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from accelnn import nn
from accelnn.autograd import Tensor
from accelnn.backends import Backend, resolve_with_reason
from accelnn.checking import (
    check_count,
    check_features,
    check_precision,
    check_scale,
    check_targets,
)
from accelnn.engines import Engine, explain, leaves, make_engine
from accelnn.errors import NotLowerable
from accelnn.graph import no_grad
from accelnn.history import Callback, Epoch, Explanation, History
from accelnn.lowering import flat_layers

CHUNK_SECONDS = 0.2
#: With fewer rows, shuffling is no longer than handing it to another thread and back is worth.
SHUFFLED_AHEAD = 10_000


def train(
    model: nn.Module,
    loss: Any,
    optimizer: Any,
    X: Any,
    y: Any,
    *,
    epochs: int = 1,
    batch_size: int = 128,
    X_val: Any = None,
    y_val: Any = None,
    backend: str | Backend = "auto",
    callbacks: Iterable[Callback] = (),
    shuffle: bool = True,
    seed: int | None = None,
    input_scale: float = 1.0,
    precision: str = "float32",
) -> History:
    """Train a stack on minibatches.

    Parameters
    ----------
    model : Module
        Usually a ``Sequential``; its parameters are changed in place.
    loss : Loss or callable (prediction, target) -> Tensor
        A callable of your own trains the eager way.
    optimizer : Optimizer
        Over the parameters of ``model``.
    X : array of shape (n, ...)
        Converted to the dtype of the model; images are flattened to rows where the model begins
        with Linear or Flatten. A NumPy array that is too big for a GPU's memory stays on the host
        and is read from there, minibatch by minibatch.
    y : array of shape (n,) or (n, n_outputs)
        Integer classes for ``CrossEntropyLoss``, values for the others.
    epochs, batch_size : int
        The last minibatch of an epoch may be smaller.
    X_val, y_val : arrays, optional
        Evaluated after each epoch.
    backend : str or Backend
        "auto" keeps a model that is on a GPU, else chooses by the size of the fit. The model is on
        this backend afterwards.
    callbacks : iterable of Callback
    shuffle : bool
        Visit the rows in a new order each epoch.
    seed : int, optional
        Of the orders; the same seed gives the same orders on every backend.
    input_scale : float
        The network sees ``X * input_scale``, in training and validation: 1/255 for pixels of
        uint8, which a backend that ``reads_bytes`` then keeps as they are.
    precision : str
        What products are computed in: "float32" stands for the dtype of the model, others only
        where ``backend.precisions`` has them.

    Returns
    -------
    History

    Raises
    ------
    ValueError, TypeError
        For data that do not fit the model, before anything is changed.
    BackendUnavailable
        If a backend named cannot run.
    FloatingPointError
        If the loss became NaN or infinite.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn, optim
    >>> accelnn.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> X = [[-1.0], [-0.5], [0.0], [0.5], [1.0]]
    >>> y = [1.0, 0.25, 0.0, 0.25, 1.0]
    >>> adam = optim.Adam(model.parameters(), lr=0.05)
    >>> history = accelnn.train(model, nn.MSELoss(), adam, X, y, epochs=300, seed=0)
    >>> history["loss"][-1] < 0.01, history.engine
    (True, 'program')
    """
    epochs, batch_size = check_count("epochs", epochs), check_count("batch_size", batch_size)
    scale = check_scale(input_scale)
    held, why = choose_backend(model, X, backend, epochs)
    with held.scope(), held.memory_guard():
        explanation = explain(model, loss, optimizer, held)
        _check_precision(precision, model, held, explanation)
        keep_bytes = held.reads_bytes and explanation.engine == "program"
        data = _Data(model, loss, held, scale, keep_bytes)
        data.read(X, y, X_val, y_val)
        model.to(held)
        model.train()
        rows = min(batch_size, data.X.shape[0])
        history = History(held.name, explanation.engine, explanation, why)
        engine = make_engine(model, loss, optimizer, held, rows, explanation, precision)
        try:
            engine.bind(data.X, data.y, input_scale=data.scale_left)
            loop = Loop(engine, held, list(callbacks), data.X.shape[0])
            _fit(loop, data, optimizer, history, epochs, np.random.default_rng(seed), shuffle)
        finally:
            engine.close()
    return history


def _fit(
    loop: "Loop",
    data: "_Data",
    optimizer: Any,
    history: History,
    epochs: int,
    rng: np.random.Generator,
    shuffle: bool,
) -> None:
    """Run the epochs and write them into the history, until a callback wants to stop."""
    for callback in loop.callbacks:
        callback.on_model(data.model, data.loss)
        callback.on_train_begin(history, loop.n_rows, epochs)
    compile_seconds = loop.warm_up()
    for number, order in enumerate(_orders(loop.n_rows, epochs, rng, shuffle), 1):
        started = time.perf_counter()
        total = loop.epoch(number, order, lambda first, last: [optimizer.lr] * (last - first))
        seconds = time.perf_counter() - started
        epoch = Epoch(number, total, seconds, compile_seconds, *data.validate(loop.engine))
        compile_seconds = 0.0
        history.epochs.append(epoch)
        if not np.isfinite(total):
            raise FloatingPointError(
                f"the training loss became {total} in epoch {number}; lower the learning rate "
                f"(it is {getattr(optimizer, 'lr', 'unknown')}) or scale the inputs"
            )
        wishes = [callback.on_epoch_end(epoch) for callback in loop.callbacks]  # all hear of it
        if any(wishes):
            history.interrupted = number < epochs
            break


def _orders(n: int, epochs: int, rng: np.random.Generator, shuffle: bool) -> Iterator[Any]:
    """Yield the order of the rows in each epoch.

    60,000 rows take a millisecond to shuffle, a part of an epoch's time on a GPU; so each order is
    drawn while the epoch before it is trained.
    """
    if not shuffle or n < SHUFFLED_AHEAD:
        for _ in range(epochs):
            yield rng.permutation(n) if shuffle else np.arange(n)
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(rng.permutation, n)
        for left in reversed(range(epochs)):
            order = coming.result()
            if left:
                coming = pool.submit(rng.permutation, n)
            yield order


def _check_precision(
    precision: str, model: nn.Module, backend: Backend, explanation: Explanation
) -> None:
    dtype = next((p.dtype for p in model.parameters()), "float32")
    check_precision(precision, dtype, backend)
    if precision != "float32" and explanation.engine == "eager":
        raise ValueError(
            f"precision {precision!r} is for programs, and this would train the eager way, because "
            f"{explanation.reason}"
        )


def choose_backend(
    model: nn.Module, X: Any, backend: str | Backend, epochs: int
) -> tuple[Backend, str]:
    """Return the backend for a fit, and why: where the model is, or by the size of the work."""
    present = model.backend
    if backend == "auto" and present is not None and present.name not in ("numpy", "numba"):
        return present, "the model is on it"
    n_rows = len(X) if hasattr(X, "__len__") else 1
    n_params = sum(p.array.size for p in model.parameters())
    # A parameter is multiplied and added once forward and twice backward for each row.
    return resolve_with_reason(backend, X, flops=6.0 * n_params * n_rows * epochs)


class Loop:
    """Runs an engine through epochs, in chunks of about ``CHUNK_SECONDS``.

    Attributes
    ----------
    penalty : float or None
        What the decay of the weights added to the losses of the last epoch's rows, summed, where
        the engine says so.
    """

    def __init__(
        self, engine: Engine, backend: Backend, callbacks: list[Callback], n_rows: int
    ) -> None:
        self.engine, self.backend, self.callbacks = engine, backend, callbacks
        self.n_rows = n_rows
        self.penalty: float | None = None
        self._chunk = 1

    def warm_up(self) -> float:
        """Run no step at all, which compiles or loads what steps need; return the seconds."""
        started = time.perf_counter()

        def say() -> None:
            for callback in self.callbacks:
                callback.on_compile(self.backend.name)
            if not self.callbacks:
                warn_compiling(self.backend.name)

        with self.backend.announce(say):
            self.engine.run(0, 0, [])
        self.backend.synchronize()
        return time.perf_counter() - started

    def epoch(self, number: int, order: Any, rates: Callable[[int, int], list[float]]) -> float:
        """Train one epoch in ``order`` and return the mean loss of a row.

        ``rates(first, last)`` gives the learning rates of steps first ... last - 1.
        """
        self.engine.start_epoch(order)
        first, total, n_batches = 0, 0.0, self.engine.n_batches
        penalties: list[Any] = []
        per_batch = -(-self.n_rows // n_batches)
        while first < n_batches:
            last = min(first + self._chunk, n_batches)
            started = time.perf_counter()
            total += self.engine.run(first, last, rates(first, last))
            penalties.append(getattr(self.engine, "penalties", None))
            self.backend.synchronize()
            per_step = (time.perf_counter() - started) / (last - first)
            self._chunk = max(1, int(CHUNK_SECONDS / max(per_step, 1e-7)))
            first = last
            for callback in self.callbacks:
                callback.on_progress(number, min(first * per_batch, self.n_rows))
        known = all(each is not None for each in penalties)
        self.penalty = float(np.concatenate(penalties).sum()) if known else None
        if hasattr(self.engine, "losses"):  # added up alike, however the clock has cut the epoch
            total = self.engine.losses(0, n_batches)
        return total / self.n_rows


def warn_compiling(backend: str) -> None:
    """Tell on standard error that the first call takes a while."""
    print(
        f"accelnn: compiling the {backend} kernels for this machine, once; some seconds ...",
        file=sys.stderr,
    )


class _Data:
    """Checked training and validation data on the backend."""

    def __init__(
        self, model: nn.Module, loss: Any, backend: Backend, scale: float, keep_bytes: bool
    ) -> None:
        self.model, self.loss, self.backend = model, loss, backend
        self.scale, self.keep_bytes = scale, keep_bytes
        self.scale_left = 1.0  # what the engine is still to multiply X by
        self.classes = isinstance(loss, nn.CrossEntropyLoss)
        self.X: Any = None
        self.y: Any = None
        self.val: tuple[Any, Any] | None = None

    def read(self, X: Any, y: Any, X_val: Any, y_val: Any) -> None:
        """Check all data and convert them as the engine reads them."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; only one of them was given")
        if isinstance(self.loss, nn.FocalLoss):  # of classes, or of each output
            self.classes = np.ndim(y) == 1 and np.asarray(y).dtype.kind in "iu"
        self.X, self.y = self._pair(X, y, "X")
        self.keep_bytes = "uint8" in str(self.X.dtype)  # all bytes are multiplied alike, or none
        self.scale_left = self.scale if self.keep_bytes else 1.0
        if X_val is not None:
            self.val = self._pair(X_val, y_val, "X_val")

    def _pair(self, X: Any, y: Any, name: str) -> tuple[Any, Any]:
        dtype = next((str(p.dtype) for p in self.model.parameters()), "float32")
        n_in, n_out = sizes(self.model)
        if not isinstance(self.loss, nn.Loss):
            n_out = None  # a loss of the user's own knows itself what it compares with
        held = check_features(X, n_in, dtype, self.backend, name, self.scale, self.keep_bytes)
        rows, name = held.shape[0], name.replace("X", "y")
        return held, check_targets(y, rows, n_out, self.classes, dtype, self.backend, name)

    def validate(self, engine: Engine) -> tuple[float | None, float | None]:
        """Return loss and accuracy on the validation data, None where there is none."""
        if self.val is None:
            return None, None
        X, y = self.val
        out = engine.outputs(X)
        with no_grad():
            value = self.loss(Tensor(out, backend=self.backend), Tensor(y, backend=self.backend))
        hits = out.argmax(axis=1) == y if self.classes else None
        return self._mean(value.array), None if hits is None else self._mean(hits)

    def _mean(self, x: Any) -> float:
        return float(self.backend.to_numpy(x).mean())


def sizes(model: nn.Module) -> tuple[int | None, int | None]:
    """Return (inputs, outputs) of a stack; None for what only a model's own code knows."""
    linears = [leaf for leaf in leaves(model) if isinstance(leaf, nn.Linear)]
    try:
        flat_layers(model)
    except NotLowerable:
        return None, None
    return (linears[0].in_features, linears[-1].out_features) if linears else (None, None)
