"""The CUDA sources as text: put together, and read for what they declare.

A ``.cu`` file is written once for all element types. ``source`` puts a type in the place of the
word REAL, and the shared files in front: in Python rather than by #include, because CuPy's cache of
compiled kernels does not look at included files. A module, that is one file for one type, is
compiled when the first of its kernels runs.

What the host must know of a kernel is read in its text: ``signatures`` finds the parameters,
``structs`` the records that a program passes. So neither is written down twice.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from accelnn.kernels import table

#: Threads in a block of an element-wise kernel, and the most in any. A power of two.
BLOCK = 256

#: Sizes in a program's kernels, by which the host counts tiles. Of a product: columns of a tile,
#: and its rows, where they are parameters and where they are a minibatch's. Of anything else:
#: elements of a tile. And the most outputs of a network whose last layer and loss are one task.
TILE, LOW, ELEMENTS, HEAD_COLUMNS = 32, 16, 4 * BLOCK, 32

#: C type of a declaration -> NumPy's. REAL becomes one of those that TYPES names.
SCALARS = {
    "float": np.float32,
    "double": np.float64,
    "uint8": np.uint8,
    "int32": np.int32,
    "int64": np.int64,
    "uint32": np.uint32,
    "uint64": np.uint64,
}

_FLOATS = ("float", "double")

#: File -> the element types it is compiled for; rows are also gathered from data and labels.
TYPES = {
    "rows": (*_FLOATS, "uint8", "int64"),
    "activations": _FLOATS,
    "losses": _FLOATS,
    "updates": _FLOATS,
    "dropout": _FLOATS,
    "program": _FLOATS,
}

#: File -> the shared files that go before it.
_SHARED = {
    "rows": ("_block",),
    "activations": ("_block", "_activations"),
    "losses": ("_block", "_activations", "_losses"),
    "updates": ("_updates",),
    "dropout": ("_random",),
    "program": (
        "_block",
        "_activations",
        "_losses",
        "_updates",
        "_random",
        "_tile",
        "_elements",
    ),
}

#: Kinds of a program's tasks, numbered in this order.
TASKS = (
    "forward",
    "head",
    "loss",
    "backward",
    "gradient",
    "bias_gradient",
    "flat_update",
    "elements_forward",
    "elements_backward",
    "row_forward",
    "row_backward",
)

_FOLDER = Path(__file__).parent
_SIGNATURE = re.compile(
    r'extern "C" __global__ void (?:__launch_bounds__\([\w, ]+\) )?(\w+)\(([^)]*)\)'
)
_PARAMETER = re.compile(r"(?:const )?(\w+)(\*?) (\w+)")
_STRUCT = re.compile(r"^struct (\w+) {\n(.*?)^};", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^    (?:const )?(\w+)(\*?) (\w+)(?:\[(\d+)\])?;", re.MULTILINE)


class Parameter(NamedTuple):
    """A parameter of a CUDA kernel: ``const float* z`` or ``float slope``.

    An array of structs is declared by their name, and passed as an array of bytes.
    """

    dtype: np.dtype[Any]
    pointer: bool
    name: str
    c_type: str

    def __call__(self, value: Any) -> Any:
        """Return the scalar in its declared width, or the array, having looked at its dtype.

        None is the null pointer, as the number 0: CuPy would take the null for the argument itself.
        """
        if self.pointer and value is None:
            return np.uint64(0)
        if not self.pointer:
            return self.dtype.type(value)
        if value.dtype != self.dtype:
            raise TypeError(f"{self.name} must be an array of {self.dtype}, not {value.dtype}")
        return value


@cache
def source(file: str, real: str) -> str:
    """Return the CUDA source of one module: a file, for the element type ``real``."""
    parts = [f"#define BLOCK {BLOCK}"]
    if file == "program":
        names = (table.LAYERS, table.LOSSES, table.UPDATES, TASKS)
        parts += [f"enum : long long {{ {', '.join(_constants(n))} }};" for n in names]
        sizes = {"TILE": TILE, "LOW": LOW, "ELEMENTS": ELEMENTS, "HEAD_COLUMNS": HEAD_COLUMNS}
        parts += [f"enum : int {{ {name} = {value} }};" for name, value in sizes.items()]
    for name in ("_common", *_SHARED[file], file):
        text = (_FOLDER / f"{name}.cu").read_text(encoding="utf-8")
        parts += [f'#line 1 "{name}.cu"', re.sub(r"REAL\b", real, text)]
    return "\n".join(parts)


def _constants(names: tuple[str, ...]) -> list[str]:
    return [name.upper() for name in names]


def signatures(text: str) -> dict[str, tuple[Parameter, ...]]:
    """Return the kernels that a CUDA source defines, with their parameters in order.

    Raises ``ValueError`` for a parameter that is not ``type name`` or ``type* name`` with a type in
    ``SCALARS`` (or ``Struct* name``), and where a ``__global__`` function is not declared on the
    pattern.
    """
    records = {name for name, _ in _STRUCT.findall(text)}
    found = {
        name: tuple(_parameter(" ".join(p.split()), records) for p in parameters.split(","))
        for name, parameters in _SIGNATURE.findall(text)
    }
    if len(found) != text.count("__global__"):
        raise ValueError('a kernel must be declared as: extern "C" __global__ void name(...)')
    return found


def _parameter(declaration: str, records: set[str]) -> Parameter:
    match = _PARAMETER.fullmatch(declaration)
    if match and match[2] and match[1] in records:
        return Parameter(np.dtype(np.uint8), True, match[3], match[1])
    if match is None or match[1] not in SCALARS:
        raise ValueError(f"cannot read the kernel parameter {declaration!r}")
    return Parameter(np.dtype(SCALARS[match[1]]), bool(match[2]), match[3], match[1])


@cache
def struct(text: str, name: str) -> np.dtype[Any]:
    """Return a struct of a CUDA source as a dtype; a pointer is an address in an int64.

    Every field must have 8 bytes, so that host and device agree about where each one lies.
    """
    bodies = dict(_STRUCT.findall(re.sub(r"//.*", "", text)))
    fields: list[Any] = []
    for c_type, pointer, field, count in _FIELD.findall(bodies[name]):
        dtype: np.dtype[Any] = np.dtype(np.int64)
        if not pointer:
            dtype = np.dtype(SCALARS[c_type]) if c_type in SCALARS else struct(text, c_type)
        if dtype.fields is None and dtype.itemsize != 8:
            raise ValueError(f"{name}.{field} must have 8 bytes, a {c_type} has {dtype.itemsize}")
        fields.append((field, dtype, (int(count),)) if count else (field, dtype))
    if len(fields) != bodies[name].count(";"):
        raise ValueError(f"cannot read all fields of struct {name}")
    return np.dtype(fields)
