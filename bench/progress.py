"""What is seen while the parts run: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from accelnn.bench.running import Outcome
from accelnn.bench.suites import Part


def seconds_left(
    finished: Sequence[tuple[float, float]], waiting: Sequence[float], elapsed: float
) -> float:
    """Return the seconds left.

    Parameters
    ----------
    finished : sequence of (expected, taken)
        Seconds of the parts that are done, by which the expectations are corrected.
    waiting : sequence of float
        Seconds expected of those that are not, first the one at work.
    elapsed : float
        Seconds for which that one has been at work.
    """
    factor = factor_of(finished)
    corrected = [factor * seconds for seconds in waiting]
    return sum(corrected) - min(elapsed, corrected[0]) if corrected else 0.0


def factor_of(finished: Sequence[tuple[float, float]]) -> float:
    """Return how many times longer than expected the parts that are done took."""
    return sum(t for _, t in finished) / sum(e for e, _ in finished) if finished else 1.0


def in_words(seconds: float) -> str:
    """95.0 -> "1 min 35 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Display:
    """Shows how far the run is; used as a context.

    Parameters
    ----------
    parts : sequence of Part
        In the order in which they run.
    quick : bool
    console : Console
    """

    def __init__(self, parts: Sequence[Part], quick: bool, console: Console) -> None:
        self.waiting = list(parts)
        self.quick, self.console, self.count = quick, console, len(parts)
        self.finished: list[tuple[float, float]] = []
        self.done, self.whole = 0.0, sum(map(self._expected, parts))
        self.started = time.monotonic()
        text = "{task.fields[number]} {task.description:<20}"
        left = TextColumn("{task.fields[left]}")
        self.bar = Progress(TextColumn(text), BarColumn(), left, console=console)
        self.task = self.bar.add_task("", total=self.whole, number="", left="")

    def _expected(self, part: Part) -> float:
        return part.quick if self.quick else part.full

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def start(self, part: Part) -> None:
        """Show what is at work."""
        self.started = time.monotonic()
        number = f"{self.count - len(self.waiting) + 1}/{self.count}"
        self.bar.update(self.task, description=part.label, number=number)
        self.tick()
        if not self.console.is_terminal:
            self._line(f"{number} {part.label} ... ({self._left()})")

    def tick(self) -> None:
        """Show the time that is left."""
        elapsed = (time.monotonic() - self.started) / factor_of(self.finished)
        here = min(elapsed, self._expected(self.waiting[0]))
        self.bar.update(self.task, completed=self.done + here, left=self._left())

    def _left(self) -> str:
        waiting = [self._expected(part) for part in self.waiting]
        elapsed = time.monotonic() - self.started
        return f"about {in_words(seconds_left(self.finished, waiting, elapsed))} left"

    def finish(self, outcome: Outcome) -> None:
        """Say what became of the part that was at work."""
        self.done += self._expected(self.waiting.pop(0))
        self.bar.update(self.task, completed=self.done)
        self.show(outcome)

    def show(self, outcome: Outcome) -> None:
        """Say what became of a part, and learn how long it took."""
        if outcome.state in ("done", "kept"):
            self.finished.append((self._expected(outcome.part), outcome.seconds))
        for line in said(outcome):
            self._line(line)

    def _line(self, text: str) -> None:
        self.console.print(escape(text), soft_wrap=True, highlight=False)


def said(outcome: Outcome) -> list[str]:
    """Return what there is to say of a part, in lines."""
    label = outcome.part.label
    if outcome.state == "kept":
        return [f"{label}: measured before, with these settings; not run again"]
    lines = [f"{label}: {outcome.state}, {in_words(outcome.seconds)}"]
    if outcome.state == "not run":
        found = dict.fromkeys(each["reason"] for each in outcome.reasons)
        lines += [f"  {reason}" for reason in found or ["it has no cases with these settings"]]
    if outcome.state == "failed":
        lines += [f"  | {line}" for line in outcome.tail.splitlines()]
    return lines
