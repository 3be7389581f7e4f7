"""A CuPy that writes down what it is asked, in order; it cannot make arrays."""

import threading
from types import SimpleNamespace
from typing import Any


class Stream:
    """A stream of ``Cupy``; its captures are refused at their end where ``broken``."""

    def __init__(self, cupy: "Cupy", name: str, ptr: int) -> None:
        self.cupy, self.name, self.ptr = cupy, name, ptr
        self.broken = False

    def say(self, what: str) -> None:
        self.cupy.said.append(f"{self.name}: {what}")

    def __enter__(self) -> "Stream":
        self.say("enter")
        self.cupy.streams().append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        self.say("exit")
        self.cupy.streams().pop()

    def record(self, event: Any = None) -> Any:
        event = event or SimpleNamespace(of=self.name)
        event.of = self.name
        self.say("record")
        return event

    def wait_event(self, event: Any) -> None:
        self.say(f"wait for {event.of}")

    def begin_capture(self) -> None:
        self.say("begin capture")

    def end_capture(self) -> Any:
        self.say("end capture")
        if self.broken:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(
            upload=lambda stream: stream.say("upload"), launch=lambda stream: stream.say("launch")
        )


class Array:
    """A ``cupy.ndarray`` over memory of the host."""

    def __init__(self, host: Any, ptr: int = 0) -> None:
        self.shape, self.dtype, self.nbytes = host.shape, host.dtype, host.nbytes
        self.data = SimpleNamespace(ptr=ptr or host.ctypes.data)
        self.sets: list[tuple[Any, Any]] = []

    def set(self, host: Any, stream: Any = None) -> None:
        self.sets.append((host, stream))


class Cupy:
    """What is called, of CuPy, with the current device and each thread's current stream."""

    ndarray = Array

    def __init__(self) -> None:
        self.said: list[str] = []
        self.modules: list[dict[str, Any]] = []
        self.launched: list[tuple[Any, ...]] = []
        self.occupancies: list[tuple[int, int, int]] = []
        self.device, self.cooperative = 0, 1
        self._local = threading.local()
        self.outer = Stream(self, "outer", 2**40 + 8)  # more than half the bits of an address
        self.cuda = SimpleNamespace(
            get_current_stream=lambda: self.streams()[-1],
            Stream=lambda non_blocking: SimpleNamespace(non_blocking=non_blocking),
            Event=lambda block, disable_timing: SimpleNamespace(how=(block, disable_timing)),
            driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=self._occupancy),
            runtime=SimpleNamespace(
                cudaDevAttrCooperativeLaunch=95,
                cudaDevAttrMultiProcessorCount=16,
                getDevice=lambda: self.device,
                deviceGetAttribute=self._attribute,
            ),
        )

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=lambda stream: stream.say("free"))

    def streams(self) -> list[Stream]:
        if not hasattr(self._local, "streams"):
            self._local.streams = [self.outer]
        found: list[Stream] = self._local.streams
        return found

    def _attribute(self, attribute: int, device: int) -> int:
        assert device == self.device
        return {95: self.cooperative, 16: 132}[attribute]

    def _occupancy(self, function: int, threads: int, shared: int) -> int:
        self.occupancies.append((function, threads, shared))
        return 5

    def RawModule(self, **how: Any) -> Any:  # noqa: N802
        self.modules.append(how)

        def get_function(name: str) -> Any:
            def kernel(*call: Any) -> None:
                self.launched.append((name, *call))

            vars(kernel)["kernel"] = SimpleNamespace(ptr=2**41 + len(self.modules))
            return kernel

        return SimpleNamespace(get_function=get_function)
