"""No kernel has a race, and each barrier is there to prevent one.

ThreadSanitizer watches the kernels on the CPU (``races.py``), as they are and without each barrier.
"""

import numpy as np
import pytest

from accelnn import kernels, nn, optim
from accelnn.kernels.on_cupy import _launch
from accelnn.program import lower
from tests.cuda import races
from tests.cuda.host_shim import HostRunner
from tests.cuda.races import Place, Race, Run
from tests.kernels.cases import build
from tests.program.conftest import CudaOnHost

REDUCTIONS = """
#line 1 "reductions.cu"
// What a reduction leaves behind must not harm the next one, whichever it is.
extern "C" __global__ void reduce_often(const float* x, float* out) {
    float mine = x[threadIdx.x];
    out[threadIdx.x] = block_sum(mine);
    out[threadIdx.x] += block_sum(mine);
    out[threadIdx.x] += block_max(mine);
    out[threadIdx.x] += block_max(mine);
    out[threadIdx.x] += column_sum(x, 1, 32, 0);
    out[threadIdx.x] += column_sum(x, 1, 32, 0);
}
"""

GRID = """
#line 1 "grid.cu"
__device__ inline void grid_barrier(uint64* arrived) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        uint64 goal = (atomicAdd(arrived, 1) / gridDim.x + 1) * gridDim.x;
        while (peek(arrived) < goal) pause();
        __threadfence();
    }
    __syncthreads();
}

// Every thread of the grid replaces its number by that of the next block.
extern "C" __global__ void rotate_grid(float* x, uint64* arrived) {
    float neighbour = x[(position() + blockDim.x) % (gridDim.x * blockDim.x)];
    GRID_BARRIER(arrived);
    x[position()] = neighbour;
}
"""

WRONG = """
#line 1 "wrong.cu"
extern "C" __global__ void threads_of_a_block(float* x) {
    x[0] = threadIdx.x;
}

extern "C" __global__ void blocks(float* x) {
    if (threadIdx.x == 0) x[0] = blockIdx.x;
}

extern "C" __global__ void atomic_and_plain(uint64* x) {
    if (threadIdx.x == 0) atomicAdd(x, 1);
    else x[0] = 7;
}

// Right, and so is that its blocks have the same shared memory, one after another.
extern "C" __global__ void many_blocks(float* x) {
    SHARED(float, mine, 2);
    mine[threadIdx.x] = x[position()];
    __syncthreads();
    x[position()] = mine[1 - threadIdx.x];
}
"""

#: Row-wise kernels, and all others with barriers.
ROW_WISE = [
    "softmax",
    "softmax_backward",
    "log_softmax",
    "log_softmax_backward",
    "squared_error",
    "binary_cross_entropy",
    "cross_entropy",
    "cross_entropy_backward",
    "poisson",
    "perceptron",
]


def row_wise(runner: HostRunner) -> None:
    on_cupy = kernels.load("on_cupy")
    for name in ROW_WISE:
        build(name, "", (3, 70), "float32", np.random.default_rng(1)).run(on_cupy[name])
    dz = np.ones((9, 20), np.float32)
    _launch.launch("sum_rows", dz.dtype, 1, 128, dz, np.empty(20, np.float32), *dz.shape)
    numbers = [np.ones(32, np.float32), np.empty(32, np.float32)]
    runner.function("", "", "reduce_often")(1, 32, numbers)


def grid(runner: HostRunner) -> None:
    x, arrived = np.zeros(12, np.float32), np.zeros(1, np.uint64)
    runner.function("", "", "rotate_grid", together=True)(3, 4, [x, arrived])


def program(runner: HostRunner) -> None:
    """A full minibatch and a smaller one in one launch of two blocks; a tile and a bit wide."""
    runner.blocks_together = 2
    backend, rng = CudaOnHost("together"), np.random.default_rng(2)
    layers: list[nn.Module] = []
    for n_in, n_out in ((34, 33), (33, 4), (4, 3)):
        w = rng.normal(0, 0.3, (n_in, n_out)).astype(np.float32)
        layers += [nn.Linear.from_storage(w, np.zeros(n_out, np.float32), backend), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    rule = optim.Adam(model.parameters(), lr=0.01)
    made = lower(model, nn.CrossEntropyLoss(), rule, backend, 34)
    made.bind(rng.standard_normal((40, 34)).astype(np.float32), rng.integers(0, 3, 40))
    made.run(0, 2, [0.01] * 2)


def many_blocks(runner: HostRunner) -> None:
    runner.function("", "", "many_blocks")(40, 2, [np.zeros(80, np.float32)])


def threads_of_a_block(runner: HostRunner) -> None:
    runner.function("", "", "threads_of_a_block")(1, 2, [np.zeros(1, np.float32)])


def blocks(runner: HostRunner) -> None:
    runner.function("", "", "blocks")(2, 2, [np.zeros(1, np.float32)])


def atomic_and_plain(runner: HostRunner) -> None:
    runner.function("", "", "atomic_and_plain")(1, 2, [np.zeros(1, np.uint64)])


#: What is compiled, into one library.
MODULES = {
    "activations": _launch.source("activations", "float"),
    "losses": _launch.source("losses", "float") + REDUCTIONS,
    "rows": _launch.source("rows", "float"),
    "program": _launch.source("program", "float"),
    "dropout": _launch.source("dropout", "float") + GRID + WRONG,
}

#: Function that runs kernels without a race -> the files whose barriers it needs, each of them.
EXERCISES = {
    "row_wise": ["_block.cu"],
    "grid": ["grid.cu"],
    "program": ["program.cu", "_tile.cu"],
    "many_blocks": ["wrong.cu"],
}

#: Function that runs kernels with a race -> the lines of wrong.cu that it is between.
RACES = {"threads_of_a_block": [2, 2], "blocks": [6, 6], "atomic_and_plain": [10, 11]}

PLACES = races.barriers(MODULES.values())
WITHOUT = [Run(name, p) for name, files in EXERCISES.items() for p in PLACES if p.file in files]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Run, list[Race]]:
    if why := races.missing():
        pytest.skip(why)
    library = races.compile_modules(MODULES, tmp_path_factory.mktemp("races"))
    return races.races(library, __name__, [*map(Run, (*EXERCISES, *RACES)), *WITHOUT])


@pytest.mark.parametrize("function", EXERCISES)
def test_no_races(function: str, reports: dict[Run, list[Race]]) -> None:
    assert reports[Run(function)] == []


@pytest.mark.parametrize("run", WITHOUT, ids=str)
def test_without_a_barrier(run: Run, reports: dict[Run, list[Race]]) -> None:
    """Where the first thread crashes on what others have not written yet, there is no race left."""
    assert {race.kind for race in reports[run]} & {"data race", "SEGV", "FPE"}


def test_all_barriers_are_removed() -> None:
    assert sorted(run.removed for run in WITHOUT if run.removed) == sorted(PLACES)


@pytest.mark.parametrize("function", RACES)
def test_a_race_is_reported(function: str, reports: dict[Run, list[Race]]) -> None:
    race = reports[Run(function)][0]
    assert race.kind == "data race"
    assert {p.file for p in race.places} == {"wrong.cu"}
    assert sorted(p.line for p in race.places) == RACES[function]


def test_what_the_grid_barrier_separates(reports: dict[Run, list[Race]]) -> None:
    read, barrier, written = (Place("grid.cu", line) for line in (14, 15, 16))
    found = reports[Run("grid", barrier)]
    assert found
    assert all(set(race.places) == {read, written} for race in found)


def test_where_barriers_are() -> None:
    source = """#define __syncthreads() nothing
#line 1 "one.cu"
// __syncthreads() in a comment
    __syncthreads();  // a comment
#line 7 "two.cu"
    if (all) GRID_BARRIER(arrived);
    __threadfence();"""
    expected = [Place("one.cu", 2), Place("two.cu", 7), Place("two.cu", 8)]
    assert races.barriers([source, source]) == expected
