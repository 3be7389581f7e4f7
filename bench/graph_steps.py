"""Eager training steps beside NumPy's program, on the same minibatches, in turns."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from accelnn import nn
from accelnn.backends import get_backend
from accelnn.bench.networks import RATES, load, network, program
from accelnn.bench.peer_rounds import ratios
from accelnn.bench.settings import Settings
from accelnn.bench.turns import Turn, take_turns

#: What the others are held against.
PROGRAM = "numpy program"
#: Minibatches of a turn: few, as who takes long in a turn leaves after the fewest rounds.
STEPS = 2


class Found(NamedTuple):
    """What a way to train took.

    Attributes
    ----------
    seconds : list of float
        Of a step, round by round.
    ratio : dict
        To the program's within the rounds: "median", and "low" and "high", the smallest and the
        largest.
    """

    seconds: list[float]
    ratio: dict[str, float]


def ways(settings: Settings) -> tuple[str, ...]:
    """Return the program, and eager training on each backend of the CPU."""
    return (PROGRAM, *(f"{name} eager" for name in settings.cpu()))


@cache
def steps(optimizer: str, threads: int | None, settings: Settings) -> dict[str, Found]:
    """Return what everybody takes with so many threads; None for as many as there are."""
    _, X, y = load(STEPS * settings.batch)
    calls = {
        who: trained(optimizer, X, y, settings)
        if who == PROGRAM
        else eager(who.partition(" ")[0], optimizer, X, y, settings)
        for who in ways(settings)
    }
    losses = [call() for call in calls.values()]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4)
    turns = {who: Turn(call, threads) for who, call in calls.items()}
    found = take_turns(turns, settings.pick(25, 5, 1), settings.pick(0.02, 0.01, 0.0))
    rounds = min(map(len, found.values()))  # in which nobody had left
    return {
        who: Found([s / STEPS for s in mine], ratios(mine[:rounds], found[PROGRAM][:rounds]))
        for who, mine in found.items()
    }


def trained(optimizer: str, X: Any, y: Any, settings: Settings) -> Callable[[], float]:
    """Return what trains NumPy's program for an epoch and returns the sum of the losses."""
    made = program("numpy", optimizer, X, y, widths=settings.network, batch=settings.batch)
    rates = [RATES[optimizer]] * made.n_batches
    return lambda: made.run(0, made.n_batches, rates)


def eager(backend: str, optimizer: str, X: Any, y: Any, settings: Settings) -> Callable[[], float]:
    """Return what trains for an epoch as one writes it by hand, the loss of each step read."""
    held, batch = get_backend(backend), settings.batch
    model, rule = network(held, optimizer, X.shape[1], X.dtype, settings.network)
    loss_of = nn.CrossEntropyLoss()

    def epoch() -> float:
        total = 0.0
        for start in range(0, len(X), batch):
            x, t = X[start : start + batch], y[start : start + batch]
            rule.zero_grad()
            loss = loss_of(model(x), t)
            loss.backward()
            rule.step()
            total += len(x) * loss.item()
        return total

    return epoch
