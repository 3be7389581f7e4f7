"""Whole files: read and unpacked, or replaced in one step."""

import gzip
import os
import zlib
from pathlib import Path

from accelnn.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"


def read_unpacked(path: Path) -> bytes:
    """Return the content of a file, decompressed if it is gzip, whatever its name.

    Raises
    ------
    DataError
        The file is not there, is no file, cannot be read, or is broken gzip.
    """
    if os.path.isdir(path):  # unlike path.is_dir, False where it may not look
        raise DataError(f"{path}: is a folder, expected a file. Name the file inside it.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: not found. Check the path (here is {Path.cwd()}).") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    return unpacked(content, path) if content.startswith(_GZIP_MAGIC) else content


def unpacked(content: bytes, source: Path | str) -> bytes:
    """Return gzip ``content`` decompressed; ``source`` names it in a DataError."""
    if not content.startswith(_GZIP_MAGIC):
        raise DataError(f"{source}: not a gzip file, it begins with {content[:16]!r}.")
    try:
        return gzip.decompress(content)
    except EOFError:
        found = f"ends early, after {len(content)} bytes"
    except (OSError, zlib.error) as error:  # OSError: the checksum or a header is wrong
        found = f"is damaged ({error})"
    raise DataError(f"{source}: the gzip data {found}. Copy or download the file again.")


def packed(content: bytes) -> bytes:
    """Return ``content`` as gzip, if it is not yet; the same bytes every time (no date in them)."""
    if content.startswith(_GZIP_MAGIC):
        return content
    return gzip.compress(content, compresslevel=6, mtime=0)
