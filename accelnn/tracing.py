"""A profile's events in Chrome's trace format.

The format: "Trace Event Format" of the Catapult project; Perfetto reads it.
"""

import json
import os

from accelnn.backends.watching import Event, Log


def as_json(log: Log, start: float) -> str:
    """Return the text of a trace; ``start`` is the moment that is 0 in it."""
    tracks = {track: i for i, track in enumerate(dict.fromkeys(e.track for e in log.events), 1)}
    events = [_named("process_name", 0, "accelnn")]
    for track, number in tracks.items():
        name = track if isinstance(track, str) else f"thread {track}"
        events.append(_named("thread_name", number, name))
    events += [_complete(event, tracks[event.track], start) for event in log.events]
    about = {"producer": "accelnn", "dropped_events": log.dropped}
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": about})


def _named(what: str, number: int, name: str) -> dict[str, object]:
    """Return an event M, which gives the process or one of its tracks a name."""
    return {"name": what, "ph": "M", "pid": os.getpid(), "tid": number, "args": {"name": name}}


def _complete(event: Event, number: int, start: float) -> dict[str, object]:
    """Return an event X: a beginning and a duration, in microseconds."""
    return {
        "name": event.name,
        "cat": event.category,
        "ph": "X",
        "ts": 1e6 * (event.start - start),
        "dur": 1e6 * event.seconds,
        "pid": os.getpid(),
        "tid": number,
        "args": event.details,
    }
