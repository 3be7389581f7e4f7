"""How to call every kernel: its arrays for a shape, a dtype and a random generator, its scalars."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from accelnn.kernels import NAMES


@dataclass(frozen=True)
class Case:
    """One call of a kernel.

    ``length`` is the longest sum behind one element of a result (for the tolerance); ``alias`` says
    which array arguments ``out`` may be, an index per output, empty where it may be none.
    """

    arrays: tuple[Any, ...]
    scalars: dict[str, Any]
    length: int
    alias: tuple[tuple[int, ...], ...]

    def run(self, kernel: Callable[..., Any], **out: Any) -> Any:
        return kernel(*self.arrays, **self.scalars, **out)


TORCH = {"mu": 0.9, "a": 1.0, "b": 0.1}
SKLEARN = {"mu": 0.9, "a": 0.1, "b": 1.0}
ADAM = {"beta1": 0.9, "beta2": 0.99, "step": 0.05, "decay": 0.0, "shrink": 1.0}

#: Kernel -> name of a variant -> its scalars. Kernels that are not here have none.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "matmul": {
        "x@w": {},
        "xT@dy": {"ta": True},
        "dy@wT": {"tb": True},
        "aT@bT": {"ta": True, "tb": True},
    },
    "take_rows": {"rows": {}, "labels": {}, "vector": {}, "no-index": {}},
    "leaky_relu": {"slope=0.01": {"slope": 0.01}, "slope=-0.5": {"slope": -0.5}},
    "leaky_relu_backward": {"slope=0.01": {"slope": 0.01}, "slope=-0.5": {"slope": -0.5}},
    "elu": {"alpha=1": {"alpha": 1.0}, "alpha=0.5": {"alpha": 0.5}},
    "elu_backward": {"alpha=1": {"alpha": 1.0}, "alpha=0.5": {"alpha": 0.5}},
    "elu_backward_z": {"alpha=1": {"alpha": 1.0}, "alpha=-0.5": {"alpha": -0.5}},
    "hardtanh": {"-1..1": {"low": -1.0, "high": 1.0}, "0..6": {"low": 0.0, "high": 6.0}},
    "hardtanh_backward": {"-1..1": {"low": -1.0, "high": 1.0}, "0..6": {"low": 0.0, "high": 6.0}},
    "step": {"step": {"low": 0.0, "at_zero": 0.5}, "sign": {"low": -1.0, "at_zero": 1.0}},
    "step_backward": {"sign": {"low": -1.0, "at_zero": 1.0}},
    "maxout": {f"pieces={k}": {"pieces": k} for k in (1, 2, 3)},
    "maxout_backward_z": {f"pieces={k}": {"pieces": k} for k in (1, 2, 3)},
    "sgd": {"plain": {"lr": 0.1, "decay": 0.0}, "decay": {"lr": 0.1, "decay": 0.3}},
    "momentum": {
        f"{convention}{'-nesterov' if nesterov else ''}{'-decay' if decay else ''}": (
            scalars | {"nesterov": nesterov, "decay": decay}
        )
        for convention, scalars in (("torch", TORCH), ("sklearn", SKLEARN))
        for nesterov in (False, True)
        for decay in (0.0, 0.3)
    },
    "adam": {
        "sklearn": ADAM | {"eps": 1e-8},
        "torch": ADAM | {"eps": 1e-8 * (1 - 0.99**3) ** 0.5},
        "decay": ADAM | {"eps": 1e-8, "decay": 0.3},
        "adamw": ADAM | {"eps": 1e-8, "shrink": 0.999},
    },
    "dropout": {
        "p=0": {"p": 0.0, "seed": 1, "call": 0},
        "p=0.3": {"p": 0.3, "seed": 2**40 + 7, "call": 3},
        "p=0.5-large": {"p": 0.5, "seed": 2**63, "call": 2**63 + 2**33 + 1},
        "p=1": {"p": 1.0, "seed": 1, "call": 0},
    },
}

#: Every kernel with every variant of its scalars.
CALLS: list[tuple[str, str]] = [(n, v) for n in NAMES for v in VARIANTS.get(n, {"": {}})]
IDS = [f"{name}({variant})" if variant else name for name, variant in CALLS]

#: Kernels of a row's maximum: a row without elements has none.
NEEDS_COLUMNS = {"softmax", "log_softmax", "cross_entropy", "cross_entropy_backward"}


def over(shapes: list[tuple[int, int]]) -> list[Any]:
    """Return every call with every shape that means something for it, as parameters of a test."""
    return [
        pytest.param(name, variant, shape, id=f"{identifier}-{shape[0]}x{shape[1]}")
        for (name, variant), identifier in zip(CALLS, IDS, strict=True)
        for shape in shapes
        if shape[1] > 0 or name not in NEEDS_COLUMNS
    ]


def build(name: str, variant: str, shape: tuple[int, int], dtype: Any, rng: Any) -> Case:
    """Return the call of kernel ``name`` on a batch of ``shape``, with values of order 1."""
    n, m = shape

    def values(*size: int) -> Any:
        """Normal numbers, some of them exactly 0 to meet the kinks."""
        x = rng.normal(size=size).astype(dtype)
        x.reshape(-1)[3::7] = 0
        return x

    def between(low: float, high: float, *size: int) -> Any:
        return rng.uniform(low, high, size=size).astype(dtype)

    scalars = VARIANTS.get(name, {"": {}})[variant]
    arrays: tuple[Any, ...]
    length = 1
    alias: tuple[tuple[int, ...], ...] = ((0,),)
    match name:
        case "matmul":
            k = m // 2 + 1
            a = values(m, n) if scalars.get("ta") else values(n, m)
            b = values(k, m) if scalars.get("tb") else values(m, k)
            arrays, length, alias = (a, b), m, ()
        case "take_rows":
            x = {"labels": lambda: rng.integers(0, 10, n), "vector": lambda: values(n)}.get(
                variant, lambda: values(n, m)
            )()
            count = 0 if variant == "no-index" or n == 0 else n + 2
            arrays, alias = (x, rng.integers(0, max(n, 1), count)), ()
        case "add_bias":
            arrays = (values(n, m), values(m))
        case "sum_rows":
            arrays, length, alias = (values(n, m),), n, ()
        case "softmax" | "log_softmax":
            arrays, length = (3 * values(n, m),), m
        case "softmax_backward" | "log_softmax_backward":
            arrays, length = (values(n, m), between(-2, 1, n, m)), m
        case "sigmoid_backward":
            arrays, alias = (values(n, m), between(0, 1, n, m)), ((0,), (1,))
        case "log_sigmoid_backward":
            arrays, alias = (values(n, m), between(-3, 0, n, m)), ((0,), (1,))
        case "maxout":
            arrays, alias = (values(n, m * scalars["pieces"]),), ()
        case "maxout_backward_z":
            arrays, alias = (values(n, m), values(n, m * scalars["pieces"])), ()
        case "tanh_backward":
            arrays, alias = (values(n, m), between(-1, 1, n, m)), ((0,), (1,))
        case "squared_error":
            arrays, length, alias = (values(n, m), values(n, m)), m, ()
        case "squared_error_backward":
            arrays, alias = (values(n), values(n, m), values(n, m)), ((1,),)
        case "binary_cross_entropy" | "binary_cross_entropy_backward":
            t = between(0, 1, n, m)
            t.reshape(-1)[::3] = 0
            t.reshape(-1)[1::3] = 1
            arrays, length, alias = (4 * values(n, m), t), m, ()
            if name.endswith("backward"):
                arrays, length, alias = (values(n), *arrays), 1, ((1,),)
        case "cross_entropy" | "cross_entropy_backward":
            arrays = (3 * values(n, m), rng.integers(0, max(m, 1), n))
            length, alias = m, ()
            if name.endswith("backward"):
                arrays, alias = (values(n), *arrays), ((1,),)
        case "poisson" | "poisson_backward" | "perceptron" | "perceptron_backward":
            t = between(0, 3, n, m)
            t.reshape(-1)[::3] = 0
            if name.startswith("perceptron"):
                t = (t > 1).astype(dtype)
            arrays, length, alias = (values(n, m), t), m, ()
            if name.endswith("backward"):
                arrays, length, alias = (values(n), *arrays), 1, ((1,),)
        case "sgd":
            arrays = (values(n, m), values(n, m))
        case "momentum":
            arrays, alias = (values(n, m), values(n, m), values(n, m)), ((0, 2),)
        case "adam":
            arrays = (values(n, m), values(n, m), values(n, m), between(0.01, 2, n, m))
            alias = ((0, 2, 3),)
        case _ if name.endswith(("_backward", "_backward_z")):
            arrays, alias = (values(n, m), 2 * values(n, m)), ((0,), (1,))
        case _:
            arrays = (3 * values(n, m),)
    return Case(arrays, scalars, length, alias)


def tuple_of(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)
