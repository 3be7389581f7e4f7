"""The listings of Nguyen (Glasgow), with their import changed."""

import math
from typing import Any

import numpy as np
import pytest

import accelnn as torch
import accelnn.nn as nn
import accelnn.nn.functional as F
from accelnn.backends import Backend


class NeuralNetwork(nn.Module):
    """784-512-512-10, ReLU between, logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, x: Any) -> Any:
        return self.linear_relu_stack(self.flatten(x))


def test_the_classifier_of_digits(backend: Backend) -> None:
    torch.manual_seed(0)
    place = "cuda" if backend.name.startswith("cupy") else "cpu"
    model = NeuralNetwork().to(place)
    images = torch.rand(5, 28, 28)
    logits = model(images)
    assert logits.shape == (5, 10)
    assert logits.backend is backend
    assert sum(p.numel() for p in model.parameters()) == 669706
    assert [name for name, _ in model.named_parameters()] == [
        f"linear_relu_stack.{layer}.{part}" for layer in (0, 2, 4) for part in ("weight", "bias")
    ]
    loss = F.cross_entropy(logits, torch.randint(10, (5,)))
    assert loss.item() == pytest.approx(math.log(10), abs=0.15)  # it knows nothing yet
    loss.backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())


@pytest.mark.parametrize(
    ("module", "function", "formula"),
    [
        (nn.Sigmoid(), F.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), F.tanh, np.tanh),
        (nn.ReLU(), F.relu, lambda x: np.maximum(x, 0)),
    ],
)
def test_activations_as_modules_and_functions(module: Any, function: Any, formula: Any) -> None:
    x = torch.linspace(-5, 5, 12).reshape(3, 4)
    expected = formula(x.numpy())
    np.testing.assert_allclose(module(x).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(function(x).numpy(), expected, rtol=1e-6)
