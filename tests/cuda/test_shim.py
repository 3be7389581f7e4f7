"""The shim that runs CUDA on the CPU, on kernels that are right or wrong in a known way."""

import ctypes
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn.kernels.on_cupy import _launch
from tests.cuda.host_shim import HostRunner, compile_modules

KERNELS = """
#line 1 "shim.cu"
// Every thread replaces its number by its right neighbour's: needs a barrier in between.
extern "C" __global__ void rotate(float* x) {
    float neighbour = x[(threadIdx.x + 1) % blockDim.x];
    __syncthreads();
    x[threadIdx.x] = neighbour;
}

extern "C" __global__ void rotate_without_barrier(float* x) {
    float neighbour = x[(threadIdx.x + 1) % blockDim.x];
    x[threadIdx.x] = neighbour;
}

extern "C" __global__ void wait_for_some(float* x) {
    if (x[threadIdx.x] > 0) __syncthreads();
}

// Two sums and two maxima one after another, which share memory.
extern "C" __global__ void reduce_twice(const float* x, float* out) {
    float total = block_sum(x[threadIdx.x]);
    float squares = block_sum(x[threadIdx.x] * x[threadIdx.x]);
    float most = block_max(x[threadIdx.x]);
    float least = -block_max(-x[threadIdx.x]);
    out[4 * threadIdx.x] = total;
    out[4 * threadIdx.x + 1] = squares;
    out[4 * threadIdx.x + 2] = most;
    out[4 * threadIdx.x + 3] = least;
}

extern "C" __global__ void where_am_i(int64* out) {
    out[position()] = 1000000 * gridDim.x + 10000 * blockDim.x + 100 * blockIdx.x + threadIdx.x;
}

// Numbers the threads in the order in which they run.
extern "C" __global__ void order_of_threads(int64* out, uint64* count) {
    out[position()] = atomicAdd(count, 1);
}

// What a block finds in shared memory, and leaves there.
extern "C" __global__ void shared_memory(float* out) {
    SHARED(float, once, 2);
    SHARED(double, twice, 2);
    out[position()] = once[threadIdx.x] + twice[threadIdx.x];
    once[threadIdx.x] = twice[threadIdx.x] = 5;
}

// Each block writes into its own shared memory, and waits for the others before it reads it.
extern "C" __global__ void wait_for_all(float* out, uint64* arrived, int64 goal) {
    SHARED(float, mine, 4);
    mine[threadIdx.x] = position();
    atomicAdd(arrived, 1);
    while (peek(arrived) < goal) pause();
    out[position()] = mine[threadIdx.x];
}
"""

both_orders = pytest.mark.parametrize("backwards", [False, True])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the shim cannot be tried")
    code = _launch.source("losses", "float") + KERNELS
    return compile_modules({"shim_test": code}, tmp_path_factory.mktemp("shim"))


def run(library: ctypes.CDLL, name: str, backwards: bool, blocks: int, *arguments: Any) -> None:
    threads = len(arguments[0]) // blocks
    HostRunner(library, backwards).function("", "", name)(blocks, threads, list(arguments))


def run_together(library: ctypes.CDLL, backwards: bool, blocks: int, goal: int) -> Any:
    out = np.zeros(4 * blocks, np.float32)
    arguments = [out, np.zeros(1, np.uint64), np.int64(goal)]
    HostRunner(library, backwards).function("", "", "wait_for_all", together=True)(
        blocks, 4, arguments
    )
    return out


@both_orders
def test_a_barrier_separates(library: ctypes.CDLL, backwards: bool) -> None:
    x = np.arange(8, dtype=np.float32)
    run(library, "rotate", backwards, 1, x)
    np.testing.assert_array_equal(x, [1, 2, 3, 4, 5, 6, 7, 0])


def test_a_missing_barrier_shows(library: ctypes.CDLL) -> None:
    results = []
    for backwards in (False, True):
        x = np.arange(8, dtype=np.float32)
        run(library, "rotate_without_barrier", backwards, 1, x)
        results.append(x)
    assert not np.array_equal(results[0], results[1])


def test_a_barrier_that_not_all_reach(library: ctypes.CDLL) -> None:
    run(library, "wait_for_some", False, 1, np.ones(4, np.float32))
    with pytest.raises(AssertionError, match="wait_for_some: threads wait for others"):
        run(library, "wait_for_some", False, 1, np.array([1, 0, 1, 1], np.float32))


@both_orders
def test_reductions_can_follow_each_other(library: ctypes.CDLL, backwards: bool) -> None:
    x = np.random.default_rng(0).integers(-99, 99, 64).astype(np.float32)
    out = np.zeros((64, 4), np.float32)
    run(library, "reduce_twice", backwards, 1, x, out)
    np.testing.assert_array_equal(out, [[x.sum(), (x * x).sum(), x.max(), x.min()]] * 64)


def test_indices(library: ctypes.CDLL) -> None:
    out = np.zeros(6, np.int64)
    run(library, "where_am_i", False, 2, out)
    expected = [2_030_000 + 100 * block + thread for block in range(2) for thread in range(3)]
    np.testing.assert_array_equal(out, expected)


@both_orders
def test_the_order_of_threads(library: ctypes.CDLL, backwards: bool) -> None:
    out = np.zeros(6, np.int64)
    run(library, "order_of_threads", backwards, 3, out, np.zeros(1, np.uint64))
    np.testing.assert_array_equal(out, np.arange(6)[:: -1 if backwards else 1])


def test_a_block_finds_garbage_in_shared_memory(library: ctypes.CDLL) -> None:
    out = np.zeros(80, np.float32)  # of more blocks than the shim has slots
    run(library, "shared_memory", False, 40, out)
    assert np.isnan(out).all()


@both_orders
def test_blocks_that_wait_for_each_other(library: ctypes.CDLL, backwards: bool) -> None:
    np.testing.assert_array_equal(run_together(library, backwards, 16, 64), np.arange(64))


def test_a_wait_for_ever(library: ctypes.CDLL) -> None:
    with pytest.raises(AssertionError, match="wait_for_all: threads wait for others that never"):
        run_together(library, False, 3, goal=13)
    np.testing.assert_array_equal(run_together(library, False, 3, goal=12), np.arange(12))


def test_blocks_that_are_not_together_cannot_wait(library: ctypes.CDLL) -> None:
    arguments = [np.zeros(8, np.float32), np.zeros(1, np.uint64), np.int64(8)]
    with pytest.raises(AssertionError, match="wait_for_all: threads wait for others that never"):
        HostRunner(library).function("", "", "wait_for_all")(2, 4, arguments)


def test_too_many_blocks_together(library: ctypes.CDLL) -> None:
    with pytest.raises(AssertionError, match="too many blocks together"):
        run_together(library, False, 17, 68)


def test_a_barrier_can_be_removed(library: ctypes.CDLL) -> None:
    x = np.arange(8, dtype=np.float32)
    HostRunner(library).remove("shim.cu", 4)
    try:
        run(library, "rotate", False, 1, x)
    finally:
        HostRunner(library).remove()
    np.testing.assert_array_equal(x, [1, 2, 3, 4, 5, 6, 7, 1])
    test_a_barrier_separates(library, False)


def test_a_source_that_is_not_cxx(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the shim cannot be tried")
    with pytest.raises(AssertionError, match="error"):
        compile_modules({"broken": 'extern "C" __global__ void f(float* x) { x = ; }'}, tmp_path)
