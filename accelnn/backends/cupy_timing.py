"""How long kernels take on a GPU: each between two CUDA events, and in an NVTX range.

Events are read when many have come, and at the end of a profile, so that the GPU seldom waits for
Python. A kernel that is done before Python has launched it and recorded the second event appears to
take as long as that: some microseconds.
"""

import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from accelnn.backends.watching import Call, Log

if TYPE_CHECKING:
    from accelnn.backends.cupy_backend import CupyBackend

#: Calls after which their events are read.
MANY = 4096


class Timer:
    """Times the kernels of one device for one profile."""

    def __init__(self, backend: "CupyBackend", log: Log) -> None:
        self.backend, self.log, self.cuda = backend, log, backend.xp.cuda
        self._waiting: deque[tuple[Call, Any, Any]] = deque()
        self._reading = threading.Lock()
        with backend.scope():
            self._origin = self.cuda.Event()
            self._origin.record()
            self._origin.synchronize()
        self._start = perf_counter()
        log.finishers.append(self.read)

    def around(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """Return a kernel that is timed."""
        cuda, scope, backend = self.cuda, self.backend.scope, self.backend.name
        nvtx = cuda.nvtx if cuda.nvtx.available else None

        def run(*arguments: Any, **how: Any) -> Any:
            if not self.log.open:
                return kernel(*arguments, **how)
            call = self.log.call(backend, name, arguments, how)
            with scope():
                begin, end = cuda.Event(), cuda.Event()
                if nvtx is not None:
                    nvtx.RangePush(f"{name} {call.total.layer}".strip())
                try:
                    begin.record()
                    result = kernel(*arguments, **how)
                    end.record()
                finally:
                    if nvtx is not None:
                        nvtx.RangePop()
            self._waiting.append((call, begin, end))
            if len(self._waiting) >= MANY:
                self.read()
            return result

        return run

    def read(self) -> None:
        """Wait for all events so far, and count what was between them."""
        with self._reading, self.backend.scope():
            while self._waiting:
                call, begin, end = self._waiting.popleft()
                end.synchronize()
                seconds = self.cuda.get_elapsed_time(begin, end) / 1e3
                since = self.cuda.get_elapsed_time(self._origin, begin) / 1e3
                call.took(self.log, self._start + since, seconds, self.backend.name)
