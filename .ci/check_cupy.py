"""What the extra ``cuda12`` brings, in an environment that has it and nothing else of CUDA.

CuPy and the libraries that it loads late are there, NVRTC compiles the package's CUDA sources, and
``accelnn backends`` says what is missing. Only a machine without a GPU can show the last.
"""

import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import cupy

import accelnn
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.on_cupy.cublas import Cublas, CublasError

NO_DRIVER = (
    "cupy: there is no NVIDIA driver on this machine. Install NVIDIA's driver, or start the "
    "container with the GPU (docker run --gpus all); pip install 'accelnn[cuda12]' brings all the "
    "rest"
)


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
    sources()
    message(has_driver)
    if not has_driver:
        handle()
