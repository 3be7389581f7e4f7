"""CuPy: NVIDIA GPUs. Nothing here touches CUDA before a backend object is made."""

from typing import Any, ClassVar

import numpy as np

from accelnn.backends.base import Backend, Status
from accelnn.backends.cupy_probe import probe
from accelnn.errors import BackendUnavailable


class CupyBackend(Backend):
    """Own CUDA kernels and cuBLAS on CuPy arrays of the current device."""

    name: ClassVar[str] = "cupy"
    folder: ClassVar[str] = "on_cupy"

    def __init__(self) -> None:
        found = probe()
        if not found.usable:
            raise BackendUnavailable(self.name, found.reason, found.remedy)
        import cupy

        self.xp: Any = cupy
        super().__init__()

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """Return ``x`` on the device; an array that is there already is not copied."""
        if hasattr(x, "__dlpack_device__") and not isinstance(x, np.ndarray | self.xp.ndarray):
            on_device = x.__dlpack_device__()[0] == 2  # kDLCUDA
            x = self.xp.from_dlpack(x) if on_device else np.from_dlpack(x)
        return self.xp.asarray(x, dtype=dtype)

    def copy(self, x: Any) -> Any:
        """Return a copy on the device, in the same memory order."""
        return self.xp.array(x, copy=True, order="K")

    def to_numpy(self, x: Any) -> Any:
        """Copy an array from the device."""
        return self.xp.asnumpy(x)

    def synchronize(self) -> None:
        """Wait for the current stream."""
        self.xp.cuda.get_current_stream().synchronize()

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
