"""The examples of the slides of NUS IT5005: deltas, y = x², |x - 1|, a printed network."""

from typing import Any

import numpy as np

import accelnn
from accelnn import Parameter, Tensor, nn, optim
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import Compute, Golden, linear, optimizer, value_and_slope
from tests.golden.s1 import parameters


def chain_of_three(golden: Golden, backend: Backend) -> dict[str, Any]:
    """Their delta is the gradient of the output, before any loss; the loss only scales it."""
    g = golden.inputs
    w = Parameter(g["W"], dtype="float64", backend=backend)

    def forward() -> tuple[Tensor, list[Tensor]]:
        a, sums = golden.tensor("x", backend), []
        for i in range(3):
            f = w[i] * a
            f.retain_grad()
            sums.append(f)
            a = F.sigmoid(f)
        return a, sums

    yhat, sums = forward()
    yhat.backward()
    assert w.grad is not None
    found = {
        "yhat": yhat,
        "delta": [f.grad.item() for f in sums if f.grad is not None],
        "dyhat_dW": w.grad.clone(),
    }
    sgd = optim.SGD([w], lr=g["eta"])
    sgd.zero_grad()
    E = 0.5 * F.mse_loss(forward()[0], golden.tensor("y", backend))
    E.backward()
    sgd.step()
    return found | {"E": E, "dE_dW": w.grad, "W_new": w}


def steepest_slope(golden: Golden, backend: Backend) -> dict[str, Any]:
    low, high, n = golden.inputs["grid"]
    z = accelnn.linspace(low, high, n, dtype=accelnn.float64, requires_grad=True)
    _, slope = value_and_slope(F.sigmoid, z)
    assert slope is not None
    return {"max": accelnn.max(slope), "argmax": z[int(slope.numpy().argmax())]}


def diagonal(golden: Golden, backend: Backend) -> dict[str, Any]:
    """What a layer of elementwise functions does on the way back: no matrix is ever built."""
    d, v = golden.tensor("diag", backend), golden.tensor("v", backend)
    _, out = accelnn.vjp(lambda x: d * x, accelnn.zeros_like(d), v)
    return {"out": out}


def printed_network(golden: Golden, backend: Backend) -> nn.Sequential:
    g = golden.inputs
    layers = [linear(g[f"W{i}"], g[f"b{i}"], backend) for i in (1, 2, 3)]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def printed_predictions(golden: Golden, backend: Backend) -> dict[str, Any]:
    x = golden.tensor("x" if "x" in golden.inputs else "x2", backend)
    y = printed_network(golden, backend)(x)
    return {"y_pred": y, "max_abs_error_vs_square": (y - accelnn.square(x)).abs().max()}


def noisy_square(golden: Golden, backend: Backend) -> dict[str, Any]:
    """y = x² + noise by 10,000 steps of Adam on 1-8-8-1; every thousandth loss is looked at."""
    g = golden.inputs
    accelnn.manual_seed(0)
    x = 5 * accelnn.randn(g["n"], 1)
    y = accelnn.square(x) + accelnn.randn_like(x)
    model = nn.Sequential(
        nn.Linear(1, 8, backend=backend),
        nn.ReLU(),
        nn.Linear(8, 8, backend=backend),
        nn.ReLU(),
        nn.Linear(8, 1, backend=backend),
    )
    adam = optim.Adam(model.parameters(), lr=g["lr"])
    losses = accelnn.train(
        model,
        nn.MSELoss(),
        adam,
        x.numpy(),
        y.numpy(),
        epochs=g["epochs"],
        batch_size=g["n"],
        shuffle=False,
        backend=backend,
    )["loss"]
    return {
        "epoch0_loss_above": losses[0],
        "best_loss_below": min(losses),
        "all_logged_after_1000_below": max(losses[1000::1000]),
    }


def square_steps(golden: Golden, backend: Backend) -> dict[str, Any]:
    g, model = golden.inputs, printed_network(golden, backend)
    x, y = golden.tensor("x", backend), golden.tensor("y", backend)
    steps, losses = optimizer(golden, model.parameters()), []
    for _ in range(g["steps"]):
        steps.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        steps.step()
        losses.append(loss.item())
    return {"losses": losses, "final_params": list(model.parameters())}


def square_program(golden: Golden, backend: Backend) -> dict[str, Any]:
    g, model = golden.inputs, printed_network(golden, backend)
    history = accelnn.train(
        model,
        nn.MSELoss(),
        optimizer(golden, model.parameters()),
        np.array(g["x"]),
        np.array(g["y"]),
        epochs=g["steps"],
        shuffle=False,
        backend=backend,
    )
    assert history.engine == "program"
    return {"losses": history["loss"], "final_params": list(model.parameters())}


def absolute_value(golden: Golden, backend: Backend) -> dict[str, Any]:
    g = golden.inputs
    accelnn.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(1, 8, backend=backend), nn.ReLU(), nn.Linear(8, 1, backend=backend)
    )
    x = accelnn.linspace(*g["x"])[:, None]
    history = accelnn.train(
        model,
        nn.MSELoss(),
        optim.Adam(model.parameters(), lr=g["lr"]),
        x.numpy(),
        (x - 1).abs().numpy(),
        epochs=g["steps"],
        shuffle=False,
        backend=backend,
    )
    return {"relu_1_8_1_mse_below": history["loss"][-1]}


def sign_of_zero(golden: Golden, backend: Backend) -> dict[str, Any]:
    x = golden.tensor("x", backend)
    return {"seed_002": nn.Sign()(x), "seed_003": nn.Sign(at_zero=-1)(x)}


def dimensions(golden: Golden, backend: Backend) -> dict[str, Any]:
    return {"ndim": [accelnn.tensor(x).ndim for x in golden.inputs["examples"]]}


COMPUTED: dict[str, Compute] = {
    "S3-G01": chain_of_three,
    "S3-G02a": steepest_slope,
    "S3-G04": diagonal,
    "S3-G07": parameters,
    "S3-G08": printed_predictions,
    "S3-G10": noisy_square,
    "S3-G11": square_steps,
    "S3-G12": absolute_value,
    "S3-G13": sign_of_zero,
    "S3-G14": dimensions,
}

#: The same once more through ``accelnn.train``'s program.
PROGRAMS: dict[str, Compute] = {"S3-G11": square_program}
