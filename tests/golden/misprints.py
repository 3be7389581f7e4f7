"""What the five documents print wrongly, beside what the library gives.

``PAIRS``: (right, printed), the printed side being the number or the formula as it stands.
``REFUSED``: formulas and calls that cannot be computed as printed, and the error that says so.
``LISTED``: slips that state no value, and why there is nothing to compute.

E0 are those of the slides of Glasgow, E1 of CS549, E2 of CS2109S, E3 of IT5005, E4 of the textbook.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.nn import functional as F
from tests.golden.entries import ENTRIES, grads, linear, value_and_slope

Pair = Callable[[], tuple[Any, Any]]


def t(values: Any, requires_grad: bool = False) -> Tensor:
    """Return a float64 Tensor on the backend of the test."""
    return Tensor(values, requires_grad, dtype="float64")


def slope(f: Callable[[Tensor], Tensor], z: Any) -> Tensor:
    """Return f'(z), element by element."""
    found = value_and_slope(f, z.detach().requires_grad_())[1]
    assert found is not None
    return found


def network(reduction: str = "mean", rows: slice = slice(None)) -> SimpleNamespace:
    """Return a 3-4-1 network of sigmoids after backward, all by the names of the notes."""
    g = ENTRIES["S0-G04"]["inputs"]
    X, Y = t(g["X"])[rows], t(g["Y"])[rows]
    layers = [linear(g[f"W{i}"], g[f"b{i}"], X.backend) for i in (1, 2)]
    z1 = layers[0](X)
    a1 = F.sigmoid(z1)
    z2 = layers[1](a1)
    a2 = F.sigmoid(z2)
    for x in (z1, a1, z2, a2):
        x.retain_grad()
    nn.BCELoss(reduction)(a2, Y).backward()
    dW1, db1, dW2, db2 = (p for layer in layers for p in grads(layer))
    W1, b1, W2, b2 = (p.detach() for layer in layers for p in layer.parameters())
    return SimpleNamespace(**locals())


def chain() -> SimpleNamespace:
    """Return a chain of three sigmoids of one weight each, and the deltas of its sums."""
    g = ENTRIES["S3-G01"]["inputs"]
    w, x = t(g["W"], True), t(g["x"])
    f1 = w[0] * x
    f2 = w[1] * F.sigmoid(f1)
    f3 = w[2] * F.sigmoid(f2)
    yhat = F.sigmoid(f3)
    d1, d2, d3 = (d for d in accelnn.grad(yhat, (f1, f2, f3), retain_graph=True) if d is not None)
    return SimpleNamespace(**locals())


def swapped_labels() -> tuple[Any, Any]:
    """E0-3: dL/db stands beside (a - y) x, and dL/dw beside a - y."""
    n = network(rows=slice(0, 1))
    return n.dW2[0], n.db2 + 0 * n.dW2[0]


def first_sums_for_second() -> tuple[Any, Any]:
    """E0-4: da2/dz1 has a number for each of four sums, where z2 is one."""
    n = network(rows=slice(0, 1))
    J = accelnn.jacobian(lambda z: F.sigmoid(F.linear(F.sigmoid(z), n.W2, n.b2)), n.z1)
    printed = n.a2.grad @ J[0, 0]
    return n.z2.grad + accelnn.zeros_like(printed), printed


def printed_tanh_slope() -> tuple[Any, Any]:
    z = t([-2.0, -0.5, 1.0])
    return slope(F.tanh, z), 1 - (1 - F.tanh(z)) ** 2


def printed_logistic_cost() -> tuple[Any, Any]:
    g = ENTRIES["S1-G08"]["inputs"]
    a, y = t(g["a"]), t(g["y"])
    with np.errstate(invalid="ignore"):  # the logarithm of a negative number
        literal = -(y * (a + (1 - y) * (1 - a).log()).log()).mean()
    return nn.BCELoss()(a, y), literal


def averaged_twice() -> tuple[Any, Any]:
    """E1-10: dz is averaged over the batch, and db once more."""
    n = network("sum")
    return network().db2, (n.z2.grad.mean(0) / n.X.shape[0])


def averaged_factors() -> tuple[Any, Any]:
    """E1-11: the mean of products is not the product of means."""
    n = network("sum")
    return network().dW2, n.z2.grad.mean(0, keepdims=True).T @ n.a1.detach().mean(0, keepdims=True)


def diagonal_jacobian() -> tuple[Any, Any]:
    x, W = t([2.0, 3.0, 5.0]), t(np.zeros((4, 3)), True)
    F.linear(x, W).backward(np.ones(4))
    return W.grad, ENTRIES["S1-G19"]["erratum_in_seed"]["dzi_dwij"]


def a_times_one_minus_a() -> tuple[Any, Any]:
    z = t([[0.0, 0.0]], True)
    F.sigmoid(z).backward([[0.5, 0.5]])
    return z.grad, [[0.25, 0.25]]


def broadcast_bias() -> tuple[Any, Any]:
    """E1-15: added by hand, a bias (4, 1) makes four rows of one."""
    z = F.linear(t(np.ones((1, 3))), t(np.ones((4, 3))))
    return z.shape, (z + t(np.zeros((4, 1)))).shape


def printed_start() -> tuple[Any, Any]:
    accelnn.manual_seed(0)
    return nn.Linear(4, 3).weight, ENTRIES["S1-G15"]["printed_in_seed"]["weight"]


def swapped_activations() -> tuple[Any, Any]:
    x = t([[0.5, -1.0, 2.0]])
    first, second = (
        linear(np.arange(9).reshape(3, 3) / 9, None, x.backend),
        linear([[1.0, -1.0, 0.5]], None, x.backend),
    )
    right = nn.Sequential(first, nn.Tanh(), second, nn.Sigmoid())
    return right(x), nn.Sequential(first, nn.Sigmoid(), second, nn.Tanh())(x)


def sum_from_one() -> tuple[Any, Any]:
    """E2-2: w0 x0 is in the sum and not in its expansion; of the perceptron for cancer, -3.5."""
    x, w = t([[3.0]]), t([[1.0]])
    return F.linear(x, w, t([-3.5])), F.linear(x, w)


def variance_of_five_randn() -> tuple[Any, Any]:
    accelnn.manual_seed(0)
    x = 5 * accelnn.randn(100_000)
    mean = x.mean()
    return np.round(((x - mean) ** 2).mean().item()), 1.0


def wrong_first_factors() -> tuple[Any, Any]:
    c = chain()
    (dg2_df1,) = accelnn.grad(F.sigmoid(c.f2), c.f1, retain_graph=True)
    return c.d1, dg2_df1 * c.w.detach()[2] * c.d2


def own_slope_for_the_networks() -> tuple[Any, Any]:
    """E3-4: dg[L]/df[l] is no diagonal of g'; that of layer l itself is."""
    c = chain()
    return c.d1, slope(F.sigmoid, c.f1)


def output_slope_twice() -> tuple[Any, Any]:
    """E3-5: dg[L]/df[l] in the first factor, which is all of delta already."""
    c = chain()
    return c.d1, c.d1 * c.w.detach()[1] * c.d2


def delta_of_the_layer_alone() -> tuple[Any, Any]:
    """E3-6: dg[l]/df[l] = delta[l]; of the second layer here."""
    c = chain()
    return c.d2, slope(F.sigmoid, c.f2)


def weight_equals_gradient() -> tuple[Any, Any]:
    """E3-7: w - eta dE/dw is said to equal dE/dyhat dyhat/dw."""
    w = accelnn.Parameter([0.8], dtype="float64")
    F.mse_loss(F.sigmoid(2 * w), [1.0]).backward()
    optim.SGD([w], lr=0.1).step()
    return w, w.grad


def first_loss_of_the_log() -> tuple[Any, Any]:
    """E3-9: a fresh network is far from x² of numbers up to 15; the log begins at 0.7416."""
    accelnn.manual_seed(3)
    x = 5 * accelnn.randn(100, 1)
    model = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    return F.mse_loss(model(x), accelnn.square(x)), 0.7416


def printed_predictions() -> tuple[Any, Any]:
    entry = ENTRIES["S3-G08"]
    g, x = entry["inputs"], t(entry["inputs"]["x2"])
    layers = [linear(g[f"W{i}"], g[f"b{i}"], x.backend) for i in (1, 2, 3)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    return model(x), entry["erratum_in_seed"]["y_pred"]


def cross_entropies_of_one_difference() -> tuple[Any, Any]:
    """E3-11: yhat - y is -0.1 both times."""
    return tuple(nn.BCELoss()(t([a]), t([y])) for a, y in ((0.9, 1.0), (0.4, 0.5)))  # type: ignore[return-value]


def without_relu() -> tuple[Any, Any]:
    z = F.linear(t([1.0, 1, 1]), t(ENTRIES["S4-G02"]["inputs"]["W1"]))
    return F.relu(z), z


def loss_of_the_third_class() -> tuple[Any, Any]:
    """E4-3: 4.02 is the loss of class 2 counted from 0, where class 2 counted from 1 is meant."""
    o = t([[-4.0, 8.0, 4.0]])
    assert round(F.cross_entropy(o, [2]).item(), 2) == 4.02
    return np.round(F.cross_entropy(o, [1]).item(), 2), 4.02


def output_minus_label() -> tuple[Any, Any]:
    o, one = t([[-4.0, 8.0, 4.0]], True), t([[0.0, 1.0, 0.0]])
    F.cross_entropy(o, [1]).backward()
    return o.grad, o.detach() - one


def additions_of_a_product() -> tuple[Any, Any]:
    """E4-5: A h of 3 rows and 5 columns; m additions would be 3."""
    return accelnn.count_ops(nn.Linear(5, 3, bias=False), 1).forward.additions, 3


def slope_of_the_input() -> tuple[Any, Any]:
    entry = ENTRIES["S4-G21-tanh"]
    g, W, h = entry["inputs"], t(entry["inputs"]["W"]), t(entry["inputs"]["h"])
    _, dh = accelnn.vjp(lambda h: F.tanh(F.linear(h, W)), h, g["upstream"])
    z = F.linear(h, W)
    literal = (t(g["upstream"]) * (1 - z * z))[None] @ W
    np.testing.assert_allclose(literal[0].numpy(), entry["erratum_in_seed"]["dh"])
    return dh, literal[0]


def relu_at_the_output() -> tuple[Any, Any]:
    """E4-8: the step that is right between layers of ReLU, at an output that has none."""
    g = ENTRIES["S4-G13c"]["inputs"]
    x, W1, W2, Wo = (t([g["x"]]), *(t(g[k]) for k in ("W1", "W2", "Wo")))
    h2 = F.relu(F.linear(F.relu(F.linear(x, W1)), W2)).requires_grad_()
    o = F.linear(h2, Wo)
    o.retain_grad()
    F.cross_entropy(o, [g["label_0_based"]]).backward()
    assert o.grad is not None
    return h2.grad, (o.grad * slope(F.relu, o)) @ Wo


def model_2_3_1() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))


PAIRS: dict[str, Pair] = {
    "E0-3": swapped_labels,
    "E0-4": first_sums_for_second,
    "E0-5": lambda: (
        (n := network("sum")).z1.grad,
        (n.z2.grad @ n.W2) * slope(F.sigmoid, n.a1),
    ),
    "E0-7": lambda: ((n := network("sum")).dW2, n.z2.grad.T @ n.a1.grad),
    "E0-10": lambda: (network("mean").z2.grad, network("sum").z2.grad),
    "E1-1": lambda: (sum(p.numel() for p in model_2_3_1().parameters()), 2 * 3 + 3 * 1 + 1),
    "E1-4": printed_logistic_cost,
    "E1-5": printed_tanh_slope,
    "E1-7": lambda: (F.leaky_relu(z := t([-1.0, 1.0]), 2.0), accelnn.maximum(2.0 * z, z)),
    "E1-9": lambda: (F.sigmoid(z := t([-1.0, 2.0])), slope(F.sigmoid, z)),
    "E1-10": averaged_twice,
    "E1-11": averaged_factors,
    "E1-12": diagonal_jacobian,
    "E1-13": a_times_one_minus_a,
    "E1-15": broadcast_bias,
    "E1-16": printed_start,
    "E2-1": swapped_activations,
    "E2-2": sum_from_one,
    "E2-8": variance_of_five_randn,
    "E3-1": lambda: (nn.Sign()(t([0.0])), [-1.0]),
    "E3-2": lambda: (slope(F.sigmoid, t([0.0])).item() < 0.25, True),
    "E3-3": wrong_first_factors,
    "E3-4": own_slope_for_the_networks,
    "E3-5": output_slope_twice,
    "E3-6": delta_of_the_layer_alone,
    "E3-7": weight_equals_gradient,
    "E3-9": first_loss_of_the_log,
    "E3-10": printed_predictions,
    "E3-11": cross_entropies_of_one_difference,
    "E3-12": variance_of_five_randn,
    "E4-2": without_relu,
    "E4-3": loss_of_the_third_class,
    "E4-4": output_minus_label,
    "E4-5": additions_of_a_product,
    "E4-6": lambda: (slope(F.sigmoid, z := t([-1.0, 0.0, 2.0])), 1 / (1 + (-z).exp())),
    "E4-7": slope_of_the_input,
    "E4-8": relu_at_the_output,
}


def column_times_column() -> Any:
    a = np.ones((2, 1))
    return t(a) @ t(a)


def slopes_as_a_factor() -> Any:
    """E2-4: g'(f) is a column (2, 1); beside a matrix it must be a diagonal, or multiply ∘."""
    return t(np.ones((2, 1))) @ t(np.ones((2, 2)))


REFUSED: dict[str, tuple[type[Exception], Callable[[], Any]]] = {
    "E0-1": (ValueError, lambda: F.linear((n := network()).a2, n.W1, n.b1)),
    "E0-6": (ValueError, lambda: F.linear((n := network()).a1, n.W1, n.b1)),
    "E1-2": (ValueError, lambda: network().X @ network().W1),
    "E1-3": (ValueError, lambda: t(np.ones((3, 2))) * t(np.ones((2, 3)))),
    "E1-6": (AttributeError, lambda: nn.HardTanh()),  # type: ignore[attr-defined]
    "E1-8": (ValueError, lambda: network().W1 @ network().X),
    "E1-14": (TypeError, lambda: t([1.0], True).backward(grad=1.0)),  # type: ignore[call-arg]
    "E2-4": (ValueError, slopes_as_a_factor),
    "E2-6": (TypeError, lambda: accelnn.tensor(8, 2, requires_grad=True)),  # type: ignore[call-arg]
    "E2-7": (SyntaxError, lambda: compile("model = f // two weights", "listing", "exec")),
    "E3-8": (ValueError, column_times_column),
    "E4-9": (SyntaxError, lambda: compile("W = [[0, 1], [2, -1]", "listing", "exec")),
}

#: Nothing is stated that could be computed.
LISTED: dict[str, str] = {
    "E0-2": "an exponent where brackets are meant: g^{z} for g(z); no value follows from it",
    "E0-8": "two symbols, a round and a straight d, for the same derivative",
    "E0-9": "the titles of two documentation pages: nn.Sigmoid for F.sigmoid and F.tanh",
    "E2-3": "the gradient of a scalar is called a Jacobian; the same numbers, see layout=",
    "E2-5": "no misprint: the second case of ELU stands there with its condition, x < 0",
    "E2-9": "predictions of a model whose weights are not printed; copied from the other course",
    "E4-1": "the number of a figure: 11.1 for 11.2",
    "E4-10": "names: a missing bracket around L-1, hidden3 for the output, labels from 1 or 0",
}
