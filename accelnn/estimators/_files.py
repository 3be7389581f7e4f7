"""A fitted estimator as JSON and arrays, and back, for ``accelnn.save`` and ``load``.

The file is not trusted: classes come from closed lists, and arrays must be one network that fits
everything said about it.
"""

from dataclasses import is_dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from accelnn import estimators, nn
from accelnn.backends import Backend
from accelnn.errors import DataError
from accelnn.estimators._network import NORMALIZATIONS
from accelnn.optim import schedules

#: Fitted attributes that are arrays of the file, or that the loading decides.
_APART = ("coefs_", "intercepts_", "norms_", "backend_")
#: Private ones without which a model does not predict.
_PRIVATE = ("_multilabel",)
_NORMS = {kind.__name__: kind for kind in NORMALIZATIONS.values()}
#: Objects that may be arguments: losses with their numbers, schedules with theirs.
_LOSSES = {
    kind.__name__: kind
    for kind in (
        nn.MSELoss,
        nn.BCEWithLogitsLoss,
        nn.CrossEntropyLoss,
        nn.L1Loss,
        nn.HuberLoss,
        nn.QuantileLoss,
        nn.PoissonNLLLoss,
        nn.FocalLoss,
    )
}
_SCHEDULES = {
    name: kind
    for name, kind in vars(schedules).items()
    if isinstance(kind, type) and is_dataclass(kind)
}


def describe(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the arrays of a fitted estimator.

    Raises
    ------
    TypeError
        If it is not fitted, or an argument has no form in a file without code.
    """
    if not hasattr(model, "coefs_"):
        raise TypeError(f"this {type(model).__name__} is not fitted, there is nothing to save")
    arrays = {f"coefs_.{i}": w for i, w in enumerate(model.coefs_)}
    arrays |= {f"intercepts_.{i}": b for i, b in enumerate(model.intercepts_)}
    for i, norm in enumerate(model.norms_):
        arrays |= {f"norms_.{i}.{name}": array for name, array in norm.state_dict().items()}
    header = {
        "kind": "estimator",
        "estimator": type(model).__name__,
        "arguments": {k: _argument(k, v) for k, v in model.get_params(deep=False).items()},
        "fitted": _fitted(model),
        "norms": [
            {"layer": type(norm).__name__, "arguments": norm.config()} for norm in model.norms_
        ],
    }
    return header, arrays


def _fitted(model: Any) -> dict[str, Any]:
    kept = [k for k in vars(model) if k.endswith("_") and not k.startswith("_") and k not in _APART]
    private = [k for k in _PRIVATE if k in vars(model)]
    return {name: _to_json(name, getattr(model, name)) for name in [*kept, *private]}


def _argument(name: str, value: Any) -> Any:
    """Return the JSON form of a constructor's argument."""
    if isinstance(value, Backend):
        return value.name
    if name == "hidden_layer_sizes":
        return [int(size) for size in np.atleast_1d(np.asarray(value, int))]
    if name == "dtype" and value is not None:
        return np.dtype(value).name
    if name == "initial_weights" and not isinstance(value, str) and value is not None:
        raise TypeError(
            "initial_weights of arrays would be saved beside the weights they became; "
            "set_params(initial_weights=None) first"
        )
    if _LOSSES.get(type(value).__name__) is type(value):
        return {"loss": type(value).__name__, "arguments": vars(value)}
    if _SCHEDULES.get(type(value).__name__) is type(value):
        return _schedule(value)
    return _to_json(name, value)


def _schedule(value: Any) -> Any:
    """Return a schedule as JSON, also the one behind another."""
    inner = {
        name: _schedule(part) if is_dataclass(part) else _to_json("learning_rate", part)
        for name, part in ((name, getattr(value, name)) for name in value.__dataclass_fields__)
    }
    return {"schedule": type(value).__name__, "arguments": inner}


def _to_json(name: str, value: Any) -> Any:
    """Return a JSON form; an array becomes its elements and dtype."""
    if isinstance(value, np.ndarray):
        dtype = "object" if value.dtype.kind == "O" else value.dtype.str
        return {"array": _to_json(name, value.tolist()), "dtype": dtype}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_to_json(name, item) for item in value]
    if isinstance(value, dict):
        return {"mapping": [[_to_json(name, k), _to_json(name, v)] for k, v in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{name}={value!r} has no form in a file without code; use numbers and text "
        "(for random_state, an integer)"
    )


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "mapping" in value:
        return {_from_json(k): _from_json(v) for k, v in value["mapping"]}
    for mark, known in (("loss", _LOSSES), ("schedule", _SCHEDULES)):
        if mark in value:
            if value[mark] not in known:
                raise DataError(f"unknown {mark} {value[mark]!r}; known: {', '.join(known)}")
            arguments = {k: _from_json(v) for k, v in value["arguments"].items()}
            return known[value[mark]](**arguments)
    return np.array(value["array"], dtype=value["dtype"])


def build(header: dict[str, Any], arrays: dict[str, Any], backend: str) -> Any:
    """Return the estimator that ``describe`` described.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError, IndexError
        For a header or arrays that are none of ours.
    """
    arguments = {name: _from_json(value) for name, value in header["arguments"].items()}
    if "hidden_layer_sizes" in arguments:
        arguments["hidden_layer_sizes"] = tuple(arguments["hidden_layer_sizes"])
    model = getattr(estimators, header["estimator"])(**arguments)
    for name, value in header["fitted"].items():
        public = name.endswith("_") and not name.startswith("_") and name not in _APART
        if not (public or name in _PRIVATE) or hasattr(type(model), name):
            raise DataError(f"{name!r} is not a fitted attribute of {header['estimator']}")
        setattr(model, name, _from_json(value))
    n = int(model.n_layers_) - 1
    model.coefs_ = [arrays[f"coefs_.{i}"] for i in range(n)]
    model.intercepts_ = [arrays[f"intercepts_.{i}"] for i in range(n)]
    model.norms_, used = _norms(header.get("norms", []), arrays)
    if len(arrays) != 2 * n + used:
        raise ValueError(f"{len(arrays)} arrays are more than the {2 * n + used} of {n} layers")
    _check_fitted(model)
    model.backend_ = backend
    return model


def _norms(described: list[Any], arrays: dict[str, Any]) -> tuple[list[nn.Module], int]:
    """Return the normalisation layers and how many arrays they took."""
    norms: list[nn.Module] = []
    used = 0
    for i, layer in enumerate(described):
        state = {k: v for k, v in arrays.items() if k.startswith(f"norms_.{i}.")}
        norm = _NORMS[layer["layer"]](**layer["arguments"], backend="numpy")  # type: ignore[call-arg]
        norm.load_state_dict({k.split(".", 2)[2]: v for k, v in state.items()})
        norms.append(norm)
        used += len(state)
    return norms, used


def _check_fitted(model: Any) -> None:
    """Raise ValueError unless the arrays are one network and everything fits its ends."""
    model._validate_params()
    widths = [model.n_features_in_, *(w.shape[-1] for w in model.coefs_)]
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    found = [(w.shape, b.shape) for w, b in layers]
    if found != [((m, n), (n,)) for m, n in pairwise(widths)] or widths[-1] != model.n_outputs_:
        raise ValueError(f"arrays of shapes {found} are no network of the widths {widths}")
    if any(array.dtype.kind != "f" for layer in layers for array in layer):
        raise ValueError("coefs_ and intercepts_ must be floating point")
    normalised = [next(iter(norm.parameters())).array.size for norm in model.norms_]
    if normalised not in ([], widths[1:-1]):
        raise ValueError(f"normalisation of {normalised} units does not fit the widths {widths}")
    classifies = is_classifier(model)
    known = ("logistic", "softmax", "step") if classifies else ("identity", "exp")
    if model.out_activation_ not in known:
        raise ValueError(f"unknown out_activation_ {model.out_activation_!r}")
    if classifies:
        n, multilabel = len(model.classes_), model._multilabel
        if model.n_outputs_ != (1 if n == 2 and not multilabel else n):
            raise ValueError(f"{n} classes do not fit {model.n_outputs_} outputs")
