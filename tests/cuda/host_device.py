"""What a program needs of a device beyond launching, on the CPU: streams, graphs, copies.

Everything happens at once and in order, so a stream is a name. A graph is what was launched while
it was captured, arguments as they were then; so a program that changes a captured argument instead
of device memory trains wrongly here as well.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np


class OnHost(np.ndarray[Any, Any]):
    """An array that the tests take for one in the CPU's memory, all others being the device's."""


class Stream:
    """Counts what it was asked."""

    def __init__(self) -> None:
        self.waited = self.synchronized = 0

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def wait_event(self, event: Any) -> None:
        self.waited += 1

    def synchronize(self) -> None:
        self.synchronized += 1


class HostDevice:
    """The part of ``_runner.Runner`` that is not about kernels."""

    xp: ModuleType = np

    def __init__(self) -> None:
        self.recording: list[Callable[[], None]] | None = None  # while a graph is captured
        self.blocks_together = 3
        self.captured = self.replayed = self.freed = 0

    def do(self, work: Callable[[], None]) -> None:
        """Do something now, or remember it for the graph that is being captured."""
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def most_together(self, file: str, real: str, name: str, threads: int) -> int:
        return self.blocks_together

    def on_device(self, array: Any) -> bool:
        return not isinstance(array, OnHost)

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def upload(self, array: Any, host: Any) -> None:
        assert self.recording is None, "a copy from the host cannot be captured"
        assert array.dtype == host.dtype
        assert array.flags.c_contiguous
        array.reshape(-1)[...] = np.asarray(host).reshape(-1)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.empty(shape, dtype)

    def stream(self) -> Stream:
        return Stream()

    def in_order(self, stream: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def event(self, stream: Any) -> Stream:
        return Stream()

    def capture(self, stream: Any, work: Callable[[], None]) -> Callable[[], None]:
        recorded: list[Callable[[], None]] = []
        self.recording = recorded
        try:
            work()
        finally:
            self.recording = None
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            for step in recorded:
                step()

        return replay

    def free(self, stream: Any) -> None:
        self.freed += 1

    def product(
        self, a: Any, b: Any, out: Any, *, ta: bool, tb: bool, precision: str, room: Any
    ) -> None:
        assert room.nbytes >= 2**25

        def multiply() -> None:
            np.matmul(a.T if ta else a, b.T if tb else b, out=out)

        self.do(multiply)
