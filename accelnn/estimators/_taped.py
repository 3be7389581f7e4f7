"""Training through tensors with a program's calls, for losses and layers that programs do not know.

Parameters, gradients and optimizer states are flat as in a program, weights first, so that the
same rules step on them; only loss and gradient come from the tape.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from accelnn import nn
from accelnn.autograd import Parameter, Tensor
from accelnn.backends import Backend, stepper
from accelnn.checking import as_features
from accelnn.estimators._rules import ByHand, Rule
from accelnn.graph import no_grad
from accelnn.row_weights import weigh


class Taped:
    """A stack of layers, trained step by step.

    Parameters
    ----------
    layers : list of Module
        On the backend.
    rows : callable (outputs, targets) -> Tensor of (n,) or ()
        Loss of each row; without rows, of their mean.
    rule : Rule
    backend : Backend
    batch_size : int

    Attributes
    ----------
    plan : namespace
        ``params``, ``grads``, ``states``, ``n_weights`` and ``update``, as a program's plan has.
    penalties : array
        Of the steps of the last ``run``, as a program's.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        rows: Callable[[Tensor, Tensor], Tensor],
        rule: Rule,
        backend: Backend,
        batch_size: int,
    ) -> None:
        self.layers, self.model = layers, nn.Sequential(*layers)
        self.rows, self.rule, self.backend, self.batch_size = rows, rule, backend, batch_size
        linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
        weights: list[Parameter] = [layer.weight for layer in linears]
        known = {id(w) for w in weights}
        others = [p for p in self.model.parameters() if id(p) not in known]
        self._parameters = [*weights, *others]
        n, dtype = sum(p.array.size for p in self._parameters), weights[0].dtype
        self.plan: Any = SimpleNamespace(
            params=backend.zeros((n,), dtype),
            grads=backend.zeros((n,), dtype),
            states=backend.zeros((rule.update().n_states, n), dtype),
            n_weights=sum(w.array.size for w in weights),
            update=rule.update(),
            batch_size=batch_size,
            loss_mean=True,
        )
        self._slopes = self._adopt()
        self.penalties: Any = np.zeros(0)
        self._lost: Any = None
        self.X: Any = None
        self.y: Any = None
        self.weights: Any = None
        self.order: Any = None
        self._counts: Any = None
        self._shares: Any = None

    def _adopt(self) -> list[Any]:
        """Make the parameters views of the flat buffer and return those of the gradients."""
        slopes, start = [], 0
        for p in self._parameters:
            shape, stop = tuple(p.shape)[::-1], start + p.array.size  # a weight is a transpose
            mine = self.plan.params[start:stop].reshape(shape)
            mine[...] = p.array.T
            p.array = mine.T
            slopes.append(self.plan.grads[start:stop].reshape(shape).T)
            start = stop
        return slopes

    def bind(self, X: Any, y: Any, row_weights: Any = None) -> None:
        """Set the data: X (n, n_in), sparse or not, y, and the weights of the rows."""
        self.X, self.y, self.weights = X, y, row_weights
        self.start_epoch(np.arange(X.shape[0]))

    def start_epoch(self, order: Any) -> None:
        """Set the order of the rows."""
        self.order = order
        self._counts, self._shares = weigh(self.plan, self.weights, order)
        self._lost = np.zeros(len(self._shares))

    def losses(self, first: int, last: int) -> float:
        """Return the sum of the losses of the rows of minibatches that were run last."""
        return float(self._lost[first:last].sum())

    @property
    def n_batches(self) -> int:
        """Minibatches of an epoch."""
        return len(self._shares)

    def run(self, first: int, last: int, learning_rates: Any) -> float:
        """Train on minibatches; return the sum of the losses of their rows."""
        rule, plan, backend = self.rule, self.plan, self.backend
        decay, self.penalties = plan.update.decay_weights, np.zeros(last - first)
        for number, rate in zip(range(first, last), learning_rates, strict=True):
            rows, share = len(self._rows(number)), float(self._shares[number])
            if decay:
                w = plan.params[: plan.n_weights]
                self.penalties[number - first] = 0.5 * rows * decay * share * float(w @ w)
            self._lost[number] = rows * self._loss(number)
            rule.t += 1
            if isinstance(rule, ByHand):
                rule.step_plan(plan, backend, share, rate)
            else:
                stepper.update(backend, plan, (*rule.scalars(rule.t, rate), share))
        return self.losses(first, last)

    def loss_and_grad(self, batch: int = 0) -> tuple[float, Any]:
        """Return loss and flat gradient of one minibatch, changing no parameter."""
        return self._loss(batch), self.plan.grads

    def _rows(self, number: int) -> Any:
        return self.order[number * self.batch_size : (number + 1) * self.batch_size]

    def _loss(self, number: int) -> float:
        """Leave the gradient of a minibatch in the flat buffer and return its mean loss."""
        backend, chosen = self.backend, self._rows(number)
        x = self.X[chosen]
        x = x.toarray() if hasattr(x, "toarray") else x
        batch = Tensor(as_features(x, self.plan.params.dtype, backend), backend=backend)
        lost = self.rows(self.model(batch), Tensor(self.y[chosen], backend=backend))
        value = self._mean(lost, number, len(chosen))
        for p in self._parameters:
            p.grad = None
        value.backward()
        for p, slope in zip(self._parameters, self._slopes, strict=True):
            slope[...] = 0 if p.grad is None else p.grad.array
        return float(value.item())

    def _mean(self, lost: Any, number: int, n: int) -> Tensor:
        if not isinstance(lost, Tensor):
            raise TypeError(
                f"the loss returned a {type(lost).__name__}, expected a Tensor computed from the "
                "outputs that it was given"
            )
        if lost.shape == (n,):
            if self._counts is None:
                return lost.mean()
            here = self._counts[number * self.batch_size :][:n].astype(str(self.plan.params.dtype))
            return (lost * Tensor(here, backend=self.backend)).mean()
        if lost.shape == () and self._counts is None:
            return lost
        expected = f"({n},), one per row" + (", or ()" if self._counts is None else "")
        raise ValueError(
            f"the loss returned a tensor of shape {lost.shape} for {n} rows; expected {expected}"
        )

    def outputs(self, features: Any) -> Any:
        """Return the outputs, an array of the backend, in evaluation mode."""
        self.model.eval()
        try:
            with no_grad():
                parts = []
                for start in range(0, features.shape[0], 1024):
                    x = features[start : start + 1024]
                    x = x.toarray() if hasattr(x, "toarray") else x
                    held = self.backend.asarray(x, dtype=self.plan.params.dtype)
                    parts.append(self.model(Tensor(held, backend=self.backend)).array)
        finally:
            self.model.train()
        return self.backend.xp.concatenate(parts)

    def close(self) -> None:
        """Let go of the data."""
        self.X = self.y = self.order = self.weights = None

    def __enter__(self) -> "Taped":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
