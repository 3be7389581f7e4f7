"""Linear and logistic regression by gradient descent: the multi-layer network without a layer."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from accelnn.backends import Backend
from accelnn.estimators._arguments import OURS, SKLEARN
from accelnn.estimators._base import BaseMLP
from accelnn.estimators._rules import Rule, make_rule
from accelnn.estimators._stochastic import Data
from accelnn.estimators.classifier import BaseClassifier, Probabilities
from accelnn.estimators.regressor import BaseRegressor

_SHARED = ("alpha", "max_iter", "tol", "random_state", "warm_start", "verbose")


class LinearModel(BaseMLP):
    """No hidden layer: what the networks' code reads that a linear model has no argument for."""

    hidden_layer_sizes = ()
    activation = "identity"
    solver = "sgd"
    alpha = 0.0
    learning_rate = "constant"
    power_t = 0.5
    momentum, nesterovs_momentum = 0.0, False
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
    max_fun = 15000
    early_stopping, validation_fraction, scoring = False, 0.1, None
    dropout, normalization, max_grad_norm, max_time = 0.0, None, None, None
    l1, weight_decay = 0.0, 0.0
    initial_weights: Any = "zeros"

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **{name: SKLEARN[name] for name in _SHARED},
        **{name: OURS[name] for name in ("dtype", "backend")},
    }

    @property
    def coef_(self) -> Any:
        """Weights of the features, (n_outputs, n_features)."""
        return np.ascontiguousarray(self.coefs_[0].T)

    @property
    def intercept_(self) -> Any:
        """Biases, (n_outputs,)."""
        return self.intercepts_[0]


class _Descent(LinearModel):
    """Gradient descent on a convex loss, with a step that the data allow."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **LinearModel._parameter_constraints,
        "solver": [StrOptions({"sgd", "adam", "lbfgs"})],
        "n_iter_no_change": SKLEARN["n_iter_no_change"],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "batch_size": [StrOptions({"full"}), Interval(Integral, 1, None, closed="left")],
    }

    batch_size: int | str
    n_iter_no_change: int
    learning_rate_init: float | str

    @property
    def shuffle(self) -> bool:
        """Whether the order of the rows matters."""
        return self.batch_size != "full"

    def _curvature(self) -> float:
        """Return the most that the loss of a row curves along its outputs."""
        raise NotImplementedError

    def _make_rule(self, data: Data) -> Rule:
        rule: Any = make_rule(self)
        self.learning_rate_ = rule.lr = rule.lr_init = self._rate(data)
        kept: Rule = rule
        return kept

    def _epoch_ended(self, loss: float, n: int) -> None:
        super()._epoch_ended(loss, n)
        best = self.best_loss_
        assert best is not None
        # Plain descent on all rows never goes up, in small parts it wavers.
        slack = 2.0 if self.shuffle else 1.001
        stops = self._no_improvement_count > self.n_iter_no_change
        if self.solver == "sgd" and stops and loss > slack * best + self.tol:
            raise ValueError(
                f"the loss rose from {best:g} to {loss:g} at learning_rate_init="
                f"{self.learning_rate_:g}; take a smaller one or 'auto', or scale X"
            )

    def _rate(self, data: Data) -> float:
        """Return the learning rate; "auto" is one over the largest curvature of the loss."""
        if not isinstance(self.learning_rate_init, str):
            return float(self.learning_rate_init)
        if self.solver == "adam":
            return 0.01
        if self.shuffle:  # any row may come alone
            largest, total = largest_square(data.X), float(self.batch_size)
        else:
            weights = np.ones(data.X.shape[0]) if data.weights is None else data.weights
            total = float(weights.sum())
            largest = largest_eigenvalue(data.X, weights / total)
        return 1.0 / (self._curvature() * largest + self.alpha / total)


def largest_square(X: Any) -> float:
    """Return the largest ``|xᵢ|² + 1`` of the rows of X, the 1 for the bias."""
    squares = X.multiply(X).sum(axis=1) if hasattr(X, "toarray") else np.einsum("ij,ij->i", X, X)
    return float(np.max(squares)) + 1.0


def largest_eigenvalue(X: Any, shares: Any) -> float:
    """Return the largest eigenvalue of ``Σᵢ sharesᵢ x̃ᵢ x̃ᵢᵀ`` where x̃ is a row of X and a 1.

    By 30 steps of the power method, from below. Gradient descent goes down for any rate below
    twice the reciprocal, so that an eigenvalue a little too small does no harm.
    """
    shares = shares.astype(X.dtype)
    v = np.random.default_rng(0).standard_normal(X.shape[1] + 1).astype(X.dtype)
    for _ in range(30):
        v /= np.linalg.norm(v)
        u = (X @ v[:-1] + v[-1]) * shares
        v = np.append(X.T @ u, u.sum())
    return float(np.linalg.norm(v))


class LinearRegression(_Descent, BaseRegressor):
    """Least squares by gradient descent.

    Minimises ``1/(2n) Σᵢ |xᵢ W + b - yᵢ|² + alpha/(2n) |W|²`` from ``W = 0, b = 0``, by steps
    ``W -= rate · (1/n Σᵢ xᵢᵀ rᵢ + alpha/n W)`` and ``b -= rate · 1/n Σᵢ rᵢ`` where
    ``rᵢ = xᵢ W + b - yᵢ``. ``alpha`` is that of ``sklearn.linear_model.Ridge``.

    Parameters
    ----------
    solver : {"sgd", "adam", "lbfgs"}
        "sgd" is plain gradient descent, without momentum.
    learning_rate_init : float or "auto"
        "auto" is 0.01 for "adam". For "sgd" it is one over the largest curvature of the loss, of
        all rows or with a ``batch_size`` of any single one, so that it cannot diverge.
    max_iter : int
        Epochs at most.
    batch_size : "full" or int
        "full" takes each step on all rows, which a sparse X is laid out densely for.
    alpha : float
        L2 penalty on the weights, divided by the rows of a step.
    tol : float
        Training stops after ``n_iter_no_change`` epochs without an improvement of the loss by
        ``tol``; for "lbfgs" the largest component of the gradient that counts as none.
    n_iter_no_change : int
    random_state : int, RandomState instance or None
        Order of the rows, where ``batch_size`` is a number.
    warm_start : bool
        Start from the weights of the last ``fit``.
    verbose : bool
        Print a line per epoch.
    dtype : {"float32", "float64"} or None
        What to compute in; None keeps X's, float64 where X is neither.
    backend : str
        "auto", "numpy", "numba", "cupy" or a registered one.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
    intercept_ : float or array of shape (n_outputs,)
    learning_rate_ : float
        The rate that was used; not for "lbfgs".
    loss_ : float
    loss_curve_ : list of float
        Of each epoch, before its step; not for "lbfgs". With several outputs the squares are their
        mean, as in ``MLPRegressor``.
    n_iter_, t_ : int
        Epochs run, and rows seen.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where X had names.
    backend_, backend_choice_, engine_, engine_reason_ : str
    compile_seconds_ : float

    Raises
    ------
    ValueError
        In ``fit``, where the loss rises in place of falling; the message names the learning rate.

    Notes
    -----
    There is always an intercept. Features of very different sizes make descent slow: scale them.

    Examples
    --------
    >>> import numpy as np
    >>> from accelnn import LinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LinearRegression(tol=1e-12).fit(X, 2 * X[:, 0] - 1)
    >>> model.coef_.round(3).tolist(), round(float(model.intercept_), 3)
    ([2.0], -1.0)
    """

    loss = "squared_error"

    def __init__(
        self,
        *,
        solver: str = "sgd",
        learning_rate_init: float | str = "auto",
        max_iter: int = 1000,
        batch_size: int | str = "full",
        alpha: float = 0.0,
        tol: float = 1e-6,
        n_iter_no_change: int = 10,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        dtype: Any = None,
        backend: str | Backend = "auto",
    ) -> None:
        self._keep(locals())

    def _curvature(self) -> float:
        return 1.0

    @property
    def coef_(self) -> Any:
        """Weights, (n_features,), or with several outputs (n_outputs, n_features)."""
        found = super().coef_
        return found[0] if self.n_outputs_ == 1 else found

    @property
    def intercept_(self) -> Any:
        """Bias, a number, or with several outputs (n_outputs,)."""
        found = super().intercept_
        return found[0] if self.n_outputs_ == 1 else found


class Decision:
    """The raw outputs of a classifier, public."""

    coefs_: list[Any]
    _forward: Any
    _readable: Any
    _as_given: Any

    def decision_function(self, X: Any) -> Any:
        """Return ``X @ coef_.T + intercept_``, (n_samples,) for two classes, else a column each.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        z = self._forward(self._readable(X), 1)
        return self._as_given(z[:, 0] if z.shape[1] == 1 else z, X)


class LogisticRegression(Decision, Probabilities, _Descent, BaseClassifier):
    """Logistic regression by gradient descent: softmax for several classes, else the sigmoid.

    Minimises ``1/n Σᵢ -log p(yᵢ | xᵢ) + alpha/(2n) |W|²`` from ``W = 0, b = 0``. With two classes
    ``p(1 | x) = σ(x W + b)``, with more ``p(j | x) = softmax(x W + b)ⱼ``; either way a step is
    ``W -= rate · (1/n Σᵢ xᵢᵀ rᵢ + alpha/n W)`` and ``b -= rate · 1/n Σᵢ rᵢ`` where
    ``rᵢ = p(xᵢ) - yᵢ`` with yᵢ as 0 and 1. ``alpha`` is ``1 / C`` of
    ``sklearn.linear_model.LogisticRegression``.

    Parameters
    ----------
    solver : {"sgd", "adam", "lbfgs"}
        "sgd" is plain gradient descent, without momentum.
    learning_rate_init : float or "auto"
        "auto" is 0.01 for "adam". For "sgd" it is one over the largest curvature of the loss, of
        all rows or with a ``batch_size`` of any single one, so that it cannot diverge. A row's loss
        curves by 1/4 at most for the sigmoid, 1/2 for the softmax (Böhning 1992).
    max_iter : int
        Epochs at most.
    batch_size : "full" or int
        "full" takes each step on all rows, which a sparse X is laid out densely for.
    alpha : float
        L2 penalty on the weights, divided by the rows of a step.
    tol : float
        Training stops after ``n_iter_no_change`` epochs without an improvement of the loss by
        ``tol``; for "lbfgs" the largest component of the gradient that counts as none.
    n_iter_no_change : int
    class_weight : dict, "balanced" or None
        Weights of the classes, multiplied into ``sample_weight``.
    random_state : int, RandomState instance or None
        Order of the rows, where ``batch_size`` is a number.
    warm_start : bool
        Start from the weights of the last ``fit``.
    verbose : bool
        Print a line per epoch.
    dtype : {"float32", "float64"} or None
        What to compute in; None keeps X's, float64 where X is neither.
    backend : str
        "auto", "numpy", "numba", "cupy" or a registered one.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
    intercept_ : array of shape (1,) or (n_classes,)
    learning_rate_ : float
        The rate that was used; not for "lbfgs".
    loss_ : float
    loss_curve_ : list of float
        Of each epoch, before its step; not for "lbfgs".
    n_iter_, t_ : int
        Epochs run, and rows seen.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where X had names.
    backend_, backend_choice_, engine_, engine_reason_ : str
    compile_seconds_ : float

    Raises
    ------
    ValueError
        In ``fit``, where the loss rises in place of falling; the message names the learning rate.

    Notes
    -----
    There is always an intercept. On classes that a plane separates the weights grow without end
    where ``alpha`` is 0.

    References
    ----------
    D. Böhning, "Multinomial logistic regression algorithm", Annals of the Institute of Statistical
    Mathematics 44 (1992), 197-200.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from accelnn import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(alpha=1.0).fit(scale(X), y)
    >>> model.coef_.shape, bool(model.score(scale(X), y) > 0.95)
    ((3, 4), True)
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **_Descent._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    loss = "log_loss"
    label_smoothing = 0.0

    def __init__(
        self,
        *,
        solver: str = "sgd",
        learning_rate_init: float | str = "auto",
        max_iter: int = 1000,
        batch_size: int | str = "full",
        alpha: float = 0.0,
        tol: float = 1e-6,
        n_iter_no_change: int = 10,
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        dtype: Any = None,
        backend: str | Backend = "auto",
    ) -> None:
        self._keep(locals())

    def _curvature(self) -> float:
        return 0.5 if self.out_activation_ == "softmax" else 0.25
