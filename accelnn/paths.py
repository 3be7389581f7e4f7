"""Files: where accelnn keeps what it may lose, and how it writes what nobody may see half of."""

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
    try:
        return _platform_cache()
    except RuntimeError:  # a container's user without a home
        return Path(os.devnull) / "accelnn"  # no folder can be made there: nothing is kept


def _platform_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "accelnn"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/accelnn"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "accelnn"


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that nobody, at any time, sees a part of it.

    Raises
    ------
    OSError
        The folder is not there or cannot be written.
    """
    # Not tempfile.mkstemp: its files are for the owner only, and data folders are shared.
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except BaseException:  # Ctrl-C too
        part.unlink(missing_ok=True)
        raise
