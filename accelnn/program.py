"""Lower a stack, a loss and an optimizer to flat buffers and a table of layers.

A ``Program`` owns the buffers drawn in ``backends/plan.py``; the parameters of the stack become
views of them, so that the stack always shows what was learned. Which kernels run, and whether step
by step or as one compiled call, is the backend's affair.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from accelnn import nn
from accelnn.autograd import Parameter
from accelnn.backends import Backend, stepper
from accelnn.backends.plan import Plan, Update, filled
from accelnn.checking import (
    as_features,
    as_given,
    check_order,
    check_precision,
    check_rows,
    check_scale,
    check_targets,
)
from accelnn.errors import NotLowerable
from accelnn.kernels import table as t
from accelnn.lowering import RowLoss, Rule, check_lowerable, layer_table, row_loss
from accelnn.row_weights import check_row_weights, weigh
from accelnn.windows import SparseRows, as_csr, blocks, in_windows, is_sparse


class Program:
    """A stack that is trained from flat buffers; made by ``lower``.

    It holds on to its buffers and data until ``close()``, or the end of a ``with`` block.

    Attributes
    ----------
    plan : Plan
        Buffers and table.
    backend : Backend
    rule : Rule
        The optimizer.
    penalties : array or None
        What the decay of the weights adds to the sum that ``run`` returned last, for each of its
        steps: ``rows · decay / (rows or sum of their weights) / 2 · |W|²`` of the weights before
        the step. None where the backend does not look at them in between.
    penalty : float or None
        Their sum.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        loss: RowLoss,
        rule: Rule,
        backend: Backend,
        batch_size: int,
        precision: str = "float32",
    ) -> None:
        self.layers, self.rule, self.backend = layers, rule, backend
        linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
        self._weights = [layer.weight for layer in linears]
        self._biases = [layer.bias for layer in linears if layer.bias is not None]
        n_in, n_out = linears[0].in_features, linears[-1].out_features
        table, widths, widest = layer_table(layers, n_in, batch_size)
        dtype = self._weights[0].dtype
        check_precision(precision, dtype, backend)
        n_params = sum(p.array.size for p in self._parameters())
        with backend.scope(), backend.memory_guard():
            self.plan = Plan(
                table=table,
                loss=loss.code,
                loss_scale=loss.scale,
                loss_mean=loss.mean,
                update=rule.update(),
                batch_size=batch_size,
                n_in=n_in,
                n_out=n_out,
                n_weights=sum(p.array.size for p in self._weights),
                params=backend.zeros((n_params,), dtype),
                grads=backend.zeros((n_params,), dtype),
                states=backend.zeros((rule.update().n_states, n_params), dtype),
                work=backend.zeros((batch_size * widths,), dtype),
                deltas=backend.zeros((backend.deltas_alive, batch_size * widest), dtype),
                precision=precision,
            )
            self._adopt()
        self.penalties: Any = np.zeros(0)
        self._closed = False

    def _parameters(self) -> Iterable[Parameter]:
        return [*self._weights, *self._biases]

    def _adopt(self) -> None:
        """Copy parameters and optimizer states in and make the originals views of the buffers."""
        offset = 0
        states = getattr(self.rule, "states", None)
        for p in self._parameters():
            n_flat, shape = p.array.size, tuple(p.shape)

            def view(buffer: Any, start: int = offset, size: int = n_flat, s: Any = shape) -> Any:
                return buffer[start : start + size].reshape(s[::-1])

            mine = view(self.plan.params)
            mine[...] = p.array.T
            if states is not None:
                held = states(p)
                for row, state in enumerate(held):
                    mine_too = view(self.plan.states[row])
                    mine_too[...] = state.T
                    held[row] = mine_too.T
            p.array, p.grad = mine.T, None
            offset += n_flat

    @property
    def stale(self) -> bool:
        """Whether a parameter was replaced since, so that the program must be built again."""
        overlap = self.backend.xp.may_share_memory
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        now = [layer.weight for layer in linears]
        now += [layer.bias for layer in linears if layer.bias is not None]
        return [id(p) for p in now] != [id(p) for p in self._parameters()] or any(
            not overlap(p.array, self.plan.params) for p in now
        )

    def bind(self, X: Any, y: Any, input_scale: float = 1.0, row_weights: Any = None) -> None:
        """Set the data to train on; the rows are visited in order until ``start_epoch``.

        Arrays of the backend in the dtype of the model are not copied. A NumPy array too big for
        the device stays where it is, and so does a sparse X, of which some rows at a time are laid
        out densely.

        Parameters
        ----------
        X : array, or sparse matrix or array of SciPy's, of shape (n, n_in)
        y : array of shape (n,) or (n, n_out)
            Integer classes 0 ... n_out - 1 for a cross-entropy, values otherwise.
        input_scale : float
            The network sees ``X * input_scale``, here and in ``predict``.
        row_weights : array of shape (n,), optional
            Finite and not negative. A mean loss is the mean of a minibatch's rows weighted by
            them, and a decay per row is divided by their sum; in a summed loss each row's is
            multiplied by its weight. Gradient and decay of a minibatch of weights 0 are 0.
        """
        self._require_open()
        plan, backend = self.plan, self.backend
        scale, array = check_scale(input_scale), check_rows(X, plan.n_in)
        n, dtype = array.shape[0], plan.params.dtype
        if n == 0:
            raise ValueError(f"X has no rows (shape {tuple(array.shape)}); expected at least one")
        weights = None if row_weights is None else check_row_weights(row_weights, n)
        with backend.scope(), backend.memory_guard():
            target = check_targets(y, n, plan.n_out, plan.loss == t.CROSS_ENTROPY, dtype, backend)
            if is_sparse(array):
                features: Any = SparseRows(array, dtype, scale)
            else:
                features = as_features(array, dtype, backend, scale, backend.reads_bytes)
            plan.row_losses = backend.zeros((n,), dtype)
            plan.X, plan.y, plan.input_scale = features, target, scale
            self._row_weights = weights
            self._visit(np.arange(n)[None])

    def start_epoch(self, order: Any) -> None:
        """Set the order in which rows are visited: (m,) integers on the host, m >= 1.

        Rows may be left out and may come more than once.
        """
        plan = self._bound()
        checked = check_order(order, plan.X.shape[0])
        with self.backend.scope():
            self._visit(checked[None])

    def start_epochs(self, orders: Any) -> None:
        """Set the orders of several epochs that ``run`` goes through as if they were one.

        Minibatches are counted on, ``plan.steps`` an epoch. For backends on the host and a dense X.

        Parameters
        ----------
        orders : (epochs, m) array of integers
        """
        plan = self._bound()
        if not (isinstance(plan.params, np.ndarray) and isinstance(plan.X, np.ndarray)):
            raise ValueError("several epochs at once need dense data and a backend on the host")
        if np.ndim(orders) != 2:
            raise ValueError(f"orders must have shape (epochs, m), got {np.shape(orders)}")
        self._visit(check_order(np.ravel(orders), plan.X.shape[0]).reshape(np.shape(orders)))

    def _visit(self, orders: Any) -> None:
        """Set the orders of the epochs, and what depends on them."""
        plan, backend = self.plan, self.backend
        weighed = [weigh(plan, self._row_weights, order) for order in orders]
        self._shares = np.concatenate([shares for _, shares in weighed])
        plan.per_epoch = m = orders.shape[1]
        length = m if len(orders) == 1 else plan.steps * plan.batch_size
        order = filled(orders, length)
        if len(order) > len(plan.row_losses):
            plan.row_losses = backend.zeros(order.shape, plan.params.dtype)
        if length > m:
            plan.row_losses[: len(order)].reshape(-1, length)[:, m:] = 0
        plan.order, self._counts, plan.weights = backend.asarray(order), None, None
        if self._row_weights is not None:
            self._counts = filled(np.stack([counts for counts, _ in weighed]), length)
            plan.weights = backend.asarray(self._counts, dtype=plan.params.dtype)
        if isinstance(plan.X, SparseRows):
            plan.X.forget()

    @property
    def penalty(self) -> float | None:
        """The sum of the penalties."""
        return None if self.penalties is None else float(self.penalties.sum())

    @property
    def n_batches(self) -> int:
        """Minibatches of an epoch; the last one may be smaller."""
        return -(-len(self._bound().order) // self.plan.batch_size)

    def run(self, first: int, last: int, learning_rates: Any) -> float:
        """Train on minibatches ``first`` ... ``last - 1`` and return the sum of their rows' losses.

        Parameters
        ----------
        first, last : int
            0 <= first <= last <= n_batches.
        learning_rates : sequence of last - first floats
            One per step.
        """
        plan = self._bound()
        if not 0 <= first <= last <= self.n_batches or len(learning_rates) != last - first:
            raise ValueError(
                f"expected 0 <= first <= last <= {self.n_batches} and one learning rate per step, "
                f"got first={first}, last={last} and {len(learning_rates)} rates"
            )
        penalties: list[Any] = []

        def work(i: int, j: int, start: int) -> None:
            run = self._by_hand if hasattr(self.rule, "step_plan") else self._fused
            rates = learning_rates[start + i - first : start + j - first]
            penalties.append(run(i, j, rates, self._shares[start + i : start + j]))

        with self.backend.scope():
            in_windows(plan, self.backend, first, last, work)
            self._count_dropouts()
            known = all(each is not None for each in penalties)
            self.penalties = np.concatenate(penalties) if known else None
            return self.losses(first, last)

    def _fused(self, first: int, last: int, rates: Any, shares: Any) -> Any:
        """Train on minibatches of the plan, updates and all, and return their penalties."""
        scalars = np.empty((last - first, 4))
        scalars[:, 3] = shares
        for i, lr in enumerate(rates):
            scalars[i, :3] = self.rule.scalars(self.rule.t + 1 + i, lr)
        penalties = self.backend.run_steps(self.plan, first, last, scalars)
        self.rule.t += last - first
        return penalties

    def _by_hand(self, first: int, last: int, rates: Any, shares: Any) -> Any:
        """Compute gradients minibatch by minibatch; the rule does the steps itself."""
        plan, backend, penalties = self.plan, self.backend, np.zeros(last - first)
        if first == last:
            self._gradients(first, last)
        for step, lr, share in zip(range(first, last), rates, shares.tolist(), strict=True):
            self._gradients(step, step + 1)
            penalties[step - first] = stepper.penalty(backend, plan, step, share)
            self.rule.t += 1
            self.rule.step_plan(plan, backend, share, lr)  # type: ignore[attr-defined]
        return penalties

    def _gradients(self, first: int, last: int) -> None:
        """Leave the gradients of a minibatch of the plan in ``plan.grads``, and update nothing."""
        plan, kept = self.plan, self.plan.update
        plan.update = Update()
        try:
            self.backend.run_steps(plan, first, last, np.zeros((last - first, 4)))
        finally:
            plan.update = kept

    def losses(self, first: int, last: int) -> float:
        """Return the sum of the losses of the rows of minibatches that were run last."""
        plan = self.plan
        stop = (last - 1) * plan.batch_size + plan.rows(last - 1) if last > first else 0
        here = slice(first * plan.batch_size, stop)
        losses = self.backend.to_numpy(plan.row_losses[here])
        counts = self._counts
        total = losses.sum(dtype=np.float64) if counts is None else counts[here] @ losses
        return float(total) * plan.loss_scale

    def loss_and_grad(self, batch: int = 0) -> tuple[float, Any]:
        """Return loss and flat gradient of one minibatch of the epoch, changing no parameter.

        The gradient is the program's own buffer, laid out as in ``backends/plan.py``.
        """
        plan = self._bound()
        with self.backend.scope():
            in_windows(plan, self.backend, batch, batch + 1, lambda i, j, _: self._gradients(i, j))
            self._count_dropouts()
            total = self.losses(batch, batch + 1) / (plan.rows(batch) if plan.loss_mean else 1)
        return total, plan.grads

    def predict(self, X: Any) -> Any:
        """Return the outputs for the rows of X.

        Parameters
        ----------
        X : array, or sparse matrix or array of SciPy's, of shape (n, n_in)
            Multiplied by the ``input_scale`` of ``bind``.

        Returns
        -------
        array of shape (n, n_out)
            Of X's library where X lies on a GPU, else of NumPy.
        """
        self._require_open()
        plan, backend = self.plan, self.backend
        array = check_rows(X, plan.n_in)
        with backend.scope(), backend.memory_guard():
            scale, keep, dtype = plan.input_scale, backend.reads_bytes, plan.params.dtype
            if is_sparse(array):
                features = as_csr(array, dtype, scale)
            else:
                features = as_features(array, dtype, backend, scale, keep)
            return as_given(self.outputs(features), array, backend)

    def outputs(self, features: Any) -> Any:
        """Return the outputs, an array of the backend, for what ``as_features`` returned.

        Or for a sparse matrix or array of SciPy's, of what the network is to see.
        """
        self._require_open()
        with self.backend.scope():
            shape = (features.shape[0], self.plan.n_out)
            out = self.backend.empty(shape, self.plan.params.dtype)
            if not is_sparse(features):
                self.backend.run_forward(self.plan, features, out)
                return out
            for here, rows in blocks(self.plan, self.backend, features):
                self.backend.run_forward(self.plan, rows, out[here])
        return out

    def close(self) -> None:
        """Release all buffers but the parameters and states, which model and optimizer keep.

        Closing twice is fine.
        """
        if self._closed:
            return
        self._closed, plan = True, self.plan
        with self.backend.scope():
            self.backend.release(plan)
        plan.X = plan.y = plan.order = plan.row_losses = plan.weights = None
        plan.work = plan.deltas = plan.grads = plan.states = None

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("this program is closed; lower the stack again to use it")

    def _bound(self) -> Plan:
        """Return the plan of a program that is open and has data."""
        self._require_open()
        if self.plan.X is None:
            raise RuntimeError("this program has no data yet; call bind(X, y) first")
        return self.plan

    def _count_dropouts(self) -> None:
        layers = [layer for layer in self.layers if isinstance(layer, nn.Dropout)]
        records = self.plan.table[self.plan.table["kind"] == t.DROPOUT]
        for record, layer in zip(records, layers, strict=True):
            layer.call = int(record["call"])


def lower(
    model: nn.Module,
    loss: Any,
    optimizer: Any,
    backend: Backend,
    batch_size: int,
    precision: str = "float32",
) -> Program:
    """Return the program of a stack, whose parameters must be on ``backend`` already.

    Raises
    ------
    NotLowerable
        Where a part is outside the closed set; the message names it.
    ValueError
        For a precision that the backend does not offer, or not for the dtype of the model.
    """
    if not backend.in_place:
        raise NotLowerable(f"backend {backend.name!r} cannot write into buffers")
    layers = check_lowerable(model, loss, optimizer)
    return Program(layers, row_loss(loss, layers), optimizer, backend, batch_size, precision)
