"""Finds out whether CuPy can run here, and if not, which of the many reasons it is.

CuPy's own ``cupy.cuda.is_available()`` says only no. Nothing happens at import: ``probe`` imports
CuPy and initialises CUDA, which a process forked after that cannot use (``forking.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from accelnn.backends import forking

_CUDA12 = "pip install 'accelnn[cuda12]'"
_CUDA13 = "pip install 'accelnn[cuda13]'"
#: Distributions that all install the package ``cupy``, over each other.
_WHEELS = ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x")
#: What the CUDA runtime answers: driver.h and driver_types.h, cudaError_t.
_NOT_INITIALISED, _INSUFFICIENT_DRIVER, _NO_DEVICE = 3, 35, 100


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
    wheel : str
        Distribution that CuPy came in, and its version: "cupy-cuda13x 14.2.0". Empty where there
        is none or several.
    driver, runtime : str
        Newest CUDA version that the driver supports, and the one that CuPy is built for: "13.0".
        Empty where it is not known.
    device : str
        Name of the current GPU; empty if not usable.
    devices : tuple of str
        Names of all GPUs, by number; empty if not usable.
    """

    usable: bool
    reason: str = ""
    remedy: str = ""
    version: str = ""
    wheel: str = ""
    driver: str = ""
    runtime: str = ""
    device: str = ""
    devices: tuple[str, ...] = ()


def probe() -> Diagnosis:
    """Try what CuPy needs, one thing after another, up to the first that is missing.

    Never raises.
    """
    if forking.forked():
        return Diagnosis(False, forking.REASON, forking.REMEDY)
    if not _is_installed():
        remedy = f"Run: {_CUDA12} or, for a driver of CUDA 13 or later, {_CUDA13}"
        return Diagnosis(False, "CuPy is not installed", remedy)
    wheels = {name: v for name in _WHEELS if (v := _distribution_version(name))}
    pip_line = _CUDA13 if "cupy-cuda13x" in wheels and "cupy-cuda12x" not in wheels else _CUDA12
    reinstall = f"Run: pip uninstall -y {' '.join(wheels or _WHEELS[:1])} && {pip_line}"
    if len(wheels) > 1:
        reason = f"several CuPy packages are installed over each other: {', '.join(wheels)}"
        return Diagnosis(False, reason, reinstall)
    wheel = " ".join(next(iter(wheels.items()), ()))
    try:
        cupy = import_module("cupy")
        version = str(cupy.__version__)
    except Exception as error:  # a broken installation can raise anything
        reason = f"CuPy is installed but cannot be imported: {_first_line(error)}"
        return Diagnosis(False, reason, reinstall, wheel=wheel)
    found = Diagnosis(False, version=version, wheel=wheel)
    try:
        runtime = cupy.cuda.runtime
        driver, built = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        found = replace(found, driver=_dotted(driver), runtime=_dotted(built))
        missing = _missing_driver(runtime, driver, built, pip_line)
        missing = missing or _missing_libraries(cupy, pip_line)
        if missing:
            return replace(found, reason=missing[0], remedy=missing[1])
        devices = tuple(_device_name(runtime, i) for i in range(runtime.getDeviceCount()))
        return replace(found, usable=True, device=devices[runtime.getDevice()], devices=devices)
    except Exception as error:
        reason, remedy = _unexpected(error, pip_line)
        return replace(found, reason=reason, remedy=remedy)


def _missing_driver(runtime: Any, driver: int, built: int, pip_line: str) -> tuple[str, str] | None:
    """Return reason and remedy if the driver or the device is missing."""
    rest = f"{pip_line} brings all the rest"
    if driver == 0:
        return (
            "there is no NVIDIA driver on this machine",
            "Install NVIDIA's driver, or start the container with the GPU (docker run --gpus "
            f"all); {rest}",
        )
    try:
        count = runtime.getDeviceCount()
    except Exception as error:
        status = getattr(error, "status", None)
        if status == _NOT_INITIALISED:  # CUDA was used before the fork, but not through accelnn
            return "CUDA cannot be initialised, as if " + forking.REASON, forking.REMEDY
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
    forking.watch()
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
                f"Run: {pip_line} (it brings the CUDA libraries)",
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


def _distribution_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _device_name(runtime: Any, number: int) -> str:
    return str(runtime.getDeviceProperties(number)["name"].decode(errors="replace"))


def _dotted(version: int) -> str:
    """12090 -> "12.9", as the CUDA runtime counts; 0, which is no driver, -> ""."""
    return f"{version // 1000}.{version % 1000 // 10}" if version else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0] or type(error).__name__
