"""Pointers, addresses and atomic words for compiled code: what Numba's language has no word for.

Compiled entries take addresses, sizes and strides as integers, and so have one signature per dtype:
an argument that is an array is compiled for once more if it is read-only, strided or in Fortran
order. Inside, a pointer is typed by its elements, and ``array`` makes a view for the loops.
"""

import platform
import sys
from collections.abc import Callable
from typing import Any

import numba.core
import numba.extending
import numpy as np
from llvmlite import ir

from accelnn.kernels.on_numba._jit import jit

cgutils: Any = numba.core.cgutils
types: Any = numba.core.types

#: Bytes in a cache line.
LINE = 64

INT64 = np.dtype(np.int64)


def intrinsic(emit: Callable[..., Any]) -> Any:
    """Make a function for compiled code out of one that types the call and emits its LLVM code."""
    return numba.extending.intrinsic(emit)


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
def like(typing: Any, pointer: Any, address: Any) -> Any:
    """Return a pointer of the same kind to an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[1], arguments[0].type)

    return pointer(pointer, types.intp), emit


@intrinsic
def aligned(typing: Any, pointer: Any) -> Any:
    """Return the pointer, moved on to the start of a cache line if it is not at one."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = builder.ptrtoint(arguments[0], cgutils.intp_t)
        up = builder.add(number, cgutils.intp_t(LINE - 1))
        return builder.inttoptr(builder.and_(up, cgutils.intp_t(-LINE)), arguments[0].type)

    return pointer(pointer), emit


def _view(context: Any, builder: Any, kind: Any, pointer: Any, shape: list[Any]) -> Any:
    """Return an array in C order over memory that somebody else owns."""
    made = context.make_array(kind)(context, builder)
    itemsize = cgutils.intp_t(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [itemsize]
    for size in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], size))
    context.populate_array(
        made,
        data=builder.bitcast(pointer, made.data.type),
        shape=shape,
        strides=strides,
        itemsize=itemsize,
        meminfo=None,
    )
    return made._getvalue()


@intrinsic
def array(typing: Any, pointer: Any, size: Any) -> Any:
    """Return a view of ``size`` elements, for loops that are written for arrays."""
    kind = types.Array(pointer.dtype, 1, "C")

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _view(context, builder, kind, arguments[0], [arguments[1]])

    return kind(pointer, types.intp), emit


@intrinsic
def matrix(typing: Any, pointer: Any, rows: Any, columns: Any) -> Any:
    """Return a (rows, columns) view in C order."""
    kind = types.Array(pointer.dtype, 2, "C")

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _view(context, builder, kind, arguments[0], [arguments[1], arguments[2]])

    return kind(pointer, types.intp, types.intp), emit


@intrinsic
def typed(typing: Any, address: Any, dtype: Any) -> Any:
    """Return a pointer to elements of a dtype, given an address."""
    kind = types.CPointer(dtype.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(types.intp, dtype), emit


@intrinsic
def word(typing: Any, place: Any) -> Any:
    """Return the 64-bit integer at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], cgutils.intp_t.as_pointer()))

    return types.intp(types.intp), emit


@intrinsic
def as_float(typing: Any, word: Any) -> Any:
    """Return the float64 whose bits a word holds."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), emit


@intrinsic
def call_address(typing: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at an address with a tuple of pointers and numbers; it returns none."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        address, packed = given
        values = cgutils.unpack_tuple(builder, packed, len(signature.args[1]))
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(address, kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.intp, arguments), emit


@intrinsic
def add_one(typing: Any, pointer: Any) -> Any:
    """Add one to a word atomically; return what it was."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", arguments[0], cgutils.intp_t(1), "seq_cst")

    return types.int64(pointer), emit


@intrinsic
def look(typing: Any, pointer: Any) -> Any:
    """Return a word as it is now, with all that was written before it was."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(arguments[0], "acquire", align=8)

    return types.int64(pointer), emit


@intrinsic
def put(typing: Any, pointer: Any, value: Any) -> Any:
    """Write a word, after all that was written before."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], arguments[0], "seq_cst", align=8)
        return context.get_dummy_value()

    return types.void(pointer, types.int64), emit


@intrinsic
def exchange(typing: Any, pointer: Any, expected: Any, value: Any) -> Any:
    """Write a word if it is ``expected``, as one step; return whether it was."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        done = builder.cmpxchg(*arguments, "seq_cst", "seq_cst")
        return builder.extract_value(done, 1)

    return types.boolean(pointer, types.int64, types.int64), emit


#: Of the control word of x86's vector unit: subnormal results and operands count as zero.
_FLUSH = 0x8040
_X86 = platform.machine().lower() in ("x86_64", "amd64")


def _control(builder: Any, name: str, place: Any) -> None:
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, byte)])


@intrinsic
def flush_subnormals(typing: Any) -> Any:
    """Take numbers below 1.2e-38 (float64: 2.2e-308) for zero; return what ``restore`` wants.

    Adam's averages of a weight that is no longer used decay through that range, and there one
    operation takes the processor a hundred times as long.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i32 = ir.IntType(32)
        if not _X86:
            return i32(0)
        place = cgutils.alloca_once(builder, i32)
        _control(builder, "stmxcsr", place)
        before = builder.load(place)
        builder.store(builder.or_(before, i32(_FLUSH)), place)
        _control(builder, "ldmxcsr", place)
        return before

    return types.int32(), emit


@intrinsic
def restore(typing: Any, before: Any) -> Any:
    """Set the control word back."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _X86:
            place = cgutils.alloca_once(builder, ir.IntType(32))
            builder.store(arguments[0], place)
            _control(builder, "ldmxcsr", place)
        return context.get_dummy_value()

    return types.void(types.int32), emit


_sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_HAS_YIELD = sys.platform != "win32"


@jit
def give_way() -> None:
    """Let another thread have the core; on Windows, which has no such function in C, spin on."""
    if _HAS_YIELD:
        _sched_yield()
