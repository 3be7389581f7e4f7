"""Where accelnn keeps what it may lose: compiled kernels and downloaded data."""

import os
import sys
from pathlib import Path


def user_cache() -> Path:
    """Return the folder for caches, which need not exist.

    ``ACCELNN_CACHE`` if set, else the platform's own place for caches. Whoever uses it must
    cope with a folder that cannot be written.
    """
    if given := os.environ.get("ACCELNN_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "accelnn"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/accelnn"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "accelnn"
