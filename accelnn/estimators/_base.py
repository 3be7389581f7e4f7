"""What all estimators share: fit, the forward pass, and what is kept in between.

``fit`` checks everything before it changes anything, then hands over to ``_stochastic.py`` or
``_lbfgs.py``. What a network is, is in ``_network.py``; what it minimises, in ``_objectives.py``.
"""

import warnings
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from accelnn import nn
from accelnn.backends import Backend, resolve_with_reason
from accelnn.backends.numba_backend import NumbaBackend
from accelnn.checking import from_gpu
from accelnn.estimators import _arguments, _network
from accelnn.estimators._callbacks import Task
from accelnn.estimators._forward import ForwardPass
from accelnn.estimators._html import network_html
from accelnn.estimators._initial import initial
from accelnn.estimators._lbfgs import fit_lbfgs
from accelnn.estimators._objectives import Objective
from accelnn.estimators._rules import Rule, make_rule
from accelnn.estimators._stochastic import Data, StochasticFit
from accelnn.estimators._taped import Taped
from accelnn.estimators._unchanged import unchanged_by_errors
from accelnn.estimators.display import DisplayMixin
from accelnn.kernels.table import LOSSES
from accelnn.program import Program

#: Lines from ``_fit`` to the caller of ``fit``, for warnings.
_CALLER = 4
#: What the stochastic solvers leave and L-BFGS does not.
_CURVES = (
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
)


class BaseMLP(
    CallbackSupportMixin,  # type: ignore[misc]
    DisplayMixin,
    ForwardPass,
    BaseEstimator,  # type: ignore[misc]
):
    """Constructor arguments, fit and forward pass; see the subclasses."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        **_arguments.SKLEARN,
        **_arguments.OURS,
    }

    _classifies = False
    _no_improvement_count = 0  # epochs; of a loaded estimator too
    _rule: Rule | None = None
    _sparse_labels: Any = None  # the class of a sparse y, which ``predict`` then returns
    norms_: list[nn.Module] = []  # noqa: RUF012 - only ever replaced

    # What the subclasses define ----------------------------------------------------------------

    def _targets(self, X: Any, y: Any, reset: bool, incremental: bool) -> Any:
        """Return y as a program wants it: (n,) int64, or (n, m) of X's dtype."""
        raise NotImplementedError

    def _encoded(self, y: Any, dtype: Any) -> Any:
        """Return the targets of a validation set, whose classes and outputs are known."""
        raise NotImplementedError

    def _make_objective(self, n_outputs: int) -> Objective:
        """Return what is minimised."""
        raise NotImplementedError

    def _score_outputs(self, outputs: Any, target: Any, weights: Any) -> float:
        """Return accuracy or R² of raw outputs against what ``_targets`` gave."""
        raise NotImplementedError

    def _width_out(self, target: Any) -> int:
        """Return the number of outputs."""
        raise NotImplementedError

    def _smoothed(self, target: Any) -> Any:
        """Return the targets to train on."""
        return target

    def _reweighted(self, weights: Any, y: Any, incremental: bool) -> Any:
        """Return the weights of the rows, with those of their classes."""
        return weights

    # Fitting ------------------------------------------------------------------------------------

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Store the constructor's arguments as they are."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any, Any] = (None, None, None),
        incremental: bool = False,
    ) -> Any:
        sizes = _arguments.hidden_sizes(self.hidden_layer_sizes)
        _arguments.check_together(self, sizes)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        ended: Warning | None = None
        with unchanged_by_errors(self):
            data = self._checked(X, y, sample_weight, first_pass, incremental)
            held_back = self._checked_validation(*validation, data)
            rng = check_random_state(self.random_state)
            units = [data.X.shape[1], *sizes, self._width_out(data.target)]
            self._objective = self._make_objective(units[-1])
            backend = self._resolve(X, units, data.X)
            if first_pass:
                self._initialize(units, rng, data.X.dtype)
            if not incremental or not hasattr(self, "validation_loss_curve_"):
                self._start_curves(first_pass, held_back is not None)
            task = Task(self, data, from_gpu(sample_weight), 1 if incremental else self.max_iter)
            with backend.scope():
                if self.solver == "lbfgs":
                    fit_lbfgs(self, data, backend, rng, task)
                else:
                    fit = StochasticFit(self, data, backend, rng, incremental)
                    ended = fit.run(held_back, task)
            if not all(np.isfinite(w).all() for w in [*self.coefs_, *self.intercepts_]):
                lr = "" if self._rule is None else f" Or the learning rate {self._rule.lr:g} is"
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain "
                    f"large values and need to be preprocessed.{lr and lr + ' too large.'}"
                )
            task.ends(self._state)
        if (
            ended is not None
        ):  # said at the end: where warnings are errors, it is fitted all the same
            warnings.warn(ended, stacklevel=_CALLER)
        return self

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, first_pass: bool, incremental: bool
    ) -> Data:
        """Return the training data, checked and in the dtype of the fit."""
        dtype = self._dtypes() if first_pass else self.coefs_[0].dtype  # the network keeps its own
        X, y = self._validated(X, y, dtype, first_pass)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(
                from_gpu(sample_weight), X, dtype=np.float64, ensure_non_negative=True
            )
        target = self._targets(X, y, first_pass, incremental)
        return Data(X, target, self._reweighted(weights, y, incremental), y)

    def _validated(self, X: Any, y: Any, dtype: Any, reset: bool) -> tuple[Any, Any]:
        """Return X and y, checked in scikit-learn's words, X in one of the types."""
        with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused
            X, y = validate_data(
                self,
                from_gpu(X),
                from_gpu(y),
                accept_sparse="csr",
                multi_output=True,
                y_numeric=not self._classifies,
                dtype=dtype,
                order="C",
                reset=reset,
            )
        sparse = hasattr(y, "toarray")  # as labels of multilabel are at times
        if reset:
            self._sparse_labels = type(y) if sparse else None
        return X, y.toarray() if sparse else y

    def _dtypes(self) -> Any:
        """Return what X may stay: scikit-learn's two types, or the one asked for."""
        return (np.float64, np.float32) if self.dtype is None else np.dtype(self.dtype).type

    def _checked_validation(self, X: Any, y: Any, weights: Any, train: Data) -> Data | None:
        """Return the validation set given, checked as scikit-learn's gradient boosting does."""
        if X is None and y is None:
            if weights is not None:
                raise ValueError("sample_weight_val is provided, but X_val and y_val were not.")
            return None
        if X is None or y is None:
            missing, there = ("X_val", "y_val") if X is None else ("y_val", "X_val")
            raise ValueError(f"{there} is provided, but {missing} was not provided.")
        if self.solver == "lbfgs":
            raise ValueError(
                "X_val and y_val are for the stochastic solvers; with solver='lbfgs' leave them "
                "out, or take solver='adam'"
            )
        try:
            X, y = self._validated(X, y, train.X.dtype, False)
            if weights is not None:
                weights = _check_sample_weight(
                    from_gpu(weights), X, dtype=np.float64, ensure_non_negative=True
                )
            target = self._encoded(y, train.X.dtype)
        except ValueError as error:  # they speak of X, y and sample_weight
            raise ValueError(f"In the validation set, X_val and y_val: {error}") from error
        if target.shape[1:] != train.target.shape[1:]:
            raise ValueError(
                f"y_val of shape {y.shape} does not go with y of shape {train.y.shape}; it must "
                "have the same outputs"
            )
        return Data(X, target, weights, y)

    def _make_rule(self, data: Data) -> Rule:
        """Return the rule that the stochastic solvers step by."""
        return make_rule(self)

    def _resolve(self, given: Any, units: list[int], X: Any) -> Backend:
        flops = 6.0 * sum(a * b + b for a, b in pairwise(units)) * X.shape[0] * self.max_iter
        program, small, large = self._objective.program, "numpy", "numba"
        if program is None or self.normalization is not None:
            large = "numpy"  # the eager way runs kernel by kernel, and NumPy's need no compiling
        elif not (self.l1 or self.max_grad_norm or self.weight_decay):
            dropped = any(_network.per_layer("dropout", self.dropout, len(units) - 2))
            operations = (LOSSES[program.code], *(("drop",) if dropped else ()))
            small = "numba" if NumbaBackend.loaded(operations, X.dtype) else small
        backend, self.backend_choice_ = resolve_with_reason(
            self.backend, given, flops=flops, small=small, large=large
        )
        self.backend_ = backend.name
        return backend

    def _initialize(self, units: list[int], rng: Any, dtype: Any) -> None:
        """Draw the weights and forget what an earlier fit left."""
        self.n_iter_, self.t_ = 0, 0
        self.n_layers_, self.n_outputs_ = len(units), units[-1]
        coefs, intercepts = initial(self, units, rng)
        self.coefs_ = [np.ascontiguousarray(w, dtype) for w in coefs]
        self.intercepts_ = [np.ascontiguousarray(b, dtype) for b in intercepts]
        self.norms_ = _network.new_norms(self, units[1:-1], dtype)
        self._no_improvement_count, self._rule = 0, None
        for name in _CURVES:  # L-BFGS has none
            self.__dict__.pop(name, None)

    def _start_curves(self, first_pass: bool, given: bool) -> None:
        """Set what only some fits have: the curves of a validation set, and the best so far."""
        if self.solver == "lbfgs":
            return
        validated = self.early_stopping or given
        anew = first_pass or not hasattr(self, "validation_scores_")  # L-BFGS left none
        if anew:
            self.loss_curve_: list[float] = []
        if anew or validated != (self.validation_scores_ is not None):
            self.best_loss_: float | None = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = [] if validated else None
            self.validation_loss_curve_: list[float] | None = [] if validated else None
            self.best_validation_score_: float | None = -np.inf if validated else None

    def _engine(self, backend: Backend, rule: Any, batch_size: int, rng: Any) -> Program | Taped:
        """Return a program of the network, or where one does not know a part of it, a tape."""
        layers, objective = _network.stack(self, backend, rng), self._objective
        engine: Program | Taped
        if objective.program is None or self.norms_:
            unknown = objective.name or type(self.norms_[0]).__name__
            self.engine_, self.engine_reason_ = "eager", f"programs do not know {unknown}"
            engine = Taped(layers, objective.rows, rule, backend, batch_size)
        else:
            self.engine_, self.engine_reason_ = "program", ""
            engine = Program(layers, objective.program, rule, backend, batch_size)
        if rule.kept is not None:
            engine.plan.states[...] = backend.asarray(rule.kept)
        return engine

    def _take_from(self, engine: Any) -> None:
        """Make the fitted arrays what the engine has learned."""
        to_numpy = engine.backend.to_numpy
        linears = [layer for layer in engine.layers if isinstance(layer, nn.Linear)]
        self.coefs_ = [to_numpy(layer.weight.array.T) for layer in linears]
        biases = [layer.bias for layer in linears]
        self.intercepts_ = [to_numpy(b.array) for b in biases if b is not None]
        kinds = tuple(_network.NORMALIZATIONS.values())
        norms = [layer for layer in engine.layers if isinstance(layer, kinds)]
        self.norms_ = [deepcopy(norm).to("numpy") for norm in norms]  # the engine may go on

    def _state(self) -> dict[str, Any]:
        """Return all that fit has set, with weights that later epochs do not change."""
        state: dict[str, Any] = self.__getstate__()
        known = self.get_params(deep=False)
        hidden = ("_skl_callbacks", "_sklearn_version", "_callback_fit_ctx")
        return {k: v for k, v in state.items() if k not in known and k not in hidden}

    def _fitted_on(self, engine: Any) -> dict[str, Any]:
        """Return the fitted attributes as of now, in the middle of a fit."""
        self._take_from(engine)
        return self._state()

    def _epoch_ended(self, loss: float, n: int) -> None:
        self.n_iter_ += 1
        self.t_ += n
        self.loss_ = loss
        self.loss_curve_.append(loss)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
        if self.best_loss_ is not None:  # None: the validation score decides
            worse = loss > self.best_loss_ - self.tol
            self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
            self.best_loss_ = min(self.best_loss_, loss)

    def _scored(self, score: float) -> bool:
        """Take note of a validation score and say whether it is the best so far."""
        assert self.validation_scores_ is not None
        assert self.best_validation_score_ is not None
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        if self.early_stopping:
            worse = score < self.best_validation_score_ + self.tol
            self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            return True
        return False

    # What it is ---------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:  # scikit-learn's own signature
        text: str = super().__repr__(N_CHAR_MAX=N_CHAR_MAX)
        fitted = hasattr(self, "coefs_") and hasattr(self, "backend_")
        return f"{text}  # fitted on {self.backend_!r}" if fitted else text

    def _html_repr(self) -> str:
        html = str(super()._html_repr())
        return html + network_html(self) if hasattr(self, "coefs_") else html

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what a flat buffer would drag along: arrays of their own."""
        state: dict[str, Any] = dict(super().__getstate__())  # which is the live one at times
        state.pop("_objective", None)
        for name in ("coefs_", "intercepts_"):
            if name in state:
                state[name] = [np.array(a) for a in state[name]]
        return state
