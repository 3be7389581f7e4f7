"""The operations of one part of a step as words, and which blocks of the matrices are this part's.

Which operations a step consists of is decided in ``recording.py``.
"""

import struct
from typing import Any, NamedTuple

import numpy as np

from accelnn.kernels.on_numba._jit import in_python
from accelnn.kernels.on_numba.microkernel import TILES
from accelnn.kernels.on_numba.notes import Note, note
from accelnn.kernels.on_numba.operations import address
from accelnn.kernels.on_numba.threads import share

#: Words of an operation: its address and its arguments.
WORDS = 20
#: Panels of B that are used, and what they yield followed up, at a time; more for few rows, up to
#: so many bytes of the result.
STRIP, STRIP_BYTES = 2, 49152


class Block(NamedTuple):
    """What a part computes of a matrix."""

    row: int
    row_end: int
    column: int
    column_end: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.row_end - self.row

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.column_end - self.column


def bits(x: float) -> int:
    """The bits of a float64, as an integer."""
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


class Recording:
    """The operations of one part.

    Attributes
    ----------
    rows : int
        Height of the minibatch.
    height : int
        Rows for which there is room in ``work``.
    work : int
        Address of the layers' outputs.
    gradient : int
        Address of room for some rows of a gradient, this part's own.
    by_rows : bool
        Whether no matrix as high as the minibatch is cut by columns.
    by_columns : bool
        Whether the one that is written now is.
    where : tuple
        The record that operations belong to from here on, None where there is none, and which
        product of a Linear they are: "forward", "weights" or "input".
    """

    def __init__(self, plan: Any, rows: int, part: int, parts: int, height: int, work: int) -> None:
        dtype = plan.params.dtype
        self.plan, self.rows, self.part, self.parts = plan, rows, part, parts
        self.height, self.work, self.size = height, work, int(dtype.itemsize)
        self.params = int(plan.params.ctypes.data)
        self.vector = TILES.vector_bytes // self.size
        self.by_rows, self.by_columns, self.gradient = False, False, 0
        self.where: tuple[Any, str] = (None, "")
        self._operations: list[tuple[int, ...]] = []
        self._notes: list[Note] | None = [] if "notes" in plan.views else None

    def add(self, name: str, *words: int) -> None:
        """Write an operation down, with a note where a profile asks for it."""
        self._operations.append((address(name, self.plan.params.dtype), *words))
        if self._notes is not None:
            self._notes.append(note(self, name, words))

    def wait(self) -> None:
        """Let all parts come here."""
        if self.parts > 1:
            self.add("wait")

    def words(self) -> Any:
        """Return what was written down, as a flat array."""
        found = np.zeros((len(self._operations), WORDS), np.int64)
        for row, operation in zip(found, self._operations, strict=True):
            row[: len(operation)] = operation
        if self._notes is not None:
            self.plan.views["notes"][int(found.ctypes.data)] = self._notes
        return found.reshape(-1)

    def place(self, offset: int) -> int:
        """Address of an output in ``work``; ``offset`` is a record's source or target."""
        layer: int = offset // self.plan.batch_size
        return self.work + layer * self.height * self.size

    def cut(self, size: int, unit: int) -> tuple[int, int]:
        """Return this part's share of ``size`` elements."""
        start, stop = in_python(share)(size, unit, self.part, self.parts)
        return start, stop

    def is_wide(self, columns: int) -> bool:
        """Whether to cut by columns, as there are enough of them."""
        wide = columns >= 2 * self.vector * self.parts
        return self.parts > 1 and wide and not self.by_rows

    def own(self, columns: int) -> Block:
        """What this part computes of a matrix as high as the minibatch."""
        if self.by_columns:
            return Block(0, self.rows, *self.cut(columns, self.vector))
        return Block(*self.cut(self.rows, 1), 0, columns)

    def strips(self, block: Block) -> list[Block]:
        """Cut a block into strips of columns that stay in the cache."""
        nr = TILES.vectors * self.vector
        step = max(STRIP * nr, STRIP_BYTES // (max(block.rows, 1) * self.size) // nr * nr)
        starts = range(block.column, block.column_end, step)
        ends = (min(start + step, block.column_end) for start in starts)
        return [Block(block.row, block.row_end, *ends) for ends in zip(starts, ends, strict=True)]

    def inside(self, address: int, width: int, block: Block) -> int:
        """Address of a block's first element in a matrix of ``width`` columns."""
        return address + (block.row * width + block.column) * self.size

    def multiply(
        self,
        a: tuple[int, int, int],
        b: tuple[int, int, int],
        out: tuple[int, int],
        shape: tuple[int, int, int],
        dots: bool,
        ahead: tuple[int, ...] = (),
    ) -> None:
        """``out = a @ b``, each an address and strides; ``ahead`` is the end of ``gemm.WORDS``."""
        if shape[0] > 0 and shape[2] > 0:
            self.add("gemm", *a, *b, *out, *shape, dots, *ahead)

    def places(self, first: int) -> list[int]:
        """Addresses of parameter number ``first`` and of its states."""
        arrays = (self.plan.params, *self.plan.states)
        return [int(x.ctypes.data) + first * self.size for x in arrays]
