"""The worked examples of the lecture notes: what goes in, what must come out.

``golden.json`` holds one example a line. ``ACCELNN_GOLDEN`` names another file of the same form
that is read in its place.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from accelnn import Tensor, nn, optim
from accelnn.backends import Backend

COPY = Path(__file__).with_name("golden.json")


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of a file by their id."""
    return {entry["id"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}


ENTRIES = read(Path(os.environ.get("ACCELNN_GOLDEN") or COPY))


class Golden:
    """One example: ``inputs``, and a check of values against what it expects."""

    def __init__(self, name: str) -> None:
        entry = ENTRIES[name]
        self.id = name
        self.kind: str = entry["kind"]
        self.dtype: str = entry["dtype"]
        self.inputs: dict[str, Any] = entry["inputs"]
        self.expected: dict[str, Any] = entry["expected"]
        self.tolerance: dict[str, Any] = entry["tolerance"]
        self.printed: dict[str, Any] = entry["printed_in_seed"]
        self.misprinted: dict[str, Any] = entry["erratum_in_seed"]

    def check(self, key: str, actual: Any) -> None:
        """Assert that ``actual``, a Tensor or array, is the expected value of this name."""
        self.equal(actual, self.expected[key])

    def equal(self, actual: Any, expected: Any) -> None:
        """Assert shape and values, within the tolerance of the example."""
        actual, expected = on_host(actual), np.asarray(expected)
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, **self.tolerance)

    def tensor(self, key: str, backend: Backend, requires_grad: bool = False) -> Tensor:
        """Return an input as a float64 Tensor."""
        return Tensor(self.inputs[key], requires_grad, dtype="float64", backend=backend)


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "elu": nn.ELU,
    "hardtanh": nn.Hardtanh,
    "leaky_relu": nn.LeakyReLU,
    "logsigmoid": nn.LogSigmoid,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}

#: Computes every value that an example expects, by name.
Compute = Callable[[Golden, Backend], dict[str, Any]]


def on_host(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def linear(w: Any, b: Any, backend: Backend) -> nn.Linear:
    """Return a float64 layer of weights (n_out, n_in) and a bias, or none."""
    w, b = on_host(w).astype("float64"), None if b is None else on_host(b)
    layer = nn.Linear(w.shape[1], w.shape[0], b is not None, dtype="float64", backend=backend)
    layer.load_state_dict({"weight": w} | ({} if b is None else {"bias": b}))
    return layer


def stack(golden: Golden, names: list[str], backend: Backend) -> nn.Sequential:
    """Return Linears without bias of these inputs, ReLU between them."""
    layers: list[nn.Module] = []
    for name in names:
        layers += [linear(golden.inputs[name], None, backend), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def through(model: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Return what every layer makes of ``x``, with gradients kept."""
    found = []
    for layer in model:
        x = layer(x)
        x.retain_grad()
        found.append(x)
    return found


def grads(module: nn.Module) -> list[Tensor]:
    """Return the gradients of all parameters, none of which may be missing."""
    found = [p.grad for p in module.parameters()]
    assert all(g is not None for g in found)
    return [g for g in found if g is not None]


def size(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(p.numel() for p in module.parameters())


def value_and_slope(f: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return f(z), element by element, and f'(z)."""
    a = f(z)
    a.backward(np.ones(a.shape))
    return a, z.grad


def curve(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Compute an activation on a grid."""
    f = activation(golden.inputs["activation"])
    value, slope = value_and_slope(f, golden.tensor("z", backend, True))
    return {"value": value, "derivative": slope}


def activation(name: str) -> nn.Module:
    """Return the module that an example means, such as "tanh" or "leaky_relu_0.1"."""
    kind, _, number = name.rpartition("_") if name[-1].isdigit() and "_" in name else (name, "", "")
    made: nn.Module = ACTIVATIONS[kind](*([float(number)] if number else []))
    return made


def optimizer(golden: Golden, parameters: Any) -> optim.Optimizer:
    """Return the optimizer that an example is named after, or Adam."""
    g = golden.inputs
    if golden.id.lower().endswith("sgd"):
        return optim.SGD(parameters, lr=g["lr"])
    return optim.Adam(parameters, lr=g["lr"])
