"""What the two estimators share: scikit-learn's constructor, the fit loops and the forward pass.

The loops follow scikit-learn's ``MLPClassifier`` step by step (initial weights, order of the
random draws, stopping), so that the same seed leads along the same path.
"""

import warnings
from collections.abc import Iterable
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, shuffle
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from accelnn import nn
from accelnn.backends import Backend, get_backend, resolve_backend, resolve_with_reason
from accelnn.checking import as_features, as_given, from_gpu
from accelnn.estimators._rules import NoRule, make_rule
from accelnn.lowering import RowLoss
from accelnn.program import Program
from accelnn.training import Loop

_ACTIVATIONS = {"identity": nn.Identity, "logistic": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
_KERNELS = {
    "identity": "identity",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "softmax": "softmax",
}
#: Rows per forward pass: enough for the products to run at full speed, small in memory.
_CHUNK = 8192


class BaseMLP(BaseEstimator):  # type: ignore[misc]
    """Constructor arguments, fit and forward pass; see the subclasses."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's own form
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(_ACTIVATIONS))],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "backend": [str, Hidden(Backend)],
    }

    _no_improvement = 0  # epochs; of a loaded estimator too

    # What the subclasses define ----------------------------------------------------------------

    def _targets(self, X: Any, y: Any, reset: bool, incremental: bool) -> Any:
        """Return y as a program wants it: (n,) int64, or (n, m) of X's dtype."""
        raise NotImplementedError

    def _row_loss(self) -> RowLoss:
        """Return the loss that the gradient belongs to."""
        raise NotImplementedError

    def _reported(self, row_loss: float) -> float:
        """Return the loss as scikit-learn reports it, for a mean row loss of the program."""
        raise NotImplementedError

    def _score_outputs(self, outputs: Any, y: Any) -> float:
        """Return accuracy or R² of raw outputs against what ``_targets`` gave."""
        raise NotImplementedError

    def _width_out(self, y: Any) -> int:
        """Return the number of outputs."""
        raise NotImplementedError

    # Fitting ------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Any:
        """Fit the network to X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            float32 and float64 are kept, everything else becomes float64. An array on a GPU
            chooses its backend.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        self
        """
        return self._fit(X, y, incremental=False)

    def _fit(self, X: Any, y: Any, incremental: bool) -> Any:
        self._validate_params()
        sizes = self._hidden_sizes()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given = X
        X, y = validate_data(
            self,
            from_gpu(X),
            from_gpu(y),
            multi_output=True,
            y_numeric=not hasattr(type(self), "predict_proba"),
            dtype=(np.float64, np.float32),
            order="C",
            reset=first_pass,
        )
        if not first_pass:
            X = X.astype(self.coefs_[0].dtype, copy=False)  # the network keeps its own
        target = self._targets(X, y, first_pass, incremental)
        rng = check_random_state(self.random_state)
        units = [X.shape[1], *sizes, self._width_out(target)]
        backend = self._resolve(given, units)
        if first_pass:
            self._initialize(units, rng, X.dtype)
        with backend.scope():
            if self.solver == "lbfgs":
                self._fit_lbfgs(X, target, backend)
            else:
                self._fit_stochastic(X, target, backend, rng, incremental)
        if not all(np.isfinite(w).all() for w in [*self.coefs_, *self.intercepts_]):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _hidden_sizes(self) -> list[int]:
        given = self.hidden_layer_sizes
        sizes = list(given) if isinstance(given, Iterable) else [given]
        if any(not isinstance(s, Integral) or s <= 0 for s in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(s) for s in sizes]

    def _resolve(self, X: Any, units: list[int]) -> Backend:
        n_params = sum(a * b + b for a, b in pairwise(units))
        backend, self.backend_choice_ = resolve_with_reason(
            self.backend, X, flops=6.0 * n_params * _num_samples(X) * self.max_iter
        )
        self.backend_, self.engine_ = backend.name, "program"
        return backend

    def _initialize(self, units: list[int], rng: Any, dtype: Any) -> None:
        """Draw Glorot & Bengio's (2010) uniform weights, in scikit-learn's order of draws."""
        self.n_iter_, self.t_ = 0, 0
        self.n_layers_, self.n_outputs_ = len(units), units[-1]
        self.coefs_, self.intercepts_ = [], []
        for fan_in, fan_out in pairwise(units):
            bound = np.sqrt((2.0 if self.activation == "logistic" else 6.0) / (fan_in + fan_out))
            self.coefs_.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype))
            self.intercepts_.append(rng.uniform(-bound, bound, fan_out).astype(dtype))
        self._no_improvement = 0
        if self.solver == "lbfgs":
            return
        self._rule = make_rule(self)
        self.loss_curve_: list[float] = []
        self.best_loss_: float | None = None if self.early_stopping else np.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None

    def _program(self, backend: Backend, rule: Any, batch_size: int) -> Program:
        layers: list[nn.Module] = []
        for w, b in zip(self.coefs_, self.intercepts_, strict=True):
            layers += [nn.Linear.from_storage(w, b, backend), _ACTIVATIONS[self.activation]()]
        program = Program(layers[:-1], self._row_loss(), rule, backend, batch_size)
        if rule.kept is not None:
            program.plan.states[...] = backend.asarray(rule.kept)
        return program

    def _take_from(self, program: Program) -> None:
        """Make ``coefs_`` and ``intercepts_`` what the program has learned."""
        to_numpy = program.backend.to_numpy
        linears = [layer for layer in program.layers if isinstance(layer, nn.Linear)]
        self.coefs_ = [to_numpy(layer.weight.data.T) for layer in linears]
        biases = [layer.bias for layer in linears]
        self.intercepts_ = [to_numpy(b.data) for b in biases if b is not None]

    def _fit_lbfgs(self, X: Any, y: Any, backend: Backend) -> None:
        from scipy.optimize import minimize
        from sklearn.utils.optimize import _check_optimize_result

        program = self._program(backend, NoRule(), len(X))
        program.bind(X, y)
        plan, n = program.plan, len(X)

        def loss_and_grad(flat: Any) -> tuple[float, Any]:
            plan.params[...] = backend.asarray(flat, dtype=X.dtype)
            loss, grad = program.loss_and_grad()
            weights = flat[: plan.n_weights]
            slope = backend.to_numpy(grad).astype(np.float64)
            slope[: plan.n_weights] += self.alpha / n * weights
            penalty = 0.5 * self.alpha / n * float(weights @ weights)
            return self._reported(loss) + penalty, slope

        with program:
            found = minimize(
                loss_and_grad,
                backend.to_numpy(plan.params).astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
            )
        self.n_iter_ = _check_optimize_result("lbfgs", found, self.max_iter)
        self.loss_ = float(found.fun)
        plan.params[...] = backend.asarray(found.x, dtype=X.dtype)
        self._take_from(program)

    def _fit_stochastic(
        self, X: Any, y: Any, backend: Backend, rng: Any, incremental: bool
    ) -> None:
        X, X_val, y, y_val = self._split(X, y, rng)
        n = len(X)
        if self.batch_size != "auto" and self.batch_size > n:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the {n} training samples and is "
                "clipped to them",
                UserWarning,
                stacklevel=4,
            )
        if not incremental or not hasattr(self, "_rule"):
            self._rule = make_rule(self)
        size = min(200 if self.batch_size == "auto" else self.batch_size, n)
        with self._program(backend, self._rule, size) as program:
            program.bind(X, y)
            loop = Loop(program, backend, [], n)
            self.compile_seconds_ = loop.warm_up()
            X_val = None if X_val is None else as_features(X_val, X.dtype, backend)
            order = np.arange(n)
            # Before the first epoch the best are the weights it starts from, as in a warm start.
            best = None if X_val is None else backend.to_numpy(program.plan.params).copy()
            self.n_iter_ = 0
            penalty = self._penalty(program)
            try:
                for _ in range(self.max_iter):
                    if self.shuffle:
                        order = shuffle(order, random_state=rng)
                    loss = loop.epoch(self.n_iter_ + 1, order, self._rule)
                    before, penalty = penalty, self._penalty(program)
                    # Each minibatch reports its own penalty; their mean over the epoch is between
                    # those at its two ends.
                    share = program.n_batches / n
                    self._epoch_ended(self._reported(loss) + share * (before + penalty) / 2, n)
                    if X_val is not None:
                        outputs = backend.to_numpy(program.outputs(X_val))
                        if self._scored(self._score_outputs(outputs, y_val)):
                            best = backend.to_numpy(program.plan.params).copy()
                    self._rule.epoch_ends(self.t_)
                    if self._no_improvement > self.n_iter_no_change:
                        if self._rule.stops(self._stop_message(), bool(self.verbose)):
                            break
                        self._no_improvement = 0
                    if incremental:
                        break
                    if self.n_iter_ == self.max_iter:
                        warnings.warn(
                            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached "
                            "and the optimization hasn't converged yet.",
                            ConvergenceWarning,
                            stacklevel=4,
                        )
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=4)
            if best is not None:
                program.plan.params[...] = backend.asarray(best)
            self._rule.kept = backend.to_numpy(program.plan.states).copy()
            self._take_from(program)

    def _split(self, X: Any, y: Any, rng: Any) -> Any:
        if not self.early_stopping:
            return X, None, y, None
        binary = hasattr(type(self), "predict_proba") and self.n_outputs_ == 1
        X_train, X_val, y_train, y_val = train_test_split(
            X,
            y,
            random_state=rng,
            test_size=self.validation_fraction,
            stratify=y if binary else None,  # scikit-learn's choice
        )
        if len(X_val) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return X_train, X_val, y_train, y_val

    def _penalty(self, program: Program) -> float:
        """``alpha/2 · |W|²``."""
        if not self.alpha:
            return 0.0
        w = program.plan.params[: program.plan.n_weights]
        return 0.5 * float(self.alpha) * float(w @ w)

    def _epoch_ended(self, loss: float, n: int) -> None:
        self.n_iter_ += 1
        self.t_ += n
        self.loss_ = loss
        self.loss_curve_.append(loss)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
        if self.best_loss_ is not None:  # None: the validation score decides
            worse = loss > self.best_loss_ - self.tol
            self._no_improvement = self._no_improvement + 1 if worse else 0
            self.best_loss_ = min(self.best_loss_, loss)

    def _scored(self, score: float) -> bool:
        """Take note of a validation score and say whether it is the best so far."""
        assert self.validation_scores_ is not None
        assert self.best_validation_score_ is not None
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        worse = score < self.best_validation_score_ + self.tol
        self._no_improvement = self._no_improvement + 1 if worse else 0
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            return True
        return False

    def _stop_message(self) -> str:
        what = "Validation score" if self.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
            "consecutive epochs."
        )

    # Predicting ---------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Any:
        """Return ``out_activation_`` of the network for X, (n, n_outputs), as a NumPy array."""
        check_is_fitted(self)
        X = from_gpu(X)
        X = validate_data(self, X, dtype=(np.float64, np.float32), order="C", reset=False)
        # An object given need not be registered under its name.
        given = self.backend
        backend = given if isinstance(given, Backend) else resolve_backend(self.backend_)
        dtype = self.coefs_[0].dtype
        hidden = [_KERNELS[self.activation]] * (len(self.coefs_) - 1)
        names = [*hidden, _KERNELS[self.out_activation_]]
        out = np.empty((len(X), self.coefs_[-1].shape[1]), dtype)
        with backend.scope():
            ws = [backend.asarray(w) for w in self.coefs_]
            bs = [backend.asarray(b) for b in self.intercepts_]
            for start in range(0, len(X), _CHUNK):
                a = backend.asarray(X[start : start + _CHUNK], dtype=dtype)
                for w, b, name in zip(ws, bs, names, strict=True):
                    a = backend.matmul(a, w)
                    a = getattr(backend, name)(backend.add_bias(a, b, out=a), out=a)
                out[start : start + _CHUNK] = backend.to_numpy(a)
        return out

    def _as_given(self, result: Any, X: Any) -> Any:
        """Return a result on X's GPU in X's library; text, which none of them holds, as it is."""
        held = result.dtype.kind in "biuf"
        return as_given(result, X, get_backend("numpy")) if held else result

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what a flat buffer would drag along: arrays of their own."""
        state: dict[str, Any] = super().__getstate__()
        for name in ("coefs_", "intercepts_"):
            if name in state:
                state[name] = [np.array(a) for a in state[name]]
        return state
