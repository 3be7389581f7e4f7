"""What compiles and runs kernels: CUDA through CuPy, or whatever keeps the same contract.

The tests have a second one, which runs the same sources on the CPU (``tests/cuda/host_shim.py``),
so that all above this file is proven without a GPU.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from typing import Any, Protocol

from accelnn.kernels.on_cupy._source import source
from accelnn.kernels.on_cupy.cublas import Cublas

#: To be called with blocks, threads and arguments in the order of the kernel's declaration.
Launch = Callable[[int, int, list[Any]], None]


class Stream(Protocol):
    """A queue of work on a device. Inside ``with stream:`` kernels and copies go to it."""

    def __enter__(self) -> Any:
        """Make it the current one."""

    def __exit__(self, *exception: object) -> Any:
        """Make the one before the current one again."""

    def wait_event(self, event: Any) -> None:
        """Let what follows wait for a mark in another stream."""

    def synchronize(self) -> None:
        """Wait until all is done."""


class Runner(Protocol):
    """What compiles and runs the kernels."""

    @property
    def xp(self) -> Any:
        """The namespace of the arrays it runs on: ``cupy``, or ``numpy`` on the CPU."""

    def function(self, file: str, real: str, name: str, together: bool = False) -> Launch:
        """Return kernel ``name`` of a module; ``together``: all blocks run at the same time."""

    def most_together(self, file: str, real: str, name: str, threads: int) -> int:
        """Return how many blocks of a kernel can run at the same time; 0 if none need to."""

    def on_device(self, array: Any) -> bool:
        """Whether an array lies where kernels can read it."""

    def address(self, array: Any) -> int:
        """Return where the first element of an array lies."""

    def upload(self, array: Any, host: Any) -> None:
        """Copy a NumPy array to one of the device, in the current stream's order."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a NumPy array from which ``upload`` copies while the CPU goes on."""

    def stream(self) -> Stream:
        """Return a stream of its own."""

    def in_order(self, stream: Any) -> AbstractContextManager[None]:
        """Run inside on ``stream``: after what the caller's stream holds, before what follows."""

    def event(self, stream: Any) -> Any:
        """Return a mark in a stream, with ``synchronize()`` to wait until it is passed."""

    def capture(self, stream: Any, work: Callable[[], None]) -> Callable[[], None]:
        """Record what ``work`` launches instead of running it; the result runs it as a whole."""

    def free(self, stream: Any) -> None:
        """Give back the memory that a stream's work has used, and that no array has any more."""

    def product(
        self, a: Any, b: Any, out: Any, *, ta: bool, tb: bool, precision: str, room: Any
    ) -> None:
        """``out = op(a) @ op(b)`` by a library, in a way that can be captured.

        ``room``: 32 MiB of the device, kept by the caller as long as what was captured.
        """


class CupyRunner:
    """CUDA through CuPy, which keeps what it compiled per device, and on disk for the next time."""

    def __init__(self) -> None:
        self.xp = import_module("cupy")
        self._modules: dict[tuple[str, str, bool], Any] = {}
        self._cublas: dict[int, Cublas] = {}  # by device
        self._multiplying = threading.Lock()  # the stream is a setting of the handle

    def function(self, file: str, real: str, name: str, together: bool = False) -> Launch:
        """Return kernel ``name``; it goes to CuPy's current device and stream."""
        kernel = self._kernel(file, real, name, together)

        def run(blocks: int, threads: int, arguments: list[Any]) -> None:
            kernel((blocks,), (threads,), tuple(arguments))

        return run

    def _kernel(self, file: str, real: str, name: str, together: bool) -> Any:
        key = file, real, together
        if key not in self._modules:
            # The flag changes only how CuPy launches, not what it compiles.
            how = {"enable_cooperative_groups": True} if together else {}
            code = source(file, real)
            self._modules[key] = self.xp.RawModule(code=code, options=("--std=c++17",), **how)
        return self._modules[key].get_function(name)

    def most_together(self, file: str, real: str, name: str, threads: int) -> int:
        """Return multiprocessors x blocks that fit on one; 0 without cooperative launches.

        CuPy would shrink a larger grid with a warning, and the barrier would then wait for ever.
        """
        runtime, driver = self.xp.cuda.runtime, self.xp.cuda.driver
        device = runtime.getDevice()
        if not runtime.deviceGetAttribute(runtime.cudaDevAttrCooperativeLaunch, device):
            return 0
        kernel = self._kernel(file, real, name, True).kernel
        each = driver.occupancyMaxActiveBlocksPerMultiprocessor(kernel.ptr, threads, 0)
        count = runtime.deviceGetAttribute(runtime.cudaDevAttrMultiProcessorCount, device)
        return int(each * count)

    def on_device(self, array: Any) -> bool:
        """Whether it is CuPy's."""
        return isinstance(array, self.xp.ndarray)

    def address(self, array: Any) -> int:
        """Return the device address."""
        return int(array.data.ptr)

    def upload(self, array: Any, host: Any) -> None:
        """Copy; asynchronous where ``host`` is pinned memory."""
        array.set(host, stream=self.xp.cuda.get_current_stream())

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return page-locked memory."""
        return import_module("cupyx").empty_pinned(shape, dtype)

    def stream(self) -> Any:
        """Return a stream that does not wait for the null stream."""
        return self.xp.cuda.Stream(non_blocking=True)

    def in_order(self, stream: Any) -> AbstractContextManager[None]:
        """Order by events, without waiting on the CPU."""
        return _InOrder(self.xp.cuda, stream)

    def event(self, stream: Any) -> Any:
        """Record an event."""
        return stream.record(self.xp.cuda.Event(block=True, disable_timing=True))

    def capture(self, stream: Any, work: Callable[[], None]) -> Callable[[], None]:
        """Capture a CUDA graph; all memory that ``work`` touches must be kept by the caller."""
        with stream:
            stream.begin_capture()
            try:
                work()
            except BaseException:
                # Or the stream would stay in capture mode. That the capture is broken, which CUDA
                # says here, would hide the error that broke it.
                with suppress(Exception):
                    stream.end_capture()
                raise
            graph = stream.end_capture()
        graph.upload(stream)
        return lambda: graph.launch(stream)

    def free(self, stream: Any) -> None:
        """Free the blocks that CuPy keeps for this stream, which nobody would use again."""
        self.xp.get_default_memory_pool().free_all_blocks(stream=stream)

    def product(
        self, a: Any, b: Any, out: Any, *, ta: bool, tb: bool, precision: str, room: Any
    ) -> None:
        """cuBLAS, not through CuPy, which refuses it during a capture."""
        device = self.xp.cuda.runtime.getDevice()
        rows, inner = a.shape[::-1] if ta else a.shape
        with self._multiplying:
            if device not in self._cublas:
                self._cublas[device] = Cublas()
            cublas = self._cublas[device]
            stream = self.xp.cuda.get_current_stream().ptr
            cublas.stream(stream, self.address(room), room.nbytes)
            cublas.product(
                self.address(a),
                self.address(b),
                self.address(out),
                rows,
                inner,
                out.shape[1],
                ta=ta,
                tb=tb,
                dtype=a.dtype.name,
                precision=None if precision == "float32" else precision,
            )


class _InOrder:
    """Makes a stream current; it waits for the caller's, and afterwards the caller's for it."""

    def __init__(self, cuda: Any, stream: Any) -> None:
        self.cuda, self.inner = cuda, stream
        self.outer = cuda.get_current_stream()

    def __enter__(self) -> None:
        self.inner.wait_event(self.outer.record())
        self.inner.__enter__()

    def __exit__(self, *exception: object) -> None:
        self.inner.__exit__(*exception)
        self.outer.wait_event(self.inner.record())
