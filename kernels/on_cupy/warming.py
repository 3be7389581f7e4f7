"""Compiling ahead of time: all modules, in all their types, into CuPy's cache on disk."""

import os
from collections.abc import Iterator
from pathlib import Path

from accelnn.kernels.on_cupy._launch import TYPES, runner, signatures, source


def warm_up() -> Iterator[tuple[str, bool]]:
    """Compile, or find in the cache, one module after another; yield its name, and whether anew.

    Modules are compiled for the current device. What a cooperative launch needs is compiled too,
    though CuPy should find it to be the same.
    """
    for file, types in TYPES.items():
        for real in types:
            kernel, before = next(iter(signatures(source(file, real)))), _kept()
            for together in (False, True) if file == "program" else (False,):
                runner().function(file, real, kernel, together)
            yield f"{file} {real}", _kept() != before


def _kept() -> int:
    """Return how many compiled modules lie where CuPy's documentation says that it keeps them."""
    given = os.environ.get("CUPY_CACHE_DIR")
    folder = Path(given) if given else Path.home() / ".cupy" / "kernel_cache"
    return sum(1 for _ in folder.rglob("*.cubin"))
