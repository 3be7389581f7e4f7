"""Rosenblatt's perceptron: the rule that learns from mistakes only."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval

from accelnn.backends import Backend
from accelnn.estimators import _objectives
from accelnn.estimators._arguments import OURS, SKLEARN
from accelnn.estimators._objectives import Objective
from accelnn.estimators._rules import Rule
from accelnn.estimators._stochastic import Data
from accelnn.estimators.classifier import BaseClassifier
from accelnn.estimators.linear import Decision, LinearModel


@dataclass(kw_only=True)
class PerceptronRule(Rule):
    """``p -= lr g``, and a count of the outputs that were wrong.

    The gradient of a row that is right is 0, that of a bias whose output is wrong is -1 or 1.
    """

    mistakes: Any = 0

    def step_plan(self, plan: Any, backend: Backend, share: float, lr: float) -> None:
        """Take the step of one row."""
        plan.params -= lr * plan.grads
        self.mistakes = self.mistakes + (plan.grads[plan.n_weights :] != 0).sum()

    def stops(self, message: str, verbose: bool) -> bool:
        """Stop: nothing can change any more."""
        return super().stops("An epoch without a mistake.", verbose)


class Perceptron(Decision, LinearModel, BaseClassifier):
    """Perceptron, which learns row by row and from mistakes only.

    For each row in turn ``w += gamma · (y - ŷ) x`` and ``b += gamma · (y - ŷ)``, where y is -1 or 1
    and ŷ = 1 where ``x · w + b >= 0``, else -1. Rows that are right change nothing. With more than
    two classes there is one perceptron for each, with y = 1 for its class and -1 for all others,
    and the class with the largest output is predicted.

    Parameters
    ----------
    gamma : float
        Learning rate. ``y - ŷ`` is -2 or 2, so that 0.5 adds or subtracts the row itself;
        ``eta0`` of ``sklearn.linear_model.Perceptron`` is 2 ``gamma``. Weights that start at 0 are
        only scaled by it.
    max_iter : int
        Epochs at most. Where no plane separates the classes, the rule never ends.
    shuffle : bool
        Visit the rows in a new order in each epoch, not as they come. Rows sorted by class come in
        an order that several perceptrons at once learn badly from.
    initial_weights : str or tuple (coefs, intercepts)
        "zeros", or "glorot_normal", "he_normal", "he_uniform" or "orthogonal" with
        biases of 0, or two lists of one array each, of shape (n_features, n_outputs) and
        (n_outputs,).
    random_state : int, RandomState instance or None
        Initial weights, and order of the rows.
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
        In order; of two, the second is the one with y = 1.
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
    intercept_ : array of shape (1,) or (n_classes,)
    n_mistakes_ : list of int
        Updates in each epoch, of all outputs.
    converged_ : bool
        Whether the last epoch was without a mistake, after which training stops.
    loss_curve_ : list of float
        Mean over the rows of an epoch of ``Σ |x · w + b|`` over the wrong outputs.
    n_iter_, t_ : int
        Epochs run, and rows seen.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where X had names.
    backend_, backend_choice_, engine_, engine_reason_ : str
    compile_seconds_ : float

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        In ``fit``, where the last of ``max_iter`` epochs had mistakes.

    Notes
    -----
    Novikoff's theorem: if some plane separates the classes by a margin, ``y (x · u + c) >= margin``
    for all rows with ``|u|² + c² = 1``, there are at most ``(R / margin)²`` mistakes from weights
    of 0, however long one goes on, with ``R² = max |x|² + 1``.

    There is always an intercept, no penalty and no weight of rows: a repeated row is another
    chance to make a mistake.

    References
    ----------
    F. Rosenblatt, "The perceptron: a probabilistic model for information storage and organization
    in the brain", Psychological Review 65 (1958), 386-408.

    A. B. J. Novikoff, "On convergence proofs on perceptrons", Proceedings of the Symposium on the
    Mathematical Theory of Automata XII (1962), 615-622.

    Examples
    --------
    >>> from accelnn import Perceptron
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> gate = Perceptron(shuffle=False).fit(X, y)
    >>> gate.predict(X).tolist(), gate.converged_
    ([0, 0, 0, 1], True)
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **LinearModel._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "shuffle": SKLEARN["shuffle"],
        "initial_weights": OURS["initial_weights"],
    }
    loss = "perceptron"
    class_weight, label_smoothing = None, 0.0
    batch_size, tol, n_iter_no_change = 1, 0.0, 0

    def __init__(
        self,
        *,
        gamma: float = 0.5,
        max_iter: int = 100,
        shuffle: bool = True,
        initial_weights: Any = "zeros",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        dtype: Any = None,
        backend: str | Backend = "auto",
    ) -> None:
        self._keep(locals())

    @property
    def converged_(self) -> bool:
        """Whether the last epoch was without a mistake."""
        return self.n_mistakes_[-1] == 0

    # Training -----------------------------------------------------------------------------------

    def _encoded(self, y: Any, dtype: Any) -> Any:
        """Return 0 and 1, which the loss reads for -1 and 1, (n, n_outputs)."""
        n = len(self.classes_)
        if self._multilabel:
            raise ValueError("a perceptron learns one class per row; y has several labels per row")
        if n < 2:
            raise ValueError(f"y has 1 class, {self.classes_.tolist()}; a perceptron separates two")
        self.out_activation_ = "step"
        codes = np.searchsorted(self.classes_, y)[:, None]
        return (codes == (np.arange(n) if n > 2 else [1])).astype(dtype)

    def _make_objective(self, n_outputs: int) -> Objective:
        return _objectives.perceptron()

    def _make_rule(self, data: Data) -> Rule:
        return PerceptronRule(lr=2 * self.gamma)  # the rate of targets that are 1 apart, not 2

    def _initialize(self, units: list[int], rng: Any, dtype: Any) -> None:
        super()._initialize(units, rng, dtype)
        self.n_mistakes_: list[int] = []

    def _epoch_ended(self, loss: float, n: int) -> None:
        super()._epoch_ended(loss, n)
        rule: Any = self._rule
        self.n_mistakes_.append(int(rule.mistakes))
        rule.mistakes = 0
        self._no_improvement_count = int(self.n_mistakes_[-1] == 0)  # 1 stops

    # The public calls ---------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any) -> Any:
        """Go through the rows until an epoch is without a mistake.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            float32 and float64 are kept, everything else becomes float64; see ``dtype``.
        y : array-like of shape (n_samples,)
            Two or more classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data or arguments that do not fit, before anything is changed.
        """
        return self._fit(X, y)

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """Go through the rows once, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array of shape (n_classes,)
            All classes there will be; needed in the first call.
        """
        return super().partial_fit(X, y, classes=classes)

    def predict(self, X: Any) -> Any:
        """Return the class of each row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,)
            On the GPU in X's library where X lies on one and the classes are numbers, else NumPy's.
        """
        z = self._forward(self._readable(X), 1)
        codes = (z[:, 0] >= 0).astype(np.int64) if z.shape[1] == 1 else z.argmax(axis=1)
        return self._as_given(self.classes_[codes], X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags
