"""CUDA does not survive a fork: a forked child is told so, instead of a crash or CUDA's error 3.

What the child has inherited is replaced: the array namespace of the CuPy backends and the launcher
of their kernels by something that raises whatever it is asked, and the instances are forgotten.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

from accelnn.errors import BackendUnavailable

REASON = "this process was forked from one that had used CUDA"
REMEDY = (
    'Start processes by the method "spawn" or "forkserver" of multiprocessing, '
    "or through joblib, whose loky is safe"
)

_watching = False
_forked = False


class Forked:
    """What stands in the child where CuPy stood in the parent."""

    def __getattr__(self, name: str) -> Any:
        raise BackendUnavailable("cupy", REASON, REMEDY)


def watch() -> None:
    """Note that this process uses CUDA from now on, so that children forked later are told."""
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):  # Windows knows no fork
        os.register_at_fork(after_in_child=_tell_the_child)
        _watching = True


def forked() -> bool:
    """Whether this process was forked from one that had used CUDA."""
    return _forked


def _tell_the_child() -> None:
    global _forked
    _forked = True
    # Nothing is imported here: another thread of the parent may have held the lock of an import.
    loaded: Mapping[str, Any] = sys.modules
    if (backend := loaded.get("accelnn.backends.cupy_backend")) is not None:
        backend.CupyBackend.xp = Forked()
        instances = loaded["accelnn.backends"]._instances
        for name in [n for n, b in instances.items() if isinstance(b, backend.CupyBackend)]:
            del instances[name]
    if (launcher := loaded.get("accelnn.kernels.on_cupy._launch")) is not None:
        launcher._runner = Forked()
        launcher._kernel.cache_clear()
