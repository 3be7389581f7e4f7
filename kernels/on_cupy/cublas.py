"""cuBLAS through ctypes, because CuPy refuses every call of cuBLAS while a CUDA graph is captured.

The library itself can be captured. What is here works on addresses, knows neither CuPy nor arrays,
and loads nothing before a ``Cublas`` is made. The numbers are those of ``cublas_api.h`` and
``library_types.h``, the same in CUDA 12 and 13.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_void_p
from ctypes.util import find_library
from importlib import import_module
from typing import Any

#: Bytes of workspace to give to a stream: what cuBLAS asks for on Hopper.
WORKSPACE = 32 * 2**20

#: Result and argument types of what is called here. Without them ctypes passes an address as a C
#: int, which has half its bits.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (c_int, POINTER(c_void_p)),
    "cublasDestroy_v2": (c_int, c_void_p),
    "cublasSetStream_v2": (c_int, c_void_p, c_void_p),
    "cublasSetWorkspace_v2": (c_int, c_void_p, c_void_p, c_size_t),
    "cublasGetStatusName": (c_char_p, c_int),
    "cublasGemmEx": (
        *(c_int, c_void_p),  # status, handle
        *(c_int, c_int, c_int, c_int, c_int),  # op(A), op(B), m, n, k
        *(c_void_p, c_void_p, c_int, c_int),  # alpha, A, its type and leading dimension
        *(c_void_p, c_int, c_int),  # B
        *(c_void_p, c_void_p, c_int, c_int),  # beta, C
        *(c_int, c_int),  # compute type, algorithm
    ),
}

_OP_N, _OP_T = 0, 1
_GEMM_DEFAULT = -1

#: dtype -> cudaDataType, and the C type of alpha and beta.
_TYPES: dict[str, tuple[int, Any]] = {"float32": (0, c_float), "float64": (1, c_double)}

#: (dtype, precision) -> cublasComputeType_t. 68 is plain CUBLAS_COMPUTE_32F: cuBLAS would take TF32
#: for it only in another math mode than a handle is created with, and the handle is ours alone.
_COMPUTE_TYPES = {
    ("float64", "float64"): 70,
    ("float32", "float32"): 68,
    ("float32", "tf32"): 77,
    ("float32", "bf16"): 75,
}


class CublasError(RuntimeError):
    """cuBLAS cannot be loaded, or a function of it answered with an error."""


class Cublas:
    """A cuBLAS handle on the current device; for one thread at a time.

    Create it, and run each product once, before a capture begins: both may allocate.

    Parameters
    ----------
    library : ctypes.CDLL, optional
        The library libcublas; by default the one that CuPy uses.

    Raises
    ------
    CublasError
        If the library cannot be found, or there is no device.
    """

    def __init__(self, library: ctypes.CDLL | None = None) -> None:
        self._library = _load() if library is None else library
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._handle = c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))

    def stream(self, pointer: int, workspace: int, size: int) -> None:
        """Let all further products run on a stream, with a workspace of the caller's.

        With a workspace of its own a product allocates nothing, so that it can be captured, and
        gives the same bits each time. The caller keeps the memory alive, and gives streams that run
        at the same time a workspace each.

        Parameters
        ----------
        pointer : int
            The ``cudaStream_t``: ``cupy.cuda.Stream().ptr``.
        workspace : int
            Device address, a multiple of 256.
        size : int
            Its bytes: ``WORKSPACE``.
        """
        self._call("cublasSetStream_v2", self._handle, pointer)
        # In this order: setting the stream takes the workspace away.
        self._call("cublasSetWorkspace_v2", self._handle, workspace, size)

    def product(
        self,
        a: int,
        b: int,
        out: int,
        rows: int,
        inner: int,
        columns: int,
        *,
        ta: bool = False,
        tb: bool = False,
        dtype: str = "float32",
        precision: str | None = None,
    ) -> None:
        """``out = op(a) @ op(b)``, all three in C order without gaps.

        cuBLAS counts in columns, where the same memory reads as the transposed matrix. So it is
        asked for ``out.T = op(b).T @ op(a).T``, and nothing is copied.

        Parameters
        ----------
        a, b, out : int
            Device addresses.
        rows, inner, columns : int
            ``op(a)`` is (rows, inner), ``op(b)`` is (inner, columns), ``out`` (rows, columns).
        ta, tb : bool
            Whether ``a`` is stored as (inner, rows), ``b`` as (columns, inner).
        dtype : {"float32", "float64"}
            The elements of all three.
        precision : {"float32", "tf32", "bf16", "float64"}, optional
            What the elements are multiplied in; sums are in ``dtype``. By default ``dtype``, the
            only one for float64.

        Raises
        ------
        ValueError
            If ``inner`` is 0: what cuBLAS then does to ``out`` is not documented, so the caller
            fills it with zeros.
        """
        if not inner:
            raise ValueError("a product over an inner size of 0 is zeros: fill out instead")
        if not rows or not columns:
            return
        kind, real = _TYPES[dtype]
        compute = _COMPUTE_TYPES[dtype, precision or dtype]
        alpha, beta = real(1), real(0)  # read from the host at once, and so written into a graph
        op_b, op_a = (_OP_T if t else _OP_N for t in (tb, ta))
        row_of_b, row_of_a = inner if tb else columns, rows if ta else inner  # elements in a row
        self._call(
            "cublasGemmEx",
            self._handle,
            *(op_b, op_a, columns, rows, inner),
            *(ctypes.byref(alpha), b, kind, row_of_b),
            *(a, kind, row_of_a),
            *(ctypes.byref(beta), out, kind, columns),
            *(compute, _GEMM_DEFAULT),
        )

    def close(self) -> None:
        """Destroy the handle, having waited for the device; never during a capture."""
        if self._handle:
            handle, self._handle = self._handle, c_void_p()
            self._call("cublasDestroy_v2", handle)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise CublasError(f"{name}: {self._library.cublasGetStatusName(status).decode()}")


def _load() -> ctypes.CDLL:
    """Return libcublas: as CuPy finds it, or where the system looks for libraries."""
    try:
        pathfinder = import_module("cuda.pathfinder")
    except ModuleNotFoundError:
        found = None
    else:
        try:
            found = pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
        except pathfinder.DynamicLibNotFoundError:
            found = None
    for name in (found, find_library("cublas"), "libcublas.so.13", "libcublas.so.12"):
        if name is not None:  # None would be this program itself
            try:
                return ctypes.CDLL(name)
            except OSError:
                continue
    raise CublasError(
        "cuBLAS cannot be loaded: neither cuda.pathfinder nor the system finds libcublas.so.12 or "
        ".13. Run: pip install 'accelnn[cuda12]' or 'accelnn[cuda13]', to match the driver"
    )
