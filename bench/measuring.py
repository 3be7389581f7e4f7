"""How a case is timed: how often, how long, and what is kept beside the samples."""

import time
from collections.abc import Callable
from typing import Any

from accelnn.bench.arena import repetitions, timed
from accelnn.bench.settings import Settings

#: Seconds for which all threads have to be asleep before a case is timed.
_DOZE = 0.01
#: Seconds that a sample lasts at least, of many calls in a row if need be.
LEAST = 2e-3
#: Rounds: no fewer, so that quartiles have a meaning, and no more, so that the JSON stays small.
FEWEST, MOST = 5, 40
#: A case whose quartiles lie apart by more than this share of the median is marked as noisy.
NOISY = 0.15


class Measure:
    """What the suites call; made by the fixture ``measure``.

    Parameters
    ----------
    benchmark : pytest-benchmark's fixture
    settings : Settings
    """

    def __init__(self, benchmark: Any, settings: Settings) -> None:
        self.benchmark, self.settings = benchmark, settings

    def __call__(
        self,
        call: Callable[[], Any],
        *,
        seconds: float | None = None,
        rounds: int | None = None,
        setup: Callable[[], Any] | None = None,
        **info: Any,
    ) -> None:
        """Time ``call``, which has been checked and has run before, and keep ``info`` beside it.

        Parameters
        ----------
        call : callable
            Does the work and waits until it is done.
        seconds : float, optional
            About how long all samples take together; 0.6 in a full run, 0.12 in a quick one.
        rounds : int, optional
            Number of samples, whatever they take.
        setup : callable, optional
            Called, untimed, before each sample, which is then a single call.
        **info
            For ``extra_info``.
        """
        self.benchmark.extra_info.update(info)
        if self.settings.scale == "smoke":
            if setup is not None:
                setup()
            self.benchmark.pedantic(call, rounds=1)
            return
        settle()
        if setup is not None:
            self.benchmark.pedantic(call, setup=lambda: _only(setup), rounds=rounds or FEWEST)
            return
        n = repetitions(call, LEAST)
        if rounds is None:
            whole = self.settings.pick(0.6, 0.12, 0.0) if seconds is None else seconds
            rounds = max(FEWEST, min(MOST, int(whole / max(n * timed(call, n), 1e-9))))
        self.benchmark.pedantic(call, rounds=rounds, iterations=n)


def settle(most: float = 0.5) -> None:
    """Wait until the threads of the case before have fallen asleep.

    Those of OpenBLAS were seen to spin for 0.11 s after a product, each on a core that the next
    case needs. While this thread sleeps, only they use the processor.
    """
    until = time.perf_counter() + most
    while time.perf_counter() < until:
        before = time.process_time()
        time.sleep(_DOZE)
        if time.process_time() - before < 0.2 * _DOZE:
            return


def _only(setup: Callable[[], Any]) -> None:
    """Call, and return nothing: pytest-benchmark takes what a setup returns for arguments."""
    setup()


def spread(stats: dict[str, Any]) -> float:
    """Return how far the quartiles lie apart, as a share of the median."""
    return float((stats["q3"] - stats["q1"]) / stats["median"]) if stats["median"] else 0.0
