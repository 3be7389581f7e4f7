"""The examples of the slides of SDSU CS549: slopes, costs, layer after layer, bad starts."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import (
    Compute,
    Golden,
    activation,
    curve,
    grads,
    linear,
    size,
    through,
    value_and_slope,
)
from tests.golden.s0 import any_number_of_axes


def slopes_by_steps(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Every slope is a rate of change: a goes up by 0.1, u by what that makes of it, and so on."""
    a, b, c = (golden.tensor(k, backend) for k in "abc")
    step = golden.inputs["a_new"] - golden.inputs["a"]
    u, v = a * b, a * b + c

    def double(v: Tensor) -> Tensor:
        return 2 * v

    du_da = accelnn.delta(lambda a: a * b, a, (), step=step)
    rise = (du_da * step).item()
    return {
        "u": (a + step) * b,
        "v": (a + step) * b + c,
        "J": double((a + step) * b + c),
        "du_da": du_da,
        "dv_du": accelnn.delta(lambda u: u + c, u, (), step=rise),
        "dJ_dv": accelnn.delta(double, v, (), step=rise),
        "dJ_da": accelnn.delta(lambda a: double(a * b + c), a, (), step=step),
    }


def parameters(golden: Golden, backend: Backend) -> dict[str, Any]:
    sizes = golden.inputs["layer_sizes"]
    bias = golden.inputs.get("bias", True)
    layers = [nn.Linear(m, n, bias, backend=backend) for m, n in pairwise(sizes)]
    model = nn.Sequential(*layers)
    return {"total": size(model), "shapes": [list(p.shape) for p in model.parameters()]}


def one_neuron(golden: Golden, backend: Backend) -> dict[str, Any]:
    return {"total": [size(nn.Linear(n, 1, backend=backend)) for n in golden.inputs["n0"]]}


def product(golden: Golden, backend: Backend) -> dict[str, Any]:
    """All products first, as the notes argue: (m, 1, k) times (1, n, k), and then the sums."""
    A, B = golden.tensor("A", backend), golden.tensor("B", backend)
    products = A[:, None, :] * B.T[None, :, :]
    C = accelnn.matmul(A, B)
    for other in (A @ B, products.sum(2), F.linear(A, B.T)):
        golden.equal(other, C.numpy())
    count = accelnn.count_ops(nn.Linear(2, 3, bias=False), 3).forward
    counts = {"n_mul": count.multiplications, "n_add": count.additions}
    return {"C": C, "products": products} | counts


def batch(golden: Golden, backend: Backend) -> dict[str, Any]:
    layer = linear(golden.inputs["W"], golden.inputs["B"][0], backend)
    return {"Z": layer(golden.tensor("X", backend))}


def regression_cost(golden: Golden, backend: Backend) -> dict[str, Any]:
    yhat, y = golden.tensor("yhat", backend), golden.tensor("y", backend)
    mse = nn.MSELoss()(yhat, y)
    return {"J": 0.5 * mse, "mse_mean": mse, "sse": nn.MSELoss("sum")(yhat, y)}


def logistic_cost(golden: Golden, backend: Backend) -> dict[str, Any]:
    return {"J": nn.BCELoss()(golden.tensor("a", backend), golden.tensor("y", backend))}


def through_a_node(golden: Golden, backend: Backend) -> dict[str, Any]:
    N = golden.tensor("N_i", backend, True)
    after = activation(golden.inputs["activation"])(N)
    after.backward(golden.tensor("dN_next", backend))
    return {"N_next": after, "dN_i": N.grad}


def logistic_batch(golden: Golden, backend: Backend) -> dict[str, Any]:
    g = golden.inputs
    layer = linear([g["w"]], [g["b"]], backend)
    J = nn.BCEWithLogitsLoss()(layer(golden.tensor("X", backend))[:, 0], g["y"])
    J.backward()
    dw, db = grads(layer)
    return {"J": J, "dw": dw[0], "db": db[0]}


def three_axes(golden: Golden, backend: Backend) -> dict[str, Any]:
    x = accelnn.tensor(golden.inputs["data"])
    return {"ndim": x.ndim, "shape": list(x.shape)}


def default_start(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Drawn from our generator, so that only what the numbers obey can be compared.

    ``bound`` is the largest of 60,000: of a layer that is wide, since the start depends on
    in_features alone.
    """
    accelnn.manual_seed(0)
    n_in, n_out = golden.inputs["in_features"], golden.inputs["out_features"]
    layer = nn.Linear(n_in, n_out, backend=backend)
    assert layer.bias is not None
    wide = nn.Linear(n_in, 15_000, backend=backend).weight.numpy()
    inside = all(abs(p.numpy()).max() <= 1 / np.sqrt(n_in) for p in layer.parameters())
    return {
        "weight": layer.weight,
        "bias": layer.bias,
        "bound": abs(wide).max(),
        "all_inside": inside,
    }


def collapse(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The one map that two are: its matrix is their Jacobian, its bias what they make of 0."""
    g = golden.inputs
    model = nn.Sequential(linear(g["W1"], g["b1"], backend), linear(g["W2"], g["b2"], backend))
    x = golden.tensor("x", backend)
    found = {
        "Wp": accelnn.jacobian(model, x[0]),
        "bp": model(accelnn.zeros_like(x[0])),
        "out": model(x),
    }
    one = linear(found["Wp"], found["bp"], backend)
    golden.check("out", one(x))
    return found


def jacobian_of_weights(golden: Golden, backend: Backend) -> dict[str, Any]:
    """dzᵢ/dwᵢⱼ for all i and j at once is the gradient of the sum of z."""
    x, W = golden.tensor("x", backend), golden.tensor("W", backend, True)
    z = F.linear(x, W)
    z.backward(np.ones(4))
    return {
        "dzi_dwij": W.grad,
        "full": accelnn.jacobian(lambda W: F.linear(x, W), golden.tensor("W", backend)),
    }


def jacobian_of_inputs(golden: Golden, backend: Backend) -> dict[str, Any]:
    W2, a1 = golden.tensor("W2", backend), accelnn.zeros(4, dtype=accelnn.float64)

    def layer(a: Tensor) -> Tensor:
        return F.linear(a, W2)

    _, da1 = accelnn.vjp(layer, a1, golden.tensor("dz2", backend))
    return {"jacobian": accelnn.jacobian(layer, a1), "da1": da1}


def two_runs(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The gradients of the second layer are new, those of the first add up (+ 0)."""
    g = golden.inputs
    first, second = linear(g["W1"], g["b1"], backend), linear(g["W2"], g["b2"], backend)
    x = golden.tensor("x", backend)
    first(x).backward(np.full((1, 4), 0.5))
    a1 = first(x)
    a1.retain_grad()
    z2, a2 = through(nn.Sequential(second, nn.Sigmoid()), a1)
    a2.backward(gradient=golden.tensor("upstream", backend))
    dW2, db2 = grads(second)
    found = {"z2": z2, "a2": a2, "dz2": z2.grad, "db2": db2, "dW2": dW2, "da1": a1.grad}
    return found | {"linear1_grad_after_accumulation": first.weight.grad}


def zero_network(golden: Golden, backend: Backend) -> nn.Sequential:
    n_in, n_hidden, n_out = golden.inputs["layer_sizes"]
    return nn.Sequential(
        linear(np.zeros((n_hidden, n_in)), np.zeros(n_hidden), backend),
        activation(golden.inputs["activations"][0]),
        linear(np.zeros((n_out, n_hidden)), np.zeros(n_out), backend),
    )


def state(model: nn.Sequential) -> dict[str, Any]:
    W1, b1, W2, b2 = model.parameters()
    same = bool((W1.numpy() == W1.numpy()[0]).all())
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W1_rows_identical": same}


def zero_start(golden: Golden, backend: Backend) -> dict[str, Any]:
    model = zero_network(golden, backend)
    optimizer = optim.SGD(model.parameters(), lr=golden.inputs["lr"])
    for _ in range(golden.inputs["steps"]):
        optimizer.zero_grad()
        nn.BCEWithLogitsLoss()(model(golden.tensor("X", backend)), golden.inputs["Y"]).backward()
        optimizer.step()
    return state(model)


def zero_start_program(golden: Golden, backend: Backend) -> dict[str, Any]:
    g, model = golden.inputs, zero_network(golden, backend)
    history = accelnn.train(
        model,
        nn.BCEWithLogitsLoss(),
        optim.SGD(model.parameters(), lr=g["lr"]),
        np.array(g["X"]),
        np.array(g["Y"]),
        epochs=g["steps"],
        shuffle=False,
        backend=backend,
    )
    assert history.engine == "program"
    return state(model)


def shapes_of_biases(golden: Golden, backend: Backend) -> dict[str, Any]:
    """A plain sum broadcasts (4, 1) over (1, 4) to (4, 4); a layer refuses that bias."""
    names = (f"{name}_shape" for name in ("x", "W1", "B1_slide", "B1_right"))
    x, W, wrong, right = (accelnn.zeros(golden.inputs[name]) for name in names)
    with pytest.raises(ValueError, match=r"\(4, 1\)"):
        F.linear(x, W, wrong)
    z = F.linear(x, W)
    return {"right": list((z + right).shape), "slide": list((z + wrong).shape)}


def accumulation(golden: Golden, backend: Backend) -> dict[str, Any]:
    w = golden.tensor("w", backend, True)
    found = {}
    for key in ("after_1", "after_2"):
        (w**2).sum().backward()
        assert w.grad is not None
        found[key] = w.grad.clone()
    assert w.grad is not None
    w.grad.data.zero_()
    return found | {"after_zero": w.grad}


def saturation(golden: Golden, backend: Backend) -> dict[str, Any]:
    found = {}
    for name, f in (("sigmoid", F.sigmoid), ("tanh", F.tanh)):
        _, found[f"{name}_prime"] = value_and_slope(f, golden.tensor("z", backend, True))
    return found


COMPUTED: dict[str, Compute] = {
    "S1-G02": slopes_by_steps,
    "S1-G03": parameters,
    "S1-G04": one_neuron,
    "S1-G05": product,
    "S1-G06": batch,
    "S1-G07": regression_cost,
    "S1-G08": logistic_cost,
    "S1-G09": through_a_node,
    "S1-G11": logistic_batch,
    "S1-G12": three_axes,
    "S1-G14": any_number_of_axes,
    "S1-G15": default_start,
    "S1-G16": curve,
    "S1-G18": collapse,
    "S1-G19": jacobian_of_weights,
    "S1-G20": jacobian_of_inputs,
    "S1-G24": two_runs,
    "S1-G25": zero_start,
    "S1-G28": shapes_of_biases,
    "S1-G29": accumulation,
    "S1-G30": saturation,
}

#: The same once more through ``accelnn.train``'s program.
PROGRAMS: dict[str, Compute] = {"S1-G25": zero_start_program}
