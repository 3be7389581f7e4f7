"""What does a kernel cost on each backend, and what is gained by fusing several into one?

``single``: each kernel by itself, as a training step calls it, and on arrays beyond the caches.
``fused``: chains of kernels, fused and one after the other through the memory, in turns.
"""

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from accelnn.backends import Backend, get_backend
from accelnn.bench.chains import CHAINS, OF_KERNELS, has_programs
from accelnn.bench.kernel_cases import (
    ALL,
    COMMON,
    LARGE,
    STREAMING,
    Sizes,
    of_a_step,
    problem,
)
from accelnn.bench.measuring import Measure
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.settings import Settings
from accelnn.bench.turns import Turn, take_turns
from accelnn.kernels import KERNELS

#: Seconds for the samples of a case.
FULL, QUICK = 0.3, 0.06


class Single(NamedTuple):
    """A kernel on a backend."""

    kernel: str
    backend: str
    sizes: Sizes

    def __str__(self) -> str:
        return "-".join((self.kernel, self.backend, *(["large"] if self.sizes is LARGE else [])))


def cases_single(settings: Settings) -> list[Single]:
    sizes = of_a_step(settings)
    asked = [(kernel, sizes) for kernel in settings.pick(ALL, COMMON, ALL)]
    asked += [(kernel, LARGE) for kernel in settings.pick(STREAMING, (), ())]
    return [Single(kernel, name, sizes) for kernel, sizes in asked for name in settings.backends]


def test_single(case: Single, measure: Measure, settings: Settings, benchmark: Any) -> None:
    held, given = get_backend(case.backend), problem(case.kernel, case.sizes)
    ours = [held.copy(held.asarray(a)) for a in given.arrays]
    kernel = partial(getattr(held, case.kernel), *ours, **given.scalars)
    result, seconds = first_call(held, kernel)
    found = result if isinstance(result, tuple) else (result,)
    for one, expected in zip(found, given.expected, strict=True):
        same(held.to_numpy(one), expected)
    out = result
    if case.kernel in KERNELS["updates"]:  # in place, as in training
        out = (ours[0], *ours[2:]) if len(ours) > 2 else ours[0]

    def call() -> None:
        kernel(out=out)
        held.synchronize()

    benchmark.group = case.kernel + (", large" if case.sizes is LARGE else "")
    measure(
        call,
        seconds=settings.pick(FULL, QUICK, 0.0),
        who=case.backend,
        backend=case.backend,
        kernel=case.kernel,
        elements=given.elements,
        flops=given.cost.flops,
        bytes=given.cost.nbytes(4),
        **seconds,
    )


class Fused(NamedTuple):
    """A chain on a backend, one way or the other."""

    chain: str
    backend: str
    fused: bool
    sizes: Sizes

    @property
    def who(self) -> str:
        """The way, as a reader should see it."""
        return "fused" if self.fused else "one after the other"

    @property
    def group(self) -> str:
        """What both ways are compared in."""
        return f"{self.chain}, {self.backend}{', large' if self.sizes is LARGE else ''}"

    def __str__(self) -> str:
        return f"{self.group}-{self.who}"


def cases_fused(settings: Settings) -> list[Fused]:
    sizes = of_a_step(settings)
    asked = [(chain, sizes) for chain in CHAINS]
    asked += [
        (chain, LARGE) for chain in settings.pick(("derivative of the sigmoid", "Adam"), (), ())
    ]
    return [
        Fused(chain, name, fused, sizes)
        for chain, sizes in asked
        for name in settings.backends
        if chain in OF_KERNELS or has_programs(get_backend(name))
        for fused in (False, True)
    ]


class Found(NamedTuple):
    """What a chain took, and its first call, if that had to compile something."""

    seconds: list[float]
    compiling: dict[str, Any]


@cache
def both_ways(settings: Settings, chain: str, backend: str, sizes: Sizes) -> dict[bool, Found]:
    """Return what a chain took, fused or not, its results compared; the two take turns."""
    held, turns, results, compiling = get_backend(backend), {}, {}, {}
    for fused in (False, True):
        call = CHAINS[chain](held, sizes, fused)
        results[fused], compiling[fused] = first_call(held, call)
        turns[fused] = Turn(waiting(held, call))
    for one, other in zip(results[False], results[True], strict=True):
        same(host(held, one), host(held, other))
    taken = take_turns(turns, settings.pick(25, 9, 1), settings.pick(5e-3, 2e-3, 0.0))
    return {fused: Found(seconds, compiling[fused]) for fused, seconds in taken.items()}


def host(held: Backend, x: Any) -> Any:
    """Return an array of the backend, or a number, as NumPy's."""
    return np.asarray(x) if isinstance(x, float) else held.to_numpy(x)


def waiting(held: Backend, call: Callable[[], Any]) -> Callable[[], None]:
    """Return a call that waits until the backend is done."""

    def both() -> None:
        call()
        held.synchronize()

    return both


@taken_elsewhere
def test_fused(case: Fused, settings: Settings, benchmark: Any) -> None:
    found = both_ways(settings, case.chain, case.backend, case.sizes)[case.fused]
    benchmark.group = case.group
    benchmark.extra_info.update(
        who=case.who,
        chain=case.chain,
        backend=case.backend,
        rows=case.sizes.rows,
        **found.compiling,
    )
    play_back(benchmark, found.seconds)


def first_call(held: Backend, call: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """Return the result, and the seconds if this call had to compile something."""
    compiled: list[bool] = []
    with held.announce(lambda: compiled.append(True)):
        start = time.perf_counter()
        result = call()
        held.synchronize()
        seconds = time.perf_counter() - start
    return result, {"compile_seconds": seconds} if compiled else {}


def same(found: Any, expected: Any) -> None:
    """Assert equal numbers, but for what the order of a sum makes of float32."""
    size = float(np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * size)
