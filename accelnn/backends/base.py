"""What a backend is: a namespace for arrays, the kernels, and a way to run a program."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from accelnn import kernels
from accelnn.backends import stepper
from accelnn.backends.plan import Plan

Kernel: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Status:
    """What ``list_backends`` says of one backend.

    Attributes
    ----------
    name : str
    usable : bool
    library, version, device, blas : str
        Empty where it is not known.
    threads : int
        CPU threads it may use; 0 where that says nothing.
    reason, remedy : str
        Why it cannot run and what to do; empty if usable.
    """

    name: str
    usable: bool
    library: str = ""
    version: str = ""
    device: str = ""
    threads: int = 0
    blas: str = ""
    reason: str = ""
    remedy: str = ""


class Backend:
    """One set of kernels and the arrays they work on; resolved once and then held.

    The kernels are plain attributes, so that calling one costs an attribute look-up and nothing
    else. Their meaning, shapes and cost are in ``kernels/reference``, the list in
    ``accelnn.kernels.KERNELS``. All but the reference accept ``out=``.

    Attributes
    ----------
    name : str
        As given to ``get_backend``.
    xp : module
        Array namespace for what is not in the kernel list: reshaping, indexing, broadcasting.
    in_place : bool
        Whether kernels accept ``out`` and arrays can be written to.
    """

    name: ClassVar[str]
    folder: ClassVar[str]
    in_place: ClassVar[bool] = True
    xp: Any

    matmul: Kernel
    take_rows: Kernel
    add_bias: Kernel
    sum_rows: Kernel
    identity: Kernel
    identity_backward: Kernel
    sigmoid: Kernel
    sigmoid_backward: Kernel
    sigmoid_backward_z: Kernel
    tanh: Kernel
    tanh_backward: Kernel
    tanh_backward_z: Kernel
    relu: Kernel
    relu_backward: Kernel
    leaky_relu: Kernel
    leaky_relu_backward: Kernel
    elu: Kernel
    elu_backward: Kernel
    elu_backward_z: Kernel
    softmax: Kernel
    softmax_backward: Kernel
    log_softmax: Kernel
    log_softmax_backward: Kernel
    squared_error: Kernel
    squared_error_backward: Kernel
    binary_cross_entropy: Kernel
    binary_cross_entropy_backward: Kernel
    cross_entropy: Kernel
    cross_entropy_backward: Kernel
    sgd: Kernel
    momentum: Kernel
    adam: Kernel
    dropout: Kernel

    def __init__(self) -> None:
        vars(self).update(kernels.load(self.folder))

    def __repr__(self) -> str:
        return f"<accelnn backend {self.name!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        from accelnn.backends import get_backend  # a pickle holds the name, not the functions

        return get_backend, (self.name,)

    def intercept(self, around: Callable[[str, Kernel], Kernel]) -> "Backend":
        """Return a copy whose kernels went through ``around(name, kernel)``: to count, time, break.

        Its programs run step by step, since compiled ones call their kernels without passing here.
        """
        changed = copy(self)
        for name in kernels.NAMES:
            setattr(changed, name, around(name, getattr(self, name)))
        changed.run_steps = stepper.run_steps.__get__(changed)  # type: ignore[method-assign]
        changed.run_forward = stepper.run_forward.__get__(changed)  # type: ignore[method-assign]
        return changed

    def __copy__(self) -> "Backend":
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    # Arrays -----------------------------------------------------------------------------------

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """Return ``x`` as an array of this backend, without a copy where memory and dtype allow."""
        return self.xp.asarray(to_host(x), dtype=dtype)

    def copy(self, x: Any) -> Any:
        """Return a copy of an array of this backend, in the same memory order."""
        return self.xp.asarray(x, copy=True)

    def to_numpy(self, x: Any) -> Any:
        """Return an array of this backend as a NumPy array."""
        return np.asarray(x)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an uninitialised C-ordered array."""
        return self.xp.empty(shape, dtype=dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a C-ordered array of zeros."""
        return self.xp.zeros(shape, dtype=dtype)

    def synchronize(self) -> None:
        """Wait until everything asked for so far is computed."""

    def announce(self, say: Callable[[], None]) -> Any:
        """Return a context in which ``say`` is called once if the backend compiles something."""
        from contextlib import nullcontext

        return nullcontext()

    # Programs ---------------------------------------------------------------------------------

    def run_steps(self, plan: Plan, first: int, last: int, scalars: Any) -> None:
        """Train on minibatches ``first`` to ``last`` of the data that ``plan`` is bound to."""
        stepper.run_steps(self, plan, first, last, scalars)

    def run_forward(self, plan: Plan, X: Any, out: Any) -> None:
        """Write the outputs for all rows of ``X``, at most a batch at a time, to ``out``."""
        stepper.run_forward(self, plan, X, out)

    @classmethod
    def status(cls) -> Status:
        """Say whether the backend can run here, and on what; never raises."""
        raise NotImplementedError


def to_host(x: Any) -> Any:
    """Return ``x`` as something NumPy can read; arrays of other libraries without a copy."""
    if isinstance(x, np.ndarray) or not hasattr(x, "__dlpack__"):
        return x
    return np.from_dlpack(x) if on_gpu(x) is None else x.get() if hasattr(x, "get") else x


def on_gpu(x: Any) -> str | None:
    """Return the backend for an array that lies on a GPU, None for everything else."""
    if isinstance(x, np.ndarray) or not hasattr(x, "__dlpack_device__"):
        return None
    cuda = 2  # kDLCUDA of the DLPack standard
    return "cupy" if x.__dlpack_device__()[0] == cuda else None
