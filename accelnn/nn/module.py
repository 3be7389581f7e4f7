"""Module: a tree of layers that knows its parameters."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from accelnn.autograd import Parameter, Tensor, on_host
from accelnn.backends import Backend, get_backend


class Module:
    """Base of all layers; assigning a Parameter or a Module to an attribute registers it.

    Attributes
    ----------
    training : bool
        Set by ``train`` and ``eval``; Dropout looks at it.
    """

    training: bool
    _parameters: dict[str, Parameter]
    _modules: dict[str, "Module"]

    def __init__(self) -> None:
        vars(self).update(_parameters={}, _modules={}, training=True)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in vars(self):
            raise AttributeError(f"call super().__init__() before setting {name!r} of a Module")
        kinds: tuple[tuple[Any, dict[str, Any]], ...] = (
            (Parameter, self._parameters),
            (Module, self._modules),
        )
        for kind, registered in kinds:
            if isinstance(value, kind):
                registered[name] = value  # one that replaces another keeps its place
            else:
                registered.pop(name, None)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._parameters.pop(name, None)
        self._modules.pop(name, None)
        super().__delattr__(name)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output; a subclass must define it."""
        raise TypeError(f"{type(self).__name__} does not define forward(x)")

    def __call__(self, x: Any) -> Tensor:
        """Return ``forward`` of ``x``, an array or Tensor."""
        if not isinstance(x, Tensor):
            x = Tensor(x, backend=self.backend or "auto")
        return self.forward(x)

    def children(self) -> Iterator["Module"]:
        """Yield the modules directly below."""
        yield from self._modules.values()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted name, parameter), own ones first, a shared one only once."""
        yield from self._named(prefix, set())

    def _named(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self._parameters.items():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield prefix + name, parameter
        for name, module in self._modules.items():
            yield from module._named(f"{prefix}{name}.", seen)

    def parameters(self) -> Iterator[Parameter]:
        """Yield all parameters of the tree."""
        for _, parameter in self.named_parameters():
            yield parameter

    @property
    def backend(self) -> Backend | None:
        """Backend of the parameters; None without any."""
        return next((p.backend for p in self.parameters()), None)

    def zero_grad(self) -> None:
        """Forget all gradients: ``.grad`` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> "Module":
        """Switch to training (dropout drops), or with False to evaluation; returns itself."""
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> "Module":
        """Switch to evaluation; returns itself."""
        return self.train(False)

    def to(self, backend: str | Backend) -> "Module":
        """Move the parameters to another backend, values unchanged; returns itself."""
        target = get_backend(backend)
        for parameter in self.parameters():
            if parameter.backend is not target:
                moved = target.asarray(on_host(parameter))
                parameter.data, parameter.backend, parameter.grad = moved, target, None
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return the parameters as NumPy arrays by dotted name, in PyTorch's names and shapes."""
        return {n: np.array(p.numpy(), order="C") for n, p in self.named_parameters()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Write arrays into the parameters, all of them or, on any mismatch, none.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs, or an array holds no real numbers;
            the message lists them.
        """
        own = dict(self.named_parameters())
        arrays = {
            name: value.numpy() if isinstance(value, Tensor) else np.asarray(value)
            for name, value in state.items()
        }
        wrong = [f"missing: {name}" for name in own.keys() - arrays.keys()]
        wrong += [f"unknown: {name}" for name in arrays.keys() - own.keys()]
        both = own.keys() & arrays.keys()
        wrong += [
            f"{name}: shape {arrays[name].shape}, expected {own[name].shape}"
            for name in both
            if arrays[name].shape != own[name].shape
        ]
        wrong += [
            f"{name}: dtype {arrays[name].dtype}, expected real numbers"
            for name in both
            if arrays[name].dtype.kind not in "fiub"
        ]
        if wrong:
            raise ValueError("state does not fit this module; " + "; ".join(sorted(wrong)))
        for name, parameter in own.items():
            write(parameter, arrays[name])

    def config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this one, for saving; JSON types only."""
        return {}

    def extra_repr(self) -> str:
        """Return what stands between the brackets of ``repr``."""
        return ", ".join(f"{key}={value!r}" for key, value in self.config().items())

    def __repr__(self) -> str:
        lines = [f"  ({name}): {module!r}" for name, module in self._modules.items()]
        body = "\n".join(line.replace("\n", "\n  ") for line in lines)
        name = type(self).__name__
        return f"{name}(\n{body}\n)" if lines else f"{name}({self.extra_repr()})"


def write(parameter: Parameter, values: Any) -> None:
    """Set a parameter's values, through to the memory it shares with a program."""
    array = parameter.backend.asarray(values, dtype=parameter.data.dtype)
    if parameter.backend.in_place:
        parameter.data[...] = array
    else:
        parameter.data = array
