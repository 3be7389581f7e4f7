"""The weights that a fit starts from: scikit-learn's, a named scheme's, or the user's own."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from accelnn.estimators._network import activations_of
from accelnn.nn import init

#: Name -> what fills a matrix (fan_out, fan_in); biases are 0.
_SCHEMES: dict[str, Callable[[Any, Any], Any]] = {
    "glorot_normal": lambda w, rng: init.xavier_normal_(w, generator=rng),
    "he_normal": lambda w, rng: init.kaiming_normal_(w, generator=rng),
    "he_uniform": lambda w, rng: init.kaiming_uniform_(w, generator=rng),
    "orthogonal": lambda w, rng: init.orthogonal_(w, generator=rng),
    "zeros": lambda w, rng: init.zeros_(w),
}
SCHEMES = frozenset(_SCHEMES)


def initial(estimator: Any, units: list[int], rng: Any) -> tuple[list[Any], list[Any]]:
    """Return fresh coefs and intercepts, (fan_in, fan_out) and (fan_out,), in float64."""
    given = estimator.initial_weights
    if isinstance(given, tuple | list):
        return _checked(given, units)
    shapes = list(pairwise(units))
    if given is None:
        names = activations_of(estimator, len(units) - 2)
        names.append(names[-1] if names else estimator.activation)  # scikit-learn has but one
        drawn = [_glorot(*s, name, rng) for s, name in zip(shapes, names, strict=True)]
        return [w for w, _ in drawn], [b for _, b in drawn]
    coefs = [_SCHEMES[given](np.empty(s[::-1]), rng).T for s in shapes]
    return coefs, [np.zeros(fan_out) for _, fan_out in shapes]


def _glorot(fan_in: int, fan_out: int, activation: str, rng: Any) -> tuple[Any, Any]:
    """Draw Glorot & Bengio's (2010) uniform weights and biases, in scikit-learn's order."""
    bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out)), rng.uniform(-bound, bound, fan_out)


def _checked(given: Any, units: list[int]) -> tuple[list[Any], list[Any]]:
    expected = [((m, n), (n,)) for m, n in pairwise(units)]
    try:
        coefs, intercepts = ([np.asarray(a, np.float64) for a in part] for part in given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "initial_weights must be a name or a pair (coefs, intercepts) of lists of arrays: "
            f"{error}"
        ) from None
    found = [(w.shape, b.shape) for w, b in zip(coefs, intercepts, strict=False)]
    if found != expected or len(coefs) != len(intercepts):
        raise ValueError(f"initial_weights have the shapes {found}, this network has {expected}")
    if not all(np.isfinite(a).all() for a in [*coefs, *intercepts]):
        raise ValueError("initial_weights hold NaN or infinite values")
    return coefs, intercepts
