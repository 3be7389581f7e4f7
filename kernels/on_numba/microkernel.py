"""The vector code of the matrix product: what Numba's loops cannot say, written in LLVM's terms.

A Numba loop leaves it to LLVM whether the elements of a tile stay in registers, and LLVM decides
badly. Here they are values: the accumulators of a tile are LLVM vectors that pass from one step of
the k loop to the next through phi nodes, so nothing is stored until the tile is finished.

An element of a tile is the chain ``fma(a[k-1], b[k-1], ... fma(a[0], b[0], 0))`` (or a product and
a sum, where the processor has no fma), whatever the shape of the tile and its place: so the way a
product is cut into tiles never changes a bit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba.core
from llvmlite import ir
from numba.core.registry import cpu_target

from accelnn.kernels.on_numba.pointers import intrinsic

cgutils: Any = numba.core.cgutils
types: Any = numba.core.types


class Tiles(NamedTuple):
    """The tiles of the result that are held in registers, for one kind of processor.

    The accumulators, one row of B and one broadcast element of A must fit the vector registers;
    fewer accumulators than a multiply-add takes cycles, times those begun in a cycle (8 where it
    is known), would wait for each other.
    """

    #: Rows of a tile (BLIS: MR).
    mr: int
    #: Rows of the lower tile, which shares in the last rows: 32 = 4 · 6 + 2 · 4.
    mr_low: int
    #: Vectors in a row of a tile; BLIS's NR is ``vectors * vector_bytes / itemsize``.
    vectors: int
    #: Rows of the tiles for the last columns, where they fill one vector, or two, at most.
    mr_one: int
    mr_two: int
    vector_bytes: int
    #: Whether a fused multiply-add is one instruction; without it, the call would be to libm.
    fused: bool


def choose_tiles(features: str) -> Tiles:
    """Return the tiles for a CPU, given LLVM's list of features: ``"+avx2,+fma,-avx512f"``."""
    have = set(features.split(","))
    if "+avx512f" in have:
        return Tiles(8, 4, 3, 16, 12, 64, True)  # 24 + 3 of 32 registers; A is an operand
    if {"+avx2", "+fma"} <= have:
        return Tiles(6, 4, 2, 8, 6, 32, True)  # 12 + 2 + 1 of 16
    if "+neon" in have:
        return Tiles(8, 4, 3, 16, 12, 16, True)  # 24 + 3 + 1 of 32
    return Tiles(4, 2, 2, 8, 4, 16, False)


#: For the CPU that Numba compiles for, which its environment variables can change.
TILES = choose_tiles(cpu_target.target_context.codegen().magic_tuple()[2])

#: Vectors in the tile of a single row, which walks along the rows of B as they lie in memory.
ROW_VECTORS = 8


class _Emitter:
    """Short names for the instructions needed, for elements of one dtype."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.element = context.get_value_type(dtype)
        self.bytes = context.get_abi_sizeof(self.element)
        self.lanes = TILES.vector_bytes // self.bytes
        self.vector = ir.VectorType(self.element, self.lanes)
        self.mask = ir.VectorType(ir.IntType(1), self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)

    def number(self, value: int) -> Any:
        return cgutils.intp_t(value)

    def at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset])

    def place(self, pointer: Any, offset: Any) -> Any:
        return self.builder.bitcast(self.at(pointer, offset), self.vector.as_pointer())

    def load(self, pointer: Any, offset: Any, mask: Any = None) -> Any:
        """Load a vector; lanes that the mask leaves out are not read, and zero."""
        place = self.place(pointer, offset)
        if mask is None:
            return self.builder.load(place, align=self.bytes)
        return self._call("masked.load", self.vector, [place, self._align(), mask, self.zero], "p0")

    def store(self, vector: Any, pointer: Any, offset: Any, mask: Any = None) -> None:
        place = self.place(pointer, offset)
        if mask is None:
            self.builder.store(vector, place, align=self.bytes)
        else:
            self._call("masked.store", ir.VoidType(), [vector, place, self._align(), mask], "p0")

    def fetch(self, pointer: Any, offset: Any) -> None:
        """Ask for a cache line, into the second level, and do not wait for it."""
        byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        place = self.builder.bitcast(self.at(pointer, offset), byte)
        self.builder.call(function, [place, i32(0), i32(2), i32(1)])  # to read; level; data

    def masks(self, columns: Any, vectors: int) -> list[Any]:
        """For each vector of a row of ``columns`` elements: which of its lanes are in the row."""
        n = ir.VectorType(cgutils.intp_t, self.lanes)
        one = self.builder.insert_element(ir.Constant(n, ir.Undefined), columns, self._i32(0))
        every = self.builder.shuffle_vector(one, ir.Constant(n, ir.Undefined), self._lanes_zero())
        found = []
        for j in range(vectors):
            place = ir.Constant(n, [j * self.lanes + i for i in range(self.lanes)])
            found.append(self.builder.icmp_signed("<", place, every))
        return found

    def broadcast(self, pointer: Any, offset: Any) -> Any:
        b, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        one = b.insert_element(undefined, b.load(self.at(pointer, offset)), self._i32(0))
        return b.shuffle_vector(one, undefined, self._lanes_zero())

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return self._call("fma" if TILES.fused else "fmuladd", self.vector, [x, y, z])

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

    def _i32(self, value: int) -> Any:
        return ir.IntType(32)(value)

    def _lanes_zero(self) -> Any:
        return ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)

    def _align(self) -> Any:
        return self._i32(self.bytes)

    def _call(self, name: str, result: Any, arguments: list[Any], more: str = "") -> Any:
        """Call one of LLVM's vector intrinsics."""
        name = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}" + (f".{more}" if more else "")
        kind = ir.FunctionType(result, [x.type for x in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)


def make_tile(mr: int, vectors: int, masked: bool = False, fetches: bool = False) -> Any:
    """Return the micro-kernel for ``mr`` rows of ``vectors`` vectors.

    Without ``masked`` it takes whole rows of B and C and looks at no ``columns``. With ``fetches``
    step p asks for the cache line at ``ahead + p * ahead_step``, which something else needs soon:
    the memory is idle while the tile multiplies.
    """

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
        columns: Any,
        add: Any,
        ahead: Any,
        ahead_step: Any,
    ) -> Any:
        """``c = a @ b``, or ``c += a @ b`` with add, in the first ``rows`` and ``columns``.

        Element (i, p) of a is ``a[i * a_row + p * a_step]``; (p, j) of b is ``b[p * b_step + j]``;
        (i, j) of c is ``c[i * c_row + j]``. A row below the last one is the last one once more: it
        reads and writes the same, so no row needs a test.
        """

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, a_step, rows, b, b_step, k, c, c_row, columns, add = arguments[:11]
            ahead, ahead_step = arguments[11:]
            e = _Emitter(context, builder, signature.args[0].dtype)
            masks = e.masks(columns, vectors) if masked else [None] * vectors
            a_at, places = [], []
            last = builder.sub(rows, e.number(1))
            for i in range(mr):
                inside = builder.icmp_signed("<", e.number(i), rows)
                row = builder.select(inside, e.number(i), last)
                a_at.append(e.at(a, builder.mul(row, a_row)))
                c_at = e.at(c, builder.mul(row, c_row))
                places += [(c_at, e.number(j * e.lanes), masks[j]) for j in range(vectors)]

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
                p, a_off, b_off, ahead_off, *sums = state
                across = [builder.add(b_off, e.number(j * e.lanes)) for j in range(vectors)]
                bs = [e.load(b, place, mask) for place, mask in zip(across, masks, strict=True)]
                if fetches:
                    e.fetch(ahead, ahead_off)
                    ahead_off = builder.add(ahead_off, ahead_step)
                new = []
                for i in range(mr):
                    one = e.broadcast(a_at[i], a_off)
                    new += [e.fma(one, bs[j], sums[i * vectors + j]) for j in range(vectors)]
                p, a_off = builder.add(p, e.number(1)), e.opaque(builder.add(a_off, a_step))
                return [p, a_off, builder.add(b_off, b_step), ahead_off, *new]

            state = e.loop(k, [*[e.number(0)] * 4, *sums], step)
            for value, (pointer, offset, mask) in zip(state[4:], places, strict=True):
                e.store(value, pointer, offset, mask)
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, n, n, b, n, n, c, n, n, types.boolean, ahead, n), emit

    return tile


@intrinsic
def lanes(typing: Any, pointer: Any) -> Any:
    """Return the elements in a vector, a constant for LLVM."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return cgutils.intp_t(_Emitter(context, builder, signature.args[0].dtype).lanes)

    return types.intp(pointer), emit


@intrinsic
def copy_row(typing: Any, source: Any, target: Any) -> Any:
    """Copy a row of a tile's width."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = _Emitter(context, builder, signature.args[0].dtype)
        places = [e.number(j * e.lanes) for j in range(TILES.vectors)]
        rows = [e.load(arguments[0], place) for place in places]
        for row, place in zip(rows, places, strict=True):
            e.store(row, arguments[1], place)
        return context.get_dummy_value()

    return types.void(source, target), emit


@intrinsic
def copy_some(typing: Any, source: Any, target: Any, columns: Any) -> Any:
    """Copy ``columns`` elements and zeros up to a tile's width."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = _Emitter(context, builder, signature.args[0].dtype)
        for j, mask in enumerate(e.masks(arguments[2], TILES.vectors)):
            place = e.number(j * e.lanes)
            e.store(e.load(arguments[0], place, mask), arguments[1], place)
        return context.get_dummy_value()

    return types.void(source, target, types.intp), emit


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
