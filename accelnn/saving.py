"""Save a stack or a fitted estimator; load it anywhere, without running code from the file.

The file is a safetensors file. Its metadata hold one JSON text that names layers from a closed list
and their arguments; the arrays are the parameters. Nothing in it says which backend it came from.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        nn.Maxout,
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
        nn.LogSigmoid,
        nn.Hardtanh,
        nn.ReLU6,
        nn.GELU,
        nn.SiLU,
        nn.Sign,
        nn.Step,
        nn.BatchNorm1d,
        nn.LayerNorm,
    )
}
#: Layer with arrays -> one of them, and its shape by the layer's arguments.
_SIZED: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    "Linear": ("weight", lambda a: (a["out_features"], a["in_features"])),
    "Maxout": ("weight", lambda a: (a["out_features"] * a["pieces"], a["in_features"])),
    "BatchNorm1d": ("running_mean", lambda a: (a["num_features"],)),
    "LayerNorm": ("weight", lambda a: (a["normalized_shape"],)),
}
_ESTIMATORS = (
    "MLPClassifier",
    "MLPRegressor",
    "Perceptron",
    "LinearRegression",
    "LogisticRegression",
)


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
        if len(arrays) != sum(len(leaf._parameters | leaf._buffers) for leaf in leaves(model)):
            raise TypeError("a parameter is shared between layers, which the file cannot say")
    elif type(model).__name__ in _ESTIMATORS and hasattr(model, "get_params"):
        from accelnn.estimators import _files

        header, arrays = _files.describe(model)
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
            return _estimator(header, arrays, resolve_backend(backend).name)
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
    if described["layer"] in _SIZED:
        arguments["backend"] = "numpy"
        array, shape_by = _SIZED[described["layer"]]
        shape = shape_by(arguments)
        if arrays[f"{prefix}{array}"].shape != shape:  # before so much memory is asked for
            raise DataError(f"the array {prefix}{array} has not the shape {shape} of its layer")
    return _LAYERS[described["layer"]](**arguments)


def _estimator(header: dict[str, Any], arrays: dict[str, Any], backend: str) -> Any:
    from accelnn.estimators import _files

    if header["estimator"] not in _ESTIMATORS:
        raise DataError(f"unknown estimator {header['estimator']!r}; known: {_ESTIMATORS}")
    return _files.build(header, arrays, backend)
