"""Look into a model: what each layer gave on the way forward and got on the way back.

Of a Linear that is Z and the gradient dZ, of an activation A and dA. What is recorded are the very
tensors of the graph, asked to retain their gradients; the model computes what it did before.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from accelnn.autograd import Tensor
from accelnn.nn import Module


@dataclass(frozen=True, eq=False)
class Observed:
    """One layer in one pass.

    Attributes
    ----------
    name : str
        Dotted, as in ``Module.named_modules``.
    module : Module
    input, output : Tensor
        What it was called with, and what it returned.
    """

    name: str
    module: Module
    input: Tensor
    output: Tensor

    @property
    def gradient(self) -> Tensor | None:
        """Gradient of the loss by the output; None before ``backward`` and without a graph."""
        return self.output.grad

    def __repr__(self) -> str:
        with_gradient = "without" if self.gradient is None else "with"
        return (
            f"<{self.name}: {type(self.module).__name__} gave {self.output.shape}, "
            f"{with_gradient} gradient>"
        )


class Observation(Mapping[str, Observed]):
    """The layers of the newest pass by name, in the order in which they ran."""

    def __init__(self) -> None:
        self._layers: dict[str, Observed] = {}

    def _restart(self, module: Module, inputs: Any) -> None:
        self._layers.clear()

    def _keep(self, name: str, module: Module, x: Tensor, output: Tensor) -> None:
        if output.requires_grad:
            output.retain_grad()
        times = sum(seen.name.partition(":")[0] == name for seen in self._layers.values())
        name = f"{name}:{times + 1}" if times else name
        self._layers[name] = Observed(name, module, x, output)

    def __getitem__(self, name: str) -> Observed:
        if name not in self._layers:
            known = ", ".join(map(repr, self._layers)) or "none yet: call the model first"
            raise KeyError(f"no layer {name!r} was seen; there are {known}")
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._layers.values())) or "<nothing observed yet>"


@contextmanager
def observe(model: Module) -> Iterator[Observation]:
    """Record what the layers of a model compute inside: Z, A and, after backward, dZ, dA.

    Parameters
    ----------
    model : Module
        Its modules without others below them are recorded. Each pass of the model starts afresh; a
        layer that is used again in one pass is recorded as "name:2". With any outside hook removed
        at the end, whatever happens, the model is then as it was; what was recorded stays.

    Yields
    ------
    Observation
        A mapping of dotted names to ``Observed``, in order of execution.

    Notes
    -----
    Retained gradients take the memory of the outputs once more. Inside, ``accelnn.train`` goes the
    eager way, since a program has no such tensors.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import Tensor, nn
    >>> model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    >>> model.load_state_dict({"0.weight": [[1.0, -1.0]], "0.bias": [0.0]})
    >>> with accelnn.observe(model) as seen:
    ...     nn.MSELoss()(model([[2.0, 2.0]]), [[0.0]]).backward()
    >>> [(name, layer.output.item(), layer.gradient.item()) for name, layer in seen.items()]
    [('0', 0.0, 0.25), ('1', 0.5, 1.0)]
    """
    if not isinstance(model, Module):
        raise TypeError(f"observe() looks into a Module, got {type(model).__name__}")
    seen = Observation()
    handles = [model.register_forward_pre_hook(seen._restart)]
    try:
        for name, module in model.named_modules():
            if next(module.children(), None) is None:
                handles.append(module.register_forward_hook(_listener(seen, name)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _listener(seen: Observation, name: str) -> Any:
    def keep(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor):
            seen._keep(name, module, inputs[0], output)

    return keep
