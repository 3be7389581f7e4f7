"""Packing: operands that lie badly in memory, copied to where the micro-kernel reads them in a row.

::

      B (KC x NC), rows or columns contiguous            packed
    +------+------+----+                      a panel is KC rows of NR elements,
    | -> 1 | -> 5 | .. |                      one after the other; the last panel
    | -> 2 | -> 6 |    |   ------------->     is filled up with zeros
    | -> 3 | -> 7 |    |
    | -> 4 | -> 8 |    |                      [ 1 | 2 | 3 | 4 ] [ 5 | 6 | 7 | 8 ] ...
    +------+------+----+

      Aᵀ (KC x MC), rows contiguous, far apart           packed
    +-------------+                           KC rows of MC elements, close together:
    | -> 1        |                           an element of A is still one step away
    | -> 2        |        ------------->     from the next row's, MC from the next
    | -> 3        |                           column's
    +-------------+                           [ 1 | 2 | 3 ]
"""

from typing import Any

from accelnn.kernels.on_numba._jit import apart, jit
from accelnn.kernels.on_numba.microkernel import (
    TILES,
    copy_row,
    copy_some,
    lanes,
    transpose_square,
)
from accelnn.kernels.on_numba.pointers import at


@jit
def panel_width(left: Any, v: Any) -> Any:
    """Columns of the next panel, of those left: twice two vectors rather than three and one."""
    nr = v * TILES.vectors
    return 2 * v if nr < left <= nr + v else min(nr, left)


@apart
def pack_b(b: Any, b_row: Any, b_column: Any, k: Any, columns: Any, panel: Any) -> None:
    """Copy ``columns`` columns of k rows of B to panels."""
    v = lanes(b)
    nr = v * TILES.vectors
    if b_column == 1:
        for p in range(k):
            j, target = 0, at(panel, p * nr)
            while j < columns:
                width, source = panel_width(columns - j, v), at(b, p * b_row + j)
                if width == nr:
                    copy_row(source, target)
                else:
                    copy_some(source, target, width)
                j, target = j + width, at(target, k * nr)
        return
    while columns > 0:
        width = panel_width(columns, v)
        done, done_k = 0, 0
        if b_row == 1:
            done, done_k = width // v * v, k // v * v
            for j in range(0, done, v):
                for p in range(0, done_k, v):
                    square = at(b, j * b_column + p)
                    transpose_square(square, b_column, at(panel, p * nr + j), nr)
        for p in range(done_k if done == nr else 0, k):
            for j in range(done if p < done_k else 0, width):
                panel[p * nr + j] = b[p * b_row + j * b_column]
            for j in range(width, nr):
                panel[p * nr + j] = 0
        columns, b, panel = columns - width, at(b, width * b_column), at(panel, k * nr)


@apart
def pack_a(a: Any, a_column: Any, rows: Any, k: Any, packed: Any, packed_column: Any) -> None:
    """Copy k columns of ``rows`` rows of A, whose columns are contiguous."""
    for p in range(k):
        for i in range(rows):
            packed[p * packed_column + i] = a[p * a_column + i]
