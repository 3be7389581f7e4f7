"""The matrix product in five loops around a micro-kernel; the names are those of BLIS.

::

                                          jc: NC columns of B and C
                 m                     +-------------------------------------------------
            +---------+                |  pc: KC rows of B, packed; KC columns of A
          k | B  [NR] |                |  +----------------------------------------------
            |    [..] |                |  |  ic: MC rows of A and C
            +---------+                |  |  +-------------------------------------------
             k                         |  |  |  jr: NR columns, a panel of B
        +---------+---------+          |  |  |  +----------------------------------------
      n | A       | C       |          |  |  |  |  ir: MR rows, one tile of C:
     MR | [=====] |    [##] |          |  |  |  |  +-- micro-kernel: KC steps of MR broadcasts
        |         |         |          |  |  |  |      of A and MR x NR multiply-adds with a
        +---------+---------+          |  |  |  |      row of the panel, C in registers

A packed panel of B stays in the second-level cache while MC rows of A pass. A is read where it
lies: each of its elements is broadcast alone, so its rows need not be contiguous; only columns that
lie far apart are packed (``packing.py``). B is read where it lies if it is used once, or narrow,
or small and used a few times.

No element depends on how the product is cut: see ``microkernel``.
"""

from typing import Any

from accelnn.kernels.on_numba._jit import apart, jit
from accelnn.kernels.on_numba.microkernel import ROW_VECTORS, TILES, lanes, make_tile
from accelnn.kernels.on_numba.packing import pack_a, pack_b, panel_width
from accelnn.kernels.on_numba.pointers import LINE, aligned, at, like

#: The words of a product, behind the address of ``gemm``. Strides are in elements, the rows of c
#: contiguous; ``by_dots`` is ``takes_dots`` of the whole product, of which this may be a part.
#: While it multiplies, up to three places in memory are fetched, of so many cache lines each.
WORDS = ["a", "a_row", "a_column", "b", "b_row", "b_column", "c", "c_row", "n", "k", "m", "by_dots"]
WORDS += ["place", "place_2", "place_3", "lines"]
_AHEAD, _LINES, _PLACES = 1 + WORDS.index("place"), 1 + WORDS.index("lines"), 3

MR, MR_LOW = TILES.mr, TILES.mr_low
tile = make_tile(MR, TILES.vectors, fetches=True)
tile_low = make_tile(MR_LOW, TILES.vectors)
tile_edge = make_tile(MR, TILES.vectors, masked=True)
tile_two = make_tile(TILES.mr_two, 2, masked=True)
tile_one = make_tile(TILES.mr_one, 1, masked=True)
tile_row = make_tile(1, ROW_VECTORS)
tile_row_edge = make_tile(1, TILES.vectors, masked=True)

#: Bytes in a column of a packed panel, in a row of all packed panels, and in a column of packed A.
KC_BYTES, NC_BYTES, MC_BYTES = 2048, 1920, 384
#: Panels that are packed at a time: the rows of one alone are too short for what fetches them.
GROUP = 2
#: Rows of A that do not pay for packing a B that lies within so many bytes.
FEW, NEAR = 64, 1 << 20
#: Columns of A that are so many bytes apart or more fall into few sets of a cache, and those that
#: are spread over more than so many are far apart: they are packed.
FAR, SPREAD = 4096, 1 << 19
#: Elements of scratch for one part, of the smallest element.
SCRATCH = KC_BYTES // 4 * (NC_BYTES // 4 + MC_BYTES // 4) + LINE // 4


@jit
def line_ahead(w: Any, number: Any, k: Any, other: Any) -> Any:
    """Return where the tile of this number finds the lines that it fetches, and their distance.

    A tile fetches k of them. Those beyond the end of a place do no harm; ``other`` is fetched, from
    the first-level cache, if there are none.
    """
    lines = w[_LINES]
    line = number * k
    which = line // lines if lines > 0 else 0
    if lines == 0 or which >= _PLACES or w[_AHEAD + which] == 0:
        return other, 0
    elements = LINE // TILES.vector_bytes * lanes(other)
    return at(like(other, w[_AHEAD + which]), (line - which * lines) * elements), elements


@jit
def column_of_tiles(
    a: Any, a_row: Any, a_column: Any, panel: Any, panel_row: Any, k: Any, c: Any, c_row: Any,
    rows: Any, columns: Any, add: Any, w: Any, number: Any,
) -> None:  # fmt: skip
    """``rows`` rows of A times one panel of B: the loop ir, whose first tile has this number."""
    v = lanes(a)
    i = 0
    while i < rows:
        left, at_a, at_c = rows - i, at(a, i * a_row), at(c, i * c_row)
        if columns == v * TILES.vectors:
            # the lower tile where it saves rows: 8 = 4 + 4, 10 = 6 + 4
            if left <= MR_LOW or MR < left <= 2 * MR_LOW:
                tile_low(
                    at_a, a_row, a_column, left, panel, panel_row, k, at_c, c_row, 0, add, panel, 0
                )
                i += MR_LOW
            else:
                line, step = line_ahead(w, number + i // MR, k, panel)
                tile(
                    at_a, a_row, a_column, left, panel, panel_row, k, at_c, c_row, 0, add,
                    line, step,
                )  # fmt: skip
                i += MR
        elif columns <= v:
            tile_one(
                at_a, a_row, a_column, left, panel, panel_row, k, at_c, c_row, columns, add,
                panel, 0,
            )  # fmt: skip
            i += TILES.mr_one
        elif columns <= 2 * v:
            tile_two(
                at_a, a_row, a_column, left, panel, panel_row, k, at_c, c_row, columns, add,
                panel, 0,
            )  # fmt: skip
            i += TILES.mr_two
        else:
            tile_edge(
                at_a, a_row, a_column, left, panel, panel_row, k, at_c, c_row, columns, add,
                panel, 0,
            )  # fmt: skip
            i += MR


@apart
def gemv(a: Any, a_column: Any, b: Any, b_row: Any, k: Any, c: Any, m: Any) -> None:
    """``c = a @ B`` for one row a, and rows of B that are contiguous and read once."""
    v = lanes(a)
    nr, low = v * ROW_VECTORS, v * TILES.vectors
    whole = m // nr * nr
    for j in range(0, whole, nr):
        tile_row(a, 0, a_column, 1, at(b, j), b_row, k, at(c, j), 0, 0, False, b, 0)
    for j in range(whole, m, low):
        columns = min(low, m - j)
        tile_row_edge(a, 0, a_column, 1, at(b, j), b_row, k, at(c, j), 0, columns, False, b, 0)


@apart
def dots(x: Any, y: Any, y_row: Any, k: Any, out: Any, out_step: Any, n: Any) -> None:
    """``out[i] = x · yᵢ`` for n contiguous rows of y, and one of x."""
    for i in range(n):
        row = at(y, i * y_row)
        total = x[0] * row[0]
        for p in range(1, k):
            total += x[p] * row[p]
        out[i * out_step] = total


def gemm(w: Any, frame: Any, scratch: Any) -> None:
    """``c = a @ b``: (n, k), (k, m) and (n, m), given by ``WORDS``."""
    a, a_row, a_column = like(scratch, w[1]), w[2], w[3]
    b, b_row, b_column = like(scratch, w[4]), w[5], w[6]
    c, c_row = like(scratch, w[7]), w[8]
    n, k, m, by_dots = w[9], w[10], w[11], w[12]
    v = lanes(a)
    nr = v * TILES.vectors
    size = TILES.vector_bytes // v
    if n == 0 or m == 0:
        return
    if k == 0:
        for i in range(n):
            for j in range(m):
                c[i * c_row + j] = 0
        return
    if by_dots != 0:
        if n == 1:
            dots(a, b, b_column, k, c, 1, m)
        else:
            dots(b, a, a_row, k, c, c_row, n)
        return
    if n == 1 and b_column == 1:
        gemv(a, a_column, b, b_row, k, c, m)
        return
    if m == 1 and a_row == 1 and c_row == 1:
        gemv(b, b_row, a, a_column, k, c, n)
        return
    near = n <= FEW and k * b_row * size <= NEAR
    in_place = b_column == 1 and (n <= MR or b_row <= nr or near)
    kc_most, mc_most = KC_BYTES // size, MC_BYTES // size
    nc_most = m if in_place else NC_BYTES // size
    slices = (k + kc_most - 1) // kc_most
    kc_whole = (k + slices - 1) // slices  # no thin slice at the end
    far = a_column * size >= FAR or kc_whole * a_column * size > SPREAD
    pack = a_row == 1 and a_column != 1 and far and m > 2 * nr
    if not pack and a_row == 1:
        mc_most = n
    b_packed = aligned(scratch)
    a_packed = at(b_packed, KC_BYTES // size * NC_BYTES // size)
    for jc in range(0, m, nc_most):
        nc = min(nc_most, m - jc)
        for pc in range(0, k, kc_whole):
            kc = min(kc_whole, k - pc)
            source = at(b, pc * b_row + jc * b_column)
            for ic in range(0, n, mc_most):
                mc = min(mc_most, n - ic)
                block, block_row, block_column = at(a, ic * a_row + pc * a_column), a_row, a_column
                if pack:
                    pack_a(block, a_column, mc, kc, a_packed, mc_most)
                    block, block_column = a_packed, mc_most
                jg, panels = 0, b_packed
                while jg < nc:
                    # some at a time are packed where the last ones were, if they are used once
                    few = GROUP * nr if nc - jg > GROUP * nr + v and not in_place else nc - jg
                    panel, panel_row = panels if n > mc_most else b_packed, nr
                    if in_place:
                        panel, panel_row = at(source, jg), b_row
                    elif ic == 0:
                        pack_b(at(source, jg * b_column), b_row, b_column, kc, few, panel)
                    stop = jg + few
                    while jg < stop:
                        columns = panel_width(stop - jg, v)
                        column_of_tiles(
                            block, block_row, block_column, panel, panel_row, kc,
                            at(c, ic * c_row + jc + jg), c_row, mc, columns, pc > 0,
                            w, jg // nr * ((mc + MR - 1) // MR),
                        )  # fmt: skip
                        panels, jg = at(panels, nr * kc), jg + columns
                        panel = at(panel, columns if in_place else nr * kc)


@apart
def takes_dots(a_column: Any, b_row: Any, n: Any, m: Any, b_column: Any) -> Any:
    """Whether a product is made of dot products of contiguous rows: Y x, or x Yᵀ.

    Their sums are in another order than a tile's, so this depends on the whole product's shape, not
    on the part that one thread has of it.
    """
    one_row = n == 1 and b_row == 1 and b_column != 1
    one_column = m == 1 and a_column == 1 and b_row == 1
    return (one_row and a_column == 1) or one_column
