"""How fast is each rung from three loops to a GPU, over sizes and at the products of a network?

All compute the same product in float32, take turns at it, and each result is compared with NumPy's
in float64.
"""

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from accelnn.bench.peer_products import Product, check, operands, training_step
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.rungs import COMPILED, Rung, absent, at_once, bytes_at_once, chosen, result
from accelnn.bench.settings import Settings
from accelnn.bench.thread_counts import on_threads, threads_of
from accelnn.bench.turns import Turn, take_turns

#: Sides of the squares.
FULL, QUICK, SMOKE = (16, 32, 64, 128, 256, 512, 1024), (16, 64, 256), (8,)
#: A call that would take longer than this many seconds is left out.
LONGEST = 1.0
MIB = 1 << 20


class Case(NamedTuple):
    """A product by a rung; or none, where there is a reason against it."""

    rung: Rung
    product: Product
    reason: str = ""

    def __str__(self) -> str:
        letters = "" if self.product.letters == "NN" else f" {self.product.letters}"
        return f"{self.rung.name}, {self.product.shape}{letters}"


def cases_rungs(settings: Settings) -> list[Case]:
    sides = settings.pick(FULL, QUICK, SMOKE)
    shapes = settings.shapes or tuple((side, side, side) for side in sides)
    products = [Product("rungs", *shape) for shape in shapes]
    found = [Case(r, p, against(r, p, settings)) for p in products for r in chosen(settings)]
    return found + missing(products[-1])


def cases_network(settings: Settings) -> list[Case]:
    widths = settings.pick(settings.network, settings.network, (12, 8, 4))
    batch = settings.pick(settings.batch, settings.batch, 8)
    products = list(training_step(batch, widths))
    able = [rung for rung in chosen(settings) if fast(rung) or rung.backend is not None]
    rungs = [rung for rung in able if settings.scale != "quick" or quick(rung)]
    found = [Case(r, p, against(r, p, settings)) for p in products for r in rungs]
    left_out = [Case(r, products[-1], "a quick run leaves it out") for r in able if r not in rungs]
    return found + left_out + missing(products[-1])


def fast(rung: Rung) -> bool:
    """Whether it is a library's product, with all it can use."""
    return rung.threads is None and rung.name not in COMPILED


def quick(rung: Rung) -> bool:
    """Whether a quick run has time for it: a backend's product, with all it can use."""
    return fast(rung) and rung.backend is not None


def missing(product: Product) -> list[Case]:
    """Return the rungs that this machine lacks, once each, so that the JSON says why."""
    return [Case(Rung(name, at_once), product, reason) for name, reason in absent().items()]


def against(rung: Rung, product: Product, settings: Settings) -> str:
    """Return what speaks against a case: its time, or its memory."""
    if rung.speed and (seconds := product.work / rung.speed) > LONGEST:
        return f"one product would take some {seconds:.1f} s"
    size, most = bytes_at_once(product), settings.pick(1024 * MIB, 256 * MIB, 256 * MIB)
    if rung.prepare is at_once and size > most:
        return f"the array of all products would take {size / MIB:,.0f} MiB"
    return ""


_compiled: dict[Any, float] = {}


def compile_seconds(rung: Rung) -> float:
    """Return what the first call in this process took, most of it compiling or loading."""
    if rung.prepare not in _compiled:
        a, b, out = operands(Product("first", 8, 8, 8))
        start = time.perf_counter()
        rung.prepare(a, False, b, False, out)()
        _compiled[rung.prepare] = time.perf_counter() - start
    return _compiled[rung.prepare]


class Found(NamedTuple):
    """What a rung took for a product, and how many threads it had, if that is known."""

    seconds: list[float]
    threads: int | None
    compile_seconds: float | None


@cache
def rounds(settings: Settings, product: Product, rungs: tuple[Rung, ...]) -> dict[str, Found]:
    """Return what each rung took for a product, checked; they take turns."""
    a, b, out = operands(product)
    turns, known = {}, {}
    for rung in rungs:
        with on_threads(rung.threads):
            compiling = compile_seconds(rung) if rung.backend == "numba" else None
            call = rung.prepare(a, product.ta, b, product.tb, out)
            out.fill(np.nan)
            check(product, a, b, result(call(), out))
            count = None if on_gpu(rung) else rung.threads or threads_of(rung.backend)
        turns[rung.name], known[rung.name] = Turn(call, rung.threads), (count, compiling)
    taken = take_turns(turns, settings.pick(15, 5, 1), settings.pick(0.02, 2e-3, 0.0))
    return {name: Found(seconds, *known[name]) for name, seconds in taken.items()}


def on_gpu(rung: Rung) -> bool:
    """Whether a rung belongs to a GPU."""
    return rung.backend is not None and rung.backend.startswith("cupy")


def play(
    benchmark: Any,
    settings: Settings,
    ceilings: Callable[[str], Any],
    case: Case,
    cases: Sequence[Case],
) -> None:
    """Keep what the rounds of a product have found of a case."""
    rung, product, reason = case
    if reason:
        pytest.skip(reason)
    for name in (rung.backend or "",) if on_gpu(rung) else settings.cpu() or ("numpy",):
        ceilings(name)
    together = tuple(each.rung for each in cases if each.product == product and not each.reason)
    found = rounds(settings, product, together)[rung.name]
    info: dict[str, Any] = {"who": rung.name, **product.info()}
    info |= {"backend": rung.backend} if rung.backend else {}
    info |= {"extra_bytes": bytes_at_once(product)} if rung.prepare is at_once else {}
    for name in ("threads", "compile_seconds"):
        if (value := getattr(found, name)) is not None:
            info[name] = value
    letters = "" if product.letters == "NN" else f" {product.letters}"
    benchmark.group = product.shape + letters
    benchmark.extra_info.update(info)
    play_back(benchmark, found.seconds)


@taken_elsewhere
def test_rungs(
    benchmark: Any, settings: Settings, ceilings: Callable[[str], Any], case: Case
) -> None:
    play(benchmark, settings, ceilings, case, cases_rungs(settings))


@taken_elsewhere
def test_network(
    benchmark: Any, settings: Settings, ceilings: Callable[[str], Any], case: Case
) -> None:
    play(benchmark, settings, ceilings, case, cases_network(settings))
