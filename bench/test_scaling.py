"""How does speed grow with threads, and is it arithmetic or memory that bounds it?

``strong``: the same work on more threads. ``weak``: as much work for each thread. In both the
numbers of threads take turns. ``roofline``: kernels of rising arithmetic intensity, below the two
ceilings that are measured in the same run.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from accelnn.backends import get_backend
from accelnn.bench.intensities import Kernel, kernels, prepared
from accelnn.bench.measuring import Measure
from accelnn.bench.networks import RATES, PlainLoop, program
from accelnn.bench.peer_products import Product, check, operands, training_step
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.rungs import RUNGS
from accelnn.bench.settings import Settings
from accelnn.bench.shared_adam import SCALARS, shared_adam
from accelnn.bench.thread_counts import counts, on_threads, threads_of
from accelnn.bench.turns import Turn, take_turns
from accelnn.kernels import load

#: Minibatches that one call trains on.
STEPS = 4


class Task(NamedTuple):
    """What is timed, and what checks its result after the first call."""

    call: Callable[[], Any]
    check: Callable[[], None]
    size: str
    flops: int
    bytes: int | None = None


#: Makes a task, given the settings and how many times as large it should be.
Make: TypeAlias = Callable[[Settings, int], Task]


def product(rung: str, settings: Settings, times: int) -> Task:
    """Return a product by a rung, of so many times as many columns."""
    n = settings.pick(1024, 512, 16)
    p = Product("scaling", n, n, n * times)
    a, b, out = operands(p)
    call = RUNGS[rung].prepare(a, False, b, False, out)
    return Task(call, lambda: check(p, a, b, out), p.shape, p.work, p.bytes)


def update(settings: Settings, times: int) -> Task:
    """Return Adam's update of parameters that fit no cache: it waits for memory."""
    n = times * settings.pick(1 << 24, 1 << 22, 1 << 10)
    rng = np.random.default_rng(0)
    arrays = [rng.random(n, np.float32) for _ in range(4)]
    adam, few = load("reference")["adam"], [x[-1000:].astype(np.float64) for x in arrays]

    def compare() -> None:
        found = [arrays[i][-1000:] for i in (0, 2, 3)]
        for mine, exact in zip(found, adam(*few, **SCALARS), strict=True):
            np.testing.assert_allclose(mine, exact, rtol=1e-5, atol=1e-6)

    cost = adam.cost(*arrays, **SCALARS)  # type: ignore[attr-defined]
    call = partial(shared_adam, *arrays)
    return Task(call, compare, f"{n:,} parameters", cost.flops, cost.nbytes(4))


def training(settings: Settings, times: int) -> Task:
    """Return some training steps on minibatches of so many times as many rows."""
    widths = settings.pick(settings.network, settings.network, (12, 8, 4))
    batch = times * settings.pick(settings.batch, settings.batch, 8)
    rng = np.random.default_rng(0)
    X = rng.random((STEPS * batch, widths[0]), np.float32)
    y = rng.integers(0, widths[-1], len(X))
    made = program("numba", "sgd", X, y, widths=widths, batch=batch)
    call = partial(made.run, 0, STEPS, [RATES["sgd"]] * STEPS)

    def compare() -> None:
        plain = PlainLoop("sgd", X.astype(np.float64), y, widths=widths, batch=batch)
        plain.run(np.arange(len(X)))
        exact = [p.ravel() for p in (*plain.parameters[::2], *plain.parameters[1::2])]
        np.testing.assert_allclose(made.plan.params, np.concatenate(exact), rtol=1e-3, atol=1e-5)

    flops = STEPS * sum(p.work for p in training_step(batch, widths))
    size = f"{'-'.join(map(str, widths))}, {STEPS} minibatches of {batch}"
    return Task(call, compare, size, flops)


#: What is done -> the backend it belongs to, and what makes it.
WORK: dict[str, tuple[str, Make]] = {
    "accelnn's product": ("numba", partial(product, "accelnn's product, all threads")),
    "NumPy's product": ("numpy", partial(product, "NumPy's product, all threads")),
    "training steps": ("numba", training),
    "tiles in registers": ("numba", partial(product, "tiles, all threads")),
    "Adam's update": ("numba", update),
}
#: What grows with the threads in ``weak``.
GROWING = ("accelnn's product", "NumPy's product", "training steps")


class Case(NamedTuple):
    """Some work on some threads."""

    who: str
    threads: int

    def __str__(self) -> str:
        return f"{self.who}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def cases_strong(settings: Settings) -> list[Case]:
    names = [who for who, (backend, _) in WORK.items() if backend in settings.backends]
    return [Case(who, count) for who in names for count in thread_counts(settings)]


def cases_weak(settings: Settings) -> list[Case]:
    return [case for case in cases_strong(settings) if case.who in GROWING]


def thread_counts(settings: Settings) -> tuple[int, ...]:
    """Return the numbers of threads that are compared."""
    return counts(1 if settings.scale == "smoke" else threads_of("numba"))


class Found(NamedTuple):
    """What some work took on one number of threads."""

    task: Task
    seconds: list[float]


@cache
def rounds(settings: Settings, who: str, growing: bool) -> dict[int, Found]:
    """Return what some work took on each number of threads, which take turns."""
    make, tasks = WORK[who][1], {}
    for count in thread_counts(settings):
        with on_threads(count):
            tasks[count] = task = make(settings, count if growing else 1)
            task.call()
            task.check()
    turns = {count: Turn(task.call, count) for count, task in tasks.items()}
    taken = take_turns(turns, settings.pick(25, 7, 1), settings.pick(0.03, 0.015, 0.0))
    return {count: Found(task, taken[count]) for count, task in tasks.items()}


def play(benchmark: Any, settings: Settings, case: Case, growing: bool) -> None:
    """Keep what the rounds have found of a case."""
    task, seconds = rounds(settings, case.who, growing)[case.threads]
    info: dict[str, Any] = {"backend": WORK[case.who][0], "flops": task.flops, "size": task.size}
    if task.bytes is not None:
        info["bytes"] = task.bytes
    benchmark.group = case.who
    benchmark.extra_info.update(who=case.who, threads=case.threads, **info)
    play_back(benchmark, seconds)


@taken_elsewhere
def test_strong(benchmark: Any, settings: Settings, case: Case) -> None:
    play(benchmark, settings, case, growing=False)


@taken_elsewhere
def test_weak(benchmark: Any, settings: Settings, case: Case) -> None:
    play(benchmark, settings, case, growing=True)


class Point(NamedTuple):
    """A kernel on a backend."""

    kernel: Kernel
    backend: str

    def __str__(self) -> str:
        return f"{self.kernel.label}, {self.backend}"


def cases_roofline(settings: Settings) -> list[Point]:
    return [Point(kernel, name) for kernel in kernels(settings) for name in settings.backends]


def test_roofline(measure: Measure, case: Point, ceilings: Callable[[str], Any]) -> None:
    kernel, name = case
    ceilings(name)
    backend = get_backend(name)
    with backend.scope():
        call = prepared(kernel, backend)
        cost = kernel.cost()
        flops, moved = cost.flops, cost.nbytes(4)
        info: dict[str, Any] = {"flops": flops, "bytes": moved, "intensity": flops / moved}
        if name in measure.settings.cpu():  # on one thread, but for the products
            info["threads"] = threads_of(name) if kernel.name == "matmul" else 1
        measure.benchmark.group = kernel.label
        measure(call, who=name, backend=name, kernel=kernel.label, **info)
