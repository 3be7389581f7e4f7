"""Numba: loops compiled for this machine; a range of minibatches is one call into compiled code."""

import math
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np

from accelnn.backends import watching
from accelnn.backends.base import Status
from accelnn.backends.numpy_backend import NumpyBackend, cores, cpu_name
from accelnn.backends.plan import Plan

#: Bytes of a large page, and from which size on they are asked for.
_PAGE, _LARGE = 1 << 21, 1 << 18


class NumbaBackend(NumpyBackend):
    """Compiled loops on NumPy arrays; what is not a kernel is NumPy's."""

    name: ClassVar[str] = "numba"
    folder: ClassVar[str] = "on_numba"
    deltas_alive: ClassVar[int] = 3

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return zeros that begin with a cache line, large ones on large pages.

        A large page needs one entry of the processor's address cache where its 512 parts would need
        one each, and the rows of a matrix that a product walks through lie in many of them.
        """
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if size < _LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
            return super().zeros(shape, dtype)
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # a forked child has its own weights
        memory = mmap.mmap(-1, -(-size // _PAGE) * _PAGE + _PAGE, private)
        with suppress(OSError):  # a system without them; small pages do
            memory.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(memory, np.uint8)
        start = -whole.ctypes.data % _PAGE
        return whole[start : start + size].view(kind).reshape(shape)

    def announce(self, say: Callable[[], None]) -> Any:
        """Return a context in which ``say`` is called once if something is compiled."""
        from accelnn.kernels.on_numba._jit import announce

        return announce(say)

    @classmethod
    def loaded(cls, operations: tuple[str, ...], dtype: Any) -> bool:
        """Say whether this process has compiled or loaded all that such programs call.

        ``operations`` are the names of the loss, and "drop" for dropout.
        """
        module: Any = sys.modules.get("accelnn.kernels.on_numba.operations")
        return module is not None and module.loaded(operations, dtype)

    def warm_up(self) -> Iterator[tuple[str, bool]]:
        """Compile every kernel, and all that programs call, in both types.

        Raises
        ------
        OSError
            Where compiled code cannot be kept.
        """
        from accelnn.kernels.on_numba import warming

        return warming.warm_up()

    def run_steps(self, plan: Plan, first: int, last: int, scalars: Any) -> Any:
        """Train on minibatches ``first`` to ``last`` in one compiled call."""
        from accelnn.kernels.on_numba import program

        return program.run_steps(plan, first, last, scalars)

    def run_forward(self, plan: Plan, X: Any, out: Any) -> None:
        """Write the outputs for all rows of ``X`` in one compiled call."""
        from accelnn.kernels.on_numba import program

        program.run_forward(plan, X, out)

    def watched(self, log: watching.Log) -> dict[str, Any]:
        """As for any backend, but programs stay one compiled call, with a clock in it."""
        from accelnn.kernels.on_numba import timed

        def run_steps(plan: Plan, first: int, last: int, scalars: Any) -> Any:
            def run(mine: Plan, report: Any) -> Any:
                return timed.run_steps(mine, first, last, scalars, report)

            return watching.compiled(log, self.name, f"steps {first} to {last - 1}", plan, run)

        def run_forward(plan: Plan, X: Any, out: Any) -> None:
            def run(mine: Plan, report: Any) -> None:
                timed.run_forward(mine, X, out, report)

            watching.compiled(log, self.name, f"outputs of {len(X)} rows", plan, run)

        return super().watched(log) | {"run_steps": run_steps, "run_forward": run_forward}

    @classmethod
    def status(cls) -> Status:
        """Say which Numba, without importing it."""
        try:
            found = version("numba")
        except PackageNotFoundError:
            return Status(
                cls.name, False, reason="numba is not installed", remedy="Run: pip install numba"
            )
        return Status(
            cls.name,
            True,
            library="numba",
            version=found,
            device=cpu_name(),
            threads=numba_threads(),
            blas="accelnn's own",
        )


def numba_threads() -> int:
    """Return how many threads compiled code uses at most, without importing Numba to ask it."""
    given = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(given) if given.isdigit() else cores()
