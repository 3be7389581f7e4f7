"""Samples that were taken elsewhere, given to pytest-benchmark by a clock that shows them.

Competitors that take turns, or each work in a process of their own, cannot be timed by a fixture
that calls one function over and over. They are timed by the suite; this clock then goes on by one
sample at each call, so that pytest-benchmark keeps them like its own::

    @taken_elsewhere
    def test_epochs(benchmark, contest, who):
        play_back(benchmark, contest[who].seconds)
"""

from collections.abc import Sequence
from typing import Any

import pytest


class Clock:
    """Stands still but for ``advance``."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time, as pytest-benchmark asks its timer."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


CLOCK = Clock()
#: Marks a test that calls ``play_back``.
taken_elsewhere = pytest.mark.benchmark(timer=CLOCK)


def play_back(benchmark: Any, seconds: Sequence[float]) -> None:
    """Give samples to a benchmark, whose test is marked ``taken_elsewhere``."""
    if not seconds:
        raise ValueError("there are no samples to play back")
    coming = iter(seconds)
    CLOCK.now = 0.0
    benchmark.pedantic(lambda: CLOCK.advance(next(coming)), rounds=len(seconds))
