"""Classifier: softmax for several classes, logistic outputs for two and for multilabel."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import column_or_1d

from accelnn.backends import Backend
from accelnn.checking import from_gpu
from accelnn.estimators._base import BaseMLP
from accelnn.kernels import table as t
from accelnn.lowering import RowLoss


def _stochastic(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for solver='sgd' and solver='adam'")
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """Multi-layer perceptron that classifies, with scikit-learn's interface.

    Arguments, defaults and fitted attributes are those of ``sklearn.neural_network``'s class of
    this name; ``backend`` is new. Sparse input and sample weights are not supported yet.

    Parameters
    ----------
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
    classes_ : array of shape (n_classes,)
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
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from accelnn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(random_state=0, max_iter=500))
    >>> bool(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    def __init__(
        self,
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
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        kind = type_of_target(y)
        if reset and not incremental:  # the first partial_fit was told the classes
            self.classes_ = unique_labels(y) if y.ndim == 1 else np.arange(y.shape[1])
            self._multilabel = kind.startswith("multilabel")
        else:
            self._check_labels(y)
        return self._encoded(y, X.dtype)

    def _check_labels(self, y: Any) -> None:
        if self._multilabel:
            if y.ndim != 2 or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"`y` must have shape (n, {len(self.classes_)}) as in the first fit, got "
                    f"{y.shape}"
                )
        elif unknown := set(np.unique(y).tolist()) - set(self.classes_.tolist()):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes_.tolist()}. `y` also has {sorted(unknown)}."
            )

    def _encoded(self, y: Any, dtype: Any) -> Any:
        if self._multilabel:
            self.out_activation_ = "logistic"
            return np.ascontiguousarray(y, dtype)
        codes = np.searchsorted(self.classes_, y)
        self.out_activation_ = "softmax" if len(self.classes_) > 2 else "logistic"
        if self.out_activation_ == "softmax":
            return codes.astype(np.int64)
        return np.ascontiguousarray(codes[:, None], dtype)

    def _width_out(self, y: Any) -> int:
        return len(self.classes_) if y.ndim == 1 else int(y.shape[1])

    def _row_loss(self) -> RowLoss:
        softmax = self.out_activation_ == "softmax"
        return RowLoss(t.CROSS_ENTROPY if softmax else t.BINARY_CROSS_ENTROPY, 1.0, True)

    def _reported(self, row_loss: float) -> float:
        return row_loss

    def _score_outputs(self, outputs: Any, y: Any) -> float:
        if self.out_activation_ == "softmax":
            return float((outputs.argmax(axis=1) == y).mean())
        return float(((outputs > 0) == y).all(axis=1).mean())  # logits: p > ½ is z > 0

    def predict(self, X: Any) -> Any:
        """Return the class, or for multilabel an indicator row, of each row of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
            On the GPU in X's library where X lies on one and the classes are numbers, else NumPy's.
        """
        outputs = self._outputs(X)
        if self._multilabel:
            return self._as_given((outputs > 0.5).astype(np.int64), X)
        softmax = self.out_activation_ == "softmax"
        codes = outputs.argmax(axis=1) if softmax else (outputs[:, 0] > 0.5).astype(np.int64)
        return self._as_given(self.classes_[np.minimum(codes, len(self.classes_) - 1)], X)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, (n_samples, n_classes), columns as ``classes_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        """
        return self._as_given(self._probabilities(X), X)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of ``predict_proba``."""
        with np.errstate(divide="ignore"):
            return self._as_given(np.log(self._probabilities(X)), X)

    def _probabilities(self, X: Any) -> Any:
        outputs = self._outputs(X)
        if self._multilabel or self.out_activation_ == "softmax":
            return outputs
        return np.hstack([1 - outputs, outputs])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose class, or for multilabel all labels, is right."""
        return float(super().score(from_gpu(X), from_gpu(y), from_gpu(sample_weight)))

    @available_if(_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """Run one epoch over X and y, from where the last call ended.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array of shape (n_classes,)
            All classes there will be; needed in the first call.
        """
        y, classes = from_gpu(y), from_gpu(classes)
        if _check_partial_fit_first_call(self, classes):
            self._multilabel = type_of_target(y).startswith("multilabel")
        return self._fit(X, y, incremental=True)
