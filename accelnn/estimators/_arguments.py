"""What the constructor's arguments may be: scikit-learn's table, and ours.

Combinations that make no sense raise a ValueError in ``fit`` that names both arguments.
"""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from accelnn.backends import Backend
from accelnn.estimators._initial import SCHEMES
from accelnn.estimators._network import ACTIVATIONS, NORMALIZATIONS, activations_of, per_layer

SKLEARN: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
    "solver": [StrOptions({"lbfgs", "sgd", "adam", "adamw", "rmsprop"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), callable],
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
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
}
OURS: dict[str, list[Any]] = {
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "normalization": [StrOptions(set(NORMALIZATIONS)), None],
    "l1": [Interval(Real, 0, None, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left"), None],
    "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    "initial_weights": [StrOptions(set(SCHEMES)), tuple, list, None],
    "scoring": [str, callable, None],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "dtype": [StrOptions({"float32", "float64"}), Hidden(type), Hidden(np.dtype), None],
    "backend": [str, Hidden(Backend)],
}


def hidden_sizes(given: Any) -> list[int]:
    """Return the widths of the hidden layers, in scikit-learn's words where they are none."""
    sizes = list(given) if isinstance(given, Iterable) else [given]
    if any(not isinstance(s, Integral) or s <= 0 for s in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(s) for s in sizes]


def check_together(estimator: Any, sizes: list[int]) -> None:
    """Raise ValueError for arguments that contradict each other or the number of layers."""
    e = estimator
    for name in activations_of(e, len(sizes)):
        if not isinstance(name, str) or name not in ACTIVATIONS:
            known = ", ".join(repr(each) for each in sorted(ACTIVATIONS))
            raise ValueError(f"activation {name!r} is not one of {known}")
    for p in per_layer("dropout", e.dropout, len(sizes)):
        if not isinstance(p, Real) or not 0 <= float(p) < 1:
            raise ValueError(f"dropout must be numbers from 0 to below 1, got {e.dropout!r}")
    if e.dtype is not None and np.dtype(e.dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32', 'float64' or None, got {e.dtype!r}")
    if isinstance(e.scoring, str) and e.scoring != "loss":
        get_scorer(e.scoring)  # raises ValueError where there is none of this name
    if e.solver != "lbfgs":
        return
    senseless = {
        "dropout": any(per_layer("dropout", e.dropout, len(sizes))),
        "l1": bool(e.l1),
        "weight_decay": bool(e.weight_decay),
        "max_grad_norm": e.max_grad_norm is not None,
        "learning_rate": not isinstance(e.learning_rate, str),
        "max_time": e.max_time is not None,
    }
    for name, given in senseless.items():
        if given:
            raise ValueError(
                f"{name}={getattr(e, name)!r} is for the stochastic solvers; with solver='lbfgs' "
                "leave it out, or take solver='adam'"
            )
