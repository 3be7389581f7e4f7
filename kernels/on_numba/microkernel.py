"""The vector code of the matrix product: what Numba's loops cannot say, written in LLVM's terms.

A Numba loop leaves it to LLVM whether the elements of a tile stay in registers, and LLVM decides
badly. Here they are values: the accumulators of a tile are LLVM vectors that pass from one step of
the k loop to the next through phi nodes, so nothing is stored until the tile is finished.

An element of a tile is the chain ``fma(a[k-1], b[k-1], ... fma(a[0], b[0], 0))``, whatever the
height of the tile and its place: so the way a product is cut into tiles never changes a bit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba.core
import numba.extending
from llvmlite import ir
from numba.core.registry import cpu_target

cgutils: Any = numba.core.cgutils
types: Any = numba.core.types


class Tile(NamedTuple):
    """The tile of the result that is held in registers."""

    #: Rows of a tile (BLIS: MR).
    mr: int
    #: Rows of the lower tile, which shares in the last rows: 128 = 20 · 6 + 2 · 4.
    mr_low: int
    #: Vectors in a row of a tile; BLIS's NR is ``vectors * vector_bytes / itemsize``.
    vectors: int
    vector_bytes: int
    #: Whether a fused multiply-add is one instruction; without it, the call would be to libm.
    fused: bool


def choose_tile(features: str) -> Tile:
    """Return the tile for a CPU, given LLVM's list of features: ``"+avx2,+fma,-avx512f"``.

    The accumulators, one row of B and one broadcast element of A must fit the vector registers.
    """
    have = set(features.split(","))
    if "+avx512f" in have:
        return Tile(12, 8, 2, 64, True)  # 24 + 2 of 32 registers
    if {"+avx2", "+fma"} <= have:
        return Tile(6, 4, 2, 32, True)  # 12 + 2 + 1 of 16 registers
    if "+neon" in have:
        return Tile(8, 4, 3, 16, True)  # 24 + 3 + 1 of 32 registers
    return Tile(4, 2, 2, 16, False)


#: For the CPU that Numba compiles for, which its environment variables can change.
TILE = choose_tile(cpu_target.target_context.codegen().magic_tuple()[2])

#: Bytes in a cache line.
LINE = 64


def intrinsic(emit: Callable[..., Any]) -> Any:
    """Make a function for compiled code out of one that types the call and emits its LLVM code."""
    return numba.extending.intrinsic(emit)


class _Emitter:
    """Short names for the instructions needed, for elements of one dtype."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.element = context.get_value_type(dtype)
        self.bytes = context.get_abi_sizeof(self.element)
        self.lanes = TILE.vector_bytes // self.bytes
        self.vector = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)

    def number(self, value: int) -> Any:
        return cgutils.intp_t(value)

    def at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset])

    def load(self, pointer: Any, offset: Any) -> Any:
        place = self.builder.bitcast(self.at(pointer, offset), self.vector.as_pointer())
        return self.builder.load(place, align=self.bytes)

    def store(self, vector: Any, pointer: Any, offset: Any) -> None:
        place = self.builder.bitcast(self.at(pointer, offset), self.vector.as_pointer())
        self.builder.store(vector, place, align=self.bytes)

    def broadcast(self, pointer: Any, offset: Any) -> Any:
        b, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        one = b.insert_element(undefined, b.load(self.at(pointer, offset)), ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return b.shuffle_vector(one, undefined, mask)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        name = "fma" if TILE.fused else "fmuladd"
        name = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [x, y, z])

    def opaque(self, value: Any) -> Any:
        """Return an integer whose origin LLVM does not know, and load nothing ahead of it.

        No instruction; but without it LLVM unrolls the k loop, moves all loads to its front, keeps
        an address for each, and has registers for half of that: 60 % of the speed.
        """
        kind = ir.FunctionType(cgutils.intp_t, [cgutils.intp_t])
        return self.builder.asm(kind, "", "=r,0,~{memory}", [value], True)

    def pick(self, x: Any, y: Any, lanes: list[int]) -> Any:
        """Lanes of the concatenation of x and y."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), lanes)
        return self.builder.shuffle_vector(x, y, mask)

    def loop(self, stop: Any, state: list[Any], body: Callable[..., list[Any]]) -> Any:
        """Carry ``state`` through ``body`` while its first value is below ``stop``."""
        b, before = self.builder, self.builder.block
        head, inside, after = (b.append_basic_block(n) for n in ("head", "inside", "after"))
        b.branch(head)
        b.position_at_end(head)
        phis = [b.phi(value.type) for value in state]
        for phi, value in zip(phis, state, strict=True):
            phi.add_incoming(value, before)
        more = b.icmp_signed("<", phis[0], stop)
        b.cbranch(more, inside, after)
        b.position_at_end(inside)
        for phi, value in zip(phis, body(phis), strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return phis


def _tile(mr: int) -> Any:
    """Return the micro-kernel for ``mr`` rows."""

    @intrinsic
    def tile(
        typing: Any,
        a: Any,
        a_row: Any,
        a_step: Any,
        rows: Any,
        b: Any,
        b_step: Any,
        k: Any,
        c: Any,
        c_row: Any,
        add: Any,
    ) -> Any:
        """``c = a @ b``, or ``c += a @ b`` with add.

        Element (i, p) of a is ``a[i * a_row + p * a_step]``, with row ``rows - 1`` in place of all
        rows below it; element (p, j) of b is ``b[p * b_step + j]``; (i, j) of c is
        ``c[i * c_row + j]``.
        """

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, a_step, rows, b, b_step, k, c, c_row, add = arguments
            e = _Emitter(context, builder, signature.args[0].dtype)
            row = []
            last = builder.sub(rows, e.number(1))
            for i in range(mr):
                inside = builder.icmp_signed("<", e.number(i), rows)
                i_in = builder.select(inside, e.number(i), last)
                row.append(e.at(a, builder.mul(i_in, a_row)))
            places = [
                (e.at(c, builder.mul(e.number(i), c_row)), e.number(j * e.lanes))
                for i in range(mr)
                for j in range(TILE.vectors)
            ]

            fresh, old, join = (builder.append_basic_block(n) for n in ("fresh", "old", "join"))
            builder.cbranch(add, old, fresh)
            builder.position_at_end(fresh)
            builder.branch(join)
            builder.position_at_end(old)
            held = [e.load(*place) for place in places]
            builder.branch(join)
            builder.position_at_end(join)
            sums = []
            for value in held:
                phi = builder.phi(e.vector)
                phi.add_incoming(e.zero, fresh)
                phi.add_incoming(value, old)
                sums.append(phi)

            def step(state: list[Any]) -> list[Any]:
                p, a_at, b_at, *sums = state
                bs = [
                    e.load(b, builder.add(b_at, e.number(j * e.lanes))) for j in range(TILE.vectors)
                ]
                new = []
                for i in range(mr):
                    one = e.broadcast(row[i], a_at)
                    for j in range(TILE.vectors):
                        new.append(e.fma(one, bs[j], sums[i * TILE.vectors + j]))
                p, a_at = builder.add(p, e.number(1)), e.opaque(builder.add(a_at, a_step))
                return [p, a_at, builder.add(b_at, b_step), *new]

            state = [e.number(0), e.number(0), e.number(0), *sums]
            state = e.loop(k, state, step)
            for value, place in zip(state[3:], places, strict=True):
                e.store(value, *place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, n, n, b, n, n, c, n, types.boolean), emit

    return tile


tile = _tile(TILE.mr)
tile_low = _tile(TILE.mr_low)


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """Return a pointer to the first element of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), emit


@intrinsic
def at(typing: Any, pointer: Any, offset: Any) -> Any:
    """Return a pointer ``offset`` elements further."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), emit


@intrinsic
def aligned(typing: Any, pointer: Any) -> Any:
    """Return the pointer, moved on to the start of a cache line if it is not at one."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = builder.ptrtoint(arguments[0], cgutils.intp_t)
        up = builder.add(number, cgutils.intp_t(LINE - 1))
        return builder.inttoptr(builder.and_(up, cgutils.intp_t(-LINE)), arguments[0].type)

    return pointer(pointer), emit


@intrinsic
def lanes(typing: Any, pointer: Any) -> Any:
    """Return the elements in a vector, a constant for LLVM."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return cgutils.intp_t(_Emitter(context, builder, signature.args[0].dtype).lanes)

    return types.intp(pointer), emit


@intrinsic
def copy_row(typing: Any, source: Any, target: Any) -> Any:
    """Copy one row of a tile's width."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = _Emitter(context, builder, signature.args[0].dtype)
        places = [e.number(j * e.lanes) for j in range(TILE.vectors)]
        rows = [e.load(arguments[0], place) for place in places]
        for row, place in zip(rows, places, strict=True):
            e.store(row, arguments[1], place)
        return context.get_dummy_value()

    return types.void(source, target), emit


@intrinsic
def transpose_square(typing: Any, source: Any, source_row: Any, target: Any, row: Any) -> Any:
    """``target[p * row + j] = source[j * source_row + p]`` for p and j below ``lanes``.

    In registers: blocks of 1, 2, 4 ... lanes change places across the diagonal.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, source_row, target, row = arguments
        e = _Emitter(context, builder, signature.args[0].dtype)
        n = e.lanes
        v = [e.load(source, builder.mul(e.number(j), source_row)) for j in range(n)]
        size = n // 2
        while size:
            for i in range(n):
                if not i & size:
                    x, y = v[i], v[i + size]
                    v[i] = e.pick(x, y, [n + p - size if p & size else p for p in range(n)])
                    v[i + size] = e.pick(x, y, [n + p if p & size else p + size for p in range(n)])
            size //= 2
        for p in range(n):
            e.store(v[p], target, builder.mul(e.number(p), row))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), emit


@intrinsic
def call_address(typing: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at an address with a tuple of pointers and integers; it returns none."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        address, packed = given
        values = cgutils.unpack_tuple(builder, packed, len(signature.args[1]))
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(address, kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.intp, arguments), emit
