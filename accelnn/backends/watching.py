"""How a profile hears of kernels and programs: instance attributes of a backend that time them.

A backend that nobody watches has none of these attributes, so watching costs nothing where it is
not asked for. Programs run on a copy of their plan whose ``views`` are the profile's: no closure,
recording or workspace that was made for a profile outlives it, and none that was made before is
used in one.
"""

import threading
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from accelnn import kernels
from accelnn.backends.plan import Plan
from accelnn.kernels.cost import Shaped

if TYPE_CHECKING:
    from accelnn.backends.base import Backend, Kernel

#: Events that are kept for a trace; later ones are only counted.
MOST_EVENTS = 200_000


@dataclass(slots=True)
class Total:
    """What is known of all calls of one kind: of a kernel, for a layer, on a backend."""

    backend: str
    kernel: str
    layer: str
    dtype: str
    calls: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    nbytes: float = 0.0

    def add(self, calls: int, seconds: float, flops: float, nbytes: float) -> None:
        """Count calls, of which all together took this."""
        self.calls += calls
        self.seconds += seconds
        self.flops += flops
        self.nbytes += nbytes


class Event(NamedTuple):
    """Something that began and ended, for the trace; seconds are those of ``perf_counter``.

    ``track`` is the number of a thread, or the name of a GPU's backend.
    """

    name: str
    category: str
    start: float
    seconds: float
    track: int | str
    details: dict[str, Any]


class Call(NamedTuple):
    """Calls that are alike: where they are counted, and what one of them costs."""

    total: Total
    flops: float
    nbytes: float
    details: dict[str, Any]

    def took(self, log: "Log", start: float, seconds: float, track: int | str) -> None:
        """Count one."""
        total = self.total
        total.add(1, seconds, self.flops, self.nbytes)
        log.event(Event(total.kernel, total.backend, start, seconds, track, self.details))


class _Thread(threading.local):
    """What one thread has called, and which layer of a program it is at."""

    def __init__(self, all_threads: list[dict[Any, Call]]) -> None:
        self.layer = ""
        self.number = threading.get_native_id()
        self.calls: dict[Any, Call] = {}
        all_threads.append(self.calls)


class Log:
    """What a profile has heard; all threads write to it.

    Attributes
    ----------
    open : bool
        Whether it still listens: a graph that was made in a profile may be walked after it.
    events : list of Event
    dropped : int
        Events that were too many.
    by_kernel : set of str
        Backends whose programs were run kernel by kernel for this, as they otherwise are not.
    finishers : list of callables
        What is still to be done at the end: the times of a GPU are read late.
    """

    def __init__(self) -> None:
        self.open, self.dropped = True, 0
        self.events: list[Event] = []
        self.by_kernel: set[str] = set()
        self.finishers: list[Callable[[], None]] = []
        self._threads: list[dict[Any, Call]] = []
        self.here = _Thread(self._threads)
        self._plans: dict[int, tuple[Plan, Plan]] = {}

    def totals(self) -> list[Total]:
        """Return what all threads have called so far."""
        known = [call.total for found in self._threads for call in list(found.values())]
        return [total for total in known if total.calls]

    def total(self, backend: str, kernel: str, layer: str, dtype: str) -> Total:
        """Return where this thread counts what comes without the arrays that it was called on."""
        found, key = self.here.calls, (backend, kernel, layer, dtype)
        if key not in found:
            found[key] = Call(Total(*key), 0.0, 0.0, {})
        return found[key].total

    def call(self, backend: str, kernel: str, arguments: Any, how: Any) -> Call:
        """Return what is known of a call but its time."""
        here = self.here
        shapes = tuple([x.shape for x in arguments])
        flags, dtype = (how.get("ta"), how.get("tb"), how.get("pieces")), arguments[0].dtype
        key = (backend, kernel, here.layer, flags, shapes, dtype)
        found = here.calls.get(key)
        if found is None:
            found = here.calls[key] = _described(backend, kernel, here.layer, arguments, how)
        return found

    def event(self, event: Event) -> None:
        """Keep an event, if there is room."""
        if len(self.events) < MOST_EVENTS:
            self.events.append(event)
        else:
            self.dropped += 1

    def mine(self, plan: Plan, **views: Any) -> Plan:
        """Return the copy of a plan that is run instead: its buffers, and views of our own."""
        known = self._plans.get(id(plan))
        twin = copy(plan)
        twin.views = known[1].views if known is not None else views
        self._plans[id(plan)] = plan, twin
        return twin

    def forget(self, plan: Plan) -> None:
        """Give up what is kept with a plan."""
        self._plans.pop(id(plan), None)

    def close(self) -> None:
        """Read what is still to be read, listen no more, and let go of all plans."""
        for finish in self.finishers:
            finish()
        self.open = False
        self._plans.clear()

    def named(self, name: str, run: Callable[..., None]) -> Callable[..., None]:
        """Return what runs part of a layer, of which the kernels are told."""

        def inside(*arguments: Any) -> None:
            self.here.layer = name
            try:
                run(*arguments)
            finally:
                self.here.layer = ""

        return inside


def _described(backend: str, kernel: str, layer: str, arguments: Any, how: Any) -> Call:
    """Return a new total, and the declared cost of one call."""
    given = [Shaped(*x.shape) for x in arguments]
    flags = {name: value for name, value in how.items() if name != "out"}
    cost = _reference()[kernel].cost(*given, **flags)
    dtype = str(arguments[0].dtype).rpartition(".")[2]
    size = {"float64": 8, "int64": 8, "uint8": 1}.get(dtype, 4)
    if kernel == "matmul":
        layer = _product(layer, given, **flags)
    total = Total(backend, kernel, layer, "float64" if dtype == "float64" else "float32")
    flops, nbytes = cost.flops, cost.nbytes(size)
    return Call(total, flops, nbytes, {"layer": layer, "flops": flops, "bytes": nbytes})


def _product(layer: str, given: list[Shaped], ta: bool = False, tb: bool = False) -> str:
    """Return which product of a layer it is; without a layer, its shape."""
    if layer:
        return f"{layer}, {'weights' if ta else 'input' if tb else 'forward'}"
    (n, k), m = given[0].shape[:: -1 if ta else 1], given[1].shape[0 if tb else 1]
    return f"{n} x {k} x {m}, {'NT'[ta]}{'NT'[tb]}"


def timed(log: Log, backend: str, name: str, kernel: "Kernel") -> "Kernel":
    """Return a kernel that reports how long each call took."""

    def run(*arguments: Any, **how: Any) -> Any:
        start = perf_counter()
        result = kernel(*arguments, **how)
        seconds = perf_counter() - start
        if log.open:
            log.call(backend, name, arguments, how).took(log, start, seconds, log.here.number)
        return result

    return run


def compiled(
    log: Log,
    backend: str,
    what: str,
    plan: Plan,
    run: Callable[[Plan, Callable[[Any], None]], Any],
) -> Any:
    """Return ``run(plan, report)``, part of a program; count what it reports of its operations."""
    took: dict[str, float] = {}
    dtype = str(plan.params.dtype)

    def report(spent: Any) -> None:
        for note, calls, seconds in spent:
            total = log.total(backend, note.kernel, note.layer, dtype)
            total.add(calls, seconds, calls * note.flops, calls * note.nbytes)
            name = f"{note.kernel}, {note.layer}" if note.layer else note.kernel
            took[name] = took.get(name, 0.0) + seconds

    start = perf_counter()
    result = run(log.mine(plan, notes={}), report)
    if took:
        details = {f"{name}, ms": 1e3 * seconds for name, seconds in took.items()}
        seconds, number = perf_counter() - start, log.here.number
        log.event(Event(what, backend, start, seconds, number, details))
    return result


@cache
def _reference() -> dict[str, Any]:
    return kernels.load("reference")


def watch(backend: "Backend", log: Log) -> None:
    """Give an instance the attributes that report to a log."""
    new = backend.watched(log)
    held = vars(backend)
    kept = {name: held[name] for name in new if name in held}
    held["_unwatched"] = {name: kept.get(name) for name in new}
    held.update(new)


def unwatch(backend: "Backend") -> None:
    """Take them away again."""
    restore(vars(backend))


def restore(held: dict[str, Any]) -> None:
    """Make the attributes of an instance what they were before it was watched."""
    for name, value in held.pop("_unwatched", {}).items():
        if value is None:
            del held[name]
        else:
            held[name] = value
