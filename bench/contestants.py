"""One epoch of the MNIST network by accelnn and by others: same weights, same rows, same order.

All but scikit-learn start from ``networks.weights``, and ``peer_epochs.check`` holds them to the
plain loop's weights. Each is written as its own documentation recommends, with the threads it takes
by itself. All of them report the mean loss of the epoch. JAX and PyTorch are optional.
"""

import time
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from accelnn import nn
from accelnn.bench.networks import BATCH, RATES, WIDTHS, PlainLoop, program, weights

BETAS, EPS = (0.9, 0.999), 1e-8
Widths: TypeAlias = tuple[int, ...]


class Contestant:
    """A network with its optimizer and the data it is trained on.

    Parameters
    ----------
    optimizer : {"sgd", "adam"}
    X : (n, features) float array
    y : (n,) int64 array
    widths : tuple of int
        Of the network; the data say how many inputs there are.
    batch : int
        Rows of a minibatch.

    Attributes
    ----------
    loss : float
        Mean of the rows' losses in the last epoch.
    """

    loss = float("nan")

    def epoch(self, order: Any) -> float:
        """Train on the rows in ``order``, a minibatch at a time, and return the seconds."""
        start = time.perf_counter()
        self.train(order)
        return time.perf_counter() - start

    def train(self, order: Any) -> None:
        """Do what ``epoch`` measures; nothing may still be under way at the return."""
        raise NotImplementedError

    def weights(self) -> list[Any]:
        """Return w (in, out), b, w, b, ... as NumPy arrays."""
        raise NotImplementedError


class Plain(Contestant):
    """The loop by hand of ``networks.py``."""

    def __init__(
        self, optimizer: str, X: Any, y: Any, widths: Widths = WIDTHS, batch: int = BATCH
    ) -> None:
        self.loop = PlainLoop(optimizer, X, y, widths=widths, batch=batch)

    def train(self, order: Any) -> None:  # noqa: D102
        self.loop.run(order)
        self.loss = self.loop.loss

    def weights(self) -> list[Any]:  # noqa: D102
        return self.loop.parameters


class Ours(Contestant):
    """Program of accelnn on one of its backends."""

    def __init__(
        self,
        backend: str,
        optimizer: str,
        X: Any,
        y: Any,
        widths: Widths = WIDTHS,
        batch: int = BATCH,
    ) -> None:
        self.made = program(backend, optimizer, X, y, widths=widths, batch=batch)
        self.rate = RATES[optimizer]

    def train(self, order: Any) -> None:  # noqa: D102
        made = self.made
        made.start_epoch(order)
        total = made.run(0, made.n_batches, [self.rate] * made.n_batches)
        made.backend.synchronize()
        self.loss = total / len(order)

    def weights(self) -> list[Any]:  # noqa: D102
        found = []
        for layer in self.made.layers:
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                found += [layer.weight.numpy().T, layer.bias.numpy()]
        return found


class OursNumpy(Ours):
    """accelnn, calling NumPy step by step."""

    def __init__(self, *given: Any) -> None:
        super().__init__("numpy", *given)


class OursNumba(Ours):
    """accelnn, compiled."""

    def __init__(self, *given: Any) -> None:
        super().__init__("numba", *given)


class OursCupy(Ours):
    """accelnn on the GPU, where the data lie too."""

    def __init__(self, *given: Any) -> None:
        super().__init__("cupy", *given)


class TorchEager(Contestant):
    """PyTorch as its tutorials write it, with the optimizers' fused kernels."""

    def __init__(
        self, optimizer: str, X: Any, y: Any, widths: Widths = WIDTHS, batch: int = BATCH
    ) -> None:
        self.batch, self.torch = batch, import_module("torch")
        torch = self.torch
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(np.asarray(y, np.int64))
        layers = []
        for w, b in weights(X.shape[1], X.dtype, widths):
            linear = torch.nn.Linear(*w.shape, dtype=self.X.dtype)
            with torch.no_grad():  # copied, so that the storage stays PyTorch's own, (out, in)
                linear.weight.copy_(torch.from_numpy(w.T))
                linear.bias.copy_(torch.from_numpy(b))
            layers += [linear, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.criterion = torch.nn.CrossEntropyLoss()
        rule = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
        # Both have a fused kernel for the CPU since PyTorch 2.4.
        self.rule = rule(self.model.parameters(), lr=RATES[optimizer], fused=True)

    def train(self, order: Any) -> None:  # noqa: D102
        total = 0.0
        for rows in self.torch.from_numpy(order).split(self.batch):
            self.rule.zero_grad(set_to_none=True)
            loss = self.criterion(self.model(self.X[rows]), self.y[rows])
            loss.backward()
            self.rule.step()
            total += loss.item() * len(rows)
        self.loss = total / len(order)

    def weights(self) -> list[Any]:  # noqa: D102
        return [p.detach().numpy().T for p in self.model.parameters()]


class JaxScan(Contestant):
    """JAX with all full minibatches of an epoch in one compiled scan; data and state stay in it."""

    def __init__(
        self, optimizer: str, X: Any, y: Any, widths: Widths = WIDTHS, batch: int = BATCH
    ) -> None:
        jax, self.batch = import_module("jax"), batch
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", X.dtype == np.float64)  # off, it makes float32 of it
        self.jax, self.np = jax, import_module("jax.numpy")
        self.X, self.y = self.np.asarray(X), self.np.asarray(y)
        parameters = [
            self.np.asarray(p) for pair in weights(X.shape[1], X.dtype, widths) for p in pair
        ]
        copies = 2 if optimizer == "adam" else 0
        moments = [[self.np.zeros_like(p) for p in parameters] for _ in range(copies)]
        self.state = (parameters, moments, self.np.zeros((), X.dtype))
        update = self._adam if optimizer == "adam" else self._sgd

        def step(state: Any, rows: Any, X: Any, y: Any) -> Any:
            parameters, moments, t = state
            loss, grads = jax.value_and_grad(self._mean_loss)(parameters, X[rows], y[rows])
            return (*update(parameters, moments, grads, t + 1), t + 1), loss * len(rows)

        def steps(state: Any, batches: Any, X: Any, y: Any) -> Any:
            state, sums = jax.lax.scan(lambda s, rows: step(s, rows, X, y), state, batches)
            return state, sums.sum()

        # The old state is given away, so that the new one is written over it.
        self.steps = jax.jit(steps, donate_argnums=0)
        self.step = jax.jit(step, donate_argnums=0)

    def _mean_loss(self, parameters: Any, x: Any, t: Any) -> Any:
        *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)
        for inner_w, inner_b in hidden:
            x = self.jax.nn.relu(x @ inner_w + inner_b)
        logs = self.jax.nn.log_softmax(x @ w + b)
        return -self.np.take_along_axis(logs, t[:, None], axis=1).mean()

    def _sgd(self, parameters: Any, moments: Any, grads: Any, _t: Any) -> Any:
        return [p - RATES["sgd"] * g for p, g in zip(parameters, grads, strict=True)], moments

    def _adam(self, parameters: Any, moments: Any, grads: Any, t: Any) -> Any:
        one, two = BETAS
        first = [one * m + (1 - one) * g for m, g in zip(moments[0], grads, strict=True)]
        second = [two * v + (1 - two) * g * g for v, g in zip(moments[1], grads, strict=True)]
        # 1 - βᵗ without the cancellation: t is a float32 here.
        c1, c2 = (-self.np.expm1(t * float(np.log(beta))) for beta in BETAS)
        moved = [
            p - RATES["adam"] * (m / c1) / (self.np.sqrt(v / c2) + EPS)
            for p, m, v in zip(parameters, first, second, strict=True)
        ]
        return moved, [first, second]

    def train(self, order: Any) -> None:  # noqa: D102
        n, total = len(order) // self.batch, 0.0
        rows = self.np.asarray(order, self.np.int32)
        if n:
            batches = rows[: n * self.batch].reshape(n, self.batch)
            self.state, loss = self.steps(self.state, batches, self.X, self.y)
            total += float(loss)
        if len(order) > n * self.batch:
            self.state, loss = self.step(self.state, rows[n * self.batch :], self.X, self.y)
            total += float(loss)
        self.jax.block_until_ready(self.state)
        self.loss = total / len(order)

    def weights(self) -> list[Any]:  # noqa: D102
        return [np.array(p) for p in self.state[0]]  # copies: the next epoch takes the buffers


class ScikitLearn(Contestant):
    """scikit-learn's own network; it chooses its first weights and its order itself."""

    def __init__(
        self, optimizer: str, X: Any, y: Any, widths: Widths = WIDTHS, batch: int = BATCH
    ) -> None:
        self.X, self.y = X, y
        self.model = import_module("sklearn.neural_network").MLPClassifier(
            hidden_layer_sizes=widths[1:-1],
            solver=optimizer,
            learning_rate_init=RATES[optimizer],
            batch_size=min(batch, len(X)),
            alpha=0.0,
            momentum=0.0,
            max_iter=1,
            random_state=0,
        )
        self.model.partial_fit(X[:batch], y[:batch], classes=np.unique(y))  # builds the network

    def train(self, order: Any) -> None:  # noqa: D102
        self.model.partial_fit(self.X, self.y)  # goes through all rows once, in minibatches
        self.loss = self.model.loss_


CONTESTANTS: dict[str, Callable[..., Contestant]] = {
    "accelnn numba": OursNumba,
    "accelnn numpy": OursNumpy,
    "plain numpy loop": Plain,
    "torch eager": TorchEager,
    "jax scan": JaxScan,
    "scikit-learn": ScikitLearn,
}
#: What is left out where the library is not installed.
_OPTIONAL = {"torch eager": "torch", "jax scan": "jax"}


def available(names: Iterable[str] = CONTESTANTS) -> list[str]:
    """Return the names of the contestants whose library is there; say which one is not."""
    found = []
    for name in names:
        library = _OPTIONAL.get(name, "numpy")
        if find_spec(library) is None:
            print(f"{name} is left out: {library} is not installed")
        else:
            found.append(name)
    return found


def distance(actual: list[Any], expected: list[Any], start: list[Any]) -> float:
    """Return how far two trained networks are apart, as a share of the way from the start.

    The largest over the parameters, in the Euclidean norm of each.
    """
    shares = [
        np.linalg.norm(a - e) / np.linalg.norm(e - s)
        for a, e, s in zip(actual, expected, start, strict=True)
    ]
    return float(max(shares))


def flops(rows: int, n_in: int, widths: Widths = WIDTHS) -> int:
    """Return the operations of an epoch's products: three per layer, two in the first one."""
    sizes = [a * b for a, b in pairwise((n_in, *widths[1:]))]
    return 2 * rows * (3 * sum(sizes) - sizes[0])
