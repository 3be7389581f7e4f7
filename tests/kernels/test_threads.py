"""Threads, forks and other people's threads, each in a process of its own: one may not survive."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

HEAD = """
import json, os, sys, threading, warnings
import numba, numpy as np
from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.kernels.on_numba import threads
from accelnn.program import lower

backend = get_backend("numba")

def made(hidden="relu", rows=300, widths=(40, 160, 80, 5), dtype="float32", batch=64):
    kinds = {"relu": nn.ReLU, "tanh": nn.Tanh, "softmax": lambda: nn.Softmax(-1)}
    kinds |= {"dropout": lambda: nn.Sequential(nn.Dropout(0.3, seed=1), nn.ELU())}
    rng, layers = np.random.default_rng(0), []
    for n_in, n_out in zip(widths, widths[1:]):
        w, b = rng.normal(0, 0.2, (n_in, n_out)).astype(dtype), np.zeros(n_out, dtype)
        layers += [nn.Linear.from_storage(w, b, backend), kinds[hidden]()]
    model = nn.Sequential(*layers[:-1])
    rule = optim.Adam(model.parameters(), lr=1e-3)
    program = lower(model, nn.CrossEntropyLoss(), rule, backend, batch)
    program.bind(rng.normal(size=(rows, widths[0])).astype(dtype), rng.integers(0, 5, rows))
    return program

def fit(program, epochs=3):
    for _ in range(epochs):
        program.run(0, program.n_batches, [1e-3] * program.n_batches)
    return program.plan.params

def forked(work):
    # What work() returns in a forked child, as JSON.
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads is the point
        child = os.fork()
    if child == 0:
        os.write(write, json.dumps(work()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    return json.loads(answer)
"""

#: Somebody else's parallel loop, to bring one of Numba's threading layers to life.
PRANGE = """
@numba.njit(parallel=True)
def total(n):
    s = 0.0
    for i in numba.prange(n):
        s += i
    return s

assert total(1000) == 499500
assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"]
"""


def run(code: str, threads: int = 2, settings: dict[str, str] | None = None) -> Any:
    """Run code after HEAD in a new process and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", HEAD + code],
        env={**os.environ, "NUMBA_NUM_THREADS": str(threads), **(settings or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr}"
    return json.loads(done.stdout)


WEIGHTS = """
print(json.dumps([[float(x).hex() for x in fit(made(hidden, dtype=dtype, **SHAPE))]
                  for hidden in ("relu", "tanh", "dropout", "softmax")
                  for dtype in ("float32", "float64")]))
"""
#: Steps that are cut by columns of the layers for the most part, and by rows of the minibatch.
COLUMNS = "SHAPE = {'widths': (200, 160, 80, 5), 'batch': 32}"
ROWS = "SHAPE = {'rows': 500, 'widths': (40, 64, 50, 48, 32, 5), 'batch': 200}"


@pytest.mark.parametrize(("shape", "by_rows"), [(COLUMNS, False), (ROWS, True)])
def test_the_shapes_are_cut_both_ways(shape: str, by_rows: bool) -> None:
    code = f"""
from accelnn.kernels.on_numba.recording import is_by_rows
{shape}
plans = [made(hidden, dtype=dtype, **SHAPE).plan
         for hidden in ("relu", "dropout") for dtype in ("float32", "float64")]
print(json.dumps([is_by_rows(plan, plan.batch_size, parts) for plan in plans for parts in (2, 5)]))
"""
    assert set(run(code, 5)) == {by_rows}


@pytest.mark.parametrize("shape", [COLUMNS, ROWS])
def test_any_number_of_threads_is_bitwise_the_same(shape: str) -> None:
    alone = run(shape + WEIGHTS, 1)
    assert len({tuple(weights) for weights in alone}) == len(alone)
    for threads in (2, 3, 5):
        assert run(shape + WEIGHTS, threads) == alone


@pytest.mark.parametrize("shape", [COLUMNS, ROWS])
def test_the_parts_wait_for_each_other(shape: str) -> None:
    """Without its barriers a job of several parts comes to other results."""
    broken = """
import accelnn.kernels.on_numba.recording as recording
recording.Recording.wait = lambda self: None
"""
    code = shape + WEIGHTS
    assert run(broken + code, 1) == run(code, 1)
    assert any(run(broken + code, 3) != run(code, 3) for _ in range(5))


def test_a_job_wakes_the_workers_it_wants() -> None:
    """More than the parts wanted never; fewer where a worker fell asleep just before its call."""
    code = """
import time
program = made()
seen = []
real = threads.run_job
import accelnn.kernels.on_numba.program as engine
engine.run_job = lambda *given: seen.append(real(*given))
for _ in range(20):
    fit(program, 1)
    time.sleep(0.05)  # the workers fall asleep
print(json.dumps(seen[1:]))
"""
    assert max(run(code, 3)) == 3
    assert set(run(code, 1)) == {1}


def test_numbas_setting_is_followed_and_its_layers_are_left_alone() -> None:
    code = """
import numba.np.ufunc.parallel as parallel
fit(made())
before = [threads.threads(), parallel._is_initialized]
numba.set_num_threads(1)
print(json.dumps([*before, threads.threads()]))
"""
    assert run(code, 3) == [3, False, 1]


def tbb_folder() -> str | None:
    """Where the library lies that ``pip install tbb`` brings; the system does not look there."""
    try:
        files = distribution("tbb").files or []
    except PackageNotFoundError:
        return None
    found = [f.locate() for f in files if f.name.startswith("libtbb.so")]
    return str(Path(str(found[0])).resolve().parent) if found else None


LAYERS = [
    "none",
    "workqueue",
    "omp",
    pytest.param(
        "tbb", marks=pytest.mark.skipif(tbb_folder() is None, reason="TBB is not installed")
    ),
]


def layer(name: str) -> tuple[str, dict[str, str]]:
    """Code and settings that bring a threading layer to life, or none."""
    if name == "none":
        return "", {}
    settings = {"NUMBA_THREADING_LAYER": name}
    return PRANGE, settings | ({"LD_LIBRARY_PATH": tbb_folder() or ""} if name == "tbb" else {})


@pytest.mark.parametrize("name", LAYERS)
def test_eight_threads_predict_at_once(name: str) -> None:
    start, settings = layer(name)
    code = """
program = made()
X = program.plan.X
expected = [program.predict(X[:n]) for n in (1, 7, 300)]
wrong = []

def work():
    for _ in range(100):
        for n, right in zip((1, 7, 300), expected):
            if not np.array_equal(program.predict(X[:n]), right):
                wrong.append(n)

crowd = [threading.Thread(target=work) for _ in range(8)]
for one in crowd: one.start()
for one in crowd: one.join()
print(json.dumps(wrong))
"""
    assert run(start + code, settings=settings) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("name", LAYERS)
def test_a_forked_child_fits(name: str) -> None:
    start, settings = layer(name)
    code = """
first = fit(made()).tolist()
print(json.dumps([forked(lambda: fit(made()).tolist()) == first, fit(made()).tolist() == first]))
"""
    assert run(start + code, settings=settings) == [True, True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("name", LAYERS)
def test_a_fork_while_threads_predict(name: str) -> None:
    start, settings = layer(name)
    code = """
program, over = made(), threading.Event()
X = program.plan.X
right = program.predict(X)

def work():
    while not over.is_set():
        program.predict(X)

crowd = [threading.Thread(target=work) for _ in range(3)]
for one in crowd: one.start()
found = [forked(lambda: bool(np.array_equal(made().predict(X), right))) for _ in range(20)]
over.set()
for one in crowd: one.join()
print(json.dumps([*found, bool(np.array_equal(program.predict(X), right))]))
"""
    assert run(start + code, settings=settings) == [True] * 21


def test_a_process_ends_though_its_workers_wait() -> None:
    assert run("fit(made())\nprint('0')", 4) == 0


def test_a_worker_of_joblib_uses_its_share_of_the_cores() -> None:
    code = """
from joblib import Parallel, delayed
def inner():
    from accelnn.kernels.on_numba import threads
    return threads.threads()
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
os.environ.pop("NUMBA_NUM_THREADS")
print(json.dumps([max(1, cores // 2), Parallel(n_jobs=2)(delayed(inner)() for _ in range(2))]))
"""
    share, used = run(code)
    assert used == [share, share]


def test_a_copy_of_a_program_trains_its_own_weights() -> None:
    """A recording holds addresses: it must not be replayed for the buffers of a copy."""
    code = """
import copy
program = made()
fit(program)
other = copy.deepcopy(program)
before = program.plan.params.copy()
fit(other)
print(json.dumps([bool(np.array_equal(program.plan.params, before)),
                  bool(np.array_equal(other.plan.params, fit(program)))]))
"""
    assert run(code) == [True, True]


def test_dtypes_are_kept() -> None:
    found = run("print(json.dumps([str(made(dtype=d).predict(np.ones((2, 40), d)).dtype)"
                " for d in ('float32', 'float64')]))")  # fmt: skip
    assert found == ["float32", "float64"]
    assert np.dtype(found[0]).itemsize == 4


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="elsewhere subnormal numbers are computed with as usual",
)
def test_subnormal_numbers_are_zero_in_a_run_and_themselves_again_after_it() -> None:
    code = """
program = made()
program.bind(np.zeros((300, 40), np.float32), np.zeros(300, np.int64))
program.plan.states[:] = 1e-40
program.run(0, 1, [0.0])
left = np.array(program.plan.states)  # of the first layer's weights, whose gradients are 0
subnormal = int(((left > 0) & (left < np.finfo(np.float32).tiny)).sum())
tiny = np.full(100, 2e-38, np.float32) / np.float32(100)
print(json.dumps([subnormal, bool((tiny > 0).all())]))
"""
    assert run(code) == [0, True]
