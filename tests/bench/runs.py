"""Runs that nobody measured, in the form in which the bench writes its JSON.

The numbers follow simple rules, so that a test can say what the report has to find in them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

BACKENDS = ("numpy", "numba")
#: Operations per second and bytes per second of a made-up backend.
PEAK, BANDWIDTH = 100e9, 20e9
LADDER = {  # rung -> operations per second for large sizes, seconds of a call's overhead, most n
    "three loops in Python": (8e6, 0.0, 128),
    "all products at once, then the sums": (0.6e9, 2e-6, 256),
    "three loops, compiled": (1.1e9, 0.3e-6, 1024),
    "loops in another order": (9e9, 0.3e-6, 2048),
    "blocks of B": (14e9, 0.4e-6, 2048),
    "tiles of C in registers": (44e9, 0.6e-6, 2048),
    "tiles, all threads": (82e9, 9e-6, 2048),
    "accelnn's product, 1 thread": (47e9, 0.7e-6, 2048),
    "accelnn's product, all threads": (88e9, 8e-6, 2048),
    "NumPy's product, 1 thread": (48e9, 0.5e-6, 2048),
    "NumPy's product, all threads": (91e9, 5e-6, 2048),
}
METHODS: dict[str, Callable[[int], float]] = {  # method -> multiplications in P parameters
    "forward": lambda P: P,
    "backward": lambda P: 2 * P,
    "forward differences": lambda P: P * (P + 1),
    "central differences": lambda P: 2 * P * P,
    "sum over paths": lambda P: P**1.5,
}
KERNELS = {  # kernel -> operations per element, bytes per element
    "relu": (1, 8),
    "relu backward": (1, 12),
    "tanh": (12, 8),
    "softmax": (16, 8),
    "cross entropy": (18, 8),
    "sgd step": (2, 12),
    "adam step": (14, 28),
}


def bench(
    part: str,
    who: str,
    seconds: float | None,
    *,
    group: str = "",
    spread: float = 0.04,
    **extra: Any,
) -> dict[str, Any]:
    """A benchmark of the merged JSON; ``part`` is "suite/part"."""
    suite, _, name = part.partition("/")
    stats: dict[str, Any] = {"median": None, "q1": None, "q3": None, "data": []}
    if seconds is not None:
        low, high = seconds * (1 - spread / 2), seconds * (1 + spread / 2)
        stats = {"median": seconds, "q1": low, "q3": high, "data": [low, seconds, high]}
    base = {"suite": suite, "part": name, "who": who, "spread": spread, "noisy": spread > 0.15}
    return {
        "group": group or who,
        "name": f"test_{name}[{who}]",
        "params": {},
        "stats": stats,
        "extra_info": base | extra,
    }


def run(
    benches: Iterable[dict[str, Any]],
    *,
    cpu: str = "Imaginary CPU @ 3 GHz",
    scale: str = "full",
    others: float = 0.02,
    not_run: dict[str, list[dict[str, str]]] | None = None,
    backends: Sequence[str] = BACKENDS,
) -> dict[str, Any]:
    """A merged document of these benchmarks; its parts are those that they name."""
    found = list(benches)
    infos = [each["extra_info"] for each in found]
    names = dict.fromkeys([*(f"{i['suite']}/{i['part']}" for i in infos), *(not_run or {})])
    ceilings = {name: {"flops": PEAK, "bandwidth": BANDWIDTH} for name in backends}
    return {
        "datetime": "2026-03-01T12:34:56.789+00:00",
        "version": "5.2.0",
        "machine_info": {
            "python_version": "3.12.1",
            "accelnn": {
                "cores": 8,
                "backends": [
                    {"name": name, "usable": True, "device": cpu, "threads": 8} for name in backends
                ],
                "flags": {"avx2": True, "fma": False},
                "memory": None,
                "versions": {"accelnn": "0.1.0", "numpy": "2.4.0"},
            },
        },
        "benchmarks": found,
        "accelnn": {
            "parts": {
                name: {
                    "scale": scale,
                    "seconds": 12.0,
                    "cores of others": others,
                    "ceilings": ceilings if name in ("matmul/rungs", "scaling/roofline") else {},
                    "not_run": (not_run or {}).get(name, []),
                }
                for name in names
            },
            "settings": {"scale": scale, "network": [784, 512, 512, 10]},
        },
    }


def everything(factor: float = 1.0, **options: Any) -> dict[str, Any]:
    """A run of every part; with ``factor`` a machine on which all takes so much longer."""
    options.setdefault(
        "not_run",
        {"matmul/rungs": [{"name": "CuPy (cuBLAS)", "reason": "CuPy is not installed"}]},
    )
    made = [
        *ladder(factor), *network(factor), *scaling(factor), *kernels(factor), *gradients(factor),
        *training(factor), *prediction(factor), *peers(factor),
        *estimators(factor), *graph(factor),
    ]  # fmt: skip
    return run(made, **options)


def ladder(
    factor: float = 1.0, sizes: Sequence[int] = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
) -> list[dict[str, Any]]:
    return [
        product("matmul/rungs", name, n, n, n, factor * (2 * n**3 / rate + start))
        for n in sizes
        for name, (rate, start, most) in LADDER.items()
        if n <= most
    ]


def product(
    part: str, who: str, n: int, k: int, m: int, seconds: float, letters: str = "NN", **extra: Any
) -> dict[str, Any]:
    """A product with its counts."""
    work, span = n * m * (2 * k - 1), 1 + math.ceil(math.log2(k))
    counts: dict[str, Any] = {
        "multiplications": n * k * m,
        "additions": n * m * (k - 1),
        "work": work,
        "span": span,
        "parallelism": work / span,
        "flops": 2 * n * k * m,
        "bytes": 4 * (n * k + k * m + n * m),
    }
    if who.startswith("all products"):
        counts["extra_bytes"] = 4 * n * k * m
    group = f"{n} x {k} x {m}{'' if letters == 'NN' else f' {letters}'}"
    shape: dict[str, Any] = {"n": n, "k": k, "m": m, "letters": letters, "backend": "numba"}
    return bench(part, who, seconds, group=group, **(shape | counts | extra))


def network(factor: float = 1.0) -> list[dict[str, Any]]:
    shapes = [
        (128, 784, 512, "NN"), (784, 128, 512, "TN"), (128, 512, 512, "NN"), (512, 128, 512, "TN"),
        (128, 512, 512, "NT"), (128, 512, 10, "NN"), (512, 128, 10, "TN"), (128, 10, 512, "NT"),
    ]  # fmt: skip
    return [
        product("matmul/network", name, n, k, m, factor * (2 * n * k * m / rate + start), letters)
        for n, k, m, letters in shapes
        for name, (rate, start, _) in list(LADDER.items())[5:]
    ]


def scaling(
    factor: float = 1.0, threads: Sequence[int] = (1, 2, 3, 4, 6, 8)
) -> list[dict[str, Any]]:
    made = []
    for name, serial in {"product of 1024": 0.05, "ReLU of 10,000,000": 0.6, "step": 0.25}.items():
        for t in threads:
            strong = factor * 0.1 * (serial + (1 - serial) / t)
            weak = factor * 0.1 * (1 + serial * (t - 1) / 4)
            shape: dict[str, Any] = {"group": name, "threads": t, "backend": "numba"}
            made.append(bench("scaling/strong", name, strong, size=1024, **shape))
            made.append(bench("scaling/weak", name, weak, size=1024 * t, **shape))
    points = {"product 1024": (170.0, 0.9), "product 64": (10.6, 0.4), "add": (1 / 12, 0.8),
              "row sums": (0.25, 0.85)}  # fmt: skip
    for name, (at, share) in points.items():
        flops = 2e9
        seconds = factor * flops / (share * min(PEAK, BANDWIDTH * at))
        extra: dict[str, Any] = {
            "kernel": name,
            "intensity": at,
            "flops": flops,
            "bytes": flops / at,
        }
        made.append(bench("scaling/roofline", name, seconds, backend="numba", **extra))
    return made


def kernels(factor: float = 1.0, elements: int = 1_000_000) -> list[dict[str, Any]]:
    made = []
    for place, (name, (flops, moved)) in enumerate(KERNELS.items()):
        for backend, share in (("numpy", 0.25), ("numba", 0.8)):
            seconds = factor * elements * max(flops / PEAK, moved / BANDWIDTH) / share
            cost: dict[str, Any] = {
                "flops": flops * elements,
                "bytes": moved * elements,
                "elements": elements,
            }
            noise = 0.23 if (place, backend) == (2, "numpy") else 0.05
            made.append(
                bench("kernels/single", f"{name}, {backend}", seconds, group=name, spread=noise,
                      kernel=name, backend=backend, **cost)
            )  # fmt: skip
    for chain, gain in {"bias, ReLU": 1.7, "loss and its gradient": 2.4, "adam": 1.02}.items():
        for backend in BACKENDS:
            for who, seconds in (("one after the other", 1e-3 * gain), ("fused", 1e-3)):
                shape: dict[str, Any] = {
                    "chain": chain,
                    "backend": backend,
                    "group": f"{chain}, {backend}",
                }
                made.append(bench("kernels/fused", who, factor * seconds, **shape))
    return made


def gradients(
    factor: float = 1.0, networks: Sequence[Sequence[int]] = ((3, 5, 2), (16, 32, 10), (64, 64, 10))
) -> list[dict[str, Any]]:
    made = []
    for widths in networks:
        P = sum(a * b + b for a, b in pairwise(widths))
        for method, rule in METHODS.items():
            text = "-".join(map(str, widths))
            extra: dict[str, Any] = {"method": method, "widths": text, "parameters": P}
            extra |= {"multiplications": round(rule(P)), "additions": round(0.9 * rule(P))}
            seconds = factor * 1e-9 * rule(P)
            made.append(bench("backprop_cost/cost", method, seconds, group=text, **extra))
    return made


def training(factor: float = 1.0, backends: Sequence[str] = BACKENDS) -> list[dict[str, Any]]:
    made = []
    for backend in backends:
        slow = factor * {"numba": 1.0, "numpy": 2.2}.get(backend, 1.4)
        for optimizer in ("sgd", "adam"):
            case: dict[str, Any] = {"backend": backend, "optimizer": optimizer}
            who = f"{backend}, {optimizer}"
            for batch in (32, 128, 512, 4096):
                seconds = slow * (0.8 + 40 / batch)
                sizes: dict[str, Any] = {"batch": batch, "rows": 60_000, "data": "MNIST"}
                made.append(bench("mnist/epoch", who, seconds, group=f"{optimizer} {batch}",
                                  **case, **sizes))  # fmt: skip
            quick = {"sgd": 0.5, "adam": 0.9}[optimizer]
            curve = [[slow * (e + 1), 0.985 - 0.08 * math.exp(-quick * e)] for e in range(8)]
            goals: dict[str, Any] = {
                f"to_{goal}": next((s for s, a in curve if a >= goal / 100), None)
                for goal in (97, 98)
            }
            made.append(bench("mnist/accuracy", who, slow, batch=128, curve=curve,
                              loss=[0.4 / (e + 1) for e in range(8)], **goals, **case))  # fmt: skip
        floor = 190e6
        made.append(bench("mnist/memory", backend, slow, backend=backend, peak_bytes=floor * 1.3,
                          floor_bytes=floor))  # fmt: skip
        made.append(profile(backend, slow))
    return [*made, *rungs(factor)]


def profile(backend: str, slow: float, share: float = 0.8) -> dict[str, Any]:
    """An epoch in which the products take this share of 1.2 s."""
    names = ["layer 1 forward", "layer 1 weights", "layer 2 forward", "layer 2 weights",
             "layer 2 inputs", "layer 3 forward", "layer 3 weights", "layer 3 inputs"]  # fmt: skip
    parts = [0.24, 0.24, 0.16, 0.16, 0.16, 0.012, 0.014, 0.014]
    whole = 1.2 * slow
    products = [
        {"name": name, "n": 128, "k": 784, "m": 512, "letters": "NN", "calls": 469,
         "seconds": share * whole * part, "gflops_inside": 60 * (1 - i / 12),
         "gflops_alone": 75 * (1 - i / 14)}
        for i, (name, part) in enumerate(zip(names, parts, strict=True))
    ]  # fmt: skip
    rest = {"bias and ReLU": (1 - share) * whole * 0.5, "optimizer": (1 - share) * whole * 0.3}
    return bench(
        "mnist/profile", backend, whole, backend=backend, optimizer="sgd", batch=128,
        products=products, rest=rest, kernels=[], predicted_seconds=share * whole * 0.95,
        measured_seconds=whole, profiled_seconds=whole,
    )  # fmt: skip


def rungs(factor: float = 1.0) -> list[dict[str, Any]]:
    made = []
    for name, (rate, _, _) in LADDER.items():
        seconds = factor * 2e8 / rate
        extra: dict[str, Any] = {
            "rung": name,
            "batch": 128,
            "batches": 3 if rate < 1e7 else 40,
            "distance": 3e-7,
        }
        made.append(bench("mnist/rungs", name, seconds + factor * 8e-4, product_seconds=seconds,
                          step_seconds=seconds + factor * 8e-4, **extra))  # fmt: skip
    return made


def prediction(factor: float = 1.0) -> list[dict[str, Any]]:
    made = []
    for backend, start in (("numpy", 18e-6), ("numba", 25e-6)):
        for rows in (1, 8, 64, 512, 4096, 60_000):
            seconds = factor * (start + rows * 1.6e-5 / (1 + rows / 8))
            extra: dict[str, Any] = {
                "p50": seconds,
                "p99": 1.6 * seconds,
                "rows_per_second": rows / seconds,
            }
            made.append(bench("predict/rows", backend, seconds, backend=backend, rows=rows,
                              spread=0.3 if rows == 1 else 0.05, **extra))  # fmt: skip
    return made


def peers(factor: float = 1.0) -> list[dict[str, Any]]:
    ratios = {"accelnn, numba": (1.0, 1.0, 1.0), "accelnn, numpy": (2.1, 2.0, 2.3),
              "scikit-learn": (6.5, 6.1, 7.0), "PyTorch, compiled": (1.05, 0.9, 1.2),
              "JAX": (0.8, 0.75, 0.85)}  # fmt: skip
    return [
        bench("peers/epochs", who, factor * median, group=optimizer, optimizer=optimizer,
              ratio={"median": median, "low": low, "high": high}, mine=who.startswith("accelnn"))
        for optimizer in ("sgd", "adam")
        for who, (median, low, high) in ratios.items()
    ]  # fmt: skip


def estimators(factor: float = 1.0) -> list[dict[str, Any]]:
    made = []
    entrants = {"scikit-learn": ("", 1.0), "accelnn numba": ("numba", 5.0),
                "accelnn auto": ("numpy", 0.9)}  # fmt: skip
    for part, aims in (("fit", (4.0, 4.5)), ("row", (0.45, 0.5))):
        for (problem, dtype), aim in zip(
            (("iris", "float32"), ("mnist", "float64")), aims, strict=True
        ):
            for who, (backend, speed) in entrants.items():
                middle = speed if part == "fit" else 1 / speed
                extra: dict[str, Any] = {
                    "ratio": {"median": middle, "low": 0.9 * middle, "high": 1.1 * middle},
                         "target": aim if backend == "numba" else None,
                         "epochs": 7, "parameters": 803}  # fmt: skip
                made.append(bench(f"estimators/{part}", who, factor / speed, problem=problem,
                                  x_dtype=dtype, dtype="float32", backend=backend,
                                  mine=who != "scikit-learn", **extra))  # fmt: skip
    for dtype, accuracies in {"float64": [0.98, 0.982], "float32": [0.979, 0.981]}.items():
        made.append(bench("estimators/accuracy", "accelnn numba", factor, dtype=dtype, epochs=5,
                          accuracies=accuracies))  # fmt: skip
    made += [
        bench("estimators/memory", who, factor, dtype="float32", data_bytes=188e6,
              peak_bytes=30 << 20, limit_bytes=limit)
        for who, limit in (("accelnn numba", 75 << 20), ("scikit-learn", None))
    ]  # fmt: skip
    return made


def graph(factor: float = 1.0) -> list[dict[str, Any]]:
    added = {"tensor + tensor": 3e-6, "linear": 6e-6}
    made = [
        bench("graph/overhead", who, factor * (middle + 2e-6), backend=backend, target=5e-6,
              arrays_seconds=2e-6 * factor,
              overhead={"median": middle, "low": 0.9 * middle, "high": 1.1 * middle})
        for backend in BACKENDS
        for who, middle in added.items()
    ]  # fmt: skip
    for optimizer in ("sgd", "adam"):
        for threads in (None, 1):
            ratios = {"numpy program": 1.0, "numba eager": 1.3,
                      "numpy eager": 1.1 if threads else 1.2}  # fmt: skip
            made += [
                bench("graph/step", who, factor * middle, optimizer=optimizer, threads=threads,
                      target=1.15 if who == "numpy eager" else None,
                      ratio={"median": middle, "low": 0.9 * middle, "high": 1.1 * middle})
                for who, middle in ratios.items()
            ]  # fmt: skip
    return made
