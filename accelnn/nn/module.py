"""Module: a tree of layers that knows its parameters."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from accelnn.autograd import Parameter, Tensor, on_host
from accelnn.backends import Backend, get_backend


class Module:
    """Base of all layers; assigning a Parameter or a Module to an attribute registers it.

    What a layer keeps without learning it, such as running means, is a buffer: see
    ``register_buffer``.

    Attributes
    ----------
    training : bool
        Set by ``train`` and ``eval``; Dropout and BatchNorm1d look at it.
    """

    training: bool
    _parameters: dict[str, Parameter]
    _buffers: dict[str, Tensor]
    _modules: dict[str, "Module"]

    def __init__(self) -> None:
        vars(self).update(_parameters={}, _buffers={}, _modules={}, training=True)

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
        if name in self._buffers:
            self._buffers[name] = value
            if not isinstance(value, Tensor) or isinstance(value, Parameter):
                del self._buffers[name]
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        for registered in (self._parameters, self._buffers, self._modules):
            registered.pop(name, None)
        super().__delattr__(name)

    def register_buffer(self, name: str, tensor: Tensor) -> None:
        """Make ``tensor`` an attribute that is saved and moved, but not learned.

        Parameters
        ----------
        name : str
        tensor : Tensor
            Without gradient; one that is assigned to the attribute later takes its place.

        Examples
        --------
        >>> from accelnn import Tensor, nn
        >>> layer = nn.Module()
        >>> layer.register_buffer("count", Tensor(0))
        >>> list(layer.state_dict()), list(layer.parameters())
        (['count'], [])
        """
        if not isinstance(tensor, Tensor) or tensor.requires_grad:
            raise TypeError(f"a buffer is a Tensor without gradient, got {tensor!r} for {name!r}")
        setattr(self, name, tensor)
        self._buffers[name] = tensor

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
        yield from self._named(prefix, set(), lambda module: module._parameters)

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, buffer), own ones first, a shared one only once."""
        yield from self._named(prefix, set(), lambda module: module._buffers)

    def _named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield parameters and buffers in the order of PyTorch's ``state_dict``."""
        yield from self._named("", set(), lambda module: module._parameters | module._buffers)

    def _named(
        self, prefix: str, seen: set[int], held: Callable[["Module"], dict[str, Any]]
    ) -> Iterator[tuple[str, Any]]:
        for name, tensor in held(self).items():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield prefix + name, tensor
        for name, module in self._modules.items():
            yield from module._named(f"{prefix}{name}.", seen, held)

    def parameters(self) -> Iterator[Parameter]:
        """Yield all parameters of the tree."""
        for _, parameter in self.named_parameters():
            yield parameter

    def buffers(self) -> Iterator[Tensor]:
        """Yield all buffers of the tree."""
        for _, buffer in self.named_buffers():
            yield buffer

    @property
    def backend(self) -> Backend | None:
        """Backend of the parameters and buffers; None without any."""
        return next((tensor.backend for _, tensor in self._named_state()), None)

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
        """Move parameters and buffers to another backend, values unchanged; returns itself."""
        target = get_backend(backend)
        for _, tensor in self._named_state():
            if tensor.backend is not target:
                moved = target.asarray(on_host(tensor))
                tensor.array, tensor.backend, tensor.grad = moved, target, None
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return parameters and buffers as NumPy arrays by dotted name, as PyTorch has them."""
        return {name: np.array(x.numpy(), order="C") for name, x in self._named_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Write arrays into parameters and buffers, all of them or, on any mismatch, none.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs, or an array holds no real numbers;
            the message lists them.
        """
        own = dict(self._named_state())
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
        for name, tensor in own.items():
            write(tensor, arrays[name])

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


def write(tensor: Tensor, values: Any) -> None:
    """Set a tensor's values, through to the memory that a parameter shares with a program."""
    array = tensor.backend.asarray(values, dtype=tensor.array.dtype)
    if tensor.backend.in_place:
        tensor.array[...] = array
    else:
        tensor.array = array
