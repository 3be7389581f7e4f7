"""The ladder from three loops to a GPU: everybody who computes ``out = op(a) @ op(b)``.

A rung is known by what a reader should see. Its ``prepare(a, ta, b, tb, out)`` takes NumPy arrays
in C order, like the operands of ``accelnn.bench.peer_products``, and returns the call to be timed.
That call writes to ``out`` and returns nothing or ``out``, or, where the library has arrays of its
own, returns one of those; ``result`` makes a NumPy array of either::

    call = RUNGS["blocks of B"].prepare(a, False, b, False, out)
    product = result(call(), out)
"""

import os
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from accelnn.backends import get_backend, list_backends
from accelnn.backends.base import on_gpu
from accelnn.bench.peer_products import Product, by_numpy, by_ours
from accelnn.bench.settings import Settings
from accelnn.kernels.on_numba.ladder import LADDER
from accelnn.kernels.reference.matmul import matmul

Prepare: TypeAlias = Callable[[Any, bool, Any, bool, Any], Callable[[], Any]]


class Rung(NamedTuple):
    """Somebody who computes a product.

    Attributes
    ----------
    name : str
    prepare : callable
        ``prepare(a, ta, b, tb, out)`` returns the call.
    backend : str or None
        Which backend it belongs to; None for what needs none.
    threads : int or None
        1 where it is given one thread, None where it may use all.
    speed : float or None
        Operations per second, about, of a rung so slow that its large products are left out.
    """

    name: str
    prepare: Prepare
    backend: str | None = None
    threads: int | None = None
    speed: float | None = None


def by_loops(rung: str) -> Prepare:
    """Return what prepares a rung of ``kernels/on_numba/ladder.py``.

    These take arrays in C order, so a transposed operand is copied first, as a part of the call.
    """
    loops = LADDER[rung]

    def prepare(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
        def transposed() -> None:
            left = np.ascontiguousarray(a.T) if ta else a
            loops(left, np.ascontiguousarray(b.T) if tb else b, out)

        return transposed if ta or tb else partial(loops, a, b, out)

    return prepare


def at_once(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
    """Return the call that takes all n k m products in one array, and then the sums."""
    left, right = a.T if ta else a, b.T if tb else b

    def call() -> None:
        products = left[:, :, None] * right[None, :, :]
        products.sum(axis=1, out=out)

    return call


def bytes_at_once(product: Product) -> int:
    """Return the size of that array in float32."""
    return 4 * product.multiplications


@cache  # so that the same rung is the same
def by_array_api(library: str) -> Prepare:
    """Return what prepares the reference kernel on arrays of a library, in main memory."""

    def prepare(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
        if library == "torch":
            torch = import_module("torch")
            return partial(matmul, torch.from_numpy(a), torch.from_numpy(b), ta=ta, tb=tb)
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # or it takes most of a GPU's memory
        asarray = import_module("jax.numpy").asarray
        x, y = asarray(a), asarray(b)
        return lambda: matmul(x, y, ta=ta, tb=tb).block_until_ready()

    return prepare


@cache
def by_cupy(name: str) -> Prepare:
    """Return what prepares a CuPy backend's kernel; the call waits for the GPU."""

    def prepare(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
        held = get_backend(name)
        with held.scope():
            x, y, target = (held.asarray(each) for each in (a, b, out))

        def call() -> Any:
            with held.scope():
                held.matmul(x, y, ta=ta, tb=tb, out=target)
                held.synchronize()
            return target

        return call

    return prepare


def result(returned: Any, out: Any) -> Any:
    """Return the product as a NumPy array, given what a rung's call returned."""
    if returned is None:
        return out
    place = on_gpu(returned)
    return np.asarray(returned) if place is None else get_backend(place).to_numpy(returned)


_NUMBA_LOOPS = {
    "loops in another order": "reordered",
    "blocks of B": "blocked",
    "tiles of C in registers": "tiled",
}
_RUNGS = (
    Rung("three loops in Python", by_loops("python_loops"), threads=1, speed=5e6),
    Rung("all products at once, then the sums", at_once, threads=1),
    Rung("three loops, compiled", by_loops("naive"), "numba", 1, speed=1e9),
    *(Rung(name, by_loops(rung), "numba", 1) for name, rung in _NUMBA_LOOPS.items()),
    Rung("tiles, all threads", by_loops("parallel"), "numba"),
    Rung("accelnn's product, 1 thread", by_ours, "numba", 1),
    Rung("accelnn's product, all threads", by_ours, "numba"),
    Rung("NumPy's product, 1 thread", by_numpy, "numpy", 1),
    Rung("NumPy's product, all threads", by_numpy, "numpy"),
)
#: By name, from the bottom up: those that work on NumPy's arrays where they are.
RUNGS: dict[str, Rung] = {rung.name: rung for rung in _RUNGS}
#: Those whose loops are compiled one by one.
COMPILED = ("three loops, compiled", *_NUMBA_LOOPS, "tiles, all threads")
LIBRARIES = ("torch", "jax")


def chosen(settings: Settings) -> list[Rung]:
    """Return the rungs that can be measured, of the backends that were asked for."""
    found = [r for r in RUNGS.values() if r.backend is None or r.backend in settings.backends]
    for library in LIBRARIES:
        if find_spec(library):
            found.append(Rung(f"array API: {library}", by_array_api(library)))
    for name in settings.backends:
        kind, colon, number = name.partition(":")
        if kind == "cupy":
            label = "CuPy (cuBLAS)" + (f", GPU {number}" if colon else "")
            found.append(Rung(label, by_cupy(name), name))
    return found


def absent() -> dict[str, str]:
    """Return the rungs that this machine lacks, each with the reason."""
    found = {
        f"array API: {library}": f"{library} is not installed"
        for library in LIBRARIES
        if not find_spec(library)
    }
    (cupy,) = (status for status in list_backends() if status.name == "cupy")
    return found if cupy.usable else {**found, "CuPy (cuBLAS)": f"{cupy.reason}. {cupy.remedy}"}
