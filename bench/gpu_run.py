"""One run of ``gpu_check``: its time, its processes, and the file it writes as it goes.

All that touches the GPU happens in processes of their own, one per library: a kernel that hangs is
ended with its process, an illegal address spoils nobody else's device, and CuPy, PyTorch and JAX
each load their own CUDA libraries. What was found is written after every answer.
"""

import json
import math
import time
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from accelnn.bench.arena import Arena, Player, PlayerFailed
from accelnn.bench.gpu_device import Device
from accelnn.paths import replace_file

#: Seconds that one answer may take; the first of a process includes imports and compiling.
PATIENCE = 75.0


class Part(NamedTuple):
    """A part of the run.

    Attributes
    ----------
    name : str
    share : float
        Of the time that is left, to the shares of the parts that come after.
    measure : callable (Run, dict) -> None
        Asks the run and fills the dict.
    """

    name: str
    share: float
    measure: Callable[["Run", dict[str, Any]], None]


class _Limited(Arena):
    """An arena in which an answer may not take longer than ``limit`` seconds."""

    limit = PATIENCE

    def _answer(self, name: str) -> Any:
        if not self._pipes[name].poll(self.limit):
            raise PlayerFailed(name, f"no answer within {self.limit:.0f} s; its process was ended")
        return super()._answer(name)


class Run:
    """The time that is left, the processes, and what was found so far.

    Parameters
    ----------
    device : Device
    seconds : float
        For all parts together.
    output : Path
    clock : callable () -> float
    """

    def __init__(
        self,
        device: Device,
        seconds: float,
        output: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device, self.output, self.clock = device, output, clock
        self.deadline = self.part_deadline = clock() + seconds
        self.found: dict[str, Any] = {"machine": device.facts(), "parts": {}}
        self._arenas: dict[str, _Limited] = {}
        self._part: dict[str, Any] = {}

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        self.dismiss()

    def left(self) -> float:
        """Return the seconds left for this part."""
        return self.part_deadline - self.clock()

    def measure(self, parts: Iterable[Part]) -> None:
        """Go through the parts; one that raises an error is recorded, and the others go on."""
        waiting = list(parts)
        while waiting:
            part, rest = waiting[0], sum(p.share for p in waiting)
            started = self.clock()
            self.part_deadline = started + (self.deadline - started) * part.share / rest
            self._part = {"state": "done", "failures": [], "left out": [], "found": {}}
            self.found["parts"][part.name] = self._part
            try:
                part.measure(self, self._part["found"])
            except Exception:
                self.fail(part.name, traceback.format_exc())
            finally:
                self.dismiss()  # nothing of a part is on the device when the next one begins
            if self._part["failures"]:
                self._part["state"] = "failed"
            self._part["seconds"] = self.clock() - started
            self.save()
            del waiting[0]

    def ask(self, library: str, function: str, /, **arguments: Any) -> Any:
        """Return what a function of the bench answers in a library's process; None if it failed.

        ``function`` is "module.name"; it is called with the device and the arguments. What failed
        is recorded with its traceback, and the process is replaced.
        """
        what = f"{function}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
        if self.left() <= 0:
            self.leave_out(what, "its part had no time left")
            return None
        try:
            # The limit is in real seconds, even where a test has a clock of its own.
            arena = self._arena(library)
            arena.limit = min(PATIENCE, self.left())
            return arena.ask(library, (function, arguments))
        except PlayerFailed as failure:
            self.fail(f"{library}: {what}", str(failure))
            self._end(library)
            return None
        finally:
            self.save()

    def fail(self, what: str, why: str) -> None:
        """Record what went wrong; the part counts as failed."""
        self._part["failures"].append({"what": what, "why": why})

    def leave_out(self, what: str, why: str) -> None:
        """Record what was not measured."""
        self._part["left out"].append({"what": what, "why": why})

    def dismiss(self) -> None:
        """End all processes."""
        for library in list(self._arenas):
            self._end(library)

    def save(self) -> None:
        """Write what was found so far."""
        self.output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain(self.found), indent=1, allow_nan=False)
        replace_file(self.output, (text + "\n").encode())

    def _arena(self, library: str) -> _Limited:
        if library not in self._arenas:
            made = _Limited({library: (worker, (self.device,))}, pause=0.0)
            made.limit = min(PATIENCE, self.left())
            made.__enter__()
            self._arenas[library] = made
        return self._arenas[library]

    def _end(self, library: str) -> None:
        if (arena := self._arenas.pop(library, None)) is not None:
            # As after an error: it is not waited for, as it may hang.
            arena.__exit__(PlayerFailed, None, None)


def worker(device: Device) -> Player:
    """Return what calls the functions it is asked for."""

    def answer(task: tuple[str, dict[str, Any]]) -> Any:
        function, arguments = task
        module, _, name = function.rpartition(".")
        return getattr(import_module(f"accelnn.bench.{module}"), name)(device, **arguments)

    return answer


def sampled(measure: Callable[[], float], samples: int = 7) -> list[float]:
    """Return the answers of a measurement; one more comes first, and is not kept."""
    return [measure() for _ in range(samples + 1)][1:]


def summed(samples: list[float]) -> dict[str, Any]:
    """Return samples in seconds with their median."""
    return {"seconds": samples, "median": median(samples)}


def times(others: list[float], mine: list[float]) -> float:
    """Return the median of the ratios within the rounds that both have taken part in."""
    return median(o / m for o, m in zip(others, mine, strict=False))


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: no NumPy scalars, and null for NaN and infinity."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
