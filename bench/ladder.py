"""What does each rung from three loops to our own matrix product gain?

``python -m accelnn.bench.ladder --out FILE.json``; some minutes. Each round measures all rungs, our
own product and NumPy's, one after the other, each in a process of its own that sleeps while another
one works. A gain is the median of the ratios within the rounds, as is the share of the speed of the
micro-kernel, which runs alone in the same round, on as many threads.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numba
import numpy as np

from accelnn.bench.arena import Arena, Entry, Player, repetitions, timed
from accelnn.bench.peer_products import Product, by_numpy, by_ours, operands
from accelnn.bench.peers import QUIET, foreign_seconds
from accelnn.bench.products import micro_kernel_speed
from accelnn.bench.ratios import machine
from accelnn.kernels.on_numba.ladder import LADDER
from accelnn.paths import replace_file

ONE, ALL = "accelnn, 1 thread", "accelnn"
TILES_ONE, TILES_ALL = "micro-kernel, 1 thread", "micro-kernel"
#: What each is compared with: the rung before, with the same threads or the same loops.
BEFORE = {
    "python_loops": None,
    "naive": "python_loops",
    "reordered": "naive",
    "blocked": "reordered",
    "tiled": "blocked",
    "parallel": "tiled",
    ONE: "tiled",
    ALL: ONE,
    "numpy": ALL,
}
ON_ALL_THREADS = ("parallel", ALL, "numpy")
PRODUCTS = [Product("forward", 128, 784, 512), Product("square", 512, 512, 512)]
#: What Python's own loops are measured on: they would take minutes for the others.
TINY = Product("tiny", 48, 48, 48)
#: Seconds of a timing, of many calls in a row if need be.
LEAST = 0.02


def player(name: str, least: float) -> Player:
    """Return what answers a product with the operations per second of one competitor."""
    if name.endswith("1 thread"):
        config: Any = numba.config
        config.NUMBA_NUM_THREADS = 1  # read when the pool is made, on first use
    if name in (TILES_ONE, TILES_ALL):
        return lambda _product: micro_kernel_speed(seconds=least)
    ready: dict[Product, Any] = {}

    def speed(product: Product) -> float:
        product = TINY if name == "python_loops" else product
        if product not in ready:
            ready[product] = prepared(name, product, least)
        call, times = ready[product]
        return 2 * product.n * product.k * product.m / timed(call, times)

    return speed


def prepared(name: str, product: Product, least: float) -> tuple[Any, int]:
    """Return the call, its result checked, and how many of them make a timing."""
    a, b, out = operands(product)
    if name in LADDER:
        call: Callable[[], Any] = partial(LADDER[name], a, b, out)
    else:
        call = (by_numpy if name == "numpy" else by_ours)(a, False, b, False, out)
    call()
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4)
    return call, repetitions(call, least)


def row(name: str, speeds: dict[str, list[float]]) -> dict[str, Any]:
    """Return what is recorded of one competitor, given all speeds, round by round."""
    before, tiles = BEFORE[name], TILES_ALL if name in ON_ALL_THREADS else TILES_ONE
    return {
        "GFLOP/s": median(speeds[name]) / 1e9,
        "each round": [speed / 1e9 for speed in speeds[name]],
        "before": before,
        "gain": ratio(speeds[name], speeds[before]) if before else None,
        "share of the micro-kernel": ratio(speeds[name], speeds[tiles]),
    }


def ratio(one: list[float], other: list[float]) -> float:
    """Return the median of the ratios within the rounds."""
    return median(x / y for x, y in zip(one, other, strict=True))


def measure(rounds: int, least: float) -> dict[str, Any]:
    """Return, for each product, a row for each competitor."""
    names = [*BEFORE, TILES_ONE, TILES_ALL]
    entries: dict[str, Entry] = {name: (player, (name, least)) for name in names}
    found: dict[str, Any] = {}
    with Arena(entries) as arena:
        for product in PRODUCTS:
            speeds = arena.contest([product] * (rounds + 1))  # the first one is a warm-up
            label = f"{product.n} x {product.k} x {product.m}"
            found[label] = {name: row(name, speeds) for name in BEFORE}
            for tiles in (TILES_ONE, TILES_ALL):
                found[label][tiles] = {"GFLOP/s": median(speeds[tiles]) / 1e9}
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """Return the products as tables."""
    made = []
    for label, rows in found.items():
        made.append(f"\n{label + ', float32':24}{'GFLOP/s':>10}{'of tiles':>10}{'gain':>8}")
        for name, each in rows.items():
            line = f"{name:24}{each['GFLOP/s']:10.4g}"
            if "before" in each:
                line += f"{each['share of the micro-kernel']:10.2%}"
            if each.get("before"):
                line += f"{each['gain']:8.2f} x {each['before']}"
            made.append(line)
    return made


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and, with --out, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--least", type=float, default=LEAST, help="seconds of a timing")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    facts: dict[str, Any] = {"rounds": options.rounds, "least seconds": options.least}
    before, start = foreign_seconds(), time.perf_counter()
    products = measure(options.rounds, options.least)
    after, seconds = foreign_seconds(), time.perf_counter() - start
    print(*lines(products), sep="\n")
    if before is not None and after is not None:
        facts["cores of others"] = cores = (after - before) / seconds
        if cores > QUIET:
            print(f"DISTURBED: other programs used {cores:.2f} cores; do not quote these figures")
    if options.out:
        found = {"machine": machine(), **facts, "products": products}
        replace_file(options.out, (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
