"""Competitors in one process that take turns, so that a machine that slows down slows them all.

A core's speed was seen to change by a half within minutes on a virtual machine: ratios of figures
that are taken one after the other would mean little. Competitors with threads or libraries that
disturb each other even while they sleep belong into an arena (``arena.py``).
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar

from accelnn.bench.arena import repetitions, timed
from accelnn.bench.measuring import FEWEST, settle
from accelnn.bench.thread_counts import on_threads

K = TypeVar("K", bound=Hashable)

#: A competitor whose sample takes more than so many seconds leaves after the fewest rounds.
LONG = 0.1


class Turn(NamedTuple):
    """What a competitor does when it is its turn.

    Attributes
    ----------
    call : callable
        Does the work and waits until it is done; its result has been checked.
    threads : int or None
        It is given so many; None for as many as there are.
    """

    call: Callable[[], Any]
    threads: int | None = None


def take_turns(turns: Mapping[K, Turn], rounds: int, least: float) -> dict[K, list[float]]:
    """Return the seconds of a call of each competitor, round by round.

    Parameters
    ----------
    turns : mapping from name to Turn
    rounds : int
        Of a competitor that is not too slow for so many.
    least : float
        Seconds that a sample lasts at least, of many calls in a row if need be.
    """
    calls = {}
    for name, turn in turns.items():
        with on_threads(turn.threads):
            calls[name] = repetitions(turn.call, least)
    seconds: dict[K, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name, turn in turns.items():
            mine, n = seconds[name], calls[name]
            if number >= FEWEST and n * mine[-1] > LONG:
                continue
            with on_threads(turn.threads):
                settle()
                if n * (mine or [0.0])[-1] <= LONG:
                    # Its threads wake up, and are spread over the cores: those of OpenMP were seen
                    # to share one for tens of milliseconds.
                    timed(turn.call, n)
                mine.append(timed(turn.call, n))
    return seconds
