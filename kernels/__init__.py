"""The arithmetic: every kernel once per folder, under the same file name.

``reference`` says what a kernel means, in plain array-API calls, and declares what it costs.
``on_numpy``, ``on_numba`` and ``on_cupy`` compute the same on their own arrays, and accept
``out=`` to write into. Kernels hold no state, trust their caller and import nothing of accelnn
but ``accelnn.paths``. ``tests/kernels/test_lists.py`` compares the four folders.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

if __name__ != "accelnn.kernels":
    raise ImportError(f"this folder is the package accelnn.kernels; import that, not {__name__!r}")

#: File -> the kernels in it. This is the list; a folder that lacks one of them is incomplete.
KERNELS: dict[str, tuple[str, ...]] = {
    "matmul": ("matmul",),
    "rows": ("take_rows", "add_bias", "sum_rows"),
    "activations": (
        "identity",
        "identity_backward",
        "sigmoid",
        "sigmoid_backward",
        "sigmoid_backward_z",
        "tanh",
        "tanh_backward",
        "tanh_backward_z",
        "relu",
        "relu_backward",
        "leaky_relu",
        "leaky_relu_backward",
        "elu",
        "elu_backward",
        "elu_backward_z",
        "softmax",
        "softmax_backward",
        "log_softmax",
        "log_softmax_backward",
        "log_sigmoid",
        "log_sigmoid_backward",
        "hardtanh",
        "hardtanh_backward",
        "gelu",
        "gelu_backward_z",
        "gelu_tanh",
        "gelu_tanh_backward_z",
        "silu",
        "silu_backward_z",
        "step",
        "step_backward",
        "maxout",
        "maxout_backward_z",
    ),
    "losses": (
        "squared_error",
        "squared_error_backward",
        "binary_cross_entropy",
        "binary_cross_entropy_backward",
        "cross_entropy",
        "cross_entropy_backward",
        "poisson",
        "poisson_backward",
        "perceptron",
        "perceptron_backward",
    ),
    "updates": ("sgd", "momentum", "adam"),
    "dropout": ("dropout",),
}

NAMES: tuple[str, ...] = tuple(name for names in KERNELS.values() for name in names)


def load(folder: str) -> dict[str, Callable[..., Any]]:
    """Return the kernels of one folder ("reference", "on_numpy", ...) by name.

    Raises ``ModuleNotFoundError`` where the library behind the folder is not installed; on_cupy
    waits with that until the first kernel runs.
    """
    found = {}
    for file, names in KERNELS.items():
        module = import_module(f"accelnn.kernels.{folder}.{file}")
        found.update({name: getattr(module, name) for name in names})
    return found
