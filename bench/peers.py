"""accelnn beside its peers: epochs, products and small calls, each library in its own process.

``python -m accelnn.bench.peers --out FILE.json``; about half an hour. Each round runs all
competitors one after the other, in processes that sleep while another one works; seconds are
medians, and a ratio is the median of the ratios within the rounds. PyTorch and JAX are measured
where they are installed. Nothing else may run meanwhile: two libraries that share their cores with
a third program wait for their own threads, and lose far more than the share that it takes. What
other programs used is recorded with each part.

- ``epochs``: an epoch of 784-512-512-10 on MNIST, SGD and Adam; the floor is the time of its
  products at the speed of accelnn's micro-kernel, measured in the same rounds
- ``precisions``: the same epoch in float64
- ``products``: the matrix products of a training step, two large ones, and odd sizes
- ``row``: the forward pass of one row
- ``step``: a training step of 4-16-3
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from accelnn.bench.networks import RATES
from accelnn.bench.peer_epochs import epoch_lines, epochs, precisions
from accelnn.bench.peer_products import compare, product_lines
from accelnn.bench.peer_small import one_row, small_lines, small_steps
from accelnn.bench.ratios import machine
from accelnn.paths import replace_file

LIBRARIES = ("numpy", "numba", "scikit-learn", "torch", "jax", "jaxlib")
#: What tells a library how many threads to start.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "XLA_FLAGS",
)
FLAGS = ("avx2", "fma", "avx512f")
#: Cores that other programs may use, on average over a part, before its figures are doubted; a
#: short part on a quiet machine reads up to 0.05, as the clock of the system ticks in 10 ms.
QUIET = 0.1


def facts() -> dict[str, Any]:
    """What the figures were taken on, and by which versions."""
    return {
        **machine(),
        "flags": cpu_flags(),
        "threads by environment": {n: os.environ[n] for n in THREADS if n in os.environ},
        "versions": {name: installed(name) for name in LIBRARIES},
    }


def cpu_flags() -> dict[str, bool] | None:
    """Return which instructions the processor has; None where the system does not say."""
    path = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not path.exists():
        return None
    words = set(path.read_text(encoding="utf-8").split())
    return {flag: flag in words for flag in FLAGS}


def installed(name: str) -> str | None:
    """Return the version of a library, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def foreign_seconds() -> float | None:
    """Return the processor seconds of all programs but this one and its ended children.

    With those that a virtual machine's host kept for itself; only differences have a meaning. None
    where the system does not say.
    """
    path = Path("/proc/stat")
    if not path.exists():
        return None
    ticks = [int(word) for word in path.read_text(encoding="utf-8").split("\n")[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    used = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return used - sum(os.times()[:4])


def parts(options: argparse.Namespace) -> dict[str, tuple[Callable[[], Any], Any]]:
    """Return what measures each part, and what prints it."""
    rounds, rows, least = options.rounds, options.rows, options.least

    def step_lines(found: dict[str, Any]) -> list[str]:
        return [
            line
            for optimizer in RATES
            for line in small_lines(found[optimizer], f"a step of 4-16-3, batch 32, {optimizer}")
        ]

    return {
        "epochs": (lambda: epochs(rounds, rows), epoch_lines),
        "precisions": (lambda: precisions(rounds, rows), epoch_lines),
        "products": (lambda: compare(rounds, options.odd, least), product_lines),
        "row": (
            lambda: one_row(rounds, least),
            lambda found: small_lines(found, "one row of 784-512-512-10"),
        ),
        "step": (lambda: small_steps(rounds, least), step_lines),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and, with --out, write; the file grows part by part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--only", help="parts, with commas: epochs,precisions,products,row,step")
    parser.add_argument("--rows", type=int, help="train on the first so many rows only")
    parser.add_argument("--odd", type=int, default=40, help="number of odd sizes")
    parser.add_argument("--least", type=float, default=0.02, help="seconds of a short timing")
    options = parser.parse_args(arguments)
    known = parts(options)
    chosen = options.only.split(",") if options.only else list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"--only: {', '.join(sorted(unknown))} is not one of {', '.join(known)}")
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    found: dict[str, Any] = {"machine": facts(), "rounds": options.rounds, "cores of others": {}}
    for name in chosen:
        measure, lines = known[name]
        before, start = foreign_seconds(), time.perf_counter()
        found[name] = measure()
        after, seconds = foreign_seconds(), time.perf_counter() - start
        print(f"\n{name}", *lines(found[name]), sep="\n", flush=True)
        if before is not None and after is not None:
            found["cores of others"][name] = cores = (after - before) / seconds
            if cores > QUIET:
                print(f"DISTURBED: other programs used {cores:.2f} cores; do not quote {name}")
        if options.out:
            replace_file(options.out, (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
