"""Epochs of the same network by accelnn and by others, interleaved run by run.

Each competitor has a process of its own and keeps its network there. In a round all train an epoch
in the same order of rows, one after the other, so that a machine that slows down slows all of them;
ratios are taken within the rounds.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from accelnn.bench.arena import Arena, Entry, Player
from accelnn.bench.contestants import CONTESTANTS, OursCupy
from accelnn.bench.networks import load, weights
from accelnn.bench.peer_epochs import OURS, agreement

PLAIN = "plain numpy loop"
EVERYBODY = {**CONTESTANTS, "accelnn cupy": OursCupy}
#: It chooses its first weights and its order itself, so it cannot be held to the others'.
UNCHECKED = ("scikit-learn",)
#: Minibatches of the check, the last of which is smaller.
STEPS = 20


class Race(NamedTuple):
    """What is trained.

    Attributes
    ----------
    rows : int or None
        The first so many of the data; None for all.
    widths : tuple of int
    batch : int
    """

    rows: int | None
    widths: tuple[int, ...]
    batch: int


class Result(NamedTuple):
    """What a competitor did.

    Attributes
    ----------
    seconds : list of float
        Of its epochs, round by round.
    ratio : dict
        Its seconds over those of accelnn on Numba within the rounds: "median", and "low" and
        "high", the smallest and the largest.
    distance : float or None
        Of its weights from the plain loop's after the check, as a share of the way from the start.
    """

    seconds: list[float]
    ratio: dict[str, float]
    distance: float | None


def player(name: str, race: Race, optimizers: Sequence[str], dtypes: Sequence[str]) -> Player:
    """Return what answers (optimizer, dtype) with what the check left, (optimizer, seed) with the
    seconds of an epoch.

    The checks and a first epoch with each optimizer come before, while nothing is timed.
    """
    _, X, y = load(race.rows)
    making = EVERYBODY[name]

    def learned(optimizer: str, dtype: str) -> tuple[list[Any], float]:
        few = STEPS * race.batch - race.batch // 4
        learner = making(optimizer, X[:few].astype(dtype), y[:few], race.widths, race.batch)
        learner.train(np.arange(len(X[:few])))
        return learner.weights(), learner.loss

    checked = (
        {} if name in UNCHECKED else {(o, d): learned(o, d) for o in optimizers for d in dtypes}
    )
    kept = {o: making(o, X, y, race.widths, race.batch) for o in optimizers}

    def epoch(optimizer: str, seed: int) -> float:
        return kept[optimizer].epoch(np.random.default_rng(seed).permutation(len(X)))

    for optimizer in optimizers:
        epoch(optimizer, 0)
    return lambda task: checked[task] if task in checked else epoch(*task)


def contest(
    names: Sequence[str],
    optimizers: Sequence[str],
    race: Race,
    dtypes: Sequence[str],
    rounds: int,
    pause: float,
) -> dict[tuple[str, str], Result]:
    """Return what all did, by optimizer and name.

    Parameters
    ----------
    names : sequence of str
        Keys of ``EVERYBODY``, among them ``peer_epochs.OURS`` and ``PLAIN``.
    optimizers : sequence of {"sgd", "adam"}
    race : Race
    dtypes : sequence of str
        In which they have to agree before they are timed, which is in float32.
    rounds : int
        Of which everybody's first epoch is none.
    pause : float
        Seconds of silence before each turn.
    """
    n_in, found = load(1)[1].shape[1], dict[tuple[str, str], Result]()
    entries: dict[str, Entry] = {name: (player, (name, race, optimizers, dtypes)) for name in names}
    with Arena(entries, pause, together=True) as arena:
        for optimizer in optimizers:
            far: dict[str, float] = {}
            for dtype in dtypes:
                checked = [name for name in names if name not in UNCHECKED]
                answers = {name: arena.ask(name, (optimizer, dtype)) for name in checked}
                start = [p for pair in weights(n_in, dtype, race.widths) for p in pair]
                far = agreement(answers, start, f"{STEPS} minibatches of {optimizer} in {dtype}")
            turns = [arena.round((optimizer, seed)) for seed in range(1, rounds + 1)]
            samples = {name: [turn[name] for turn in turns] for name in names}
            for name, seconds in samples.items():
                ratio = ratios(seconds, samples[OURS])
                found[optimizer, name] = Result(seconds, ratio, far.get(name))
    return found


def ratios(seconds: list[float], ours: list[float]) -> dict[str, float]:
    """Return median, least and most of the ratios within the rounds."""
    each = [s / mine for s, mine in zip(seconds, ours, strict=True)]
    return {"median": median(each), "low": min(each), "high": max(each)}
