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
    with pytest.raises(AssertionError, match="wait_for_some: threads of one block disagree"):
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


def test_a_source_that_is_not_cxx(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the shim cannot be tried")
    with pytest.raises(AssertionError, match="error"):
        compile_modules({"broken": 'extern "C" __global__ void f(float* x) { x = ; }'}, tmp_path)
