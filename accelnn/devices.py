"""PyTorch's names of places, "cpu" and "cuda", read as backends."""

from typing import Self

from accelnn.backends import Backend, get_backend, resolve_backend


class device(str):  # noqa: N801 - PyTorch's name
    """The name of a place: "cpu", "cuda", "cuda:1", or a backend; equal to its string.

    Attributes
    ----------
    type : str
        What stands before the colon.
    index : int or None
        Number of the GPU.

    Examples
    --------
    >>> import accelnn
    >>> place = accelnn.device("cuda" if accelnn.cuda.is_available() else "cpu")
    >>> accelnn.zeros(2, device=place).tolist()
    [0.0, 0.0]
    >>> accelnn.device("cuda:1").index
    1
    """

    __slots__ = ()

    def __new__(cls, name: str, index: int | None = None) -> Self:
        """Check and join the two."""
        if not isinstance(name, str):
            raise TypeError(f"device() takes a name such as 'cpu' or 'cuda', got {name!r}")
        return super().__new__(cls, name if index is None else f"{name}:{index}")

    @property
    def type(self) -> str:
        """What stands before the colon."""
        return self.partition(":")[0]

    @property
    def index(self) -> int | None:  # type: ignore[override]
        """Number of the GPU, if one is named."""
        number = self.partition(":")[2]
        return int(number) if number else None

    def __repr__(self) -> str:
        return f"device({str(self)!r})"


def backend_of(place: str | Backend | None, current: Backend | None = None) -> Backend:
    """Return the backend that a device or a backend's own name means.

    Parameters
    ----------
    place : str, Backend or None
        "cpu" keeps a backend whose arrays are on the CPU and otherwise returns to NumPy; "cuda" is
        CuPy, "cuda:1" the GPU of that number. None keeps ``current``. Everything else is the name
        of a backend.
    current : Backend, optional
        Where the data are; without it the backend that ``use_backend`` or ``ACCELNN_BACKEND``
        names, or NumPy.

    Raises
    ------
    ValueError
        For a name that is neither.
    BackendUnavailable
        For "cuda" without CuPy or a GPU; the message says what to do.
    """
    if isinstance(place, Backend):
        return place
    current = resolve_backend() if current is None else current
    if place is None:
        return current
    kind, colon, number = str(place).partition(":")
    on_gpu = current.name.partition(":")[0] == "cupy"
    if kind == "cpu":
        return get_backend("numpy") if on_gpu else current
    if kind == "cuda":
        return current if on_gpu and not colon else get_backend(f"cupy{colon}{number}")
    return get_backend(str(place))
