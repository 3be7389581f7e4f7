"""What does a kernel cost on each backend, at the sizes of a training step?"""

from typing import Any

import numpy as np
import pytest

from accelnn.backends import get_backend, list_backends
from accelnn.kernels import load

BACKENDS = [status.name for status in list_backends() if status.usable]
ROWS, WIDE, NARROW, PARAMETERS = 128, 784, 512, 669_706


def arrays(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.random(shape, dtype=np.float32) for shape in shapes]


def matmul_cases() -> dict[str, tuple[list[Any], dict[str, Any]]]:
    x, w, dy = arrays((ROWS, WIDE), (WIDE, NARROW), (ROWS, NARROW))
    return {
        "matmul forward": ([x, w], {}),
        "matmul weights": ([x, dy], {"ta": True}),
        "matmul input": ([dy, w], {"tb": True}),
    }


def cases() -> dict[str, tuple[list[Any], dict[str, Any]]]:
    a, b = arrays((ROWS, NARROW), (ROWS, NARROW))
    p, g, m, v = arrays(*[(PARAMETERS,)] * 4)
    adam = {"beta1": 0.9, "beta2": 0.999, "step": 1e-3, "eps": 1e-8, "decay": 0.0, "shrink": 1.0}
    return matmul_cases() | {
        "relu": ([a], {}),
        "relu_backward": ([b, a], {}),
        "sigmoid": ([a], {}),
        "tanh": ([a], {}),
        "softmax": ([a], {}),
        "dropout": ([a], {"p": 0.5, "seed": 1, "call": 2}),
        "sgd": ([p, g], {"lr": 1e-3, "decay": 0.0}),
        "adam": ([p, g, m, v], adam),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", cases())
def test_kernel(benchmark: Any, case: str, backend: str) -> None:
    benchmark.group = case
    held, (given, how) = get_backend(backend), cases()[case]
    name = case.split()[0]
    ours = [held.asarray(a) for a in given]
    kernel = getattr(held, name)
    expected, result = load("reference")[name](*given, **how), kernel(*ours, **how)
    for r, e in zip(*map(_tuple, (result, expected)), strict=True):
        np.testing.assert_allclose(held.to_numpy(r), e, rtol=1e-3, atol=1e-4)
    out = result

    def call() -> None:
        kernel(*ours, **how, out=out)
        held.synchronize()

    benchmark(call)


def _tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)
