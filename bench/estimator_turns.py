"""Seconds of fits, and of predictions of one row: ours and scikit-learn's in turns.

In one process, as a user has them; a ratio is taken within a round.
"""

import time
from collections.abc import Callable, Sequence
from functools import cache
from statistics import median
from typing import Any, NamedTuple

from accelnn.bench.estimator_entrants import (
    SKLEARN,
    Entrant,
    Task,
    arguments,
    entrants,
    make,
    read,
    rehearsed,
)
from accelnn.bench.measuring import FEWEST, settle
from accelnn.bench.peer_rounds import ratios
from accelnn.bench.settings import Settings
from accelnn.bench.turns import Turn, take_turns

#: Calls at the beginning of a turn that do not count: after the silence before it caches are cold.
WARM_UP = 10
#: Turns of each with one row, and calls of a turn that count.
TURNS, CALLS = 10, 100


class Found(NamedTuple):
    """What an entrant did.

    Attributes
    ----------
    seconds : list of float
        All samples.
    ratio : dict
        Within the rounds: "median", and "low" and "high", the smallest and the largest.
    model : estimator
        Fitted last.
    """

    seconds: list[float]
    ratio: dict[str, float]
    model: Any


@cache
def fits(task: Task, settings: Settings) -> dict[Entrant, Found]:
    """Return the seconds of whole fits; the ratio is how many times as fast as scikit-learn's."""
    rehearsed(task, settings)
    _, X, y = read(task, settings.pick(None, 1000, 256))
    given = arguments(task, settings)
    models = {each: make(each, given) for each in entrants(task, settings)}

    def fit(model: Any) -> Callable[[], Any]:
        return lambda: model.fit(X, y)

    turns = {each: Turn(fit(model)) for each, model in models.items()}
    samples = take_turns(turns, settings.pick(FEWEST, 3, 1), 0.0)
    theirs = samples[Entrant(SKLEARN)]
    return {
        each: Found(seconds, ratios(theirs, seconds), models[each])
        for each, seconds in samples.items()
    }


@cache
def rows(task: Task, settings: Settings) -> dict[Entrant, Found]:
    """Return the seconds of ``predict`` of one row; the ratio is the share of theirs."""
    models = {each: model for each, model in rehearsed(task, settings).items() if not each.asked}
    _, X, _ = read(task, 1)
    turns, calls = settings.pick((TURNS, CALLS), (5, 40), (1, 2))
    samples = in_turns({each: model.predict for each, model in models.items()}, X, turns, calls)
    middle = {each: [median(turn) for turn in mine] for each, mine in samples.items()}
    theirs = middle[Entrant(SKLEARN)]
    return {
        each: Found([s for turn in mine for s in turn], ratios(middle[each], theirs), models[each])
        for each, mine in samples.items()
    }


def in_turns(
    predict: dict[Entrant, Callable[[Any], Any]], row: Any, turns: int, calls: int
) -> dict[Entrant, list[Sequence[float]]]:
    """Return the seconds of each call, turn by turn."""
    samples: dict[Entrant, list[Sequence[float]]] = {each: [] for each in predict}
    for _ in range(turns):
        for each, call in predict.items():
            settle()
            for _ in range(WARM_UP):
                call(row)
            samples[each].append([_timed(call, row) for _ in range(calls)])
    return samples


def _timed(call: Callable[[Any], Any], row: Any) -> float:
    start = time.perf_counter()
    call(row)
    return time.perf_counter() - start
