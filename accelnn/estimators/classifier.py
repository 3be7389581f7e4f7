"""Classifier: softmax for several classes, logistic outputs for two and for multilabel."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import column_or_1d

from accelnn import nn
from accelnn.backends import Backend
from accelnn.checking import from_gpu
from accelnn.estimators import _objectives
from accelnn.estimators._base import BaseMLP
from accelnn.estimators._docs import documented
from accelnn.estimators._embedding import Embedding
from accelnn.estimators._objectives import Objective
from accelnn.estimators._unchanged import unchanged_by_errors


def stochastic(estimator: Any) -> bool:
    """Say whether an estimator's solver can go on with other data."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for solver='sgd' and solver='adam'")
    return True


class BaseClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """What all classifiers share but their constructors."""

    _classifies = True

    # Targets ------------------------------------------------------------------------------------

    def _targets(self, X: Any, y: Any, reset: bool, incremental: bool) -> Any:
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset and not incremental:  # the first partial_fit was told the classes
            self.classes_ = unique_labels(y) if y.ndim == 1 else np.arange(y.shape[1])
            self._multilabel = type_of_target(y).startswith("multilabel")
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
            return
        labels = unique_labels(y)
        found, known = set(labels.tolist()), set(self.classes_.tolist())
        if self.warm_start and found != known:
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {labels}"
            )
        if unknown := found - known:
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes_.tolist()}. `y` also has {sorted(unknown)}."
            )

    def _encoded(self, y: Any, dtype: Any) -> Any:
        if self._multilabel:
            self.out_activation_ = "logistic"
            if ((y != 0) & (y != 1)).any():
                raise ValueError(f"multilabel y must hold 0 and 1, got {np.unique(y).tolist()}")
            return np.ascontiguousarray(y, dtype)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if unknown := set(unique_labels(y).tolist()) - set(self.classes_.tolist()):
            raise ValueError(f"y_val has classes that y has not: {sorted(unknown)}")
        codes = np.searchsorted(self.classes_, y)
        self.out_activation_ = "softmax" if len(self.classes_) > 2 else "logistic"
        if self.out_activation_ == "softmax":
            return codes.astype(np.int64)
        return np.ascontiguousarray(codes.reshape(-1, 1), dtype)

    def _width_out(self, target: Any) -> int:
        return len(self.classes_) if target.ndim == 1 else int(target.shape[1])

    def _smoothed(self, target: Any) -> Any:
        if not self.label_smoothing or self.out_activation_ == "softmax":
            return target  # of a softmax, the loss does it
        return target * (1 - self.label_smoothing) + self.label_smoothing / 2

    def _reweighted(self, weights: Any, y: Any, incremental: bool) -> Any:
        if self.class_weight is None:
            return weights
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which does not see all "
                "samples; pass a dict, for instance of sklearn.utils.class_weight."
                "compute_class_weight('balanced', classes=classes, y=y)"
            )
        of_rows = self._weights_of_classes(y)
        if not (np.isfinite(of_rows).all() and (of_rows >= 0).all() and of_rows.any()):
            raise ValueError(
                "class_weight must hold finite numbers, at least 0 and not all of them 0, got "
                f"{self.class_weight!r}"
            )
        return of_rows if weights is None else weights * of_rows

    def _weights_of_classes(self, y: Any) -> Any:
        """Return the weight of each row's class."""
        given = self.class_weight
        try:
            if self._multilabel or not isinstance(given, dict):
                return compute_sample_weight(given, y)
            # Not of the classes in y: a part of the data may lack some.
            of_classes = compute_class_weight(given, classes=self.classes_, y=y)
        except (TypeError, ValueError) as error:
            raise ValueError(f"class_weight={given!r}: {error}") from error
        return of_classes[np.searchsorted(self.classes_, y.ravel())]

    # Losses -------------------------------------------------------------------------------------

    def _make_objective(self, n_outputs: int) -> Objective:
        softmax = self.out_activation_ == "softmax"
        if isinstance(self.loss, str) and self.loss == "log_loss":
            return _objectives.log_loss(softmax, self.label_smoothing)
        if self.label_smoothing:
            raise ValueError(
                f"label_smoothing={self.label_smoothing} is for loss='log_loss', got {self.loss!r}"
            )
        return _objectives.of(self.loss)

    def _score_outputs(self, outputs: Any, target: Any, weights: Any) -> float:
        if len(self.classes_) == 1:
            return 1.0  # as ``predict`` has no other class to say
        if self.out_activation_ == "softmax":
            hits = outputs.argmax(axis=1) == target
        else:
            hits = ((outputs > 0) == target).all(axis=1)  # logits: p > ½ is z > 0
        return float(np.average(hits, weights=weights))

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
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, or for multilabel an indicator row of 0 and 1 each.
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Run one epoch over X and y, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array of shape (n_classes,)
            All classes there will be; needed in the first call.
        """
        y, classes = from_gpu(y), from_gpu(classes)
        with unchanged_by_errors(self):
            if _check_partial_fit_first_call(self, classes):
                self._multilabel = type_of_target(y).startswith("multilabel")
            return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """Return the class, or for multilabel an indicator row, of each row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
            On the GPU in X's library where X lies on one and the classes are numbers, else NumPy's.
        """
        z = self._forward(self._readable(X), len(self.coefs_))  # no need of the probabilities
        if self._multilabel:
            labels = (z > 0).astype(np.int64)
            sparse = self._sparse_labels
            return self._as_given(labels, X) if sparse is None else sparse(labels)
        softmax = self.out_activation_ == "softmax"
        codes = z.argmax(axis=1) if softmax else (z[:, 0] > 0).astype(np.int64)
        if len(self.classes_) == 1:
            codes[:] = 0
        return self._as_given(self.classes_[codes], X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose class, or for multilabel all labels, is right."""
        return float(super().score(from_gpu(X), from_gpu(y), from_gpu(sample_weight)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class Probabilities:
    """Probabilities, for classifiers whose outputs have some."""

    _multilabel: bool
    out_activation_: str
    _outputs: Any
    _as_given: Any

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, (n_samples, n_classes), columns as ``classes_``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
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


@documented
class MLPClassifier(Probabilities, Embedding, BaseClassifier):
    """Multi-layer perceptron that classifies, with scikit-learn's interface.

    Arguments up to ``max_fun``, their defaults and the fitted attributes are those of
    ``sklearn.neural_network``'s class of this name; what follows is new.

    Parameters
    ----------
    {parameters}
    loss : {"log_loss", "focal"}, Loss or callable
        Cross-entropy of the softmax, or of each logistic output. A loss of ``accelnn.nn`` or a
        callable ``(outputs, targets) -> Tensor`` reads raw outputs (n, n_outputs) and targets: (n,)
        codes of the classes for three or more, else (n, n_outputs) of 0 and 1. It returns the loss
        of each row, (n,), or their mean, and trains the eager way.
    class_weight : dict, "balanced" or None
        Weights of the classes, multiplied into ``sample_weight``; "balanced" is
        ``n_samples / (n_classes · count of the class)``. They hold for rows that early stopping
        holds back too; a validation set that is given has its ``sample_weight_val`` alone.
    label_smoothing : float
        ε: the target is (1 - ε) of the class and ε shared by all (Szegedy et al. 2016, section 7).
        For "log_loss".
    {more}

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    {attributes}

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

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(_objectives.CLASSIFICATION)), nn.Loss, callable],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        class_weight: Any = None,
        label_smoothing: float = 0.0,
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
