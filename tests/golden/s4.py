"""The examples of the textbook's chapter 11 (Princeton): two figures, by hand and by the graph."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.backends import Backend
from accelnn.errors import GraphError
from accelnn.nn import functional as F
from tests.golden.entries import Compute, Golden, activation, grads, linear, size, stack, through
from tests.golden.s1 import parameters

FIGURE_2 = ["W1", "W2", "Wo"]
FIGURE_7 = ["hidden1", "hidden2", "hidden3"]


def forward(golden: Golden, backend: Backend) -> dict[str, Any]:
    _, h1, _, h2, o = through(stack(golden, FIGURE_2, backend), golden.tensor("x", backend))
    return {"h1": h1, "h2": h2, "o": o, "softmax": F.softmax(o)}


def without_relu(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The one matrix that is left is the Jacobian of the three."""
    layers = [linear(golden.inputs[name], None, backend) for name in FIGURE_2]
    model, x = nn.Sequential(*layers), golden.tensor("x", backend)
    W, o = accelnn.jacobian(model, x), model(x)
    golden.equal(F.linear(x, W), o.numpy())
    return {"Wp": W, "o_linear": o, "softmax": F.softmax(o)}


def squared_error(golden: Golden, backend: Backend) -> dict[str, Any]:
    o, y = golden.tensor("o", backend), golden.tensor("y", backend)
    return {"loss": F.mse_loss(o, y, "sum")}


def values_of(golden: Golden, W1: Tensor, backend: Backend) -> tuple[Tensor, Tensor, Tensor]:
    """Return h1, h2 and o of Figure 11.2 as functions of the first matrix."""
    h1 = F.relu(F.linear(golden.tensor("x", backend), W1))
    h2 = F.relu(F.linear(h1, golden.tensor("W2", backend)))
    return h1, h2, F.linear(h2, golden.tensor("Wo", backend))


def delta_method(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The rate of change of all that comes after one weight, against the graph's."""
    W1, found = golden.tensor("W1", backend), {}
    for i, key in enumerate(("h1", "h2", "o")):

        def after(W: Tensor, i: int = i) -> Tensor:
            return values_of(golden, W, backend)[i]

        found[key] = after(W1)
        found[f"d{key}_dw"] = accelnn.delta(after, W1, (1, 1))
        golden.equal(accelnn.jacobian(after, W1)[:, 1, 1], golden.expected[f"d{key}_dw"])
    return found


def paths(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The derivatives along the paths from w22(1) to the first output, and their sums."""
    W1, W2 = golden.tensor("W1", backend), golden.tensor("W2", backend)
    Wo = golden.tensor("Wo", backend)
    h1, h2, _ = values_of(golden, W1, backend)
    do1_dh2 = accelnn.jacobian(lambda h: F.linear(h, Wo)[0], h2)
    dh2_dh1 = accelnn.jacobian(lambda h: F.relu(F.linear(h, W2)), h1)
    dh1_dw = accelnn.jacobian(lambda W: values_of(golden, W, backend)[0], W1)[:, 1, 1]
    dh2_dw = accelnn.jacobian(lambda W: values_of(golden, W, backend)[1], W1)[:, 1, 1]
    return {
        "do1_dh2": do1_dh2,
        "dh2_dh12": dh2_dh1[:, 1],
        "dh12_dw": dh1_dw[1],
        "identity_11_3_3": (do1_dh2 * dh2_dw).sum(),
        "identity_11_3_4": (do1_dh2 * dh2_dh1[:, 1]).sum() * dh1_dw[1],
    }


def softmax_and_cross_entropy(golden: Golden, backend: Backend) -> dict[str, Any]:
    model = stack(golden, FIGURE_2, backend)
    x = golden.tensor("x", backend, True)
    _, h1, _, h2, o = through(model, x)
    loss = F.cross_entropy(o[None], [golden.inputs["label_0_based"]])
    loss.backward()
    found = {"o": o, "loss": loss, "do": o.grad, "dh2": h2.grad, "dh1": h1.grad, "dx": x.grad}
    return found | dict(zip(("dW1", "dW2", "dWo"), grads(model), strict=True))


def relu_jacobian(golden: Golden, backend: Backend) -> dict[str, Any]:
    return {"J": accelnn.jacobian(F.relu, golden.tensor("x", backend))}


def passes(weights: list[Tensor]) -> int:
    """Return how many forward passes ``numerical_gradient`` makes for these weights."""
    calls = 0

    def network(*_: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return accelnn.ones(1)

    accelnn.numerical_gradient(network, *weights)
    return calls


def operation_counts(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The third network has too many weights to perturb: the passes for one, times their number."""
    forward, backward, weights, perturbed = [], [], [], []
    for sizes in golden.inputs["layer_sizes"]:
        layers = [(nn.Linear(m, n, bias=False), nn.ReLU()) for m, n in pairwise(sizes)]
        model = nn.Sequential(*[layer for pair in layers for layer in pair][:-1])
        count = accelnn.count_ops(model, 1)
        forward.append(count.forward.multiplications)
        backward.append(count.backward.multiplications)
        weights.append(size(model))
        few = weights[-1] < 100
        perturbed.append(
            passes(list(model.parameters())) if few else passes([accelnn.ones(1)]) * weights[-1]
        )
    product = accelnn.count_ops(nn.Linear(5, 3, bias=False), 1).forward
    return {
        "forward_mul": forward,
        "backward_mul": backward,
        "weights": weights,
        "Ah_3x5": {"mul": product.multiplications, "add": product.additions},
        "numerical_differentiation_forward_passes": perturbed,
    }


def from_the_output(golden: Golden, backend: Backend) -> dict[str, Any]:
    """The backward of tanh and sigmoid reads their output, which is what the problem is about."""
    f = activation(golden.inputs["activation"])
    h, W = golden.tensor("h", backend), golden.tensor("W", backend)
    _, (dh, dW) = accelnn.vjp(
        lambda h, W: f(F.linear(h, W)), (h, W), golden.tensor("upstream", backend)
    )
    return {"dh": dh, "dW": dW}


def run_figure_7(golden: Golden, model: nn.Sequential, backend: Backend) -> list[Tensor]:
    """Forward and backward for one example without a batch axis."""
    found = through(model, golden.tensor("x", backend))
    target = accelnn.LongTensor([golden.inputs["target_0_based"]])
    loss = F.cross_entropy(found[-1].unsqueeze(0), target)
    loss.backward()
    return [*found, loss]


def figure_7(golden: Golden, backend: Backend) -> dict[str, Any]:
    model = stack(golden, FIGURE_7, backend)
    _, h1, _, h2, logits, loss = run_figure_7(golden, model, backend)
    found = {"h1": h1, "h2": h2, "logits": logits, "loss": loss}
    return found | dict(zip(("dW1", "dW2", "dW3"), grads(model), strict=True))


def one_step(golden: Golden, backend: Backend) -> dict[str, Any]:
    model = stack(golden, FIGURE_7, backend)
    run_figure_7(golden, model, backend)
    optim.SGD(model.parameters(), lr=golden.inputs["eta"]).step()
    return dict(zip(("W1", "W2", "W3"), model.parameters(), strict=True))


def one_step_program(golden: Golden, backend: Backend) -> dict[str, Any]:
    g, model = golden.inputs, stack(golden, FIGURE_7, backend)
    sgd = optim.SGD(model.parameters(), lr=g["eta"])
    X, y = np.array([g["x"]]), np.array([g["target_0_based"]])
    history = accelnn.train(model, nn.CrossEntropyLoss(), sgd, X, y, backend=backend)
    assert history.engine == "program"
    return dict(zip(("W1", "W2", "W3"), model.parameters(), strict=True))


def accumulation(golden: Golden, backend: Backend) -> dict[str, Any]:
    model, found = stack(golden, FIGURE_7, backend), []
    for _ in range(3):
        loss = run_figure_7(golden, model, backend)[-1]
        found.append(grads(model)[0].clone())
    with pytest.raises(GraphError, match="used up"):
        loss.backward()
    golden.equal(grads(model)[0], found[-1].numpy())
    return {"dW1_after_1_2_3": found, "second_backward_on_same_graph_raises": True}


def sums_over_the_data(golden: Golden, backend: Backend) -> dict[str, Any]:
    o, y = golden.tensor("o_reg", backend), golden.tensor("y_reg", backend)
    z, labels = golden.tensor("logits", backend), golden.inputs["labels_0_based"]
    return {
        "sse": nn.MSELoss(reduction="sum")(o, y),
        "ce_sum": nn.CrossEntropyLoss(reduction="sum")(z, labels),
        "ce_mean": nn.CrossEntropyLoss()(z, labels),
    }


def labels_of_minus_one_and_one(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Label -1 is class 0."""
    y = (golden.tensor("y_pm1", backend) + 1) / 2
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    return {"sum": loss(golden.tensor("score", backend), y)}


COMPUTED: dict[str, Compute] = {
    "S4-G01": forward,
    "S4-G02": forward,
    "S4-G04": parameters,
    "S4-G05": without_relu,
    "S4-G06": squared_error,
    "S4-G08": delta_method,
    "S4-G09": paths,
    "S4-G13": softmax_and_cross_entropy,
    "S4-G15": relu_jacobian,
    "S4-G18": operation_counts,
    "S4-G21": from_the_output,
    "S4-G22": figure_7,
    "S4-G23": one_step,
    "S4-G24": accumulation,
    "S4-G25": sums_over_the_data,
    "S4-G26": labels_of_minus_one_and_one,
}

#: The same once more through ``accelnn.train``'s program.
PROGRAMS: dict[str, Compute] = {"S4-G23": one_step_program}
