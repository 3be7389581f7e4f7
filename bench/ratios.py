"""The figures that the project holds itself to, as ratios measured in one interleaved run.

``python -m accelnn.bench.ratios --out FILE.json``; some minutes. Every round runs all competitors
one after the other, so that a machine that slows down slows all of them; figures are medians.

- an epoch of the MNIST network: the backends against a plain NumPy loop, SGD and Adam; beside them
  the eight matrix products of its steps alone, which no optimizer or loop can be faster than
- ``import accelnn`` against ``import numpy``
- the first Numba fit of a process: with a cold cache, and with a warm one
- a grid search in two processes, whose fits have threads of their own, against scikit-learn's MLP
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import accelnn
from accelnn import kernels
from accelnn.backends import list_backends
from accelnn.bench.facts import machine
from accelnn.bench.networks import BATCH, RATES, PlainLoop, load, program, weights
from accelnn.paths import replace_file

FIT = """
import time, warnings
warnings.simplefilter("ignore")
import numpy as np, numba
from accelnn import MLPClassifier
X, y = np.random.default_rng(0).random((300, 20)).astype(np.float32), np.arange(300) % 3
start = time.perf_counter()
MLPClassifier(backend="numba", max_iter=2).fit(X, y)
print(time.perf_counter() - start)
"""


def interleaved(competitors: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each competitor, round by round; one round more comes first, unkept."""
    samples: dict[str, list[float]] = {name: [] for name in competitors}
    for number in range(rounds + 1):
        for name, run in competitors.items():
            seconds = run()
            if number:
                samples[name].append(seconds)
    return samples


def epochs(rounds: int) -> dict[str, Any]:
    """Seconds per epoch of all usable backends and of the plain loop."""
    data, X, y = load()
    orders = [np.random.default_rng(i).permutation(len(X)) for i in range(rounds + 1)]

    def plain(optimizer: str) -> Callable[[], float]:
        loop, left = PlainLoop(optimizer, X, y), iter(orders)

        def run() -> float:
            order = next(left)
            start = time.perf_counter()
            loop.run(order)
            return time.perf_counter() - start

        return run

    def ours(backend: str, optimizer: str) -> Callable[[], float]:
        made, left = program(backend, optimizer, X, y), iter(orders)

        def run() -> float:
            order = next(left)
            start = time.perf_counter()
            made.start_epoch(order)
            made.run(0, made.n_batches, [RATES[optimizer]] * made.n_batches)
            made.backend.synchronize()
            return time.perf_counter() - start

        return run

    def products(backend: str) -> Callable[[], float]:
        call, n = steps_of_products(backend, X.shape[1]), -(-len(X) // BATCH)

        def run() -> float:
            start = time.perf_counter()
            call(n)
            return time.perf_counter() - start

        return run

    names = [status.name for status in list_backends() if status.usable]
    found: dict[str, Any] = {"data": data.name, "rows": len(X), "batch": BATCH}
    for optimizer in RATES:
        competitors = {"plain numpy loop": plain(optimizer)}
        competitors |= {name: ours(name, optimizer) for name in names}
        competitors |= {f"products, {n}": products(n) for n in ("numpy", "numba") if n in names}
        samples = interleaved(competitors, rounds)
        found[optimizer] = {
            name: {
                "seconds": seconds,
                "median": median(seconds),
                "times the speed of the plain loop": median(
                    p / s for p, s in zip(samples["plain numpy loop"], seconds, strict=True)
                ),
            }
            for name, seconds in samples.items()
        }
    return found


def steps_of_products(backend: str, n_in: int) -> Callable[[int], None]:
    """Return what computes the eight products of n training steps, and nothing else."""
    layers = [w for w, _ in weights(n_in)]
    inputs = [np.ones((BATCH, w.shape[0]), np.float32) for w in layers]
    outputs = [np.empty((BATCH, w.shape[1]), np.float32) for w in layers]
    grads = [np.empty_like(w) for w in layers]
    calls = [(x, False, w, False, y) for x, w, y in zip(inputs, layers, outputs, strict=True)]
    calls += [(x, True, y, False, g) for x, y, g in zip(inputs, outputs, grads, strict=True)]
    deltas = list(zip(outputs, layers, inputs, strict=True))[1:]
    calls += [(y, False, w, True, np.empty_like(x)) for y, w, x in deltas]
    if backend == "numpy":

        def by_blas(n: int) -> None:
            for _ in range(n):
                for a, ta, b, tb, out in calls:
                    np.matmul(a.T if ta else a, b.T if tb else b, out=out)

        return by_blas
    matmul = kernels.load("on_numba")["matmul"]

    def by_own_gemm(n: int) -> None:
        for _ in range(n):
            for a, ta, b, tb, out in calls:
                matmul(a, b, ta=ta, tb=tb, out=out)

    return by_own_gemm


def imports(rounds: int) -> dict[str, Any]:
    """Seconds of whole processes that import accelnn, NumPy, or nothing."""

    def process(code: str) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            return time.perf_counter() - start

        return run

    samples = interleaved(
        {name: process(name) for name in ("pass", "import numpy", "import accelnn")}, rounds
    )
    found: dict[str, Any] = {
        name: {"seconds": s, "median": median(s)} for name, s in samples.items()
    }
    pairs = zip(samples["import accelnn"], samples["import numpy"], strict=True)
    found["import accelnn / import numpy"] = median(a / b for a, b in pairs)
    return found


def first_fit(rounds: int) -> dict[str, Any]:
    """Seconds of the first Numba fit in a process, after the imports."""

    def fit(cache: str) -> float:
        environment = {**os.environ, "ACCELNN_CACHE": cache}
        environment.pop("NUMBA_CACHE_DIR", None)
        done = subprocess.run(
            [sys.executable, "-c", FIT],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        return float(done.stdout)

    cold, warm = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(fit(cache))
            warm.append(fit(cache))
    return {
        "cold cache": {"seconds": cold, "median": median(cold)},
        "warm cache": {"seconds": warm, "median": median(warm)},
    }


def search(rounds: int, rows: int = 6000) -> dict[str, Any]:
    """Seconds of ``GridSearchCV(n_jobs=2)`` with six fits, of accelnn on Numba and scikit-learn."""
    _, X, y = load()
    X, y = X[:rows], y[:rows]

    def by(estimator: Any) -> Callable[[], float]:
        grid = {"alpha": [1e-4, 1e-2]}

        def run() -> float:
            start = time.perf_counter()
            GridSearchCV(estimator, grid, cv=3, n_jobs=2, refit=False).fit(X, y)
            return time.perf_counter() - start

        return run

    network: dict[str, Any] = {"hidden_layer_sizes": (256, 128), "batch_size": BATCH, "max_iter": 4}
    network |= {"random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for the processes of the search
        samples = interleaved(
            {
                "accelnn numba": by(accelnn.MLPClassifier(backend="numba", **network)),
                "scikit-learn": by(sklearn.neural_network.MLPClassifier(**network)),
            },
            rounds,
        )
    found: dict[str, Any] = {
        name: {"seconds": s, "median": median(s)} for name, s in samples.items()
    }
    pairs = zip(samples["accelnn numba"], samples["scikit-learn"], strict=True)
    found["accelnn / scikit-learn"] = median(a / b for a, b in pairs)
    return found


def main() -> None:
    """Measure, print and, with --out, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    found = {
        "machine": machine(),
        "imports": imports(4 * options.rounds),
        "first fit": first_fit(min(3, options.rounds)),
        "search": search(options.rounds),
        "epoch": epochs(options.rounds),
    }
    text = json.dumps(found, indent=2)
    if options.out:
        replace_file(options.out, (text + "\n").encode())
    for optimizer in RATES:
        for name, row in found["epoch"][optimizer].items():
            ratio = row["times the speed of the plain loop"]
            print(f"{optimizer:5} {name:17} {row['median']:7.3f} s / epoch   {ratio:5.2f} x plain")
    ratio = found["imports"]["import accelnn / import numpy"]
    print(f"import accelnn takes {ratio:.2f} x import numpy")
    ratio = found["search"]["accelnn / scikit-learn"]
    print(f"a grid search in two processes takes {ratio:.2f} x scikit-learn's")
    for name, row in found["first fit"].items():
        print(f"first Numba fit, {name}: {row['median']:.2f} s")


if __name__ == "__main__":
    main()
