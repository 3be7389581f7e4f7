"""A stack of any widths, for suites that do not need the MNIST network's own weights."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import accelnn
from accelnn import nn
from accelnn.backends import Backend


def relu_stack(
    widths: Sequence[int], backend: str | Backend, dtype: Any = "float32", bias: bool = True
) -> nn.Sequential:
    """Return Linear layers with ReLU between them; for the same widths always the same weights."""
    accelnn.manual_seed(0)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out, bias, dtype=dtype, backend=backend), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
