"""CuPy: NVIDIA GPUs. Nothing here touches CUDA before a backend object is made."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from accelnn import kernels
from accelnn.backends import device_memory, watching
from accelnn.backends.base import Backend, Kernel, Status, on_gpu
from accelnn.backends.cupy_probe import probe
from accelnn.backends.cupy_timing import Timer
from accelnn.backends.plan import Plan
from accelnn.errors import BackendUnavailable
from accelnn.kernels.on_cupy import program


class CupyBackend(Backend):
    """Own CUDA kernels and cuBLAS on the CuPy arrays of one device.

    Parameters
    ----------
    number : int, optional
        The device, as in "cupy:1"; the current one when the backend is made if not given.

    Attributes
    ----------
    device_id : int
        Number of the device on which arrays are made.
    way : str
        How programs run: "together" (one launch for a range of minibatches), "graph" (a CUDA graph
        of some steps), "launches" (stage by stage); "auto" chooses.
    """

    name: ClassVar[str] = "cupy"
    folder: ClassVar[str] = "on_cupy"
    reads_bytes: ClassVar[bool] = True
    precisions: ClassVar[tuple[str, ...]] = ("float32", "tf32", "bf16")
    deltas_alive: ClassVar[int] = 3
    way: str = "auto"

    def __init__(self, number: int | None = None) -> None:
        name = self.name if number is None else f"{self.name}:{number}"
        found = probe()
        if not found.usable:
            raise BackendUnavailable(name, found.reason, found.remedy)
        if number is not None and number >= len(found.devices):
            there = ", ".join(f"'{self.name}:{i}' ({d})" for i, d in enumerate(found.devices))
            raise BackendUnavailable(
                name, f"there is no GPU of number {number}", f"Take one of those there are: {there}"
            )
        import cupy

        # On the class, so that one assignment in a forked child reaches every copy (forking.py).
        CupyBackend.xp = cupy
        super().__init__()
        if number is None:
            self.device_id: int = cupy.cuda.runtime.getDevice()
            return
        self.device_id = number
        vars(self)["name"] = name
        for kernel in kernels.NAMES:
            setattr(self, kernel, self._on_own_device(getattr(self, kernel)))

    def _on_own_device(self, kernel: Kernel) -> Kernel:
        """Return a kernel that runs on this device, whichever is the current one."""

        def run(*arguments: Any, **named: Any) -> Any:
            with self.scope():
                return kernel(*arguments, **named)

        return run

    @classmethod
    def on_device(cls, number: str) -> "CupyBackend":
        """Return the backend of one device: "1" for "cupy:1"."""
        if not (number.isascii() and number.isdigit() and str(int(number)) == number):
            raise ValueError(
                f"unknown backend '{cls.name}:{number}': expected the number of a GPU behind the "
                f"colon, such as '{cls.name}:0'"
            )
        return cls(int(number))

    # Arrays, each made and read on this device -------------------------------------------------

    def scope(self) -> Any:
        """Return a context in which this device is the current one of the thread."""
        return self.xp.cuda.Device(self.device_id)

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """Return ``x`` on the device, without a copy if it is there already, in any library."""
        with self.scope(), self.memory_guard():
            if hasattr(x, "__dlpack_device__") and not isinstance(x, np.ndarray | self.xp.ndarray):
                x = self.xp.from_dlpack(x) if on_gpu(x) else np.from_dlpack(x)
            return self.xp.asarray(x, dtype=dtype)  # reads __cuda_array_interface__ itself

    def copy(self, x: Any) -> Any:
        """Return a copy on the device, in the same memory order."""
        with self.scope(), self.memory_guard():
            return self.xp.array(x, copy=True, order="K")

    def to_numpy(self, x: Any) -> Any:
        """Copy an array from the device."""
        with self.scope(), self.memory_guard():
            return self.xp.asnumpy(x)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an uninitialised C-ordered array."""
        with self.scope(), self.memory_guard():
            return self.xp.empty(shape, dtype=dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a C-ordered array of zeros."""
        with self.scope(), self.memory_guard():
            return self.xp.zeros(shape, dtype=dtype)

    def synchronize(self) -> None:
        """Wait for the device's current stream."""
        with self.scope():
            self.xp.cuda.get_current_stream().synchronize()

    def warm_up(self) -> Iterator[tuple[str, bool]]:
        """Compile all modules for this device, in all their types."""
        from accelnn.kernels.on_cupy import warming

        with self.scope():
            yield from warming.warm_up()

    # Memory -----------------------------------------------------------------------------------

    def memory_guard(self) -> Any:
        """Return a context in which CuPy's lack of memory is a ``DeviceMemoryError``."""
        return device_memory.Guard(self.xp, self.name)

    def free_memory(self) -> None:
        """Give back what no array uses, on the device and pinned on the host."""
        with self.scope():
            device_memory.free_blocks(self.xp)

    def limit_memory(self, n_bytes: int | None) -> None:
        """Set the most that arrays and unused blocks may hold on the device; None is no limit."""
        with self.scope():
            device_memory.limit(self.xp, n_bytes)

    def fits(self, n_bytes: int) -> bool:
        """Whether so many more bytes can be had on the device, with some room left."""
        with self.scope():
            return device_memory.fits(self.xp, n_bytes)

    # Programs ---------------------------------------------------------------------------------

    def run_steps(self, plan: Plan, first: int, last: int, scalars: Any) -> None:
        """Train on a range of minibatches without a word to the CPU in between."""
        with self.scope(), self.memory_guard():
            program.run_steps(plan, first, last, scalars, self.way)

    def run_forward(self, plan: Plan, X: Any, out: Any) -> None:
        """Write the outputs for all rows of ``X``, as many at a time as fit in the memory."""
        with self.scope(), self.memory_guard():
            program.run_forward(plan, X, out)

    def release(self, plan: Plan) -> None:
        """Wait for what runs, and give up streams, graphs and buffers."""
        with self.scope():
            program.release(plan)

    def timer(self, log: watching.Log) -> Callable[[str, Kernel], Kernel]:
        """Return what puts a kernel between two events, and into an NVTX range."""
        return Timer(self, log).around

    @classmethod
    def status(cls) -> Status:
        """Say whether a GPU can be used; the first call initialises CUDA."""
        found = probe()
        return Status(
            cls.name,
            found.usable,
            library="cupy",
            version=found.version,
            device=found.device,
            blas="cuBLAS" if found.usable else "",
            reason=found.reason,
            remedy=found.remedy,
        )
