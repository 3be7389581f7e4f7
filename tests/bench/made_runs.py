"""Runs as the JSON has them, for comparisons."""

from typing import Any


def case(name: str, median: float, spread: float, rounds: int = 10) -> dict[str, Any]:
    """Return a benchmark as the JSON has it; ``spread`` is the quartiles' distance."""
    half = median * spread / 2
    stats = {"median": median, "q1": median - half, "q3": median + half, "rounds": rounds}
    info = {"suite": "matmul", "part": "rungs", "who": name}
    return {"group": "8 x 8 x 8", "name": name, "stats": stats, "extra_info": info}


def run_of(**cases: Any) -> dict[str, Any]:
    """Return a run with cases by name: (median, spread) or (median, spread, rounds)."""
    return {
        "machine_info": {"accelnn": {"cores": 2, "versions": {"numpy": "2.0"}}},
        "benchmarks": [case(name, *values) for name, values in cases.items()],
        "accelnn": {"settings": {"scale": "quick", "network": [8, 2]}},
    }
