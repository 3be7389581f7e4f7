"""Small stacks, losses, optimizers and data that several tests train."""

from collections.abc import Callable
from typing import Any

import numpy as np

from accelnn import nn, optim
from accelnn.backends import Backend
from tests.kernel_losses import Perceptron, Poisson

#: Name -> the layers between and behind the Linears of a 7-6-5-3 stack.
HIDDEN: dict[str, Callable[[], list[nn.Module]]] = {
    "relu": lambda: [nn.ReLU()],
    "sigmoid": lambda: [nn.Sigmoid()],
    "tanh": lambda: [nn.Tanh()],
    "leaky_relu": lambda: [nn.LeakyReLU(0.2)],
    "elu": lambda: [nn.ELU(0.7)],
    "softmax": lambda: [nn.Softmax()],
    "log_softmax": lambda: [nn.LogSoftmax()],
    "identity": lambda: [nn.Identity()],
    "dropout": lambda: [nn.Tanh(), nn.Dropout(0.3, seed=11)],
    "two in a row": lambda: [nn.Tanh(), nn.Sigmoid()],
    "log_sigmoid": lambda: [nn.LogSigmoid()],
    "hardtanh": lambda: [nn.Hardtanh(-0.4, 0.6)],
    "relu6": lambda: [nn.ReLU6()],
    "gelu": lambda: [nn.GELU()],
    "gelu_tanh": lambda: [nn.GELU("tanh")],
    "silu": lambda: [nn.SiLU()],
    "step": lambda: [nn.Step(0.5)],
    "sign": lambda: [nn.Sign()],
    "gelu, dropout": lambda: [nn.GELU(), nn.Dropout(0.3, seed=11)],
    "dropout, silu": lambda: [nn.Dropout(0.3, seed=11), nn.SiLU()],
    "three that read z": lambda: [nn.SiLU(), nn.GELU(), nn.GELU("tanh"), nn.Tanh()],
}

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "small steps": lambda p: optim.SGD(p, lr=0.002),
    "sgd, decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.01),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.02),
    "adam, decay": lambda p: optim.Adam(p, lr=0.02, weight_decay=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.02, weight_decay=0.1),
}

LOSSES: dict[str, Callable[[], nn.Loss]] = {
    "cross-entropy": nn.CrossEntropyLoss,
    "cross-entropy, sum": lambda: nn.CrossEntropyLoss("sum"),
    "binary cross-entropy": nn.BCEWithLogitsLoss,
    "squared error": nn.MSELoss,
    "squared error, sum": lambda: nn.MSELoss("sum"),
    "poisson": Poisson,
    "perceptron": Perceptron,
}


def stack(hidden: str, backend: Backend, dtype: str, bias: bool = True) -> nn.Sequential:
    """Return a 7-6-5-3 stack whose weights depend on nothing but their shapes."""
    rng = np.random.default_rng(5)
    layers: list[nn.Module] = []
    for n_in, n_out in ((7, 6), (6, 5), (5, 3)):
        w, b = rng.normal(0, 0.5, (n_in, n_out)), rng.normal(0, 0.1, n_out)
        w, b = w.astype(dtype), b.astype(dtype)
        linear = nn.Linear.from_storage(w, backend.asarray(b) if bias else None, backend)
        layers += [linear, *HIDDEN[hidden]()]
    return nn.Sequential(nn.Flatten(), *layers[: -len(HIDDEN[hidden]())])


def data(loss: nn.Loss, n: int, dtype: str) -> tuple[Any, Any]:
    """Return X (n, 7) and what the loss wants as y."""
    rng = np.random.default_rng(6)
    X = rng.standard_normal((n, 7)).astype(dtype)
    if isinstance(loss, nn.CrossEntropyLoss):
        return X, rng.integers(0, 3, n)
    if isinstance(loss, Poisson):
        return X, rng.poisson(1, (n, 3)).astype(dtype)
    if isinstance(loss, nn.BCEWithLogitsLoss | Perceptron):
        return X, rng.integers(0, 2, (n, 3)).astype(dtype)
    return X, rng.standard_normal((n, 3)).astype(dtype)
