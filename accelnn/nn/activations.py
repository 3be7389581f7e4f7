"""Activations as layers without parameters; formulas and derivatives are in the kernels."""

from typing import Any

from accelnn.autograd import Tensor
from accelnn.nn import functional as F
from accelnn.nn.module import Module


class Identity(Module):
    """``a = z``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.identity(x)


class Sigmoid(Module):
    """``a = 1 / (1 + e⁻ᶻ)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.sigmoid(x)


class Tanh(Module):
    """``a = tanh z``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.tanh(x)


class ReLU(Module):
    """``a = max(z, 0)``; derivative 0 at 0, NaN stays NaN."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.relu(x)


class LeakyReLU(Module):
    """``a = z`` where positive, else ``negative_slope · z``."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = float(negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.leaky_relu(x, self.negative_slope)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"negative_slope": self.negative_slope}


class ELU(Module):
    """``a = z`` where positive, else ``α (eᶻ - 1)``."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = float(alpha)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.elu(x, self.alpha)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"alpha": self.alpha}


class _AlongLastAxis(Module):
    """Holds ``dim``, which must name the last axis."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"dim": self.dim}


class Softmax(_AlongLastAxis):
    """``aⱼ = exp zⱼ / Σₖ exp zₖ`` along the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, m)."""
        return F.softmax(x, self.dim)


class LogSoftmax(_AlongLastAxis):
    """Logarithm of softmax along the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, m)."""
        return F.log_softmax(x, self.dim)
