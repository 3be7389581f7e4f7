"""Dense neural networks through one layer stack and several sets of kernels.

Public names load on first use (PEP 562): ``import accelnn`` imports neither Numba, CuPy nor
scikit-learn.
"""

import builtins
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"


def _of(home: str, names: str) -> dict[str, str | None]:
    return dict.fromkeys(names.split(), home)


#: Public name -> the module it lives in; None for modules themselves.
_HOME: dict[str, str | None] = {
    "autograd": None,
    "backends": None,
    "cuda": None,
    "datasets": None,
    "errors": None,
    "estimators": None,
    "nn": None,
    "optim": None,
    "roofline": None,
    "utils": None,
    "Tensor": "autograd",
    "Parameter": "autograd",
    **_of("graph", "no_grad is_grad_enabled"),
    **_of(
        "creation",
        "tensor as_tensor from_numpy LongTensor FloatTensor zeros ones full empty eye "
        "zeros_like ones_like full_like empty_like arange linspace",
    ),
    **_of("sampling", "rand randn randint randperm rand_like randn_like"),
    **_of(
        "functions",
        "square exp expm1 log log1p sqrt abs sign neg sigmoid tanh relu add sub mul div pow "
        "maximum minimum clamp clip where softmax log_softmax sum mean prod var std all any max "
        "min argmax argmin matmul mm dot reshape squeeze unsqueeze transpose permute flatten numel "
        "is_tensor allclose equal",
    ),
    **_of("operators.shaping", "cat stack"),
    **_of(
        "dtypes", "float32 float64 int8 int16 int32 int64 uint8 bool float double short int long"
    ),
    "device": "devices",
    **_of("differences", "gradcheck numerical_gradient delta"),
    **_of("derivatives", "grad vjp jvp jacobian"),
    "operation": "custom",
    "check_answer": "answers",
    "manual_seed": "seeding",
    "count_ops": "nn.counting",
    "observe": "observing",
    "draw": "drawing",
    **dict.fromkeys(("layer_health", "LayerHealth", "WatchLayers"), "health"),
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

#: Without ``sum``, ``bool`` and the like, so that ``import *`` leaves Python's own in place.
__all__ = ["__version__", *(name for name in _HOME if name not in vars(builtins))]  # pyright: ignore[reportUnsupportedDunderAll]

#: Of PyTorch, and no part of a library of dense networks.
_OUTSIDE = _of(
    "PyTorch",
    "adaptive_avg_pool1d as_strided autocast avg_pool1d bfloat16 bmm cdist chunk compile "
    "complex128 complex64 conv1d conv2d conv3d conv_transpose2d cumprod cumsum distributed "
    "distributions einsum export fft float16 func fx gather gru half hub index_select jit linalg "
    "lstm max_pool1d max_pool2d mps multiprocessing norm onnx package quantization rnn_tanh "
    "scatter script set_default_device set_default_dtype set_num_threads sort sparse "
    "special svd tensorboard topk trace vmap xpu",
)

if TYPE_CHECKING:  # the same names once more, for type checkers
    from accelnn import autograd as autograd
    from accelnn import backends as backends
    from accelnn import cuda as cuda
    from accelnn import datasets as datasets
    from accelnn import errors as errors
    from accelnn import estimators as estimators
    from accelnn import nn as nn
    from accelnn import optim as optim
    from accelnn import roofline as roofline
    from accelnn import utils as utils
    from accelnn.answers import check_answer as check_answer
    from accelnn.autograd import Parameter as Parameter
    from accelnn.autograd import Tensor as Tensor
    from accelnn.backends import get_backend as get_backend
    from accelnn.backends import list_backends as list_backends
    from accelnn.backends import register_backend as register_backend
    from accelnn.backends import use_backend as use_backend
    from accelnn.creation import FloatTensor as FloatTensor
    from accelnn.creation import LongTensor as LongTensor
    from accelnn.creation import arange as arange
    from accelnn.creation import as_tensor as as_tensor
    from accelnn.creation import empty as empty
    from accelnn.creation import empty_like as empty_like
    from accelnn.creation import eye as eye
    from accelnn.creation import from_numpy as from_numpy
    from accelnn.creation import full as full
    from accelnn.creation import full_like as full_like
    from accelnn.creation import linspace as linspace
    from accelnn.creation import ones as ones
    from accelnn.creation import ones_like as ones_like
    from accelnn.creation import tensor as tensor
    from accelnn.creation import zeros as zeros
    from accelnn.creation import zeros_like as zeros_like
    from accelnn.custom import operation as operation
    from accelnn.derivatives import grad as grad
    from accelnn.derivatives import jacobian as jacobian
    from accelnn.derivatives import jvp as jvp
    from accelnn.derivatives import vjp as vjp
    from accelnn.devices import device as device
    from accelnn.differences import delta as delta
    from accelnn.differences import gradcheck as gradcheck
    from accelnn.differences import numerical_gradient as numerical_gradient
    from accelnn.drawing import draw as draw
    from accelnn.dtypes import bool as bool
    from accelnn.dtypes import double as double
    from accelnn.dtypes import float as float
    from accelnn.dtypes import float32 as float32
    from accelnn.dtypes import float64 as float64
    from accelnn.dtypes import int as int
    from accelnn.dtypes import int8 as int8
    from accelnn.dtypes import int16 as int16
    from accelnn.dtypes import int32 as int32
    from accelnn.dtypes import int64 as int64
    from accelnn.dtypes import long as long
    from accelnn.dtypes import short as short
    from accelnn.dtypes import uint8 as uint8
    from accelnn.engines import explain as explain
    from accelnn.errors import BackendUnavailable as BackendUnavailable
    from accelnn.estimators import LinearRegression as LinearRegression
    from accelnn.estimators import LogisticRegression as LogisticRegression
    from accelnn.estimators import MLPClassifier as MLPClassifier
    from accelnn.estimators import MLPRegressor as MLPRegressor
    from accelnn.estimators import Perceptron as Perceptron
    from accelnn.estimators.comparing import compare_backends as compare_backends
    from accelnn.estimators.exchange import from_sklearn as from_sklearn
    from accelnn.functions import abs as abs
    from accelnn.functions import add as add
    from accelnn.functions import all as all
    from accelnn.functions import allclose as allclose
    from accelnn.functions import any as any
    from accelnn.functions import argmax as argmax
    from accelnn.functions import argmin as argmin
    from accelnn.functions import clamp as clamp
    from accelnn.functions import clip as clip
    from accelnn.functions import div as div
    from accelnn.functions import dot as dot
    from accelnn.functions import equal as equal
    from accelnn.functions import exp as exp
    from accelnn.functions import expm1 as expm1
    from accelnn.functions import flatten as flatten
    from accelnn.functions import is_tensor as is_tensor
    from accelnn.functions import log as log
    from accelnn.functions import log1p as log1p
    from accelnn.functions import log_softmax as log_softmax
    from accelnn.functions import matmul as matmul
    from accelnn.functions import max as max
    from accelnn.functions import maximum as maximum
    from accelnn.functions import mean as mean
    from accelnn.functions import min as min
    from accelnn.functions import minimum as minimum
    from accelnn.functions import mm as mm
    from accelnn.functions import mul as mul
    from accelnn.functions import neg as neg
    from accelnn.functions import numel as numel
    from accelnn.functions import permute as permute
    from accelnn.functions import pow as pow
    from accelnn.functions import prod as prod
    from accelnn.functions import relu as relu
    from accelnn.functions import reshape as reshape
    from accelnn.functions import sigmoid as sigmoid
    from accelnn.functions import sign as sign
    from accelnn.functions import softmax as softmax
    from accelnn.functions import sqrt as sqrt
    from accelnn.functions import square as square
    from accelnn.functions import squeeze as squeeze
    from accelnn.functions import std as std
    from accelnn.functions import sub as sub
    from accelnn.functions import sum as sum
    from accelnn.functions import tanh as tanh
    from accelnn.functions import transpose as transpose
    from accelnn.functions import unsqueeze as unsqueeze
    from accelnn.functions import var as var
    from accelnn.functions import where as where
    from accelnn.graph import is_grad_enabled as is_grad_enabled
    from accelnn.graph import no_grad as no_grad
    from accelnn.health import LayerHealth as LayerHealth
    from accelnn.health import WatchLayers as WatchLayers
    from accelnn.health import layer_health as layer_health
    from accelnn.history import Callback as Callback
    from accelnn.history import History as History
    from accelnn.nn.counting import count_ops as count_ops
    from accelnn.observing import observe as observe
    from accelnn.operators.shaping import cat as cat
    from accelnn.operators.shaping import stack as stack
    from accelnn.profiling import profile as profile
    from accelnn.sampling import rand as rand
    from accelnn.sampling import rand_like as rand_like
    from accelnn.sampling import randint as randint
    from accelnn.sampling import randn as randn
    from accelnn.sampling import randn_like as randn_like
    from accelnn.sampling import randperm as randperm
    from accelnn.saving import load as load
    from accelnn.saving import save as save
    from accelnn.seeding import manual_seed as manual_seed
    from accelnn.training import train as train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(_unknown(name))
    home = _HOME[name]
    if home is None:
        return import_module(f"accelnn.{name}")
    value = getattr(import_module(f"accelnn.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_HOME})


def _unknown(name: str) -> str:
    """Say that there is no such name, whether PyTorch has it, and which is nearest."""
    text = f"module 'accelnn' has no attribute {name!r}"
    if name.startswith("__"):  # asked for by Python itself, which reads no advice
        return text
    if name in _OUTSIDE:
        text += ": PyTorch's is outside this project, a library of dense networks"
    from difflib import get_close_matches

    close = get_close_matches(name, _HOME, n=1, cutoff=0.75)
    return f"{text}; did you mean {close[0]!r}?" if close else text
