"""The errors accelnn raises on its own account; everything else is a ValueError or TypeError."""


class AccelnnError(Exception):
    """Base of the library's own errors, for ``except accelnn.errors.AccelnnError``."""


class BackendUnavailable(AccelnnError, ImportError):
    """A backend that was asked for by name cannot run here.

    Parameters
    ----------
    backend : str
        Name of the backend.
    reason : str
        What is missing.
    remedy : str
        What to do about it, as one line.
    """

    def __init__(self, backend: str, reason: str, remedy: str) -> None:
        super().__init__(f"backend {backend!r} cannot run here: {reason}. {remedy}")
        self.backend = backend
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.backend, self.reason, self.remedy)


class DeviceMemoryError(AccelnnError, MemoryError):
    """A GPU has not enough memory for an array; the message says who holds it and what helps.

    Parameters
    ----------
    backend : str
        Name of the backend.
    wanted : int
        Bytes asked for, 0 where that is not known.
    free, total : int
        Bytes of the device.
    used, held : int
        Bytes that this process's arrays use, and all that CuPy's pool holds for them and later
        ones.
    limit : int
        The most that the pool may hold, 0 where nobody set a limit.
    """

    def __init__(
        self, backend: str, wanted: int, free: int, total: int, used: int, held: int, limit: int = 0
    ) -> None:
        most = f", of {_bytes(limit)} it may hold" if limit else ""
        raised = f", raise the limit by get_backend({backend!r}).limit_memory(...)" if limit else ""
        super().__init__(
            f"backend {backend!r} is out of device memory: "
            f"{_bytes(wanted) if wanted else 'more'} wanted, {_bytes(free)} of {_bytes(total)} "
            f"free; arrays of this process use {_bytes(used)} of the {_bytes(held)} that its pool "
            f"holds{most}. Take a smaller batch, float32 instead of float64, drop arrays that are "
            f"no longer needed, give unused blocks back by get_backend({backend!r}).free_memory()"
            f"{raised}"
        )
        self.backend = backend
        self.wanted, self.free, self.total = wanted, free, total
        self.used, self.held, self.limit = used, held, limit

    def __reduce__(self) -> tuple[type, tuple[str, int, int, int, int, int, int]]:
        numbers = (self.wanted, self.free, self.total, self.used, self.held, self.limit)
        return type(self), (self.backend, *numbers)


def _bytes(n: int) -> str:
    """1610612736 -> "1.5 GiB"."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} bytes"


class NotLowerable(AccelnnError):
    """A stack, loss or optimizer has a part that the program does not know; it is named."""


class DataError(AccelnnError, ValueError):
    """A data or model file is not what it says it is; the message says what is wrong with it."""


class DownloadError(AccelnnError, OSError):
    """None of the known mirrors gave the file; the message lists what each of them answered."""


class GraphError(AccelnnError, RuntimeError):
    """A backward pass was asked of a graph that cannot give one."""
