"""IDX, the file format of MNIST: a small header, then the numbers.

::

    byte 0, 1   zero
    byte 2      type code, see TYPES
    byte 3      number of dimensions, d
    4 · d       the dimensions, 32-bit big-endian
    the rest    the numbers, big-endian, last dimension fastest
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelnn.datasets._files import packed, read_unpacked
from accelnn.errors import DataError
from accelnn.paths import replace_file

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""Type code of the header -> dtype of the numbers in the file."""

_MAX_DIMENSIONS = 64  # what NumPy can hold


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, plain or gzip.

    Parameters
    ----------
    path : path
        The file. Whether it is compressed is told from its content, not from its name.

    Returns
    -------
    ndarray
        With the shape that the header announces and one of the dtypes uint8, int8, int16, int32,
        float32, float64, in the machine's own byte order.

    Raises
    ------
    DataError
        The file is not there, or not a whole and sound IDX file; the message says what is wrong.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/numbers.gz", np.arange(6, dtype=np.int16).reshape(2, 3))
    ...     read_idx(f"{folder}/numbers.gz")
    array([[0, 1, 2],
           [3, 4, 5]], dtype=int16)
    """
    path = Path(path)
    return parse_idx(read_unpacked(path), path)


def parse_idx(content: bytes, source: Path | str) -> NDArray[Any]:
    """Return the array in ``content``, the bytes of an IDX file; ``source`` names it in errors."""
    dtype, shape = _header(content, source)
    start = 4 + 4 * len(shape)
    found, expected = len(content) - start, math.prod(shape) * dtype.itemsize
    if found != expected:
        wrong = "long" if found > expected else "short"
        raise DataError(
            f"{source}: {abs(found - expected)} bytes too {wrong}: {found} bytes of data, but the "
            f"header announces shape {shape} of {dtype.name}, {expected} bytes. "
            "Copy or download the file again."
        )
    data = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return data.astype(dtype.newbyteorder("="))  # a copy that may be written to


def _header(content: bytes, source: Path | str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if len(content) < 4:
        raise DataError(
            f"{source}: truncated header: {len(content)} bytes, expected 4 for the magic number. "
            "Copy or download the file again."
        )
    zeros, code, dimensions = content[:2], content[2], content[3]
    if zeros != b"\0\0":
        raise DataError(
            f"{source}: wrong magic number 0x{content[:4].hex()}, expected 0x0000 and two more "
            "bytes. This is not an IDX file."
        )
    if code not in TYPES:
        known = ", ".join(f"0x{code:02x} {dtype.name}" for code, dtype in TYPES.items())
        raise DataError(
            f"{source}: unknown type code 0x{code:02x} in the magic number, expected one of "
            f"{known}. This is not an IDX file, or a damaged one."
        )
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise DataError(
            f"{source}: {dimensions} dimensions in the magic number, expected 1 to "
            f"{_MAX_DIMENSIONS}. This is not an IDX file, or a damaged one."
        )
    end = 4 + 4 * dimensions
    if len(content) < end:
        raise DataError(
            f"{source}: truncated header: {len(content)} bytes, expected {end} for "
            f"{dimensions} dimensions. Copy or download the file again."
        )
    shape = np.frombuffer(content[4:end], ">u4")
    return TYPES[code], tuple(shape.tolist())


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write an array as an IDX file, which appears whole or not at all.

    Parameters
    ----------
    path : path
        The file, replaced if it exists; compressed if the name ends in ``.gz``.
    array : ndarray
        uint8, int8, int16, int32, float32 or float64, one dimension or more.

    Raises
    ------
    TypeError
        The format has no code for the dtype.
    ValueError
        The array has no dimension, or one that does not fit in 32 bits.
    OSError
        The folder is not there or cannot be written.
    """
    path, array = Path(path), np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in TYPES.items()}
    dtype = array.dtype.newbyteorder("=")
    if dtype not in codes:
        known = ", ".join(dtype.name for dtype in TYPES.values())
        raise TypeError(f"an IDX file cannot hold {dtype}, only {known}: use array.astype")
    if array.ndim == 0 or max(array.shape) >= 2**32:
        raise ValueError(
            f"an IDX file cannot hold shape {array.shape}: it takes one dimension or more, "
            "each below 2**32"
        )
    header = bytes([0, 0, codes[dtype], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(TYPES[codes[dtype]]).tobytes()
    replace_file(path, packed(content) if path.suffix == ".gz" else content)
