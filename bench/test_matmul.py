"""How fast is each rung from three loops to a GPU, over sizes and at the products of a network?

All compute the same product in float32, and each result is compared with NumPy's in float64.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from accelnn.bench.measuring import Measure
from accelnn.bench.peer_products import Product, check, operands, training_step
from accelnn.bench.rungs import COMPILED, Rung, absent, at_once, bytes_at_once, chosen, result
from accelnn.bench.settings import Settings
from accelnn.bench.thread_counts import on_threads, threads_of

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
    full = settings.scale == "full"
    rungs = [r for r in chosen(settings) if fast(r) or (full and r.backend is not None)]
    products = list(training_step(batch, widths))
    found = [Case(r, p, against(r, p, settings)) for p in products for r in rungs]
    return found + missing(products[-1])


def fast(rung: Rung) -> bool:
    """Whether it is a library's product, with all it can use."""
    return rung.threads is None and rung.name not in COMPILED


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


def measure_case(
    measure: Measure, case: Case, ceilings: Callable[[str], Any], seconds: float
) -> None:
    """Check the product, then time it."""
    rung, product, reason = case
    if reason:
        pytest.skip(reason)
    on_gpu = rung.backend is not None and rung.backend.startswith("cupy")
    ceilings(rung.backend if on_gpu and rung.backend else (*measure.settings.cpu(), "numpy")[0])
    info: dict[str, Any] = {"who": rung.name, **product.info()}
    if rung.backend:
        info["backend"] = rung.backend
    if rung.prepare is at_once:
        info["extra_bytes"] = bytes_at_once(product)
    letters = "" if product.letters == "NN" else f" {product.letters}"
    measure.benchmark.group = product.shape + letters
    a, b, out = operands(product)
    with on_threads(rung.threads):
        if not on_gpu:
            info["threads"] = rung.threads or threads_of(rung.backend)
        if rung.backend == "numba":
            info["compile_seconds"] = compile_seconds(rung)
        call = rung.prepare(a, product.ta, b, product.tb, out)
        check(product, a, b, result(call(), out))
        measure(call, seconds=seconds, **info)


def test_rungs(measure: Measure, case: Case, ceilings: Callable[[str], Any]) -> None:
    measure_case(measure, case, ceilings, measure.settings.pick(0.6, 0.06, 0.0))


def test_network(measure: Measure, case: Case, ceilings: Callable[[str], Any]) -> None:
    measure_case(measure, case, ceilings, measure.settings.pick(0.6, 0.03, 0.0))
