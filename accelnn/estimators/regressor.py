"""Regressor: identity outputs, or exponential ones for counts."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from accelnn import nn
from accelnn.backends import Backend
from accelnn.checking import from_gpu
from accelnn.estimators import _objectives
from accelnn.estimators._base import BaseMLP
from accelnn.estimators._docs import documented
from accelnn.estimators._embedding import Embedding
from accelnn.estimators._objectives import Objective
from accelnn.estimators.classifier import stochastic


class BaseRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """What all regressors share but their constructors."""

    # Targets and losses -------------------------------------------------------------------------

    def _targets(self, X: Any, y: Any, reset: bool, incremental: bool) -> Any:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        columns = 1 if y.ndim == 1 else y.shape[1]
        if not reset and columns != self.n_outputs_:
            raise ValueError(f"y has {columns} outputs, the first fit had {self.n_outputs_}")
        return self._encoded(y, X.dtype)

    def _encoded(self, y: Any, dtype: Any) -> Any:
        self.out_activation_ = "identity"
        if isinstance(self.loss, str) and self.loss == "poisson":
            self.out_activation_ = "exp"
            if (y < 0).any():
                raise ValueError(
                    f"loss='poisson' is for counts, y >= 0; the smallest y is {y.min()}"
                )
        with np.errstate(over="ignore"):
            target = np.ascontiguousarray(y.reshape(len(y), -1), dtype)
        if not np.isfinite(target).all():
            raise ValueError(f"y holds values too large for {np.dtype(dtype)}; scale y")
        return target

    def _width_out(self, target: Any) -> int:
        return int(target.shape[1])

    def _make_objective(self, n_outputs: int) -> Objective:
        if isinstance(self.loss, str) and self.loss == "squared_error":
            return _objectives.squared_error(n_outputs)
        if isinstance(self.loss, str) and self.loss == "poisson":
            return _objectives.poisson()
        return _objectives.of(self.loss)

    def _score_outputs(self, outputs: Any, target: Any, weights: Any) -> float:
        y = self._activated(outputs)
        if not np.isfinite(y).all():
            return float("nan")
        return float(r2_score(target, y, sample_weight=weights))

    # The public calls ---------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Fit the network to X and y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            float32 and float64 are kept, everything else becomes float64; see ``dtype``. An array
            on a GPU chooses its backend.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
            What each row's loss weighs, at least 0.
        X_val, y_val, sample_weight_val : array-like, optional
            A validation set: its loss and score are kept after each epoch. ``early_stopping``
            uses it in place of rows held back.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data or arguments that do not fit, before anything is changed; for weights that
            became infinite.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @available_if(stochastic)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Run one epoch over X and y, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """Return the prediction for each row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

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


@documented
class MLPRegressor(Embedding, BaseRegressor):
    """Multi-layer perceptron that predicts numbers, with scikit-learn's interface.

    Arguments up to ``max_fun``, their defaults and the fitted attributes are those of
    ``sklearn.neural_network``'s class of this name; what follows is new.

    Parameters
    ----------
    loss : str, Loss or callable
        "squared_error" (half of it) and "poisson" (half the deviance; outputs are exponential,
        y >= 0) are scikit-learn's. "absolute_error", "huber" and "quantile" (the median; take
        ``nn.QuantileLoss(0.9)`` for another) are new, as are all losses of ``accelnn.nn`` and
        callables ``(outputs, targets) -> Tensor``, of (n, n_outputs) both, which return the loss
        of each row, (n,), or their mean; these train the eager way.
    {parameters}
    {more}

    Attributes
    ----------
    {attributes}

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
        "loss": [StrOptions(set(_objectives.REGRESSION)), nn.Loss, callable],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
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
        dropout: Any = 0.0,
        normalization: str | None = None,
        l1: float = 0.0,
        weight_decay: float | None = None,
        max_grad_norm: float | None = None,
        initial_weights: Any = None,
        scoring: Any = None,
        max_time: float | None = None,
        dtype: Any = None,
        backend: str | Backend = "auto",
    ) -> None:
        self._keep(locals())

    def to_sklearn(self) -> Any:
        """Return the same fitted network as scikit-learn's estimator; see ``from_sklearn``."""
        from accelnn.estimators.exchange import to_sklearn

        return to_sklearn(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = isinstance(self.loss, str) and self.loss == "poisson"
        return tags
