"""The GPU as the measurements of ``gpu_check`` see it: its facts, its clock, its micro-kernels.

A rehearsal on the CPU (``tests/gpu_rehearsal.py``) puts another object with the same methods in the
place of ``Cuda``, so that a measurement fails there and not in the few minutes on a GPU.
"""

import platform
import re
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from accelnn.backends import Backend
from accelnn.backends.cupy_probe import probe
from accelnn.bench.networks import WIDTHS
from accelnn.kernels import on_cupy
from accelnn.kernels.on_cupy._source import BLOCK, signatures

LIBRARIES = ("numpy", "numba", "scikit-learn", "torch", "jax", "jaxlib", "nvidia-cublas")
_BARRIER = re.compile(r"^__device__ inline void grid_barrier\(.*?^}", re.MULTILINE | re.DOTALL)


class Device(Protocol):
    """What runs the measurements. It is sent to other processes, so it holds names only."""

    kind: str  # "cuda" or "cpu", as PyTorch and JAX call it
    name: str  # of the backend, for what is run by name
    widths: tuple[int, ...]  # of the network
    rows: int  # of an epoch
    repeats: int  # of what takes microseconds

    def facts(self) -> dict[str, Any]:
        """Return what the figures are taken on."""

    def backend(self, way: str) -> Backend:
        """Return a backend that runs programs in one of its ways, or "eager": kernel by kernel."""

    def seconds(self, call: Callable[[], Any], times: int) -> float:
        """Return the device's seconds per call, of ``times`` calls in a row."""

    def synchronize(self) -> None:
        """Wait until all is done."""

    def multiprocessors(self) -> int:
        """Return on how many blocks may run in parallel."""

    def micro_kernel(self, name: str, together: bool) -> tuple[Any, int]:
        """Return a kernel of gpu_floor.cu, and how many of its blocks run at the same time."""

    def on_host(self, array: Any) -> Any:
        """Return an array that a program takes for one outside the device."""


class Cuda:
    """The current GPU, through CuPy. Durations are taken by CUDA events."""

    kind: str = "cuda"
    name: str = "cupy"
    widths: tuple[int, ...] = WIDTHS
    rows: int = 60_000
    repeats: int = 1000

    def facts(self) -> dict[str, Any]:  # noqa: D102
        import cupy

        found, device = probe(), cupy.cuda.Device()
        return {
            "device": found.device,
            "compute capability": device.compute_capability,
            "multiprocessors": self.multiprocessors(),
            "bytes": device.mem_info[1],
            "driver": found.driver,
            "driver file": first_line(Path("/proc/driver/nvidia/version")),
            "runtime": found.runtime,
            "wheel": found.wheel,
            "cupy": found.version,
            **software(),
        }

    def backend(self, way: str) -> Backend:  # noqa: D102
        from accelnn.backends.cupy_backend import CupyBackend

        made = CupyBackend()
        if way == "eager":
            return made.intercept(lambda _name, kernel: kernel)
        made.way = way
        return made

    def seconds(self, call: Callable[[], Any], times: int) -> float:  # noqa: D102
        import cupy

        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(times):
            call()
        end.record()
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end)) / 1e3 / times

    def synchronize(self) -> None:  # noqa: D102
        import cupy

        cupy.cuda.Device().synchronize()

    def multiprocessors(self) -> int:  # noqa: D102
        import cupy

        runtime = cupy.cuda.runtime
        count = runtime.cudaDevAttrMultiProcessorCount
        return int(runtime.deviceGetAttribute(count, runtime.getDevice()))

    def micro_kernel(self, name: str, together: bool) -> tuple[Any, int]:  # noqa: D102
        import cupy

        how = {"enable_cooperative_groups": True} if together else {}
        module = cupy.RawModule(code=micro_source(), options=("--std=c++17",), **how)
        kernel = module.get_function(name)
        occupancy = cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
        most = occupancy(kernel.kernel.ptr, BLOCK, 0) * self.multiprocessors()
        parameters = signatures(micro_source())[name]

        def run(blocks: int, threads: int, arguments: list[Any]) -> None:
            converted = tuple(p(a) for p, a in zip(parameters, arguments, strict=True))
            kernel((blocks,), (threads,), converted)

        return run, int(most)

    def on_host(self, array: Any) -> Any:  # noqa: D102
        return array


def micro_source() -> str:
    """Return the CUDA source of the micro-kernels, with the engine's own barrier."""
    engine = Path(on_cupy.__file__).parent
    common, program = ((engine / f"{n}.cu").read_text("utf-8") for n in ("_common", "program"))
    barrier = _BARRIER.search(program)
    if barrier is None:
        raise ValueError("program.cu has no function grid_barrier any more")
    own = Path(__file__).with_name("gpu_floor.cu").read_text("utf-8")
    return "\n".join((common, barrier[0], own))


def software() -> dict[str, Any]:
    """Return the versions of what takes part, None for what is not installed."""
    versions: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def first_line(path: Path) -> str:
    """Return the first line of a file, or nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return ""
