"""Module: a tree of layers that knows its parameters."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from accelnn.autograd import Parameter, Tensor, on_host
from accelnn.backends import Backend
from accelnn.devices import backend_of
from accelnn.graph import changed
from accelnn.nn.hooks import Hookable
from accelnn.nn.summary import Summary, summarise
from accelnn.operators.operand import is_float


class Module(Hookable):
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

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set the attribute ``name`` to a Parameter, or to None for one that is left out."""
        if not isinstance(param, Parameter | None):
            raise TypeError(f"expected a Parameter or None, got {param!r} for {name!r}")
        setattr(self, name, param)

    def add_module(self, name: str, module: "Module") -> None:
        """Set the attribute ``name`` to a module below this one."""
        if not isinstance(module, Module):
            raise TypeError(f"expected a Module, got {module!r} for {name!r}")
        setattr(self, name, module)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output; a subclass must define it."""
        raise TypeError(f"{type(self).__name__} does not define forward(x)")

    def __call__(self, x: Any, *others: Any, **named: Any) -> Tensor:
        """Return ``forward`` of ``x``, an array or Tensor; other arguments pass as they are."""
        if not isinstance(x, Tensor):
            x = Tensor(x, backend=self.backend or "auto")
        if self._hooks is None:
            return self.forward(x, *others, **named)
        result: Tensor = self._hooks.call(self, (x, *others), named)
        return result

    # The tree ---------------------------------------------------------------------------------

    def children(self) -> Iterator["Module"]:
        """Yield the modules directly below."""
        yield from self._modules.values()

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Yield (name, module) of those directly below."""
        yield from self._modules.items()

    def modules(self) -> Iterator["Module"]:
        """Yield this module and all below, each once."""
        for _, module in self.named_modules():
            yield module

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """Yield (dotted name, module) of this module and all below, each once.

        Examples
        --------
        >>> from accelnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU()))
        >>> [name for name, _ in model.named_modules()]
        ['', '0', '1', '1.0']
        """
        yield from self._named_modules(prefix, set())

    def _named_modules(self, name: str, seen: set[int]) -> Iterator[tuple[str, "Module"]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield name, self
        for below, module in self._modules.items():
            yield from module._named_modules(f"{name}.{below}" if name else below, seen)

    def apply(self, fn: Callable[["Module"], Any]) -> "Module":
        """Call ``fn`` for all modules below, then for this one, as to initialise; returns itself.

        Examples
        --------
        >>> from accelnn import nn
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
        >>> def zeros(module):
        ...     if isinstance(module, nn.Linear):
        ...         nn.init.zeros_(module.weight)
        >>> model.apply(zeros)[0].weight.tolist()
        [[0.0]]
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

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

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients: ``.grad`` becomes None, or with False keeps its array, of zeros."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Let all parameters be learned, or with False freeze them; returns itself."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def summary(self, input_shape: tuple[int, ...] | None = None) -> Summary:
        """Return the layers with the shapes of their outputs and their numbers of parameters.

        Parameters
        ----------
        input_shape : tuple of int, optional
            Of one sample, without the batch axis. With it zeros are passed through a copy of the
            model in evaluation mode. Without, shapes are known where Linear layers of a
            ``Sequential`` tell them.

        Returns
        -------
        Summary
            Print it; ``total``, ``trainable`` and ``rows`` are numbers to compute with.

        Examples
        --------
        >>> from accelnn import nn
        >>> mnist = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(),
        ...                       nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        >>> print(mnist.summary((28, 28)))
        name       layer    output    parameters  biases
        0          Flatten  (n, 784)           0       0
        1          Linear   (n, 512)     401,920     512
        2          ReLU     (n, 512)           0       0
        3          Linear   (n, 512)     262,656     512
        4          ReLU     (n, 512)           0       0
        5          Linear   (n, 10)        5,130      10
        total                            669,706   1,034
        trainable                        669,706
        """
        return summarise(self, input_shape)

    def train(self, mode: bool = True) -> "Module":
        """Switch to training (dropout drops), or with False to evaluation; returns itself."""
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> "Module":
        """Switch to evaluation; returns itself."""
        return self.train(False)

    def to(self, device: str | Backend) -> "Module":
        """Move parameters and buffers, values unchanged; returns itself.

        Parameters
        ----------
        device : str or Backend
            "cpu" keeps a backend of the CPU and else returns to NumPy, "cuda" is CuPy, "cuda:1" its
            GPU of that number; or a backend or its name.

        Raises
        ------
        ValueError
            For a name that is none of these.
        BackendUnavailable
            Where a backend cannot run here; the message says why and what to do.

        Examples
        --------
        >>> from accelnn import nn
        >>> nn.Linear(2, 1, backend="numba").to("cpu").backend
        <accelnn backend 'numba'>
        """
        target = backend_of(device, self.backend)
        for _, tensor in self._named_state():
            if tensor.backend is not target:
                moved = target.asarray(on_host(tensor))
                tensor.array, tensor.backend, tensor.grad = moved, target, None
        return self

    def float(self) -> "Module":
        """Turn parameters and buffers of float64 into float32; returns itself."""
        return self._cast("float32")

    def double(self) -> "Module":
        """Turn parameters and buffers of float32 into float64, as gradient checks need; itself.

        Examples
        --------
        >>> from accelnn import nn
        >>> nn.Linear(2, 1).double().weight.dtype
        dtype('float64')
        """
        return self._cast("float64")

    def _cast(self, dtype: str) -> "Module":
        for _, tensor in self._named_state():
            if is_float(tensor.dtype):
                tensor.array = tensor.data.to(dtype).array
                tensor.grad = None if tensor.grad is None else tensor.grad.to(dtype)
        return self

    def cpu(self) -> "Module":
        """Move to the CPU; see ``to``."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> "Module":
        """Move to a GPU, the current one or that of a number; see ``to``."""
        return self.to("cuda" if device is None else f"cuda:{device}")

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
        changed(tensor.array)
    else:
        tensor.array = array
