"""Epochs of the MNIST network, each contestant in its own process.

Before an optimizer is timed, all contestants but scikit-learn train on 20 minibatches, the last one
smaller, and must arrive at the plain loop's weights.
"""

from statistics import median
from typing import Any

import numpy as np

from accelnn.bench.arena import Arena, Entry, Player
from accelnn.bench.contestants import CONTESTANTS, available, distance, flops
from accelnn.bench.networks import BATCH, RATES, load, weights

#: What the seconds of all others are divided by.
OURS = "accelnn numba"
FLOOR = "floor"
#: Rows of the check: 19 full minibatches and one of 96 rows, as many as MNIST's last one has.
CHECKED = 20 * BATCH - 32
#: How far from the plain loop's weights, as a share of the way from the start. In float64 nothing
#: but rounding is left, so this says that all compute the same. In float32 it is some 1e-6, but a
#: unit that is at the edge of its ReLU for a row may be on in one library and off in another; Adam
#: then moves its weights by whole steps, be the gradient ever so small, which came to 0.02.
TOLERANCES = {"float64": 1e-9, "float32": 0.05}


def runner(name: str, optimizer: str, dtype: str, rows: int | None) -> Player:
    """Return what takes the seed of an order, trains an epoch, and returns its seconds."""
    _, X, y = load(rows)
    contestant = CONTESTANTS[name](optimizer, X.astype(dtype), y)

    def run(seed: int) -> float:
        return contestant.epoch(np.random.default_rng(seed).permutation(len(X)))

    return run


def learner(name: str, optimizer: str) -> Player:
    """Return what takes a dtype, trains on the rows of the check, and returns (weights, loss)."""
    _, X, y = load(CHECKED)

    def learn(dtype: str) -> tuple[list[Any], float]:
        contestant = CONTESTANTS[name](optimizer, X.astype(dtype), y)
        contestant.train(np.arange(len(X)))
        return contestant.weights(), contestant.loss

    return learn


def floor_runner(rows: int, n_in: int) -> Player:
    """Return what measures the micro-kernel and returns an epoch's seconds at its speed."""
    from accelnn.kernels.on_numba.peak import micro_kernel_speed

    def run(_seed: int) -> float:
        return float(flops(rows, n_in) / micro_kernel_speed())

    return run


def has_floor() -> bool:
    """Return whether the micro-kernel's speed can be measured; say so if not."""
    try:
        import accelnn.kernels.on_numba.peak  # noqa: F401
    except ImportError as error:
        print(f"the floor is left out: {error}")
        return False
    return True


def check(names: list[str], optimizer: str, n_in: int) -> dict[str, dict[str, float]]:
    """Return the distances from the plain loop by dtype and name; raise where one is too large."""
    reference, found = "plain numpy loop", dict[str, dict[str, float]]()
    entries: dict[str, Entry] = {
        name: (learner, (name, optimizer)) for name in (*names, reference) if name != "scikit-learn"
    }
    with Arena(entries) as arena:
        for dtype in TOLERANCES:
            answers = arena.round(dtype)
            start = [p for pair in weights(n_in, dtype) for p in pair]
            found[dtype] = agreement(answers, start, f"20 minibatches of {optimizer} in {dtype}")
    return found


def agreement(
    answers: dict[str, tuple[list[Any], float]], start: list[Any], what: str
) -> dict[str, float]:
    """Return the distances of (weights, loss) from the plain loop's; raise where one is too large.

    The dtype of the first weights says which of ``TOLERANCES`` is meant.
    """
    reference, found = "plain numpy loop", dict[str, float]()
    expected, loss = answers[reference]
    bound = TOLERANCES[str(start[0].dtype)]
    for name, (actual, own_loss) in answers.items():
        far = max(distance(actual, expected, start), abs(own_loss / loss - 1))
        if not far <= bound:  # a NaN fails
            raise AssertionError(
                f"after {what}, {name} is {far:.1e} of the way from the {reference}; {bound:.0e} "
                "is allowed"
            )
        found[name] = far
    return found


def ratios(samples: dict[str, list[float]], ours: str) -> dict[str, dict[str, Any]]:
    """Return seconds, median, and the median of the ratios to ``ours`` within the rounds."""
    return {
        name: {
            "seconds": seconds,
            "median": median(seconds),
            f"times {ours}": median(
                s / mine for s, mine in zip(seconds, samples[ours], strict=True)
            ),
        }
        for name, seconds in samples.items()
    }


def epochs(rounds: int, rows: int | None = None) -> dict[str, Any]:
    """Measure all contestants and the floor with both optimizers, on the first ``rows`` rows."""
    data, X, _ = load(rows)
    n, n_in = X.shape
    names, with_floor = available(), has_floor()
    found: dict[str, Any] = {"data": data.name, "rows": n, "batch": BATCH, "check": {}}
    for optimizer in RATES:
        found["check"][optimizer] = check(names, optimizer, n_in)
        entries: dict[str, Entry] = {
            name: (runner, (name, optimizer, "float32", rows)) for name in names
        }
        if with_floor:
            entries[FLOOR] = (floor_runner, (n, n_in))
        with Arena(entries) as arena:
            found[optimizer] = ratios(arena.contest(range(rounds + 1)), OURS)
    return found


def precisions(rounds: int, rows: int | None = None) -> dict[str, Any]:
    """Measure accelnn on Numba in float64 beside float32."""
    found: dict[str, Any] = {}
    for optimizer in RATES:
        entries: dict[str, Entry] = {
            dtype: (runner, (OURS, optimizer, dtype, rows)) for dtype in ("float32", "float64")
        }
        with Arena(entries) as arena:
            found[optimizer] = ratios(arena.contest(range(rounds + 1)), "float32")
    return found


def epoch_lines(found: dict[str, Any]) -> list[str]:
    """Return what ``epochs`` or ``precisions`` found as a table."""
    made = [f"{'one epoch':18}" + "".join(f"{o + ', s':>10}{'x ours':>8}" for o in RATES)]
    for name in found["sgd"]:
        cells = ""
        for optimizer in RATES:
            row = found[optimizer][name]
            ratio = next(value for key, value in row.items() if key.startswith("times "))
            cells += f"{row['median']:10.3f}{ratio:8.2f}"
        made.append(f"{name:18}{cells}")
    return made
