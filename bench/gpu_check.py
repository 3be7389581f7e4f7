"""One command for a machine with a GPU: its tests, then what every claim about speed rests on.

``python -m accelnn.bench.gpu_check``, from a checkout; eight minutes at most. It prints tables and
writes ``bench/results/gpu.json``, after each answer, so that nothing is lost if it is ended. It
needs CuPy, NumPy, Numba, scikit-learn, pytest and pytest-benchmark; PyTorch and JAX are measured
where they are installed, and nothing is downloaded. MNIST is read from the folder ``ACCELNN_DATA``;
without it, images are made up.

- ``tests``: the tests marked ``gpu``
- ``accuracy``: each way of running a program, held against NumPy, and trained on MNIST
- ``floor``: an empty graph node, the grid barrier, launches from Python
- ``products``: cuBLAS on the products of an epoch, in three precisions
- ``tile``: the engine's own tile beside cuBLAS
- ``epochs``: MNIST 784-512-512-10 beside PyTorch and JAX
- ``suites``: the suites of ``accelnn bench``, whose JSON lies beside
- ``start``: the first call of a process, with a cold and with a warm cache
- ``uses``: a prediction, an estimator, data that come from the host

Without a GPU it says why and what to do, writes nothing and exits with code 2.
"""

import argparse
import sys
from pathlib import Path

from accelnn.backends.cupy_probe import probe
from accelnn.bench.gpu_accuracy import accuracy
from accelnn.bench.gpu_device import Cuda, Device
from accelnn.bench.gpu_epochs import epochs
from accelnn.bench.gpu_floor import floor, products
from accelnn.bench.gpu_report import lines
from accelnn.bench.gpu_run import Part, Run
from accelnn.bench.gpu_suites import suites
from accelnn.bench.gpu_tests import tests
from accelnn.bench.gpu_tile import tile
from accelnn.bench.gpu_uses import start, uses

OUTPUT = Path("bench/results/gpu.json")
#: Shares of the time; what a part does not need goes to those after it. Right comes before fast.
PARTS = (
    Part("tests", 25, tests),
    Part("accuracy", 10, accuracy),
    Part("floor", 4, floor),
    Part("products", 8, products),
    Part("tile", 10, tile),
    Part("epochs", 35, epochs),
    Part("suites", 30, suites),
    Part("start", 4, start),
    Part("uses", 4, uses),
)


def main(arguments: list[str] | None = None, device: Device | None = None) -> int:
    """Run the parts, print and write; return the exit code: 1 where something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all parts together")
    parser.add_argument("--parts", help=f"with commas, of {','.join(p.name for p in PARTS)}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="JSON file to write")
    options = parser.parse_args(arguments)
    chosen = options.parts.split(",") if options.parts else [part.name for part in PARTS]
    if unknown := set(chosen) - {part.name for part in PARTS}:
        parser.error(f"--parts: {', '.join(sorted(unknown))} is no part")
    if device is None and not (found := probe()).usable:
        print(f"gpu_check cannot run: {found.reason}. {found.remedy}", file=sys.stderr)
        return 2
    with Run(device or Cuda(), 60 * options.minutes, options.output) as run:
        run.measure(part for part in PARTS if part.name in chosen)
    show(lines(run.found))
    print(f"written to {options.output}")
    return int(any(part["state"] != "done" for part in run.found["parts"].values()))


def show(text: list[str]) -> None:
    """Print Markdown, by rich where it is installed."""
    try:
        from rich.console import Console
        from rich.markdown import Markdown
    except ImportError:
        print("\n".join(text))
    else:
        Console().print(Markdown("\n".join(text)))


if __name__ == "__main__":
    sys.exit(main())
