"""The memory of a GPU: how much can be had, and an error that says who holds it.

CuPy keeps what arrays gave back in a pool, from which the next arrays are made. The functions here
ask about the current device; a backend calls them inside its ``scope``.
"""

from typing import Any

from accelnn.errors import DeviceMemoryError

#: Bytes that ``fits`` leaves alone: for the code of kernels, the workspace of cuBLAS, temporaries.
SPARE = 256 << 20


class Guard:
    """A context in which CuPy's error for lack of memory becomes ``DeviceMemoryError``."""

    def __init__(self, xp: Any, backend: str) -> None:
        self.xp, self.backend = xp, backend

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        # MemoryError first: it is CuPy's base class, and nothing else need ask CuPy anything.
        if isinstance(error, MemoryError) and isinstance(
            error, self.xp.cuda.memory.OutOfMemoryError
        ):
            raise shortage(self.xp, self.backend, wanted=getattr(error, "_size", 0)) from error


def shortage(xp: Any, backend: str, wanted: int) -> DeviceMemoryError:
    """Return the error that says how things stand on the current device."""
    free, total = xp.cuda.runtime.memGetInfo()
    pool = xp.get_default_memory_pool()
    return DeviceMemoryError(
        backend,
        wanted=wanted,
        free=free,
        total=total,
        used=pool.used_bytes(),
        held=pool.total_bytes(),
        limit=pool.get_limit(),
    )


def fits(xp: Any, n_bytes: int) -> bool:
    """Whether so many more bytes can be had; unused blocks are given back where that decides."""
    if _room(xp) >= n_bytes:
        return True
    free_blocks(xp)  # some of them may be too small to be of use, so they count only when back
    return _room(xp) >= n_bytes


def _room(xp: Any) -> int:
    free, _ = xp.cuda.runtime.memGetInfo()
    pool = xp.get_default_memory_pool()
    limit = pool.get_limit()  # of what the pool holds, in use or not; 0 is none
    room = free - SPARE
    return int(min(room, limit - pool.total_bytes()) if limit else room)


def free_blocks(xp: Any) -> None:
    """Give back what the pools hold and no array uses, on the device and pinned on the host."""
    xp.get_default_memory_pool().free_all_blocks()
    xp.get_default_pinned_memory_pool().free_all_blocks()


def limit(xp: Any, n_bytes: int | None) -> None:
    """Set the most that the pool may hold on the current device; None is no limit."""
    if n_bytes is not None and n_bytes <= 0:  # CuPy would take 0 for no limit
        raise ValueError(f"a memory limit must be a positive number of bytes or None: {n_bytes}")
    xp.get_default_memory_pool().set_limit(size=n_bytes or 0)
