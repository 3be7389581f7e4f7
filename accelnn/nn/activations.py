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


class LogSigmoid(Module):
    """``a = log σ(z)``, which neither overflows nor cancels."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.logsigmoid(x)


class Hardtanh(Module):
    """``a = z`` between ``min_val`` and ``max_val``, these outside; derivative 0 at both ends.

    Raises
    ------
    ValueError
        If ``min_val`` is not below ``max_val``.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val, self.max_val = F.checked_ends(min_val, max_val)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.hardtanh(x, self.min_val, self.max_val)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"min_val": self.min_val, "max_val": self.max_val}


class ReLU6(Module):
    """``a = min(max(z, 0), 6)``; derivative 0 at 0 and 6."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.relu6(x)


class GELU(Module):
    """``a = z Φ(z)`` with the normal distribution's Φ (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "tanh" takes the paper's ``½ (1 + tanh √(2/π) (z + 0.044715 z³))`` for Φ.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = F.checked_approximation(approximate)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.gelu(x, self.approximate)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"approximate": self.approximate}


class SiLU(Module):
    """``a = z σ(z)``, also called swish (Elfwing et al. 2017, arXiv:1702.03118)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.silu(x)


class _Jump(Module):
    """Holds ``at_zero``, the value at 0."""

    def __init__(self, at_zero: float = 1) -> None:
        super().__init__()
        self.at_zero = float(at_zero)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"at_zero": self.at_zero}


class Sign(_Jump):
    """``a = 1`` above 0, -1 below, ``at_zero`` at 0: the output of a perceptron with labels ±1.

    Its derivative is 0, so nothing before it learns by gradients. A perceptron learns by its own
    rule, which looks at the mistakes: ``accelnn.Perceptron``. PyTorch's ``sign`` has 0 at 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.sign(x, self.at_zero)


class Step(_Jump):
    """``a = 1`` above 0, 0 below, ``at_zero`` at 0: the output of a perceptron with labels 0 and 1.

    Its derivative is 0, so nothing before it learns by gradients. A perceptron learns by its own
    rule, which looks at the mistakes: ``accelnn.Perceptron``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.step(x, self.at_zero)


class _AlongAnAxis(Module):
    """Holds ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"dim": self.dim}


class Softmax(_AlongAnAxis):
    """``aⱼ = exp zⱼ / Σₖ exp zₖ`` along the axis ``dim``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape with at least one axis."""
        return F.softmax(x, self.dim)


class LogSoftmax(_AlongAnAxis):
    """Logarithm of softmax along the axis ``dim``."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape with at least one axis."""
        return F.log_softmax(x, self.dim)
