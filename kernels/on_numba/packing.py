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

from accelnn.kernels.on_numba._jit import apart
from accelnn.kernels.on_numba.microkernel import (
    TILES,
    copy_row,
    copy_some,
    lanes,
    transpose_square,
)
from accelnn.kernels.on_numba.pointers import at


@apart
def pack_b(b: Any, b_row: Any, b_column: Any, k: Any, columns: Any, panels: Any) -> None:
    """Copy ``columns`` columns of k rows of B to panels."""
    v = lanes(b)
    nr = v * TILES.vectors
    if b_column == 1:
        for p in range(k):
            for j in range(0, columns, nr):
                source, target = at(b, p * b_row + j), at(panels, j * k + p * nr)
                if columns - j >= nr:
                    copy_row(source, target)
                else:
                    copy_some(source, target, columns - j)
        return
    for first in range(0, columns, nr):
        panel, source = at(panels, first * k), at(b, first * b_column)
        inside = min(nr, columns - first)
        done, done_k = 0, 0
        if b_row == 1:
            done, done_k = inside // v * v, k // v * v
            for j in range(0, done, v):
                for p in range(0, done_k, v):
                    square = at(source, j * b_column + p)
                    transpose_square(square, b_column, at(panel, p * nr + j), nr)
        for p in range(done_k if done == nr else 0, k):
            for j in range(done if p < done_k else 0, inside):
                panel[p * nr + j] = source[p * b_row + j * b_column]
            for j in range(inside, nr):
                panel[p * nr + j] = 0


@apart
def pack_a(a: Any, a_column: Any, rows: Any, k: Any, packed: Any, packed_column: Any) -> None:
    """Copy k columns of ``rows`` rows of A, whose columns are contiguous."""
    for p in range(k):
        for i in range(rows):
            packed[p * packed_column + i] = a[p * a_column + i]
