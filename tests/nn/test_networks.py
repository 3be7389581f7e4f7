"""Small networks whose every number the notes give: forward, loss and all gradients."""

from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck, nn
from accelnn.backends import Backend
from accelnn.errors import GraphError
from accelnn.nn import functional as F
from tests.golden.entries import Golden, grads, linear, stack, through

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def test_one_hidden_layer(backend: Backend) -> None:
    golden = Golden("S0-G04")
    g = golden.inputs
    model = nn.Sequential(
        linear(g["W1"], g["b1"], backend), nn.Tanh(), linear(g["W2"], g["b2"], backend)
    )
    X, m = golden.tensor("X", backend), 4
    z1, _, z2 = through(model, X)
    loss = nn.BCEWithLogitsLoss()(z2, g["Y"])
    loss.backward()
    golden.check("A2", F.sigmoid(z2))
    golden.check("J", loss)
    assert z1.grad is not None
    assert z2.grad is not None
    golden.check("Z2_grad_autograd", z2.grad)
    golden.check("dZ2_seed", z2.grad.numpy() * m)
    golden.check("dZ1_seed", z1.grad.numpy() * m)
    for name, found in zip(("dW1", "db1", "dW2", "db2"), grads(model), strict=True):
        golden.check(name, found)


def test_deep_network(backend: Backend) -> None:
    golden = Golden("S0-G06")
    g = golden.inputs
    layers: list[nn.Module] = []
    for w, b, activation in zip(g["W"], g["b"], g["activations"], strict=True):
        layers += [linear(w, b, backend), ACTIVATIONS[activation]()]
    model = nn.Sequential(*layers)
    X = golden.tensor("X", backend, True)
    found = through(model, X)
    for i in range(4):
        golden.equal(found[2 * i], golden.expected["Z"][i])
        golden.equal(found[2 * i + 1], golden.expected["A"][i])
    loss = nn.BCEWithLogitsLoss()(found[-2], g["Y"])
    loss.backward()
    golden.check("J", loss)
    for i, (dw, db) in enumerate(zip(grads(model)[::2], grads(model)[1::2], strict=True)):
        golden.equal(dw, golden.expected["dW"][i])
        golden.equal(db, golden.expected["db"][i])
    golden.check("dX", X.grad)


@pytest.mark.parametrize("name", ["S0-G07-sigmoid", "S0-G07-tanh"])
def test_backward_of_one_layer(backend: Backend, name: str) -> None:
    golden = Golden(name)
    g = golden.inputs
    layer, x = linear(g["W"], g["b"], backend), golden.tensor("A_prev", backend, True)
    z, a = through(nn.Sequential(layer, ACTIVATIONS[g["activation"]]()), x)
    a.backward(g["dA"])
    golden.check("Z", z)
    golden.check("A", a)
    golden.check("dZ", z.grad)
    golden.check("dA_prev", x.grad)
    dw, db = grads(layer)
    golden.check("dW_sum", dw)
    golden.check("db_sum", db)
    golden.check("dW_mean", dw.numpy() / 3)
    golden.check("db_mean", db.numpy() / 3)


def test_upstream_gradient(backend: Backend) -> None:
    """Two runs: the gradients of the second layer are new, those of the first add up (+ 0)."""
    golden = Golden("S1-G24")
    g = golden.inputs
    first, second = linear(g["W1"], g["b1"], backend), linear(g["W2"], g["b2"], backend)
    x = golden.tensor("x", backend)
    first(x).backward(np.full((1, 4), 0.5))
    a1 = first(x)
    a1.retain_grad()
    z2, a2 = through(nn.Sequential(second, nn.Sigmoid()), a1)
    a2.backward(gradient=g["upstream"])
    golden.check("z2", z2)
    golden.check("a2", a2)
    golden.check("dz2", z2.grad)
    dw2, db2 = grads(second)
    golden.check("db2", db2)
    golden.check("dW2", dw2)
    golden.check("da1", a1.grad)
    golden.check("linear1_grad_after_accumulation", first.weight.grad)


@pytest.mark.parametrize("name", ["S4-G13b", "S4-G13c"])
def test_softmax_and_cross_entropy(backend: Backend, name: str) -> None:
    golden = Golden(name)
    model = stack(golden, ["W1", "W2", "Wo"], backend)
    x = Tensor([golden.inputs["x"]], True, dtype="float64", backend=backend)
    _, h1, _, h2, o = through(model, x)
    loss = F.cross_entropy(o, [golden.inputs["label_0_based"]])
    loss.backward()
    golden.check("loss", loss)
    golden.equal(o[0], golden.expected["o"])
    for key, t in {"do": o, "dh2": h2, "dh1": h1, "dx": x}.items():
        assert t.grad is not None
        golden.equal(t.grad.numpy()[0], golden.expected[key])
    for key, found in zip(("dW1", "dW2", "dWo"), grads(model), strict=True):
        golden.check(key, found)


def run_figure(golden: Golden, model: nn.Sequential, backend: Backend) -> list[Tensor]:
    """Forward and backward of Figure 11.7 for one example without a batch axis."""
    found = through(model, golden.tensor("x", backend))
    loss = F.cross_entropy(found[-1][None], [golden.inputs["target_0_based"]])
    loss.backward()
    return [*found, loss]


HIDDEN = ["hidden1", "hidden2", "hidden3"]


@pytest.mark.parametrize("name", ["S4-G22", "S4-G22-x3-1-t0"])
def test_figure_11_7(backend: Backend, name: str) -> None:
    golden = Golden(name)
    model = stack(golden, HIDDEN, backend)
    _, h1, _, h2, logits, loss = run_figure(golden, model, backend)
    for key, t in {"h1": h1, "h2": h2, "logits": logits, "loss": loss}.items():
        golden.check(key, t)
    for key, found in zip(("dW1", "dW2", "dW3"), grads(model), strict=True):
        golden.check(key, found)


def test_gradients_accumulate(backend: Backend) -> None:
    golden = Golden("S4-G24")
    model = stack(golden, HIDDEN, backend)
    for expected in golden.expected["dW1_after_1_2_3"]:
        loss = run_figure(golden, model, backend)[-1]
        golden.equal(grads(model)[0], expected)
    with pytest.raises(GraphError, match="used up"):
        loss.backward()
    golden.equal(grads(model)[0], expected)


def test_relu_network_by_hand(backend: Backend) -> None:
    golden = Golden("S4-G01")
    _, h1, _, h2, o = through(
        stack(golden, ["W1", "W2", "Wo"], backend), golden.tensor("x", backend)
    )
    for key, t in {"h1": h1, "h2": h2, "o": o}.items():
        golden.check(key, t)


def test_printed_parameters(backend: Backend) -> None:
    golden = Golden("S3-G08")
    g = golden.inputs
    layers = [linear(g[f"W{i}"], g[f"b{i}"], backend) for i in (1, 2, 3)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    (x,) = (v for k, v in g.items() if k[0] not in "Wb")
    golden.check("y_pred", model(np.asarray(x, "float64").reshape(-1, 1)))


def test_linear_layers_collapse(backend: Backend) -> None:
    golden = Golden("S1-G18")
    g = golden.inputs
    two = nn.Sequential(linear(g["W1"], g["b1"], backend), linear(g["W2"], g["b2"], backend))
    one = linear(golden.expected["Wp"], golden.expected["bp"], backend)
    x = golden.tensor("x", backend)
    golden.check("out", two(x))
    golden.check("out", one(x))


def test_logistic_regression_of_one_example(backend: Backend) -> None:
    """Written out with graph operations, as the notes derive it."""
    golden = Golden("S0-G02b")
    x, w, b = (golden.tensor(k, backend, k != "x") for k in ("x", "w", "b"))
    y = golden.inputs["y"]
    z = (w * x).sum() + b
    a = F.sigmoid(z)
    for t in (z, a):
        t.retain_grad()
    loss = -(y * a.log() + (1 - y) * (1 - a).log())
    loss.backward()
    for key, t in {"z": z, "a": a, "loss": loss}.items():
        golden.check(key, t)
    for key, t in {"da": a, "dz": z, "dw": w, "db": b}.items():
        golden.check(key, t.grad)


def test_logistic_regression_of_a_batch(backend: Backend) -> None:
    golden = Golden("S1-G11")
    layer = linear([golden.inputs["w"]], [golden.inputs["b"]], backend)
    z = layer(golden.tensor("X", backend)).reshape(-1)
    loss = nn.BCEWithLogitsLoss()(z, golden.inputs["y"])
    loss.backward()
    golden.check("J", loss)
    dw, db = grads(layer)
    golden.check("dw", dw[0])
    golden.check("db", db[0])


def test_half_of_the_sum_of_squares(backend: Backend) -> None:
    golden = Golden("S2-G15")
    layer = linear([golden.inputs["w"]], None, backend)
    y = layer(golden.tensor("X", backend)).reshape(-1)
    (0.5 * F.mse_loss(y, golden.inputs["y"], "sum")).backward()
    golden.check("dw", grads(layer)[0][0])


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.BCEWithLogitsLoss("sum")], ids=repr)
def test_gradcheck_of_a_whole_network(backend: Backend, loss: nn.Loss, rng: Any) -> None:
    """With respect to input and all parameters, through dropout and a residual branch."""
    x, w, b, v = (
        Tensor(rng.normal(size=s), True, backend=backend) for s in ((6, 4), (5, 4), (5,), (4, 5))
    )
    target = rng.uniform(size=(6, 4))

    def network(x: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
        h = F.dropout(F.tanh(F.linear(x, w, b)), 0.3, seed=1, call=0)
        return loss(x + F.elu(F.linear(h, v)) * F.sigmoid(x), target)

    gradcheck(network, x, w, b, v)
