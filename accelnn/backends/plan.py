"""The data of a program: a table of layers over flat buffers, ready for a backend to run.

::

    params  [ W1 | W2 | W3 | b1 | b2 | b3 ]        one flat array, grads and states alike
    work    [ minibatch | z1=a1 | z2=a2 | z3 ]     each `batch_size` rows, C order
    deltas  [ ping | pong ]                        gradients of the layer outputs, swept backwards

Weights come before biases, so that a decay of the weights alone is two update calls, not six.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from accelnn.kernels import table as t


@dataclass(frozen=True)
class Update:
    """How a step changes the parameters; what varies from step to step is in the scalars.

    Attributes
    ----------
    kind : int
        Code of ``kernels/table.py``.
    beta1, beta2 : float
        Adam's; ``beta1`` is the momentum of "momentum".
    nesterov : bool
    decay_weights, decay_biases : float
        Added to the gradient times the parameter.
    decay_per_row : bool
        Whether the decays are divided by the rows of the minibatch (scikit-learn's ``alpha``), or
        by the sum of their weights. The program says so in its scalars.
    """

    kind: int = t.NO_UPDATE
    beta1: float = 0.0
    beta2: float = 0.0
    nesterov: bool = False
    decay_weights: float = 0.0
    decay_biases: float = 0.0
    decay_per_row: bool = False

    @property
    def n_states(self) -> int:
        """Number of state vectors as long as the parameters."""
        return {t.NO_UPDATE: 0, t.SGD: 0, t.MOMENTUM: 1, t.ADAM: 2}[self.kind]


@dataclass
class Plan:
    """A lowered stack with its buffers.

    Attributes
    ----------
    table : ndarray of RECORD, on the host
    loss : int
        Code of ``kernels/table.py``.
    loss_scale : float
        Weight of a row's loss in the total; divided by the rows if ``loss_mean``.
    update : Update
    batch_size, n_in, n_out : int
    n_weights : int
        ``params[:n_weights]`` are weights, the rest biases.
    params, grads : array of shape (n_params,)
    states : array of shape (update.n_states, n_params)
    work : array of shape (batch_size * widths,)
    deltas : array of shape (backend.deltas_alive, batch_size * widest)
    precision : str
        What products are computed in, one of ``backend.precisions``; "float32" is the dtype of
        ``params``.
    input_scale : float
        What an X of uint8 is multiplied by on its way into the network, in ``run_steps`` and
        ``run_forward`` alike. An X of the dtype of ``params`` has been multiplied already.
    X : array of shape (n, n_in), y : (n,) int64 or (n, n_out)
        What it trains on, set by ``Program.bind``. X is uint8 only where ``backend.reads_bytes``,
        and a NumPy array, whatever the backend, where it is too big for the device.
    per_epoch : int
        Rows that an epoch visits, >= 1. Its last minibatch has what is left of them.
    order : array of int64 of shape (m,)
        Rows of X in the order of their visits. m is ``per_epoch``; or, on the host, several epochs
        follow each other, each of them filled up to whole minibatches.
    row_losses : array of shape (max(n, m),)
        The loss of each row, by its place in ``order``.
    weights : array of shape (m,), or None
        What each row counts, times ``loss_weight``, by its place in ``order``.
    views : dict
        What a backend derives from the buffers and keeps: views, recordings, room of its own.
    """

    table: Any
    loss: int
    loss_scale: float
    loss_mean: bool
    update: Update
    batch_size: int
    n_in: int
    n_out: int
    n_weights: int
    params: Any
    grads: Any
    states: Any
    work: Any
    deltas: Any
    precision: str = "float32"
    input_scale: float = 1.0
    X: Any = None
    y: Any = None
    per_epoch: int = 0
    order: Any = None
    row_losses: Any = None
    weights: Any = None
    views: dict[Any, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Minibatches of an epoch."""
        return -(-self.per_epoch // self.batch_size)

    def rows(self, step: int) -> int:
        """Rows of minibatch ``step``."""
        return min(self.batch_size, self.per_epoch - step % self.steps * self.batch_size)

    def loss_weight(self, rows: int) -> float:
        """Weight of one row of a minibatch of ``rows`` rows."""
        return self.loss_scale / rows if self.loss_mean else self.loss_scale


def filled(epochs: Any, length: int) -> Any:
    """Return what the rows of epochs have, (epochs, m), each filled up to ``length``, as (m,)."""
    return np.pad(epochs, ((0, 0), (0, length - epochs.shape[1]))).ravel()
