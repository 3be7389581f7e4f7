"""The ceilings: which rates count, measured by a clock of the tests' own, and what is kept."""

from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from accelnn import get_backend, roofline
from accelnn.backends import Backend
from accelnn.roofline import Ceilings, ceilings


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Measure small things, by a clock that a second passes on when it is read; keep nothing."""
    clock = count()
    monkeypatch.setattr(roofline, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(roofline, "SIDE", 4)
    monkeypatch.setattr(roofline, "SIZES", (800, 1600))
    monkeypatch.setattr(roofline, "_numba_is_loaded", lambda: False)
    roofline.forget()
    yield
    roofline.forget()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_and_the_sum_of_the_larger_arrays(dtype: str) -> None:
    assert ceilings("numpy", dtype) == Ceilings(flops=4 * 4 * 7, bandwidth=3 * 1600)


def test_a_rate_is_that_of_the_best_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 5.0, 5.1, 7.1, 9.0, 12.0, 12.1])
    monkeypatch.setattr(roofline, "perf_counter", lambda: next(times))
    done: list[int] = []
    assert roofline._best(lambda: done.append(1), 10.0) == pytest.approx(5.0)
    assert len(done) == 3


def test_every_byte_is_copied_once_and_summed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[int] = []
    added: list[int] = []
    copyto, add = np.copyto, np.add

    def counted_copy(b: Any, a: Any) -> None:
        copied.append(a.nbytes)
        copyto(b, a)

    def counted_add(a: Any, b: Any, out: Any) -> None:
        added.append(a.nbytes)
        add(a, b, out=out)

    monkeypatch.setattr(roofline, "cores", lambda: 3)
    monkeypatch.setattr(np, "copyto", counted_copy)
    monkeypatch.setattr(np, "add", counted_add)
    ceilings("numpy")
    assert len(copied) == len(added) == 2 * 3 * 3  # sizes, times, parts
    assert sum(copied) == sum(added) == 3 * (800 + 1600)


def test_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ceilings("numpy")
    monkeypatch.setattr(roofline, "_best", None)
    assert ceilings(get_backend("numpy")) is not None
    assert ceilings("numba") == first == ceilings("numpy", "float32")
    with pytest.raises(TypeError):
        ceilings("numpy", "float64")  # nothing is known of it yet


@pytest.mark.parametrize(("micro", "expected"), [(50.0, 4 * 4 * 7), (5000.0, 5000.0)])
def test_the_micro_kernel_counts_where_numba_is_loaded(
    micro: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    peak = pytest.importorskip("accelnn.kernels.on_numba.peak")
    monkeypatch.setattr(peak, "micro_kernel_speed", lambda _dtype, _seconds: micro)
    assert ceilings("numpy").flops == 4 * 4 * 7
    monkeypatch.setattr(roofline, "_numba_is_loaded", lambda: True)
    assert ceilings("numpy").flops == ceilings("numba").flops == expected


def test_the_micro_kernel_has_a_speed() -> None:
    peak = pytest.importorskip("accelnn.kernels.on_numba.peak")
    for dtype in ("float32", "float64"):
        assert peak.micro_kernel_speed(dtype, 0.001) > 1e6


class Gpu(Backend):
    """A backend whose arrays count as a GPU's."""

    name: ClassVar[str] = "some gpu"
    waited = 0

    def __init__(self) -> None:
        self.xp = SimpleNamespace(cuda=None, ones=np.ones, matmul=np.matmul, copyto=np.copyto)

    def synchronize(self) -> None:
        self.waited += 1


def test_on_a_gpu_product_and_copy_are_waited_for() -> None:
    gpu = Gpu()
    side = 8 * 4
    copied = 2.0 * side * side * 4
    assert ceilings(gpu) == Ceilings(flops=side * side * (2 * side - 1), bandwidth=copied)
    assert gpu.waited == 1 + 3 + 3
    assert ceilings(gpu, "float64").bandwidth == 2 * copied


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'int8'"):
        ceilings("numpy", "int8")
    other: Any = Gpu()
    other.xp = SimpleNamespace()
    with pytest.raises(ValueError, match="no ceilings are measured for backend 'some gpu'"):
        ceilings(other)
