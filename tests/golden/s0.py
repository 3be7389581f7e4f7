"""The examples of Nguyen's slides (Glasgow): a graph, single layers, networks up to four layers."""

from itertools import pairwise
from typing import Any

import numpy as np

import accelnn
from accelnn import Tensor, nn
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import (
    Compute,
    Golden,
    activation,
    curve,
    grads,
    linear,
    on_host,
    size,
    through,
)


def graph(golden: Golden, backend: Backend) -> dict[str, Any]:
    a, b, c = (golden.tensor(k, backend, True) for k in "abc")
    u = b * c
    v = a + u
    for t in (u, v):
        t.retain_grad()
    L = 3 * v
    L.backward()
    values = {"u": u, "v": v, "L": L}
    return values | {"da": a.grad, "db": b.grad, "dc": c.grad, "du": u.grad, "dv": v.grad}


def logistic_regression(golden: Golden, backend: Backend) -> dict[str, Any]:
    """One example, whose loss is written as the notes have it: of probabilities."""
    x, w, b = (golden.tensor(k, backend, k != "x") for k in ("x", "w", "b"))
    z = F.linear(x, w.reshape(1, -1), b.reshape(1))[0]
    a = F.sigmoid(z)
    for t in (z, a):
        t.retain_grad()
    loss = F.binary_cross_entropy(a, golden.tensor("y", backend))
    loss.backward()
    values = {"z": z, "a": a, "loss": loss}
    return values | {"da": a.grad, "dz": z.grad, "dw": w.grad, "db": b.grad}


def one_hidden_layer(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The notes' dZ has no 1/m, which is the gradient of the sum; their dW and db have it."""
    g = golden.inputs
    X, Y = golden.tensor("X", backend), golden.tensor("Y", backend)
    model = nn.Sequential(
        linear(g["W1"], g["b1"], backend), nn.Tanh(), linear(g["W2"], g["b2"], backend)
    )
    z1, _, z2 = through(model, X)
    nn.BCEWithLogitsLoss("sum")(z2, Y).backward()
    found = {"dZ1_seed": z1.grad, "dZ2_seed": z2.grad}
    model.zero_grad()
    z2 = through(model, X)[-1]
    loss = nn.BCEWithLogitsLoss()(z2, Y)
    loss.backward()
    found |= dict(zip(("dW1", "db1", "dW2", "db2"), grads(model), strict=True))
    return found | {"A2": F.sigmoid(z2), "J": loss, "Z2_grad_autograd": z2.grad}


def shapes_of_weights(golden: Golden, backend: Backend) -> dict[str, Any]:
    layers = [nn.Linear(m, n, backend=backend) for m, n in pairwise(golden.inputs["layer_sizes"])]
    return {
        "W_shapes": [list(layer.weight.shape) for layer in layers],
        "per_layer": [size(layer) for layer in layers],
        "total": size(nn.Sequential(*layers)),
    }


def deep_network(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Every Z and A is read while the model runs, the last A goes into the loss as it is."""
    g = golden.inputs
    layers: list[nn.Module] = []
    for w, b, name in zip(g["W"], g["b"], g["activations"], strict=True):
        layers += [linear(w, b, backend), activation(name)]
    model, X = nn.Sequential(*layers), golden.tensor("X", backend, True)
    with accelnn.observe(model) as seen:
        loss = nn.BCELoss()(model(X), golden.tensor("Y", backend))
        loss.backward()
    outputs = [seen[str(i)].output for i in range(8)]
    gradients = grads(model)
    values = {"Z": outputs[::2], "A": outputs[1::2], "J": loss}
    return values | {"dW": gradients[::2], "db": gradients[1::2], "dX": X.grad}


def one_layer(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The layer by hand beside the graph; a mean over m rows begins with dA / m."""
    g = golden.inputs
    x, dA = golden.tensor("A_prev", backend, True), golden.tensor("dA", backend)
    affine = linear(g["W"], g["b"], backend)
    layer = nn.Dense.of(affine, g["activation"])
    A, cache = layer.forward(x)
    by_hand = [A, *layer.backward(dA, cache)]
    means = layer.backward(dA / x.shape[0], cache)[1:]
    A, dA_prev, dW, db, dW_mean, db_mean = (Tensor(a, backend=backend) for a in (*by_hand, *means))
    z, a = through(nn.Sequential(affine, activation(g["activation"])), x)
    a.backward(dA)
    for ours, graph in zip((A, dA_prev, dW, db), (a, x.grad, *grads(affine)), strict=True):
        golden.equal(ours, on_host(graph))
    found = {"Z": z, "A": A, "dZ": z.grad, "dA_prev": dA_prev, "dW_sum": dW, "db_sum": db}
    return found | {"dW_mean": dW_mean, "db_mean": db_mean}


def any_number_of_axes(golden: Golden, backend: Backend) -> dict[str, Any]:
    g = golden.inputs
    layer = nn.Linear(g.get("in_features", 4), g.get("out_features", 3), backend=backend)
    shapes = [layer(np.ones(s, "float32")).shape for s in g["input_shapes"]]
    return {"output_shapes": [list(shape) for shape in shapes]}


def mnist_parameters(golden: Golden, backend: Backend) -> dict[str, Any]:
    sizes = (784, 512, 512, 10)
    layers: list[nn.Module] = [nn.Flatten()]
    for m, n in pairwise(sizes):
        layers += [nn.Linear(m, n, backend=backend), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    summary = model.summary()
    return {
        "params_per_module": [row.parameters for row in summary.rows],
        "total": summary.total,
        "weights_only": summary.total - summary.biases,
    }


def flatten(golden: Golden, backend: Backend) -> dict[str, Any]:
    layer = nn.Flatten()
    images = [Tensor(np.ones(s), backend=backend) for s in golden.inputs["input_shapes"]]
    return {
        "output_shapes": [list(layer(x).shape) for x in images],
        "flat": layer(golden.tensor("image", backend)),
    }


def without_bias(golden: Golden, backend: Backend) -> dict[str, Any]:
    layer = linear(golden.inputs["W"], None, backend)
    assert layer.bias is None
    return {"n_params": size(layer), "y": layer(golden.tensor("x", backend))}


def convolutions(golden: Golden, backend: Backend) -> dict[str, Any]:
    """No convolution: a module of one's own that holds parameters of its shapes is counted."""

    class Kernels(nn.Module):
        def __init__(self, n_in: int, n_out: int, width: int) -> None:
            super().__init__()
            self.weight = accelnn.Parameter(np.zeros((n_out, n_in, width, width)), backend=backend)
            self.bias = accelnn.Parameter(np.zeros(n_out), backend=backend)

    return {"n_params": [size(nn.Sequential(Kernels(*c))) for c in golden.inputs["convs"]]}


COMPUTED: dict[str, Compute] = {
    "S0-G01": graph,
    "S0-G02": logistic_regression,
    "S0-G04": one_hidden_layer,
    "S0-G05": shapes_of_weights,
    "S0-G06": deep_network,
    "S0-G07": one_layer,
    "S0-G08": curve,
    "S0-G09": any_number_of_axes,
    "S0-G10": mnist_parameters,
    "S0-G11": flatten,
    "S0-G12": without_bias,
    "S0-G13": convolutions,
}
