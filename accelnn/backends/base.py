"""What a backend is: a namespace for arrays, the kernels, and a way to run a program."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np

from accelnn import kernels
from accelnn.backends import stepper, watching
from accelnn.backends.plan import Plan
from accelnn.errors import BackendUnavailable

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
    reads_bytes : bool
        Whether its programs read an X of uint8 as it is, and multiply it by ``plan.input_scale``.
    precisions : tuple of str
        What its programs can compute products in; "float32" is the dtype of the model.
    deltas_alive : int
        Rows of ``plan.deltas`` that its programs need.
    """

    name: ClassVar[str]
    folder: ClassVar[str]
    in_place: ClassVar[bool] = True
    reads_bytes: ClassVar[bool] = False
    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    deltas_alive: ClassVar[int] = 2
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
    log_sigmoid: Kernel
    log_sigmoid_backward: Kernel
    hardtanh: Kernel
    hardtanh_backward: Kernel
    gelu: Kernel
    gelu_backward_z: Kernel
    gelu_tanh: Kernel
    gelu_tanh_backward_z: Kernel
    silu: Kernel
    silu_backward_z: Kernel
    step: Kernel
    step_backward: Kernel
    maxout: Kernel
    maxout_backward_z: Kernel
    squared_error: Kernel
    squared_error_backward: Kernel
    binary_cross_entropy: Kernel
    binary_cross_entropy_backward: Kernel
    cross_entropy: Kernel
    cross_entropy_backward: Kernel
    poisson: Kernel
    poisson_backward: Kernel
    perceptron: Kernel
    perceptron_backward: Kernel
    sgd: Kernel
    momentum: Kernel
    adam: Kernel
    dropout: Kernel

    def __init__(self) -> None:
        vars(self).update(kernels.load(self.folder))

    def __repr__(self) -> str:
        return f"<accelnn backend {self.name!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.name,)  # a pickle holds the name, not the functions

    def __deepcopy__(self, memo: Any) -> "Backend":
        return self  # holds functions only, and need not be registered under its name

    def intercept(self, around: Callable[[str, Kernel], Kernel]) -> "Backend":
        """Return a copy whose kernels went through ``around(name, kernel)``: to count, time, break.

        Its programs run step by step, since compiled ones call their kernels without passing here.
        """
        changed = copy(self)
        for name in kernels.NAMES:
            setattr(changed, name, around(name, getattr(changed, name)))
        vars(changed).update(reads_bytes=False, precisions=("float32",))  # as a stepper's kernels
        changed.run_steps = stepper.run_steps.__get__(changed)  # type: ignore[method-assign]
        changed.run_forward = stepper.run_forward.__get__(changed)  # type: ignore[method-assign]
        return changed

    def __copy__(self) -> "Backend":
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        watching.restore(vars(twin))  # a copy is not watched, and outlives the profile
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

    def fits(self, n_bytes: int) -> bool:
        """Say whether an array of so many bytes has room where this backend keeps its arrays."""
        return True

    def scope(self) -> Any:
        """Return a context in which this backend's device is the current one."""
        return nullcontext()

    def memory_guard(self) -> Any:
        """Return a context in which lack of device memory is a ``DeviceMemoryError``."""
        return nullcontext()

    def free_memory(self) -> None:
        """Give back the device memory that is kept for later arrays and in use by none."""

    def limit_memory(self, n_bytes: int | None) -> None:
        """Set the most device memory that is held at a time; ValueError without a device."""
        raise ValueError(f"backend {self.name!r} has no device memory that could be limited")

    def synchronize(self) -> None:
        """Wait until everything asked for so far is computed."""

    def announce(self, say: Callable[[], None]) -> Any:
        """Return a context in which ``say`` is called once if the backend compiles something."""
        return nullcontext()

    def warm_up(self) -> Iterator[tuple[str, bool]]:
        """Compile ahead of time, one thing after another; yield its name, and whether it was new.

        What was not new was in the cache already. A backend that compiles nothing yields nothing.
        """
        return iter(())

    # Programs ---------------------------------------------------------------------------------

    def run_steps(self, plan: Plan, first: int, last: int, scalars: Any) -> Any:
        """Train on minibatches ``first`` to ``last`` of the data that ``plan`` is bound to.

        Return the penalty of each, or None where nobody looks at the weights in between.
        """
        return stepper.run_steps(self, plan, first, last, scalars)

    def run_forward(self, plan: Plan, X: Any, out: Any) -> None:
        """Write the outputs for all rows of ``X``, at most a batch at a time, to ``out``."""
        stepper.run_forward(self, plan, X, out)

    def release(self, plan: Plan) -> None:
        """Give up what this backend keeps with a plan; a program that is closed calls it."""
        plan.views.clear()

    # Profiles ---------------------------------------------------------------------------------

    def watched(self, log: watching.Log) -> dict[str, Any]:
        """Return the attributes that an instance has while a profile listens (``watching.py``).

        Its programs run step by step, through kernels that are timed one by one.
        """
        around, whole = self.timer(log), type(self).run_steps is Backend.run_steps

        def run_steps(plan: Plan, first: int, last: int, scalars: Any) -> Any:
            if not whole:
                log.by_kernel.add(self.name)
            with self.scope(), self.memory_guard():
                mine = log.mine(plan, watch=log)
                return stepper.run_steps(self, mine, first, last, scalars)

        def run_forward(plan: Plan, X: Any, out: Any) -> None:
            if not whole:
                log.by_kernel.add(self.name)
            with self.scope(), self.memory_guard():
                stepper.run_forward(self, log.mine(plan, watch=log), X, out)

        def release(plan: Plan) -> None:
            log.forget(plan)
            type(self).release(self, plan)

        timed = {name: around(name, getattr(self, name)) for name in kernels.NAMES}
        return {**timed, "run_steps": run_steps, "run_forward": run_forward, "release": release}

    def timer(self, log: watching.Log) -> Callable[[str, Kernel], Kernel]:
        """Return what makes a kernel of a name report to a log how long each call took."""
        return partial(watching.timed, log, self.name)

    @classmethod
    def status(cls) -> Status:
        """Say whether the backend can run here, and on what; never raises."""
        raise NotImplementedError

    @classmethod
    def on_device(cls, number: str) -> "Backend":
        """Return the backend of one of several devices: what stands behind the colon of a name."""
        raise ValueError(
            f"unknown backend '{cls.name}:{number}': expected {cls.name!r}, which has no devices "
            "to number"
        )


def _unpickled(name: str) -> Backend:
    """Return the backend of a pickle, or NumPy with a warning where it cannot run.

    A pickle holds each backend once, however many arrays were on it, so this warns once.
    """
    from accelnn.backends import get_backend

    try:
        return get_backend(name)
    except (ValueError, BackendUnavailable) as error:
        text = f"what was on backend {name!r} is restored on 'numpy' instead: {error}"
        warnings.warn(text, UserWarning, stacklevel=2)
        return get_backend("numpy")


def to_host(x: Any) -> Any:
    """Return ``x`` as something NumPy can read; arrays of other libraries without a copy."""
    if type(x) is float or isinstance(x, np.ndarray) or not hasattr(x, "__dlpack__"):
        return x
    return np.from_dlpack(x) if on_gpu(x) is None else x.get() if hasattr(x, "get") else x


def on_gpu(x: Any) -> str | None:
    """Return the backend for an array that lies on a GPU, None for everything else."""
    if isinstance(x, np.ndarray):
        return None
    if hasattr(x, "__dlpack_device__"):
        kind, number = x.__dlpack_device__()
        if kind not in (2, 13):  # kDLCUDA and kDLCUDAManaged of the DLPack standard
            return None
        return f"cupy:{number}" if number else "cupy"
    return "cupy" if hasattr(x, "__cuda_array_interface__") else None  # does not say which GPU
