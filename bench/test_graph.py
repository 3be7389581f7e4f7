"""What does it cost to record a graph, and to train through it?

In parts: the time of an operation on four numbers above that of the same array calls; and eager
training steps beside NumPy's program, which is lowered once and records nothing.
"""

from typing import Any, NamedTuple

from accelnn.bench import graph_chains, graph_steps
from accelnn.bench.networks import BATCH, RATES, WIDTHS
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.settings import Settings

#: Seconds that the graph should add to an operation at most, forward and backward.
OVERHEAD_TARGET = 5e-6
#: Times the program's step that an eager one on NumPy should take at most.
STEP_TARGET = 1.15


class Link(NamedTuple):
    """An operation on a backend."""

    operation: str
    backend: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.backend}"


def cases_overhead(settings: Settings) -> list[Link]:
    """All operations on all backends of the CPU."""
    return [Link(name, b) for b in settings.cpu() for name in graph_chains.OPERATIONS]


@taken_elsewhere
def test_overhead(benchmark: Any, settings: Settings, case: Link) -> None:
    found = graph_chains.chain(case.operation, case.backend, settings)
    benchmark.group = f"an operation of the graph, {case.backend}"
    benchmark.extra_info.update(
        who=case.operation,
        backend=case.backend,
        arrays_seconds=found.arrays,
        overhead=found.overhead,
        target=OVERHEAD_TARGET,
    )
    play_back(benchmark, found.seconds)


class Way(NamedTuple):
    """A way to train."""

    optimizer: str
    threads: int | None
    who: str

    def __str__(self) -> str:
        return f"{self.optimizer}-{self.threads or 'all'} threads-{self.who}"


def cases_step(settings: Settings) -> list[Way]:
    """Everybody, with the machine's threads and with one."""
    return [
        Way(optimizer, threads, who)
        for optimizer in RATES
        for threads in (None, 1)
        for who in graph_steps.ways(settings)
    ]


def target(way: Way, settings: Settings) -> float | None:
    """Return what is aimed at; None for a program, another backend, network or minibatch."""
    meant = settings.network == WIDTHS and settings.batch == BATCH
    return STEP_TARGET if meant and way.who == "numpy eager" else None


@taken_elsewhere
def test_step(benchmark: Any, settings: Settings, case: Way) -> None:
    found = graph_steps.steps(case.optimizer, case.threads, settings)[case.who]
    benchmark.group = f"a training step, {case.optimizer}, {case.threads or 'all'} threads"
    benchmark.extra_info.update(
        who=case.who,
        optimizer=case.optimizer,
        threads=case.threads,
        batch=settings.batch,
        ratio=found.ratio,
        target=target(case, settings),
    )
    play_back(benchmark, found.seconds)
