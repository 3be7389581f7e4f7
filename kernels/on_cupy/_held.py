"""What a plan keeps on the device between calls, and pieces of data on their way there."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from accelnn.kernels.on_cupy._launch import BLOCK, place, runner, source
from accelnn.kernels.on_cupy._source import struct
from accelnn.kernels.on_cupy.recording import Recording

#: Recordings kept of a kind: the full minibatch and the last one, with an update and without.
_KEPT = 8
#: NVIDIA's advice for cuBLAS on Hopper; without room of ours it would allocate during a capture.
_LIBRARY_ROOM = 32 * 2**20


class Tasks:
    """A recording, with its tasks on the device, and the graph of some steps once captured."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.count = recording, len(recording.tasks)
        self.size = recording.tasks.itemsize
        # Kept, as its copy may be on its way for a while.
        self._host = recording.tasks.view(np.uint8).reshape(-1)
        self.device = runner().xp.empty(self._host.size, np.uint8)
        runner().upload(self.device, self._host)
        self.graph: Callable[[], None] | None = None


class Held:
    """Stream, recordings, graphs and buffers of a plan.

    Attributes
    ----------
    lock : of whoever runs something; ranges and predictions share buffers.
    stream : of the runner.
    range : the struct Range of program.cu, as bytes on the device.
    arrived : the count of the barrier.
    calls : of the dropouts, when recordings were first made.
    most_together : blocks that can wait for each other; 0 if none.
    reading : what the range that may still be running reads.
    """

    def __init__(self, plan: Any) -> None:
        run, self.dtype = runner(), plan.params.dtype
        kernel = place("steps", self.dtype)
        self.lock = threading.RLock()
        self.stream = run.stream()
        self._layout = struct(source(*kernel[:2]), "Range")
        self.range = run.xp.empty(self._layout.itemsize, np.uint8)
        self.arrived = run.xp.zeros(1, np.uint64)
        self.calls = plan.table["call"].copy()
        self.most_together = run.most_together(*kernel, BLOCK)
        self.steps: dict[Any, Tasks] = {}
        self.forwards: dict[Any, Tasks] = {}
        self.reading: Any = None
        self._rows: Any = None
        self._work: Any = None
        self._room: Any = None
        self._pieces: list[Piece] = []

    def keep(self, kept: dict[Any, Tasks], key: Any, make: Callable[[], Recording]) -> Tasks:
        """Return the tasks under a key; where there are too many, the oldest go."""
        if key not in kept:
            while len(kept) >= _KEPT:
                del kept[next(iter(kept))]
            kept[key] = Tasks(make())
        return kept[key]

    def set_range(self, fields: dict[str, Any]) -> None:
        """Upload a struct Range; what is not named is 0."""
        self._record = np.zeros(1, self._layout)  # a new one each time: the last may be on its way
        for name, value in fields.items():
            self._record[name] = value
        runner().upload(self.range, self._record.view(np.uint8))

    def workspace(self, size: int) -> Any:
        """Return room for the outputs of all layers in a prediction."""
        if self._work is None or self._work.size < size:
            self.forget_predictions()
            self._work = runner().xp.empty(size, self.dtype)
        return self._work

    def forget_predictions(self) -> None:
        """Free the room, and the recordings that name it."""
        self.forwards.clear()
        self._work = None

    def as_they_come(self, n: int) -> Any:
        """Return 0 ... n - 1, the order of rows that come as they are."""
        if self._rows is None or len(self._rows) < n:
            self._rows = runner().xp.arange(n, dtype=np.int64)
        return self._rows[:n]

    def library_room(self) -> Any:
        """Return the workspace of the library, which graphs hold on to."""
        if self._room is None:
            self._room = runner().xp.empty(_LIBRARY_ROOM, np.uint8)
        return self._room

    def pieces_for(self, rows: int, X: Any) -> list["Piece"]:
        """Return two pieces of so many rows like those of X."""
        if not self._pieces or not self._pieces[0].holds(rows, X):
            for piece in self._pieces:
                piece.copied.synchronize()  # the pinned memory must not find another use before
            copying = runner().stream()
            self._pieces = [Piece(rows, X, copying, self.stream) for _ in range(2)]
        return self._pieces


class Piece:
    """Rows of data on their way: pinned memory, a stream that copies, memory of the device."""

    def __init__(self, rows: int, X: Any, copying: Any, stream: Any) -> None:
        self.copying = copying
        self.pinned = runner().pinned((rows, X.shape[1]), X.dtype)
        self.device = runner().xp.empty((rows, X.shape[1]), X.dtype)
        self.copied: Any = None  # an event, as the next one
        # The memory may be what earlier work on the plan's stream has given up but still uses.
        self.used = runner().event(stream)

    def holds(self, rows: int, X: Any) -> bool:
        """Whether there is room for so many rows."""
        return bool(self.pinned.dtype == X.dtype and self.pinned.shape == (rows, X.shape[1]))

    def bring(self, X: Any, rows: Any, mine: Held) -> Any:
        """Return ``X[rows]`` on the device, for what the plan's stream is given from now on."""
        run, n = runner(), len(rows)
        if self.copied is not None:
            self.copied.synchronize()  # the CPU must not write what is still being copied
        np.take(X, rows, axis=0, out=self.pinned[:n], mode="clip")
        with self.copying:
            self.copying.wait_event(self.used)
            run.upload(self.device[:n], self.pinned[:n])
            self.copied = run.event(self.copying)
        mine.stream.wait_event(self.copied)
        return self.device[:n]
