"""Regressor: identity outputs, half the squared error."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from accelnn.backends import Backend
from accelnn.checking import from_gpu
from accelnn.estimators._base import BaseMLP
from accelnn.estimators.classifier import _stochastic
from accelnn.kernels import table as t
from accelnn.lowering import RowLoss


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """Multi-layer perceptron that predicts numbers, with scikit-learn's interface.

    Arguments, defaults and fitted attributes are those of ``sklearn.neural_network``'s class of
    this name; ``backend`` is new. ``loss="poisson"``, sparse input and sample weights are not
    supported yet.

    Parameters
    ----------
    loss : {"squared_error"}
        Half the squared error.
    hidden_layer_sizes : array-like of int or int
        Neurons of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}
        Of the hidden layers.
    solver : {"lbfgs", "sgd", "adam"}
    alpha : float
        L2 penalty on the weights, divided by the samples of a minibatch.
    batch_size : int or "auto"
        "auto" is min(200, n_samples).
    learning_rate : {"constant", "invscaling", "adaptive"}
        Schedule, for "sgd" only.
    learning_rate_init : float
    power_t : float
        Exponent of "invscaling".
    max_iter : int
        Epochs at most.
    shuffle : bool
    random_state : int, RandomState instance or None
        Initial weights, order of the samples and the validation split.
    tol : float
        Training stops after ``n_iter_no_change`` epochs without an improvement by ``tol``.
    verbose : bool
    warm_start : bool
        Start from the weights of the last ``fit``.
    momentum, nesterovs_momentum
        For "sgd".
    early_stopping : bool
        Hold ``validation_fraction`` of the samples back and stop on their score.
    validation_fraction : float
    beta_1, beta_2, epsilon : float
        For "adam".
    n_iter_no_change : int
    max_fun : int
        Calls of the loss at most, for "lbfgs".
    backend : str
        "auto", "numpy", "numba", "cupy" or a registered one.

    Attributes
    ----------
    coefs_ : list of arrays of shape (n_units, n_units of the next layer)
    intercepts_ : list of arrays of shape (n_units of the next layer,)
    loss_, best_loss_ : float
    loss_curve_, validation_scores_ : list of float
    n_iter_, t_ : int
        Epochs run, and samples seen.
    n_layers_, n_outputs_, n_features_in_ : int
    out_activation_ : str
    backend_, backend_choice_ : str
        The backend that fitted, and why this one.
    engine_ : str
        "program".
    compile_seconds_ : float
        Spent on compiling or loading kernels before the first step.

    Examples
    --------
    >>> import numpy as np
    >>> from accelnn import MLPRegressor
    >>> x = np.linspace(-2, 2, 64).reshape(-1, 1)
    >>> model = MLPRegressor(random_state=0, max_iter=2000, learning_rate_init=0.01)
    >>> bool(model.fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.99)
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        backend: str | Backend = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.backend = backend

    def _targets(self, X: Any, y: Any, reset: bool, incremental: bool) -> Any:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        columns = 1 if y.ndim == 1 else y.shape[1]
        if not reset and columns != self.n_outputs_:
            raise ValueError(f"y has {columns} outputs, the first fit had {self.n_outputs_}")
        self.out_activation_ = "identity"
        return np.ascontiguousarray(y.reshape(len(y), columns), X.dtype)

    def _width_out(self, y: Any) -> int:
        return int(y.shape[1])

    def _row_loss(self) -> RowLoss:
        # The gradient is that of half the sum over outputs; the loss reported is half the mean.
        return RowLoss(t.SQUARED_ERROR, 0.5, True)

    def _reported(self, row_loss: float) -> float:
        return row_loss / self.n_outputs_

    def _score_outputs(self, outputs: Any, y: Any) -> float:
        return float(r2_score(y, outputs)) if np.isfinite(outputs).all() else float("nan")

    def predict(self, X: Any) -> Any:
        """Return the prediction for each row of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            On the GPU in X's library where X lies on one, else NumPy's.
        """
        outputs = self._outputs(X)
        return self._as_given(outputs[:, 0] if self.n_outputs_ == 1 else outputs, X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², the share of the variance of y that is explained."""
        return float(super().score(from_gpu(X), from_gpu(y), from_gpu(sample_weight)))

    @available_if(_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any) -> Any:
        """Run one epoch over X and y, from where the last call ended.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._fit(X, y, incremental=True)
