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


class NotLowerable(AccelnnError):
    """A stack, loss or optimizer has a part that the program does not know; it is named."""


class DataError(AccelnnError, ValueError):
    """A data or model file is not what it says it is; the message says what is wrong with it."""


class DownloadError(AccelnnError, OSError):
    """None of the known mirrors gave the file; the message lists what each of them answered."""


class GraphError(AccelnnError, RuntimeError):
    """A backward pass was asked of a graph that cannot give one."""
