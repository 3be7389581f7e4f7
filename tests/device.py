"""A "GPU" for tests: arrays of a class of its own that NumPy must not convert behind our back.

Whatever mixes host and device arrays without asking the backend fails here, as it would with CuPy.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from accelnn.backends import Backend, Status
from accelnn.backends.plan import Plan


class DeviceArray:
    """An array that says it lies on CUDA device 0, and refuses to become NumPy's."""

    __array_ufunc__ = None

    def __init__(self, held: Any) -> None:
        assert isinstance(held, np.ndarray | np.generic), type(held)
        self.held = np.asarray(held)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion of a device array to NumPy")

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("the memory of a device is not NumPy's to read")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0  # kDLCUDA

    def __reduce__(self) -> Any:
        raise TypeError("a pickle must not hold device arrays")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # such as __array_interface__, by which NumPy would read it
            raise AttributeError(name)
        found = getattr(self.held, name)
        return on_device(found) if callable(found) else wrapped(found)

    def __len__(self) -> int:
        return len(self.held)

    def __float__(self) -> float:
        return float(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __getitem__(self, index: Any) -> Any:
        return wrapped(self.held[unwrapped(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.held[unwrapped(index)] = unwrapped(value)


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: DeviceArray, *others: Any) -> Any:
        return wrapped(getattr(self.held, name)(*map(unwrapped, others)))

    return operate


for _name in ("add", "sub", "mul", "truediv", "matmul", "pow", "radd", "rmul", "rsub"):
    setattr(DeviceArray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in ("eq", "lt", "gt", "neg", "invert", "imul"):
    setattr(DeviceArray, f"__{_name}__", _operator(f"__{_name}__"))


def wrapped(x: Any) -> Any:
    """Return arrays of NumPy, alone or in a tuple, as device arrays."""
    if isinstance(x, tuple) and any(isinstance(each, np.ndarray) for each in x):
        return tuple(map(wrapped, x))
    return DeviceArray(x) if isinstance(x, np.ndarray | np.generic) else x


def unwrapped(x: Any) -> Any:
    """Return what a device array holds; an array of NumPy has no business here."""
    if isinstance(x, DeviceArray):
        return x.held
    if isinstance(x, tuple | list):
        return type(x)(map(unwrapped, x))
    assert not isinstance(x, np.ndarray), "a host array among device arrays"
    return x


def on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy's as one of device arrays."""

    def call(*arguments: Any, **named: Any) -> Any:
        given = {key: unwrapped(value) for key, value in named.items()}
        return wrapped(function(*map(unwrapped, arguments), **given))

    return call


class _Namespace:
    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return found if isinstance(found, type) else on_device(found)


class DeviceBackend(Backend):
    """NumPy's kernels on device arrays; programs read bytes and X on the host, as CuPy's do."""

    name: ClassVar[str] = "cupy"  # the backend of what lies on a CUDA device
    folder: ClassVar[str] = "on_numpy"
    reads_bytes: ClassVar[bool] = True
    precisions: ClassVar[tuple[str, ...]] = ("float32", "tf32")
    deltas_alive: ClassVar[int] = 3
    xp: Any = _Namespace()
    room = 1 << 40
    usable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        for name, kernel in list(vars(self).items()):
            if callable(kernel):
                setattr(self, name, on_device(kernel))
        self.seen: list[tuple[type, str]] = []  # class and dtype of each X that a program read
        self.precisions_seen: set[str] = set()
        self.depth = 0

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """Move to the device, which copies; an array that is there and of this dtype stays."""
        if isinstance(x, DeviceArray):
            return DeviceArray(x.held.astype(dtype or x.held.dtype, copy=False))
        return DeviceArray(np.array(x, dtype=dtype))

    def copy(self, x: Any) -> Any:
        """Copy on the device."""
        return DeviceArray(x.held.copy(order="K"))

    def to_numpy(self, x: Any) -> Any:
        """Copy to the host, in C order as CuPy does."""
        assert isinstance(x, DeviceArray), type(x)
        return np.array(x.held, order="C")

    def fits(self, n_bytes: int) -> bool:
        """Say whether there is room."""
        return n_bytes <= self.room

    def run_steps(self, plan: Plan, first: int, last: int, scalars: Any) -> Any:
        """Read X as it came, then step as NumPy does."""
        kept = plan.X
        self.precisions_seen.add(plan.precision)
        plan.X = self._read(plan, kept)
        try:
            return super().run_steps(plan, first, last, scalars)
        finally:
            plan.X = kept

    def run_forward(self, plan: Plan, X: Any, out: Any) -> None:
        """Read X as it came."""
        super().run_forward(plan, self._read(plan, X), out)

    def _read(self, plan: Plan, X: Any) -> Any:
        self.seen.append((type(X), str(X.dtype)))
        if X.dtype == np.uint8:
            X = self.asarray(self.asarray(X), plan.params.dtype) * plan.input_scale
        assert X.dtype == plan.params.dtype
        return X

    @classmethod
    def status(cls) -> Status:
        """Say that it runs, or not."""
        return Status(cls.name, cls.usable, device="a device of tests")
