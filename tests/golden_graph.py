"""Worked examples of the lecture notes that graphs, layers and optimizers must reproduce."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from accelnn import Tensor, nn
from accelnn.backends import Backend

_ENTRIES = {
    entry["id"]: entry
    for entry in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
}


class Golden:
    """One example: ``inputs``, and a check of values against what it expects."""

    def __init__(self, name: str) -> None:
        entry = _ENTRIES[name]
        self.inputs: dict[str, Any] = entry["inputs"]
        self.expected: dict[str, Any] = entry["expected"]
        self.tolerance: dict[str, Any] = entry["tolerance"]

    def check(self, key: str, actual: Any) -> None:
        """Assert that ``actual``, a Tensor or array, is the expected value of this name."""
        self.equal(actual, self.expected[key])

    def equal(self, actual: Any, expected: Any) -> None:
        """Assert shape and values, within the tolerance of the example."""
        actual = actual.numpy() if isinstance(actual, Tensor) else np.asarray(actual)
        expected = np.asarray(expected)
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, **self.tolerance)

    def tensor(self, key: str, backend: Backend, requires_grad: bool = False) -> Tensor:
        """Return an input as a float64 Tensor."""
        return Tensor(self.inputs[key], requires_grad, dtype="float64", backend=backend)


def linear(w: Any, b: Any, backend: Backend) -> nn.Linear:
    """Return a float64 layer of weights (n_out, n_in) and a bias, or none."""
    w = np.asarray(w, "float64")
    layer = nn.Linear(w.shape[1], w.shape[0], b is not None, dtype="float64", backend=backend)
    layer.load_state_dict({"weight": w} | ({} if b is None else {"bias": b}))
    return layer


def grads(module: nn.Module) -> list[Tensor]:
    """Return the gradients of all parameters, none of which may be missing."""
    found = [p.grad for p in module.parameters()]
    assert all(g is not None for g in found)
    return [g for g in found if g is not None]
