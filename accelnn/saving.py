"""Save a stack or a fitted estimator; load it anywhere, without running code from the file.

The file is a safetensors file. Its metadata hold one JSON text that names layers from a closed list
and their arguments; the arrays are the parameters. Nothing in it says which backend it came from.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from accelnn import nn
from accelnn.backends import Backend, resolve_backend
from accelnn.engines import leaves
from accelnn.errors import DataError
from accelnn.tensorfile import read_tensors, write_tensors

_FORMAT = 1
_LAYERS: dict[str, type[nn.Module]] = {
    layer.__name__: layer
    for layer in (
        nn.Linear,
        nn.Dropout,
        nn.Flatten,
        nn.Identity,
        nn.Sigmoid,
        nn.Tanh,
        nn.ReLU,
        nn.LeakyReLU,
        nn.ELU,
        nn.Softmax,
        nn.LogSoftmax,
    )
}
_ESTIMATORS = ("MLPClassifier", "MLPRegressor")


def save(model: Any, path: str | Path) -> None:
    """Write a Sequential of the library's layers, or a fitted estimator, to one file.

    Parameters
    ----------
    model : Module, MLPClassifier or MLPRegressor
    path : str or Path
        Replaced atomically if it exists.

    Raises
    ------
    TypeError
        For a layer of your own, of which a file without code cannot say what it does; save its
        ``state_dict`` instead. For a parameter that two layers share, or an estimator argument
        that JSON has no form for.

    Examples
    --------
    >>> import accelnn, tempfile
    >>> from accelnn import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     accelnn.save(model, f"{folder}/model.safetensors")
    ...     twin = accelnn.load(f"{folder}/model.safetensors")
    >>> twin
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True, dtype='float32')
      (1): ReLU()
    )
    """
    if isinstance(model, nn.Module):
        header: dict[str, Any] = {"kind": "module", "module": _describe(model)}
        arrays = model.state_dict()
        if len(arrays) != sum(len(leaf._parameters) for leaf in leaves(model)):
            raise TypeError("a parameter is shared between layers, which the file cannot say")
    elif type(model).__name__ in _ESTIMATORS and hasattr(model, "get_params"):
        header, arrays = _describe_estimator(model)
    else:
        raise TypeError(
            f"save expects a module or one of {', '.join(_ESTIMATORS)}, got {type(model).__name__}"
        )
    text = json.dumps({"format": _FORMAT, **header})
    write_tensors(path, arrays, {"accelnn": text})


def load(path: str | Path, *, backend: str | Backend = "auto") -> Any:
    """Return the stack or estimator that ``save`` wrote.

    Parameters
    ----------
    path : str or Path
    backend : str or Backend
        Where a stack's parameters go, and what an estimator predicts with.

    Raises
    ------
    FileNotFoundError
    DataError
        If the file is damaged or is not one of accelnn's.
    """
    arrays, metadata = read_tensors(path)
    try:
        header = json.loads(metadata["accelnn"])
        if header["format"] != _FORMAT:
            raise DataError(
                f"{path} has format {header['format']}, this version of accelnn reads {_FORMAT}; "
                "update accelnn"
            )
        if header["kind"] == "estimator":
            return _build_estimator(header, arrays, resolve_backend(backend).name)
        model = _build(header["module"], arrays)
        model.load_state_dict(arrays)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} does not hold an accelnn model: {error!r}") from error
    return model.to(resolve_backend(backend))


def _describe(module: nn.Module) -> dict[str, Any]:
    name = type(module).__name__
    if type(module) is nn.Sequential:
        return {"layer": name, "layers": [_describe(layer) for layer in module]}
    if _LAYERS.get(name) is not type(module):
        raise TypeError(
            f"{name} is not one of the library's layers, and a file holds no code; save "
            "module.state_dict() and build the module yourself"
        )
    return {"layer": name, "arguments": module.config()}


def _build(described: dict[str, Any], arrays: dict[str, Any], prefix: str = "") -> nn.Module:
    """Return the module described; ``prefix`` names its place, as in ``state_dict``."""
    if described["layer"] == "Sequential":
        inner = enumerate(described["layers"])
        return nn.Sequential(*(_build(layer, arrays, f"{prefix}{i}.") for i, layer in inner))
    if described["layer"] not in _LAYERS:
        raise DataError(f"unknown layer {described['layer']!r}; known: {', '.join(_LAYERS)}")
    arguments = dict(described["arguments"])
    if described["layer"] == "Linear":
        arguments["backend"] = "numpy"
        shape = (arguments["out_features"], arguments["in_features"])
        if arrays[f"{prefix}weight"].shape != shape:  # before so much memory is asked for
            raise DataError(f"the array {prefix}weight has not the shape {shape} of its layer")
    return _LAYERS[described["layer"]](**arguments)


def _describe_estimator(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if not hasattr(model, "coefs_"):
        raise TypeError(f"this {type(model).__name__} is not fitted, there is nothing to save")
    arrays = {f"coefs_.{i}": w for i, w in enumerate(model.coefs_)}
    arrays |= {f"intercepts_.{i}": b for i, b in enumerate(model.intercepts_)}
    arguments = model.get_params(deep=False)
    if isinstance(arguments["backend"], Backend):
        arguments["backend"] = arguments["backend"].name
    sizes = arguments["hidden_layer_sizes"]
    arguments["hidden_layer_sizes"] = [int(s) for s in np.atleast_1d(np.asarray(sizes, int))]
    fitted = {}
    for name, value in vars(model).items():
        if name.endswith("_") and name not in ("coefs_", "intercepts_", "backend_"):
            fitted[name] = _to_json(name, value)
    if hasattr(model, "_multilabel"):
        fitted["_multilabel"] = bool(model._multilabel)
    checked = {name: _to_json(name, value) for name, value in arguments.items()}
    header = {"kind": "estimator", "estimator": type(model).__name__}
    return header | {"arguments": checked, "fitted": fitted}, arrays


def _to_json(name: str, value: Any) -> Any:
    """Return a JSON form; an array becomes its elements and dtype."""
    if isinstance(value, np.ndarray):
        dtype = "object" if value.dtype.kind == "O" else value.dtype.str
        return {"array": _to_json(name, value.tolist()), "dtype": dtype}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_to_json(name, item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{name}={value!r} has no form in a file without code; use numbers and text "
        "(for random_state, an integer)"
    )


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array(value["array"], dtype=value["dtype"])
    return value


def _build_estimator(header: dict[str, Any], arrays: dict[str, Any], backend: str) -> Any:
    from accelnn import estimators

    if header["estimator"] not in _ESTIMATORS:
        raise DataError(f"unknown estimator {header['estimator']!r}; known: {_ESTIMATORS}")
    arguments = dict(header["arguments"])
    arguments["hidden_layer_sizes"] = tuple(arguments["hidden_layer_sizes"])
    model = getattr(estimators, header["estimator"])(**arguments)
    for name, value in header["fitted"].items():
        if not (name.endswith("_") or name == "_multilabel") or hasattr(type(model), name):
            raise DataError(f"{name!r} is not a fitted attribute of {header['estimator']}")
        setattr(model, name, _from_json(value))
    n = int(model.n_layers_) - 1
    model.coefs_ = [arrays[f"coefs_.{i}"] for i in range(n)]
    model.intercepts_ = [arrays[f"intercepts_.{i}"] for i in range(n)]
    if len(arrays) != 2 * n:
        raise ValueError(f"{len(arrays)} arrays are more than the {2 * n} of {n} layers")
    _check_fitted(model)
    model.backend_ = backend
    return model


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
    classifies = hasattr(type(model), "predict_proba")
    if model.out_activation_ not in (("logistic", "softmax") if classifies else ("identity",)):
        raise ValueError(f"unknown out_activation_ {model.out_activation_!r}")
    if classifies:
        n, multilabel = len(model.classes_), model._multilabel
        if model.n_outputs_ != (1 if n == 2 and not multilabel else n):
            raise ValueError(f"{n} classes do not fit {model.n_outputs_} outputs")
