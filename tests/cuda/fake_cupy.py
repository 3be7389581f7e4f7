"""What accelnn uses of CuPy, on a fake machine: the numbers are on the host, the places are not.

It keeps what the tests are about: which device is current in a thread, on which device an array
lies, what the pool of each device holds, and that CUDA is dead in a forked child.
"""

import os
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

GIB = 1 << 30


class OutOfMemoryError(MemoryError):
    """As CuPy's: made of the bytes asked for, those held, and the limit."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        self._size = size
        super().__init__(f"Out of memory allocating {size:,} bytes")


class Machine:
    """GPUs with memory, and everything that was called, with the device current at that moment."""

    def __init__(self, count: int = 2, memory: int = 16 * GIB) -> None:
        self.count, self.memory = count, memory
        self.taken = 0  # of each GPU, by other processes
        self.used, self.held, self.limit = ([0] * count for _ in range(3))
        self.calls: list[tuple[str, int]] = []
        self._thread = threading.local()
        self._process = os.getpid()

    @property
    def current(self) -> int:
        return getattr(self._thread, "device", 0)

    def set_current(self, device: int) -> None:
        self.called("setDevice")
        self._thread.device = device

    def called(self, name: str) -> None:
        if os.getpid() != self._process:
            os._exit(139)  # what a fork does to CUDA: this must never be reached
        self.calls.append((name, self.current))

    def free(self) -> int:
        return self.memory - self.taken - self.held[self.current]

    def allocate(self, size: int) -> None:
        d = self.current
        if size > self.held[d] - self.used[d]:  # no unused block serves
            limit = self.limit[d]
            if limit and self.held[d] + size > limit:
                raise OutOfMemoryError(size, self.held[d], limit)
            if size > self.free():
                raise OutOfMemoryError(size, self.held[d], limit)
            self.held[d] += size
        self.used[d] += size

    def free_all_blocks(self) -> None:
        self.called("free_all_blocks")
        self.held[self.current] = self.used[self.current]

    def set_limit(self, size: int) -> None:
        self.limit[self.current] = size


class Array:
    """A ``cupy.ndarray``: numbers, and the device that they lie on."""

    machine: Machine

    def __init__(self, host: Any, device: int, owned: int = 0) -> None:
        self.host, self.device_id, self._owned = host, device, owned

    def __del__(self) -> None:
        self.machine.used[self.device_id] -= self._owned

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)  # shape, dtype, size, ndim

    @property
    def T(self) -> "Array":  # noqa: N802
        return Array(self.host.T, self.device_id)

    def __len__(self) -> int:
        return len(self.host)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device_id

    def get(self) -> Any:
        return self.host


class Foreign:
    """An array of another library on a GPU; it is known by DLPack, by CUDA's interface, or both."""

    def __init__(self, host: Any, device: int) -> None:
        self.host, self.device, self.dtype = host, device, host.dtype


class ByDlpack(Foreign):
    kind = 2  # kDLCUDA

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("NumPy must not try to read what lies on a GPU")

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind, self.device


class ByCudaInterface(Foreign):
    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012


def make(machine: Machine) -> Any:
    """Return a module that goes for ``cupy``."""

    class ndarray(Array):  # noqa: N801
        pass

    ndarray.machine = Array.machine = machine

    class Device:
        def __init__(self, number: int) -> None:
            machine.called("Device")
            self.number, self.before = number, -1

        def __enter__(self) -> None:
            self.before = machine.current
            machine.set_current(self.number)

        def __exit__(self, *_: Any) -> None:
            machine.set_current(self.before)

    def new(host: Any) -> ndarray:
        machine.called("new")
        machine.allocate(host.nbytes)
        return ndarray(host, machine.current, host.nbytes)

    def empty(shape: Any, dtype: Any = float) -> ndarray:
        # As broadcast zeros, so that an array of many GiB takes nothing on the host.
        return new(np.broadcast_to(np.zeros((), dtype), shape))

    def asarray(x: Any, dtype: Any = None) -> ndarray:
        if isinstance(x, ByCudaInterface):
            x = ndarray(x.host, x.device)
        host = np.asarray(x.host if isinstance(x, ndarray) else x, dtype)
        same = isinstance(x, ndarray) and x.device_id == machine.current and host is x.host
        return x if same else new(host)

    def from_dlpack(x: Any) -> ndarray:
        machine.called("from_dlpack")
        assert x.__dlpack_device__()[0] in (2, 13), "CuPy reads no array of the CPU"
        return ndarray(x.host, x.__dlpack_device__()[1])

    def asnumpy(x: Any) -> Any:
        machine.called("asnumpy")
        return x.host

    class RawModule:
        def __init__(self, code: str, options: tuple[str, ...]) -> None:
            machine.called("RawModule")

        def get_function(self, name: str) -> Any:
            return lambda blocks, threads, arguments: machine.called(name)

    pool = SimpleNamespace(
        used_bytes=lambda: machine.used[machine.current],
        total_bytes=lambda: machine.held[machine.current],
        get_limit=lambda: machine.limit[machine.current],
        set_limit=machine.set_limit,
        free_all_blocks=machine.free_all_blocks,
    )
    pinned = SimpleNamespace(free_all_blocks=lambda: machine.called("free_all_blocks (pinned)"))

    def properties(number: int) -> dict[str, bytes]:
        machine.called("getDeviceProperties")
        return {"name": f"NVIDIA Fake {number}".encode()}

    def count() -> int:
        machine.called("getDeviceCount")
        return machine.count

    def current() -> int:
        machine.called("getDevice")
        return machine.current

    cupy: Any = ModuleType("cupy")
    cupy.__version__ = "14.2.0"
    cupy.ndarray = ndarray
    cupy.empty, cupy.zeros, cupy.asarray, cupy.asnumpy = empty, empty, asarray, asnumpy
    cupy.array = lambda x, copy, order: new(x.host)
    cupy.from_dlpack, cupy.ascontiguousarray, cupy.RawModule = from_dlpack, asarray, RawModule
    cupy.matmul = lambda a, b, out: new(a.host @ b.host)
    cupy.get_default_memory_pool = lambda: pool
    cupy.get_default_pinned_memory_pool = lambda: pinned
    cupy.cuda = SimpleNamespace(
        Device=Device,
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        get_current_stream=lambda: SimpleNamespace(
            synchronize=lambda: machine.called("synchronize")
        ),
        cublas=SimpleNamespace(getVersion=len),
        nvrtc=SimpleNamespace(getVersion=lambda: (12, 9)),
        runtime=SimpleNamespace(
            driverGetVersion=lambda: 13000,
            runtimeGetVersion=lambda: 12090,
            getDeviceCount=count,
            getDevice=current,
            getDeviceProperties=properties,
            memGetInfo=lambda: (machine.free(), machine.memory),
        ),
    )
    return cupy
