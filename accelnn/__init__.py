"""Dense neural networks through one layer stack and several sets of kernels.

Public names load on first use (PEP 562): ``import accelnn`` imports neither Numba, CuPy nor
scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Public name -> the module it lives in; None for modules themselves.
_HOME: dict[str, str | None] = {
    "backends": None,
    "datasets": None,
    "errors": None,
    "estimators": None,
    "nn": None,
    "optim": None,
    "roofline": None,
    "Tensor": "autograd",
    "Parameter": "autograd",
    "no_grad": "graph",
    "gradcheck": "differences",
    "manual_seed": "nn.init",
    "count_ops": "nn.counting",
    "train": "training",
    "explain": "engines",
    "profile": "profiling",
    "Callback": "history",
    "History": "history",
    "save": "saving",
    "load": "saving",
    "get_backend": "backends",
    "list_backends": "backends",
    "register_backend": "backends",
    "use_backend": "backends",
    "BackendUnavailable": "errors",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "Perceptron": "estimators",
    "LinearRegression": "estimators",
    "LogisticRegression": "estimators",
    "from_sklearn": "estimators.exchange",
    "compare_backends": "estimators.comparing",
}

__all__ = ["__version__", *_HOME]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:  # the same names once more, for type checkers
    from accelnn import backends as backends
    from accelnn import datasets as datasets
    from accelnn import errors as errors
    from accelnn import estimators as estimators
    from accelnn import nn as nn
    from accelnn import optim as optim
    from accelnn import roofline as roofline
    from accelnn.autograd import Parameter as Parameter
    from accelnn.autograd import Tensor as Tensor
    from accelnn.backends import get_backend as get_backend
    from accelnn.backends import list_backends as list_backends
    from accelnn.backends import register_backend as register_backend
    from accelnn.backends import use_backend as use_backend
    from accelnn.differences import gradcheck as gradcheck
    from accelnn.engines import explain as explain
    from accelnn.errors import BackendUnavailable as BackendUnavailable
    from accelnn.estimators import LinearRegression as LinearRegression
    from accelnn.estimators import LogisticRegression as LogisticRegression
    from accelnn.estimators import MLPClassifier as MLPClassifier
    from accelnn.estimators import MLPRegressor as MLPRegressor
    from accelnn.estimators import Perceptron as Perceptron
    from accelnn.estimators.comparing import compare_backends as compare_backends
    from accelnn.estimators.exchange import from_sklearn as from_sklearn
    from accelnn.graph import no_grad as no_grad
    from accelnn.history import Callback as Callback
    from accelnn.history import History as History
    from accelnn.nn.counting import count_ops as count_ops
    from accelnn.nn.init import manual_seed as manual_seed
    from accelnn.profiling import profile as profile
    from accelnn.saving import load as load
    from accelnn.saving import save as save
    from accelnn.training import train as train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'accelnn' has no attribute {name!r}")
    home = _HOME[name]
    if home is None:
        return import_module(f"accelnn.{name}")
    value = getattr(import_module(f"accelnn.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
