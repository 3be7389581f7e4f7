"""What the optimizers share: parameters, states, and one step through the backend's kernels."""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

from accelnn.autograd import Parameter, Tensor
from accelnn.backends.plan import Update
from accelnn.graph import changed

Scalars = tuple[float, float, float]


class Optimizer:
    """Base of the optimizers; a subclass says which kernel and which scalars.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
        Learning rate; may be changed between steps.

    Attributes
    ----------
    t : int
        Steps taken.
    """

    #: Name of the update kernel, and of its scalars in the order in which ``scalars`` gives them.
    kernel: str

    def __init__(self, parameters: Iterable[Parameter], lr: float) -> None:
        if isinstance(parameters, Tensor):
            raise TypeError("expected an iterable of parameters, such as model.parameters()")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("the optimizer got no parameters; pass model.parameters()")
        for parameter in self.parameters:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"expected parameters, got a {type(parameter).__name__}; pass "
                    "model.parameters()"
                )
        self.lr = check_number("lr", lr, 0)
        self.t = 0
        self._states: dict[int, list[Any]] = {}

    def update(self) -> Update:
        """Return what stays the same from step to step, for a program."""
        raise NotImplementedError

    def scalars(self, t: int, lr: float) -> Scalars:
        """Return what changes, for step ``t`` = 1, 2, ... with learning rate ``lr``."""
        raise NotImplementedError

    def apply(self, backend: Any, p: Any, g: Any, states: list[Any], scalars: Scalars) -> Any:
        """Call the kernel; returns ``(p, *states)``."""
        raise NotImplementedError

    def step(self) -> None:
        """Change all parameters that have a gradient."""
        self.t += 1
        scalars = self.scalars(self.t, self.lr)
        for parameter in self.parameters:
            if parameter.grad is not None:
                self._step_one(parameter, scalars)

    def _step_one(self, parameter: Parameter, scalars: Scalars) -> None:
        backend = parameter.backend
        gradient, kept = parameter.grad.array, self.states(parameter)  # type: ignore[union-attr]
        p, g, *states = storage(parameter.array, gradient, *kept)
        if not backend.in_place:
            parameter.array, *kept[:] = self.apply(backend, p, g, states, scalars)
            return
        for a in (p, *states):
            if not a.flags.c_contiguous:
                self._apply_to_copies(backend, (p, *states), g, scalars)
                break
        else:
            self.apply(backend, p, g, states, scalars)
        changed(parameter.array)

    def _apply_to_copies(self, backend: Any, held: Any, g: Any, scalars: Scalars) -> None:
        """Call the kernel, which writes C order only, for arrays in any order."""
        p, *states = copies = [backend.xp.array(a, order="C") for a in held]
        self.apply(backend, p, g, states, scalars)
        for old, new in zip(held, copies, strict=True):
            old[...] = new

    def states(self, parameter: Parameter) -> list[Any]:
        """Return the state arrays of a parameter, zeros at first, in its shape and memory order."""
        if id(parameter) not in self._states:
            zeros_like = parameter.backend.xp.zeros_like
            self._states[id(parameter)] = [
                zeros_like(parameter.array) for _ in range(self.update().n_states)
            ]
        return self._states[id(parameter)]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients: ``.grad`` becomes None, or with False keeps its array, of zeros."""
        for parameter in self.parameters:
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    def __repr__(self) -> str:
        hidden = ("parameters", "t")
        shown = {k: v for k, v in vars(self).items() if k not in hidden and k[0] != "_"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def storage(data: Any, *others: Any) -> tuple[Any, ...]:
    """Return ``data`` in C order, transposed if need be, and the others turned the same way.

    A Linear's weight is the transpose of its storage; update kernels work in place on storage.
    """
    flags = getattr(data, "flags", None)
    if flags is None or flags.c_contiguous or not flags.f_contiguous:
        return data, *others
    return data.T, *(other.T for other in others)


def check_number(name: str, value: Any, low: float, high: float = math.inf) -> float:
    """Return ``value`` as a float, or raise naming the range [low, high)."""
    if not isinstance(value, Real) or not low <= float(value) < high:
        limit = f" and below {high}" if high != math.inf else ""
        raise ValueError(f"{name} must be a number of at least {low}{limit}, got {value!r}")
    return float(value)
