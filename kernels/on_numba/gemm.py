"""The matrix product in three loops around a micro-kernel; the names are those of BLIS.

::

                 m                        NR                    m
            +---------+             +----+----+--        +----+----+--
          k | B       |          KC | -> | -> |        n | C   NR  |
            |         |             | -> | -> |          |  MR[##] |
            +---------+             +----+----+--        |         |
                              packed: a panel is KC      +---------+
              k                rows of NR elements,
         +---------+           one after the other;      one call of the micro-kernel: MR x NR
       n | A  KC   |           short ones end in zeros   elements of C in registers, KC steps of
      MR | [=====] |                                     MR broadcasts and MR x NR multiply-adds
         |         |
         +---------+           A is read where it lies if its rows are contiguous; packed
                               in panels of MR columns (MR rows of the transpose) if not

A panel of B is packed just before its first use and stays in the first-level cache while the tiles
of a column of C pass; the block of A, MC × KC, is meant for the second level.

No element depends on how the product is cut: see ``microkernel``.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from accelnn.kernels.on_numba._jit import c_function, inlined, jit
from accelnn.kernels.on_numba.microkernel import (
    LINE,
    TILE,
    aligned,
    at,
    call_address,
    copy_row,
    lanes,
    pointer,
    tile,
    tile_low,
    transpose_square,
)

MR, MR_LOW, VECTORS = TILE.mr, TILE.mr_low, TILE.vectors
#: Steps of k in a packed panel of B: 32 KiB, what a first-level cache holds.
KC = 32768 // (VECTORS * TILE.vector_bytes)
#: Columns of B packed at a time when several blocks of A use them, a multiple of any NR.
NC = 768
#: Panels of B packed at a time. The rows of one panel alone, if a power of two apart, are read at a
#: third of the speed: their cache lines fall into few sets.
GROUP = 8
#: Elements in a block of A.
A_BLOCK = 192 * 256
#: Room for the tiles that stick out of C.
EDGE = MR * VECTORS * TILE.vector_bytes // 4
#: Room for a block of A is more than A_BLOCK, as its last panel may stick out.
A_ROOM = A_BLOCK + KC * MR
#: Elements of scratch that one part needs.
SCRATCH = KC * NC + A_ROOM + EDGE + LINE // 4


@jit
def pack_b(b: Any, b_row: Any, b_column: Any, k: Any, columns: Any, panels: Any) -> None:
    """Copy ``columns`` columns of k rows of B to panels, the last one filled up with zeros."""
    v = lanes(b)
    nr = v * VECTORS
    whole = columns // nr * nr if b_column == 1 else 0
    for p in range(k):
        for j in range(0, whole, nr):
            copy_row(at(b, p * b_row + j), at(panels, j * k + p * nr))
    for left in range(whole, columns, nr):
        panel, source = at(panels, left * k), at(b, left * b_column)
        inside = min(nr, columns - left)
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


@jit
def pack_a(a: Any, a_row: Any, a_column: Any, rows: Any, height: Any, k: Any, panel: Any) -> None:
    """Copy k columns of up to ``height`` rows of A to a panel, with zeros for those that miss."""
    if rows == MR and height == MR:
        for p in range(k):
            for i in range(MR):
                panel[p * MR + i] = a[i * a_row + p * a_column]
        return
    for p in range(k):
        for i in range(rows):
            panel[p * height + i] = a[i * a_row + p * a_column]
        for i in range(rows, height):
            panel[p * height + i] = 0


@jit
def tile_height(left: Any) -> Any:
    """Return the height of the next tile, where ``left`` rows are left."""
    low = left <= MR_LOW or MR < left <= 2 * MR_LOW
    return MR_LOW if low else MR


@inlined
def tile_column(
    a: Any,
    a_row: Any,
    a_column: Any,
    packed: Any,
    panel: Any,
    panel_row: Any,
    k: Any,
    c: Any,
    c_row: Any,
    rows: Any,
    columns: Any,
    add: Any,
    edge: Any,
) -> None:
    """One block of A times one panel of B: a column of tiles."""
    nr = lanes(a) * VECTORS
    i = 0
    while i < rows:
        height = tile_height(rows - i)
        inside = min(height, rows - i)
        target, target_row = at(c, i * c_row), c_row
        sticks_out = inside < height or columns < nr
        if sticks_out:
            target, target_row = edge, nr
            if add:
                for x in range(inside):
                    for y in range(columns):
                        edge[x * nr + y] = c[(i + x) * c_row + y]
        if packed:
            x, x_row, x_column, x_rows = at(a, i * k), 1, height, height
        else:
            x, x_row, x_column, x_rows = at(a, i * a_row), a_row, a_column, inside
        if height == MR:
            tile(x, x_row, x_column, x_rows, panel, panel_row, k, target, target_row, add)
        else:
            tile_low(x, x_row, x_column, x_rows, panel, panel_row, k, target, target_row, add)
        if sticks_out:
            for x in range(inside):
                for y in range(columns):
                    c[(i + x) * c_row + y] = edge[x * nr + y]
        i += height


@inlined
def gemm_block(
    a: Any,
    a_row: Any,
    a_column: Any,
    b: Any,
    b_row: Any,
    b_column: Any,
    c: Any,
    c_row: Any,
    n: Any,
    k: Any,
    m: Any,
    scratch: Any,
) -> None:
    """``c = a @ b`` for n, k, m > 0; ``x_row`` and ``x_column`` are strides in elements."""
    nr = lanes(a) * VECTORS
    b_packed = aligned(scratch)
    a_packed, edge = at(b_packed, KC * NC), at(b_packed, KC * NC + A_ROOM)
    pack = a_column != 1 and m > 2 * nr
    slices = (k + KC - 1) // KC
    kc_whole = (k + slices - 1) // slices  # no thin slice at the end
    mc_whole = A_BLOCK // kc_whole // MR * MR
    in_place = n <= MR and b_column == 1  # each panel is used once
    for jc in range(0, m, NC):
        nc = min(NC, m - jc)
        for pc in range(0, k, kc_whole):
            kc = min(kc_whole, k - pc)
            for ic in range(0, n, mc_whole):
                mc = min(mc_whole, n - ic)
                a_block = at(a, ic * a_row + pc * a_column)
                if pack:
                    i = 0
                    while i < mc:
                        height = tile_height(mc - i)
                        inside = min(height, mc - i)
                        source, target = at(a_block, i * a_row), at(a_packed, i * kc)
                        pack_a(source, a_row, a_column, inside, height, kc, target)
                        i += height
                    a_block = a_packed
                for jg in range(0, nc, GROUP * nr):
                    group = min(GROUP * nr, nc - jg)
                    source = at(b, pc * b_row + (jc + jg) * b_column)
                    panels = at(b_packed, jg * kc if n > mc_whole else 0)
                    if ic == 0 and not (in_place and group % nr == 0):
                        pack_b(source, b_row, b_column, kc, group, panels)
                    for jr in range(0, group, nr):
                        panel, panel_row = at(panels, jr * kc), nr
                        if in_place and group % nr == 0:
                            panel, panel_row = at(source, jr), b_row
                        tile_column(
                            a_block,
                            a_row,
                            a_column,
                            pack,
                            panel,
                            panel_row,
                            kc,
                            at(c, ic * c_row + jc + jg + jr),
                            c_row,
                            mc,
                            min(nr, group - jr),
                            pc > 0,
                            edge,
                        )


@jit
def cut(size: Any, unit: Any, part: Any, parts: Any) -> Any:
    """Return where a part of ``size`` starts, a multiple of ``unit``; the last one ends at size."""
    units = (size + unit - 1) // unit
    return min(size, units * part // parts * unit)


def gemm_pointers(
    a: Any,
    a_row: Any,
    a_column: Any,
    b: Any,
    b_row: Any,
    b_column: Any,
    c: Any,
    c_row: Any,
    n: Any,
    k: Any,
    m: Any,
    part: Any,
    parts: Any,
    scratch: Any,
) -> None:
    """``gemm_part`` for pointers and strides in elements."""
    nr = lanes(a) * VECTORS
    i, i_end, j, j_end = 0, n, 0, m
    if parts > 1:
        if m >= 4 * parts * nr or m > n:
            j, j_end = cut(m, nr, part, parts), cut(m, nr, part + 1, parts)
        else:
            i, i_end = cut(n, MR, part, parts), cut(n, MR, part + 1, parts)
    if i == i_end or j == j_end:
        return
    c_at = at(c, i * c_row + j)
    if k == 0:
        for x in range(i_end - i):
            for y in range(j_end - j):
                c_at[x * c_row + y] = 0
        return
    gemm_block(
        at(a, i * a_row),
        a_row,
        a_column,
        at(b, j * b_column),
        b_row,
        b_column,
        c_at,
        c_row,
        i_end - i,
        k,
        j_end - j,
        scratch,
    )


@cache
def gemm_address(dtype: Any) -> int:
    """Compile or load the product for elements of one dtype, and return its address.

    Called by address, it is compiled once. As an ordinary callee its code would be compiled again
    in the caller, and in the caller's callers.
    """
    n: Any = types.intp
    p: Any = types.CPointer(numba.from_dtype(np.dtype(dtype)))  # type: ignore[no-untyped-call]
    signature = types.void(p, n, n, p, n, n, p, n, n, n, n, n, n, p)
    compiled = c_function(signature)(gemm_pointers)
    _alive.append(compiled)  # the address is good as long as this lives
    return int(compiled.address)


_alive: list[Any] = []


@jit
def gemm_part(
    gemm: Any,
    a: Any,
    ta: Any,
    b: Any,
    tb: Any,
    out: Any,
    part: Any,
    parts: Any,
    scratch: Any,
) -> None:
    """Compute the part-th of ``parts`` shares of ``out = op(a) @ op(b)``, of one dtype all.

    ``gemm`` is ``gemm_address`` of the dtype, a and b are C-ordered, ``op`` transposes if ``ta``,
    ``tb``. ``out`` is C-ordered and only written; ``scratch`` is flat, has ``SCRATCH`` elements and
    belongs to this part alone. The shares are disjoint, and every element has the same bits
    whatever ``parts`` is.
    """
    a_row, a_column, n, k = a.shape[1], 1, a.shape[0], a.shape[1]
    b_row, b_column, m = b.shape[1], 1, b.shape[1]
    if ta:
        a_row, a_column, n, k = 1, a.shape[1], a.shape[1], a.shape[0]
    if tb:
        b_row, b_column, m = 1, b.shape[1], b.shape[0]
    p_a, p_b, p_out, p_scratch = pointer(a), pointer(b), pointer(out), pointer(scratch)
    strides_a, strides_b = (p_a, a_row, a_column), (p_b, b_row, b_column)
    call_address(gemm, strides_a + strides_b + (p_out, m, n, k, m, part, parts, p_scratch))
