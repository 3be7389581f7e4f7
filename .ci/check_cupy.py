"""What the extra ``cuda12`` brings, in an environment that has it and nothing else of CUDA.

CuPy and the libraries that it loads late are there, CuPy has all that the package calls, NVRTC
compiles the package's CUDA sources, and ``accelnn backends`` says what is missing. Only a machine
without a GPU can show the last.
"""

import inspect
import re
import shutil
import subprocess
import sys
import sysconfig
from functools import reduce
from importlib import metadata
from pathlib import Path
from typing import Any

import cupy
import cupyx

import accelnn
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.on_cupy.cublas import Cublas, CublasError

NO_DRIVER = (
    "cupy: there is no NVIDIA driver on this machine. Install NVIDIA's driver, or start the "
    "container with the GPU (docker run --gpus all); pip install 'accelnn[cuda12]' brings all the "
    "rest"
)

#: Files, below the package, that call CuPy: as ``cupy`` or as ``xp``, the namespace of a backend.
CALLERS = (
    "backends/cupy_*.py",
    "backends/device_memory.py",
    "kernels/on_cupy/*.py",
    "bench/gpu_*.py",
    "autograd.py",
    "checking.py",
    "engines.py",
    "program.py",
    "training.py",
    "nn/*.py",
    "optim/*.py",
)
_NAME = re.compile(r"\b(?:cupy|xp)\.(\w+(?:\.\w+)*)")

#: What is called of CuPy's objects -> the parameters that are passed by name or, before "/", by
#: place. Nothing here can be called without a device.
CALLED = {
    "RawModule": "code options enable_cooperative_groups",
    "RawModule.get_function": "name /",
    "RawKernel.__call__": "grid block args /",
    "array": "copy order",
    "asarray": "dtype",
    "asnumpy": "",
    "ascontiguousarray": "",
    "empty": "shape dtype /",
    "zeros": "shape dtype /",
    "matmul": "out",
    "sum": "dtype",
    "from_dlpack": "",
    "ndarray.set": "arr / stream",
    "ndarray.get": "",
    "cuda.Device": "",
    "cuda.Device.synchronize": "",
    "cuda.Event": "block disable_timing",
    "cuda.Event.record": "",
    "cuda.Event.synchronize": "",
    "cuda.Graph.launch": "stream /",
    "cuda.Graph.upload": "stream /",
    "cuda.Stream": "non_blocking",
    "cuda.Stream.begin_capture": "",
    "cuda.Stream.end_capture": "",
    "cuda.Stream.record": "event /",
    "cuda.Stream.synchronize": "",
    "cuda.Stream.wait_event": "event /",
    "cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor": "func blockSize dynamicSMemSize /",
    "cuda.get_current_stream": "",
    "cuda.get_elapsed_time": "start_event end_event /",
    "cuda.memory.MemoryPool.free_all_blocks": "stream",
    "cuda.memory.MemoryPool.get_limit": "",
    "cuda.memory.MemoryPool.set_limit": "size",
    "cuda.memory.MemoryPool.total_bytes": "",
    "cuda.memory.MemoryPool.used_bytes": "",
    "cuda.PinnedMemoryPool.free_all_blocks": "",
    "cuda.runtime.deviceGetAttribute": "attrib device /",
    "cuda.runtime.getDeviceProperties": "device /",
}

#: Attributes, and numbers of the CUDA runtime.
READ = (
    "RawKernel.kernel",
    "ndarray.data",
    "ndarray.__dlpack_device__",
    "cuda.Device.__enter__",
    "cuda.Device.compute_capability",
    "cuda.Device.mem_info",
    "cuda.Function.ptr",
    "cuda.MemoryPointer.ptr",
    "cuda.Stream.__enter__",
    "cuda.runtime.cudaDevAttrCooperativeLaunch",
    "cuda.runtime.cudaDevAttrMultiProcessorCount",
    "cuda.runtime.driverGetVersion",
    "cuda.runtime.getDevice",
    "cuda.runtime.getDeviceCount",
    "cuda.runtime.memGetInfo",
    "cuda.runtime.runtimeGetVersion",
)


def names() -> None:
    """Look for all that is called of CuPy, and for the parameters that are passed by name."""
    package = Path(accelnn.__file__).parent
    files = [file for pattern in CALLERS for file in package.glob(pattern)]
    texts = [file.read_text("utf-8") for file in files]
    found = {name for text in texts for name in _NAME.findall(text)}
    assert {"RawModule", "cuda.runtime.getDevice", "get_default_memory_pool"} <= found, found
    for name in sorted({*found, *CALLED, *READ}):
        at(name)
    for name, parameters in CALLED.items():
        by_place, slash, by_name = parameters.rpartition("/")
        check_parameters(name, by_place.split() if slash else [], by_name.split())
    assert {"shape", "dtype"} <= set(inspect.signature(cupyx.empty_pinned).parameters)
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)
    assert type(cupy.get_default_memory_pool()) is cupy.cuda.memory.MemoryPool
    assert type(cupy.get_default_pinned_memory_pool()) is cupy.cuda.PinnedMemoryPool
    assert "Stream.ptr" in cupy.cuda.Stream.__doc__  # set by its __init__, on a device only
    assert vars(cupy.cuda.memory.OutOfMemoryError(5, 6, 7))["_size"] == 5
    print("CuPy has", len(found | CALLED.keys() | set(READ)), "names that are used of it")


def at(name: str) -> Any:
    """Return what is at ``cupy.<name>``."""
    try:
        return reduce(getattr, name.split("."), cupy)
    except AttributeError as error:
        sys.exit(f"CuPy {cupy.__version__} has no cupy.{name}: {error}")


def check_parameters(name: str, by_place: list[str], by_name: list[str]) -> None:
    """Exit unless these parameters come first, and those are there."""
    try:
        taken = list(inspect.signature(at(name)).parameters)
    except ValueError:  # of what Cython made, which writes the parameters into the docstring
        declared = re.match(r"[\w.]+\((.*)\)", at(name).__doc__ or "")
        if declared is None:
            sys.exit(f"what parameters cupy.{name} takes cannot be read")
        words = [p.partition("=")[0].split() for p in declared[1].split(",") if p.strip()]
        taken = [each[-1] for each in words]
    taken = [p for p in taken if p not in ("self", "*")]
    if taken[: len(by_place)] != by_place or not set(by_name) <= set(taken):
        sys.exit(f"cupy.{name} takes {taken}, expected {by_place} first, and {by_name}")


def libraries() -> None:
    """Load cuBLAS and NVRTC through CuPy, as its first product and its first kernel would."""
    assert cupy.cuda.cublas.getVersion
    names = sorted(d.name for d in metadata.distributions() if d.name.startswith("nvidia-"))
    print("CuPy", cupy.__version__, "NVRTC", cupy.cuda.nvrtc.getVersion(), *names)


def sources() -> None:
    """Compile every module by CuPy's NVRTC."""
    for file, types in _launch.TYPES.items():
        for real in types:
            text = _launch.source(file, real)
            program = cupy.cuda.nvrtc.createProgram(text, f"{file}.cu", (), ())
            try:
                cupy.cuda.nvrtc.compileProgram(program, ("-arch=sm_90", "--std=c++17"))
            except cupy.cuda.nvrtc.NVRTCError:
                sys.exit(cupy.cuda.nvrtc.getProgramLog(program))
            cupy.cuda.nvrtc.destroyProgram(program)
    print("compiled", *_launch.TYPES)


def message(has_driver: bool) -> None:
    """Ask for the backends, as a user would."""
    command = [str(Path(sysconfig.get_path("scripts"), "accelnn")), "backends"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert has_driver or NO_DRIVER in done.stdout


def handle() -> None:
    """Find the cuBLAS that CuPy uses; a handle of it needs a device."""
    try:
        Cublas()
    except CublasError as error:
        assert str(error) == "cublasCreate_v2: CUBLAS_STATUS_NOT_INITIALIZED"  # noqa: PT017
        return
    sys.exit("cuBLAS gave a handle on a machine without a driver")


if __name__ == "__main__":
    assert "site-packages" in accelnn.__file__, accelnn.__file__
    has_driver = Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None
    libraries()
    names()
    sources()
    message(has_driver)
    if not has_driver:
        handle()
