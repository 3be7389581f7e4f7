"""From an estimator's arguments and weights to layers, and the forward pass through them.

A hidden layer is Linear, normalisation if any, activation, dropout if any; the last is Linear
alone, since losses read what it gives and know their own output activation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from accelnn import nn
from accelnn.autograd import Tensor
from accelnn.backends import Backend
from accelnn.graph import no_grad

#: Name of an activation -> its layer, and its kernel with the layer's default argument.
ACTIVATIONS: dict[str, tuple[type[nn.Module], str, dict[str, float]]] = {
    "identity": (nn.Identity, "identity", {}),
    "logistic": (nn.Sigmoid, "sigmoid", {}),
    "tanh": (nn.Tanh, "tanh", {}),
    "relu": (nn.ReLU, "relu", {}),
    "leaky_relu": (nn.LeakyReLU, "leaky_relu", {"slope": 0.01}),
    "elu": (nn.ELU, "elu", {"alpha": 1.0}),
    "gelu": (nn.GELU, "gelu", {}),
    "silu": (nn.SiLU, "silu", {}),
}
NORMALIZATIONS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def per_layer(name: str, given: Any, n_hidden: int) -> list[Any]:
    """Return one value per hidden layer, for an argument that is one for all or a list."""
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
        return [given] * n_hidden
    if len(given) != n_hidden:
        raise ValueError(
            f"{name} has {len(given)} values for {n_hidden} hidden layers, got {list(given)!r}; "
            "pass one value per hidden layer, or one for all"
        )
    return list(given)


def activations_of(estimator: Any, n_hidden: int) -> list[str]:
    """Return the names of the hidden layers' activations."""
    return per_layer("activation", estimator.activation, n_hidden)


def new_norms(estimator: Any, sizes: list[int], dtype: Any) -> list[nn.Module]:
    """Return fresh normalisation layers for hidden layers of these sizes, none if not wanted."""
    if estimator.normalization is None:
        return []
    kind = NORMALIZATIONS[estimator.normalization]
    return [kind(size, dtype=str(dtype)) for size in sizes]  # type: ignore[call-arg]


def minibatch_rows(estimator: Any, size: int, n: int) -> int:
    """Return the rows of a minibatch: one less where batch normalisation would be left one row.

    The variance of one row is 0, so that normalising by it says nothing.
    """
    if estimator.normalization != "batch":
        return size
    rows = size
    while rows > 1 and n % rows == 1:
        rows -= 1
    if rows < 2:
        raise ValueError(
            f"normalization='batch' needs two rows in each minibatch; {n} rows in minibatches of "
            f"{size} leave one sample alone: choose another batch_size"
        )
    return rows


def stack(estimator: Any, backend: Backend, rng: Any) -> list[nn.Module]:
    """Return the layers to train, on a backend, with the estimator's weights."""
    last = len(estimator.coefs_) - 1
    names = activations_of(estimator, last)
    dropped = per_layer("dropout", estimator.dropout, last)
    norms = [norm.to(backend) for norm in estimator.norms_]
    layers: list[nn.Module] = []
    for i, (w, b) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        layers.append(nn.Linear.from_storage(w, b, backend))
        if i == last:
            break
        layers += norms[i : i + 1]
        layers.append(ACTIVATIONS[names[i]][0]())
        if dropped[i]:
            dropout = nn.Dropout(dropped[i], seed=int(rng.randint(2**31)))
            dropout.call = estimator.t_  # a seed that repeats does not repeat the masks
            layers.append(dropout)
    return layers


def forward(estimator: Any, a: Any, backend: Backend, n_layers: int) -> Any:
    """Return what layer number ``n_layers`` gives for an array of the backend, (n, n_in).

    The last layer's output is as its Linear leaves it, without the output activation.
    """
    last = len(estimator.coefs_) - 1
    names = activations_of(estimator, last)
    for i in range(n_layers):
        w, b = (backend.asarray(p[i]) for p in (estimator.coefs_, estimator.intercepts_))
        a = backend.matmul(a, w)
        a = backend.add_bias(a, b, out=a)
        if i == last:
            break
        if estimator.norms_:
            norm = estimator.norms_[i].to(backend).eval()
            with no_grad():
                a = norm(Tensor(a, backend=backend)).array
        _, kernel, how = ACTIVATIONS[names[i]]
        a = getattr(backend, kernel)(a, **how, out=a)
    return a
