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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelnn.bench.facts import QUIET, facts, foreign_seconds
from accelnn.bench.networks import RATES
from accelnn.bench.peer_epochs import epoch_lines, epochs, precisions
from accelnn.bench.peer_products import compare, product_lines
from accelnn.bench.peer_small import one_row, small_lines, small_steps
from accelnn.paths import replace_file


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
