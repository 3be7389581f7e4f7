"""The safetensors format: named arrays and a JSON header in one file, and nothing that runs.

Eight bytes of header length (little endian), the header as JSON, then the arrays' bytes
(https://huggingface.co/docs/safetensors, "Format"). Files written here open in the ``safetensors``
library and the other way round (tested).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from accelnn.errors import DataError
from accelnn.paths import replace_file

_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "I64": "<i8",
    "I32": "<i4",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(code): name for name, code in _TYPES.items()}
_MAX_HEADER = 100_000_000  # the format's own limit


def write_tensors(path: str | Path, arrays: dict[str, Any], metadata: dict[str, str]) -> None:
    """Write arrays and metadata, atomically: the file is the old one or the whole new one.

    Raises
    ------
    TypeError
        For an array of a type that the format or this reader does not have.
    """
    path = Path(path)
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    chunks = []
    for name, array in arrays.items():
        little = np.ascontiguousarray(array)
        little = little.astype(little.dtype.newbyteorder("<"), copy=False)
        if little.dtype not in _NAMES:
            raise TypeError(f"{name} has dtype {array.dtype}, which is not one of {list(_TYPES)}")
        end = offset + little.nbytes
        header[name] = {
            "dtype": _NAMES[little.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
        chunks.append(little)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the data are aligned
    head = len(text).to_bytes(8, "little") + text
    replace_file(path, b"".join([head, *(chunk.tobytes() for chunk in chunks)]))


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (arrays, metadata) of a file.

    Raises
    ------
    DataError
        For a file that is not what the format says; nothing of it is trusted before it is checked.
    """
    path = Path(path)
    data = path.read_bytes()

    def broken(what: str) -> DataError:
        return DataError(f"{path} is not a safetensors file: {what}")

    if len(data) < 8:
        raise broken(f"it has {len(data)} bytes, a header length alone takes 8")
    size = int.from_bytes(data[:8], "little")
    if size > min(len(data) - 8, _MAX_HEADER):
        raise broken(f"its header should take {size} bytes of the {len(data) - 8} that follow")
    try:
        header = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise broken(f"its header is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise broken("its header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    body = memoryview(data)[8 + size :]
    try:
        return {name: _array(entry, body) for name, entry in header.items()}, metadata
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise broken(f"an entry of its header does not fit the data ({error})") from None


def _array(entry: Any, body: memoryview) -> Any:
    first, last = entry["data_offsets"]
    dtype, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"])
    if not all(isinstance(n, int) and n >= 0 for n in (first, last, *shape)):
        raise ValueError("an offset or a length is not a number of at least 0")
    count = 1
    for n in shape:
        count *= n
    if last - first != count * dtype.itemsize or last > len(body):
        raise ValueError(f"shape {shape} of {entry['dtype']} does not take bytes {first}:{last}")
    little = np.frombuffer(body[first:last], dtype).reshape(shape)
    return little.astype(dtype.newbyteorder("="))  # a copy that can be written to
