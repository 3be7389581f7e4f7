"""With ``out=`` the kernels of in-place backends allocate nothing of the size of their data."""

import tracemalloc
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numba
import numpy as np
import pytest

from accelnn.kernels import KERNELS, load
from accelnn.kernels.on_numpy import _blocks, dropout
from tests.kernels.cases import CALLS, IDS, build, tuple_of
from tests.kernels.conftest import Folder

SHAPE = (512, 256)  # 1 MB of float64
BLOCK = 4096  # smaller blocks than usual, so that so little data is many of them

#: NumPy kernels with temporaries of their argument's size, as kernels/on_numpy/__init__.py says:
#: they work on the output layer, whose rows are short. The number is how many at once.
WHOLE = {
    "log_softmax": 1,
    "log_softmax_backward": 2,
    "squared_error": 1,
    "binary_cross_entropy": 2,
    "cross_entropy": 2,
    "poisson": 2,
    "perceptron": 1,
}


def _bound(folder: str, name: str) -> int:
    """Bytes that a call may allocate: a few numbers per row and, on NumPy, a few blocks."""
    rows, whole = 8 * 8 * SHAPE[0], 8 * SHAPE[0] * SHAPE[1]
    if folder == "on_numba":
        return rows
    return rows + 5 * 8 * BLOCK + whole * WHOLE.get(name, 0)


@pytest.fixture
def in_place(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    if folder.xp is not np:
        pytest.skip("tracemalloc sees NumPy's memory only")
    monkeypatch.setattr(_blocks, "BLOCK", BLOCK)
    monkeypatch.setattr(dropout, "_ROWS", BLOCK // 4)
    return folder


def _peak(call: Any) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_bound_is_far_below_the_data() -> None:
    assert _bound("on_numpy", "tanh") < 8 * SHAPE[0] * SHAPE[1] / 4


def test_an_allocation_is_seen() -> None:
    assert _peak(lambda: np.empty(SHAPE)) >= 8 * SHAPE[0] * SHAPE[1]


@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_nothing_of_the_size_of_the_data(
    in_place: Folder, name: str, variant: str, rng: Any
) -> None:
    small = build(name, variant, (2, 2), "float64", rng)
    small.run(in_place[name])  # compile
    shape = (512, 128) if name == "matmul" else SHAPE
    case = build(name, variant, shape, "float64", rng)
    if name in KERNELS["updates"]:
        out = tuple(case.arrays[i] for i in case.alias[0])
        target: Any = out if len(out) > 1 else out[0]
    else:
        target = np.empty_like(tuple_of(case.run(in_place[name]))[0], order="C")
    peak = _peak(lambda: case.run(in_place[name], out=target))
    assert peak <= _bound(in_place.name, name)


@pytest.fixture
def compiled_allocations() -> Iterator[Callable[[], int]]:
    """Return how many blocks compiled code has allocated, which tracemalloc does not see."""
    runtime: Any = import_module("numba.core.runtime")
    runtime._nrt_python.memsys_enable_stats()
    yield lambda: int(runtime.rtsys.get_allocation_stats().alloc)
    runtime._nrt_python.memsys_disable_stats()


def test_an_allocation_in_compiled_code_is_seen(
    compiled_allocations: Callable[[], int],
) -> None:
    allocate = numba.njit(lambda n: np.empty(n).size)
    allocate(3)
    before = compiled_allocations()
    allocate(3)
    assert compiled_allocations() == before + 1


@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_compiled_loops_allocate_nothing(
    name: str, variant: str, compiled_allocations: Callable[[], int], rng: Any
) -> None:
    kernel = load("on_numba")[name]
    case = build(name, variant, (17, 33), "float64", rng)
    case.run(kernel)  # compile
    # Numba counts a small record for each array that enters; updates take no array to write into.
    entering = len(case.arrays) + (name not in KERNELS["updates"])
    entering += name in ("binary_cross_entropy", "cross_entropy", "poisson")  # room for terms
    entering += 2 * (name == "matmul")  # the barrier of its threads, and room for packing
    before = compiled_allocations()
    case.run(kernel)
    assert compiled_allocations() - before <= entering
