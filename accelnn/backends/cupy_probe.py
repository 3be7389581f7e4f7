"""Finds out whether CuPy can run here, and if not, which of the many reasons it is.

CuPy's own ``cupy.cuda.is_available()`` says only no. Nothing happens at import: ``probe`` imports
CuPy and initialises CUDA, and a process must not be forked after that (use "spawn").
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

_CUDA12 = "pip install 'accelnn[cuda12]'"
_CUDA13 = "pip install 'accelnn[cuda13]'"
#: Distributions that all install the package ``cupy``, over each other.
_WHEELS = ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x")
#: What the CUDA runtime answers: driver.h and driver_types.h, cudaError_t.
_INSUFFICIENT_DRIVER, _NO_DEVICE = 35, 100


@dataclass(frozen=True)
class Diagnosis:
    """What ``probe`` found.

    Attributes
    ----------
    usable : bool
    reason, remedy : str
        Why CuPy cannot run and what to do about it; empty if usable.
    version : str
        CuPy's version, empty where it could not be imported.
    device : str
        Name of the current GPU; empty if not usable.
    """

    usable: bool
    reason: str = ""
    remedy: str = ""
    version: str = ""
    device: str = ""


def probe() -> Diagnosis:
    """Try what CuPy needs, one thing after another, up to the first that is missing.

    Never raises.
    """
    if not _is_installed():
        remedy = f"Run: {_CUDA12} or, for a driver of CUDA 13 or later, {_CUDA13}"
        return Diagnosis(False, "CuPy is not installed", remedy)
    wheels = [name for name in _WHEELS if _has_distribution(name)]
    pip_line = _CUDA13 if "cupy-cuda13x" in wheels and "cupy-cuda12x" not in wheels else _CUDA12
    reinstall = f"Run: pip uninstall -y {' '.join(wheels or _WHEELS[:1])} && {pip_line}"
    if len(wheels) > 1:
        reason = f"several CuPy packages are installed over each other: {', '.join(wheels)}"
        return Diagnosis(False, reason, reinstall)
    try:
        cupy = import_module("cupy")
        version = str(cupy.__version__)
    except Exception as error:  # a broken installation can raise anything
        reason = f"CuPy is installed but cannot be imported: {_first_line(error)}"
        return Diagnosis(False, reason, reinstall)
    missing = _missing_driver(cupy, pip_line) or _missing_libraries(cupy, pip_line)
    if missing:
        return Diagnosis(False, *missing, version)
    try:
        device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"]
    except Exception as error:
        return Diagnosis(False, *_unexpected(error, pip_line), version)
    return Diagnosis(True, version=version, device=device.decode(errors="replace"))


def _missing_driver(cupy: Any, pip_line: str) -> tuple[str, str] | None:
    """Return reason and remedy if the driver or the device is missing."""
    rest = f"{pip_line} brings all the rest"
    driver = built = 0
    try:
        driver = cupy.cuda.runtime.driverGetVersion()
        if driver == 0:
            return (
                "there is no NVIDIA driver on this machine",
                "Install NVIDIA's driver, or start the container with the GPU (docker run --gpus "
                f"all); {rest}",
            )
        built = cupy.cuda.runtime.runtimeGetVersion()
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        status = getattr(error, "status", None)
        if status == _INSUFFICIENT_DRIVER:
            older = f", or run: pip uninstall -y cupy-cuda13x && {_CUDA12}"
            return (
                f"the NVIDIA driver is too old: it supports CUDA {_dotted(driver)}, and CuPy is "
                f"built for CUDA {_dotted(built)}",
                "Update the driver" + (older if driver // 1000 == 12 else f"; {rest}"),
            )
        if status != _NO_DEVICE:
            return _unexpected(error, pip_line)
        count = 0
    if count == 0:
        return (
            "the NVIDIA driver finds no GPU",
            "Check that nvidia-smi lists one and that the environment variable "
            f"CUDA_VISIBLE_DEVICES does not hide it; {rest}",
        )
    return None


def _missing_libraries(cupy: Any, pip_line: str) -> tuple[str, str] | None:
    """Return reason and remedy if cuBLAS or NVRTC, which CuPy loads late, cannot be loaded."""
    needed: dict[str, Callable[[], Any]] = {
        "cuBLAS": lambda: cupy.cuda.cublas.getVersion,
        "NVRTC": lambda: cupy.cuda.nvrtc.getVersion(),
    }
    for library, touch in needed.items():
        try:
            touch()
        except Exception as error:
            return (
                f"the CUDA library {library} is missing: {_first_line(error)}",
                f"Run: {pip_line} (it brings CuPy's [ctk] extra, which holds the CUDA libraries)",
            )
    return None


def _unexpected(error: Exception, pip_line: str) -> tuple[str, str]:
    return (
        f"CUDA answers with an error: {_first_line(error)}",
        "Check that nvidia-smi works (after an update of the driver, restart the machine); if it "
        f"does, reinstall: {pip_line}",
    )


def _is_installed() -> bool:
    try:
        return find_spec("cupy") is not None
    except (ImportError, ValueError):  # an odd entry in sys.modules: let the import say what it is
        return True


def _has_distribution(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _dotted(version: int) -> str:
    """12090 -> "12.9", as the CUDA runtime counts."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0] or type(error).__name__
