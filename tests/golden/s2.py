"""The examples of the slides of NUS CS2109S: gates, losses, steps, numeric differentiation."""

from typing import Any

import numpy as np

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import (
    Compute,
    Golden,
    curve,
    grads,
    linear,
    optimizer,
    size,
    value_and_slope,
)


def perceptron(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Their column of ones is our intercept."""
    g = golden.inputs
    X, y = np.array(g["X_with_1"])[:, 1:], g["y"]
    model = accelnn.Perceptron(
        gamma=g["gamma"], max_iter=g["epochs"], shuffle=False, backend=backend.name
    ).fit(X, y)
    w = [model.intercept_[0], model.coef_[0, 0]]
    return {"w": w, "pred": model.predict(X)}


def gates_layer(golden: Golden, names: list[str], backend: Backend) -> nn.Sequential:
    weights = np.array([golden.inputs["weights_b_w1_w2"][name] for name in names])
    return nn.Sequential(linear(weights[:, 1:], weights[:, 0], backend), nn.Step())


def gates(golden: Golden, backend: Backend) -> dict[str, Any]:
    X = golden.tensor("X", backend)
    return {name: gates_layer(golden, [name], backend)(X)[:, 0] for name in ("AND", "OR", "NOR")}


def xnor(golden: Golden, backend: Backend) -> dict[str, Any]:
    hidden = gates_layer(golden, golden.inputs["hidden"], backend)(golden.tensor("X", backend))
    output = gates_layer(golden, [golden.inputs["output"]], backend)
    return {"hidden": hidden, "xnor": output(hidden)[:, 0]}


def maxout(golden: Golden, backend: Backend) -> dict[str, Any]:
    g = golden.inputs
    layer = nn.Maxout(3, 1, pieces=2, dtype="float64", backend=backend)
    layer.load_state_dict({"weight": np.array([g["w1"], g["w2"]]), "bias": [g["b1"], g["b2"]]})
    x = golden.tensor("x", backend, True)
    y = layer(x)
    y.backward()
    return {"value": y[0], "dx": x.grad}


def sigmoid_slope(golden: Golden, backend: Backend) -> dict[str, Any]:
    _, slope = value_and_slope(F.sigmoid, golden.tensor("x", backend, True))
    return {"derivative": slope}


def softmax(golden: Golden, backend: Backend) -> dict[str, Any]:
    p = nn.Softmax(dim=1)(golden.tensor("logits", backend))
    return {"p": p, "row_sums": p.sum(1)}


def columns(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Their W is (inputs, outputs): its transpose is the weight of a layer."""
    layer = linear(golden.tensor("W_seed_in_out", backend).T, None, backend)
    golden.equal(layer.weight, golden.inputs["library_weight_out_in"])
    f = layer(golden.tensor("x_column", backend))
    return {"f": f, "yhat": F.sigmoid(f)}


def branches(golden: Golden, backend: Backend) -> dict[str, Any]:
    w1, w2, w3, w4 = (golden.tensor(f"w{i}", backend, True) for i in (1, 2, 3, 4))
    v = w1 * golden.tensor("x", backend)
    v.retain_grad()
    yhat = w2 * v + w4 * (w3 * v)
    J = (yhat - 1) ** 2
    J.backward()
    found = {"yhat": yhat, "J": J, "dv": v.grad}
    return found | {"dw1": w1.grad, "dw2": w2.grad, "dw3": w3.grad, "dw4": w4.grad}


def sum_over_samples(golden: Golden, backend: Backend) -> dict[str, Any]:
    layer = linear([golden.inputs["w"]], None, backend)
    yhat = layer(golden.tensor("X", backend))[:, 0]
    (0.5 * F.mse_loss(yhat, golden.tensor("y", backend), "sum")).backward()
    return {"dw": grads(layer)[0][0]}


def logistic_map(x: Tensor, n: int) -> Tensor:
    """l₁ = x, lₙ₊₁ = 4 lₙ (1 - lₙ): a loop of Python that the graph follows."""
    for _ in range(n - 1):
        x = 4 * x * (1 - x)
    return x


def loop(golden: Golden, backend: Backend) -> dict[str, Any]:
    values, slopes = [], []
    for n in (1, 2, 3, 4):
        x = golden.tensor("x", backend)
        J = accelnn.jacobian(lambda x, n=n: logistic_map(x, n) * 1, x)
        values.append(logistic_map(x, n))
        slopes.append(J.sum(0))  # nothing off the diagonal
    return {"values": accelnn.stack(values), "derivatives": accelnn.stack(slopes)}


def central_differences(golden: Golden, backend: Backend) -> dict[str, Any]:
    x = golden.tensor("x", backend, True)
    logistic_map(x, 4).backward()
    assert x.grad is not None
    exact: float = x.grad.item()

    def slope(eps: float) -> float:
        by = accelnn.numerical_gradient(
            lambda x: logistic_map(x, 4), golden.tensor("x", backend), eps=eps
        )
        return float(by.item())

    def error(eps: float) -> float:
        return abs(slope(eps) - exact)

    return {
        "exact": exact,
        "central_difference": [slope(eps) for eps in golden.inputs["eps"]],
        "error_ratio_1e-3_to_1e-4_is_about_100": 95 < error(1e-3) / error(1e-4) < 105,
        "roundoff_dominates_at_1e-12": error(1e-12) > 100 * error(1e-4),
    }


def leaf_without_gradient(golden: Golden, backend: Backend) -> dict[str, Any]:
    x, w1, w2 = (golden.tensor(k, backend, k != "x") for k in ("x", "w1", "w2"))
    y = w2 * F.sigmoid(w1 * x)
    y.backward()
    return {"y": y, "w1_grad": w1.grad, "w2_grad": w2.grad, "x_grad": x.grad}


def styles(golden: Golden, backend: Backend) -> dict[str, Any]:
    """As a class, as a Sequential, and as two matrices in a function, which has no biases."""
    n, h = golden.inputs["input_size"], golden.inputs["hidden_size"]

    class Regressor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(n, h, backend=backend)
            self.relu = nn.ReLU()
            self.linear2 = nn.Linear(h, 1, backend=backend)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear2(self.relu(self.linear(x)))

    one = Regressor()
    two = nn.Sequential(nn.Linear(n, h, backend=backend), nn.ReLU(), nn.Linear(h, 1))
    w1, w2 = (accelnn.randn(*s) for s in ((h, n), (1, h)))
    assert size(one) == size(two)
    x = accelnn.ones(5, n)
    assert F.linear(F.relu(F.linear(x, w1)), w2).shape == one(x).shape == (5, 1)
    return {"with_bias": size(one), "without_bias": w1.numel() + w2.numel()}


def binary_cross_entropy(golden: Golden, backend: Backend) -> dict[str, Any]:
    p, target = golden.tensor("p", backend, True), golden.tensor("target", backend)
    mean = nn.BCELoss()(p, target)
    mean.backward()
    from_logits = nn.BCEWithLogitsLoss()(golden.tensor("logits", backend), target)
    return {"mean": mean, "grad_p": p.grad, "from_logits": from_logits}


def extreme_logits(golden: Golden, backend: Backend) -> dict[str, Any]:
    z = golden.tensor("logits", backend, True)
    each = nn.BCEWithLogitsLoss("none")(z, golden.tensor("target", backend))
    each.sum().backward()
    return {"none": each, "grad": z.grad}


def cross_entropy(golden: Golden, backend: Backend) -> dict[str, Any]:
    z, labels = golden.tensor("logits", backend, True), golden.inputs["labels"]
    mean = nn.CrossEntropyLoss()(z, labels)
    mean.backward()
    return {"mean": mean, "grad": z.grad, "sum": nn.CrossEntropyLoss("sum")(z, labels)}


def two_weights(golden: Golden, backend: Backend) -> dict[str, Any]:
    g = golden.inputs
    w1, w2 = (accelnn.Parameter(g[k], dtype="float64", backend=backend) for k in ("w1", "w2"))
    steps = optimizer(golden, [w1, w2])
    x, y = golden.tensor("x", backend), golden.tensor("y", backend)
    losses, params = [], []
    for _ in range(g["steps"]):
        steps.zero_grad()
        loss = F.mse_loss(w2 * F.sigmoid(w1 * x), y)
        loss.backward()
        steps.step()
        losses.append(loss.item())
        params.append([w1.item(), w2.item()])
    return {"losses": losses, "params": params}


def two_weights_program(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Two layers of one unit and no bias; a run of n epochs for every n, to see each step."""
    g, params = golden.inputs, []
    column = {k: np.array(g[k])[:, None] for k in "xy"}
    for n in range(1, g["steps"] + 1):
        layers = linear([[g["w1"]]], None, backend), linear([[g["w2"]]], None, backend)
        model = nn.Sequential(layers[0], nn.Sigmoid(), layers[1])
        history = accelnn.train(
            model,
            nn.MSELoss(),
            optimizer(golden, model.parameters()),
            column["x"],
            column["y"],
            epochs=n,
            shuffle=False,
            backend=backend,
        )
        assert history.engine == "program"
        params.append([layer.weight.item() for layer in layers])
    return {"losses": history["loss"], "params": params}


def squares(golden: Golden, backend: Backend) -> dict[str, Any]:
    x = accelnn.tensor(golden.inputs["x2"])
    assert str(x.dtype) == golden.dtype
    return {"y2": accelnn.square(x)}


def errors_of_predictions(golden: Golden, backend: Backend) -> dict[str, Any]:
    y, found = golden.tensor("y2", backend), golden.tensor("y_pred", backend)
    return {"mse": F.mse_loss(found, y), "max_abs_error": (found - y).abs().max()}


def trained_xnor(golden: Golden, backend: Backend) -> dict[str, Any]:
    """2-8-1 with tanh, ReLU and sigmoid from one start each; all three must give the table."""
    g, X = golden.inputs, np.array(golden.inputs["X"], golden.dtype)
    y, low = np.array(g["y"], golden.dtype)[:, None], True
    for activation in (nn.Tanh, nn.ReLU, nn.Sigmoid):
        accelnn.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(2, 8, backend=backend), activation(), nn.Linear(8, 1, backend=backend)
        )
        history = accelnn.train(
            model,
            nn.BCEWithLogitsLoss(),
            optim.Adam(model.parameters(), lr=g["lr"]),
            X,
            y,
            epochs=g["steps"],
            shuffle=False,
            backend=backend,
        )
        low = low and history["loss"][-1] < 1e-2
        predicted = (model(X)[:, 0] > 0).numpy().astype(int)
        np.testing.assert_array_equal(predicted, g["y"])
    return {"pred": predicted, "loss_below_1e-2": low}


COMPUTED: dict[str, Compute] = {
    "S2-G02": perceptron,
    "S2-G03": gates,
    "S2-G04": xnor,
    "S2-G05": curve,
    "S2-G05-maxout": maxout,
    "S2-G06": sigmoid_slope,
    "S2-G07": softmax,
    "S2-G09": columns,
    "S2-G14": branches,
    "S2-G15": sum_over_samples,
    "S2-G17": loop,
    "S2-G18": central_differences,
    "S2-G19": leaf_without_gradient,
    "S2-G20": styles,
    "S2-G21-bce": binary_cross_entropy,
    "S2-G21-bce-extreme": extreme_logits,
    "S2-G21-ce": cross_entropy,
    "S2-G22": two_weights,
    "S2-G23": squares,
    "S2-G24": errors_of_predictions,
    "S2-G25": trained_xnor,
}

#: The same once more through ``accelnn.train``'s program.
PROGRAMS: dict[str, Compute] = {"S2-G22": two_weights_program}
