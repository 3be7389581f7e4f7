"""Numbers and identities of the notes that ``golden.json`` does not hold, on every backend."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import ENTRIES, linear, on_host
from tests.tolerances import assert_close


@pytest.fixture(autouse=True)
def used(backend: Backend) -> Iterator[None]:
    """Everything below is made on the backend of the test."""
    with accelnn.use_backend(backend):
        yield


def t(values: Any, requires_grad: bool = False) -> Tensor:
    return Tensor(values, requires_grad, dtype="float64")


def same(actual: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-12) -> None:
    actual, expected = on_host(actual), on_host(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def sigmoids(sizes: tuple[int, ...], rng: Any) -> list[nn.Linear]:
    """Return layers without bias of these widths."""
    backend = accelnn.Tensor(0.0).backend
    pairs = zip(sizes[1:], sizes, strict=False)
    return [linear(rng.uniform(-1, 1, shape), None, backend) for shape in pairs]


# CS549 --------------------------------------------------------------------------------------------


def test_graph_of_j(backend: Backend) -> None:
    """J = 2 (a b + c) = 22 at 3, 2, 5, with slopes 4, 6 and 2, twice, and cleared."""
    a, b, c = (Tensor([float(v)], requires_grad=True) for v in (3, 2, 5))
    for times in (1, 2):
        J = 2 * (a * b + c)
        assert J.tolist() == [22.0]
        assert "mul" in repr(J)
        J.backward(gradient=accelnn.ones(1))
        assert [x.grad.tolist() for x in (a, b, c) if x.grad is not None] == [
            [4.0 * times],
            [6.0 * times],
            [2.0 * times],
        ]
    assert a.grad is not None
    a.grad.data.zero_()
    assert a.grad.tolist() == [0.0]


def test_weights_set_by_hand() -> None:
    """1 ... 12 and ones for biases make 11, 27, 43 of four ones: row sums plus 1."""
    layer = nn.Linear(4, 3)
    layer.weight.data = accelnn.arange(1.0, 13.0).reshape(3, 4)
    assert layer.bias is not None
    layer.bias.data = accelnn.ones_like(layer.bias)
    out = layer(accelnn.ones(1, 4))
    assert out.tolist() == [[11.0, 27.0, 43.0]]
    assert [(row @ accelnn.ones(4)).item() + 1 for row in layer.weight] == [11.0, 27.0, 43.0]
    assert (accelnn.sum(layer.weight, axis=1) + layer.bias).tolist() == [11.0, 27.0, 43.0]


def test_first_layer_with_a_gradient_from_above() -> None:
    """x = (1, 2, 3) makes 14, 32, 50, 68; a gradient of 0.5 on each goes back."""
    backend = accelnn.Tensor(0.0).backend
    layer = linear(np.arange(1.0, 13.0).reshape(4, 3), np.zeros(4), backend)
    x = t([[1.0, 2.0, 3.0]], True)
    a1 = layer(x)
    same(a1, [[14.0, 32.0, 50.0, 68.0]])
    a1.backward(np.full((1, 4), 0.5))
    same(x.grad, [[11.0, 13.0, 15.0]])
    assert layer.bias is not None
    same(layer.weight.grad, [[0.5, 1.0, 1.5]] * 4)
    same(layer.bias.grad, [0.5] * 4)


def test_a_batch_has_the_mean_of_its_examples(rng: Any) -> None:
    X, Y = t(rng.normal(size=(3, 3))), t([[1.0], [0.0], [1.0]])
    first, second = sigmoids((3, 4, 1), rng)
    model = nn.Sequential(first, nn.Sigmoid(), second)
    each = []
    for rows in (slice(0, 1), slice(1, 2), slice(2, 3), slice(0, 3)):
        model.zero_grad()
        nn.BCEWithLogitsLoss()(model(X[rows]), Y[rows]).backward()
        each.append([p.grad for p in model.parameters()])
    for *parts, whole in zip(*each, strict=True):
        same(accelnn.stack(parts).mean(0), whole)


def test_start_of_small_normal_numbers(rng: Any) -> None:
    accelnn.manual_seed(0)
    layer = nn.Linear(300, 200)
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    w = layer.weight.numpy()
    assert abs(w.mean()) < 2e-4
    assert w.std() == pytest.approx(0.01, rel=0.02)
    assert not layer.bias.numpy().any()
    with pytest.raises(ValueError, match=r"\(200, 1\)"):
        F.linear(accelnn.ones(2, 300), layer.weight, accelnn.zeros(200, 1))


# CS2109S ------------------------------------------------------------------------------------------


def test_perceptron_for_cancer(backend: Backend) -> None:
    """sign(-3.5 + x): on the border itself it is 1."""
    layer = linear([[1.0]], [-3.5], backend)
    h = nn.Sequential(layer, nn.Sign())
    assert h(t([[3.0], [3.5], [4.0]])).tolist() == [[-1.0], [1.0], [1.0]]


def test_absolute_value_is_two_relus(backend: Backend) -> None:
    """|x - 1| = max(0, x - 1) + max(0, 1 - x), and no function at the output."""
    model = nn.Sequential(
        linear([[1.0], [-1.0]], [-1.0, 1.0], backend),
        nn.ReLU(),
        linear([[1.0, 1.0]], None, backend),
    )
    x = accelnn.linspace(-4, 6, 41, dtype=accelnn.float64)[:, None]
    assert model(x).tolist() == (x - 1).abs().tolist()


def test_products_of_vectors_and_matrices() -> None:
    w, x = t([1.0, -2.0, 3.0]), t([4.0, 5.0, 6.0])
    M, N = t([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), t([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    same(2 * x, [8.0, 10.0, 12.0])
    for dot in (w @ x, (w * x).sum(), accelnn.matmul(w[None], x[:, None])[0, 0]):
        same(dot, 12.0)
    same(M @ x, [32.0, 77.0])
    same(M @ N, [[10.0, 4.0], [22.0, 10.0]])
    same(M * M, [[1.0, 4.0, 9.0], [16.0, 25.0, 36.0]])


def test_step_of_a_single_sigmoid() -> None:
    """w - gamma (yhat - y) yhat (1 - yhat) x, of half the squared error."""
    x, y = t([1.0, 0.5, -2.0]), t([1.0])
    w = accelnn.Parameter([0.1, -0.3, 0.2], dtype="float64")
    yhat = F.sigmoid(F.linear(x, w[None]))
    by_hand = w.detach() - 0.1 * ((yhat - y) * yhat * (1 - yhat) * x).detach()
    (0.5 * F.mse_loss(yhat, y)).backward()
    optim.SGD([w], lr=0.1).step()
    same(w, by_hand)


def test_deltas_go_back_layer_by_layer(rng: Any) -> None:
    """delta[l] = g'(f[l]) ∘ (W[l+1] delta[l+1]), of the output; dyhat/dW[l] is a[l-1] delta[l]ᵀ."""
    layers = sigmoids((2, 2, 2, 1), rng)
    model = nn.Sequential(*[m for layer in layers for m in (layer, nn.Sigmoid())])
    x = t([[0.5, -1.0]])
    with accelnn.observe(model) as seen:
        model(x).backward()
    da: Any = t([[1.0]])
    caches, a = [], x
    for layer in layers:
        a, cache = nn.Dense.of(layer, "sigmoid").forward(a)
        caches.append(cache)
    for i in (2, 1, 0):
        da, dW, _ = nn.Dense.of(layers[i], "sigmoid").backward(da, caches[i])
        delta = seen[str(2 * i)].gradient
        before = x if i == 0 else seen[str(2 * i - 1)].output
        assert layers[i].weight.grad is not None
        same(Tensor(dW), layers[i].weight.grad)
        same((before.T @ delta).T, layers[i].weight.grad)
        if i:
            same(Tensor(da), seen[str(2 * i - 1)].gradient)


# IT5005 -------------------------------------------------------------------------------------------


def test_gradients_vanish_with_depth() -> None:
    """Weights and input of 1: the slope of the first weight, at most 0.25 for each sigmoid."""
    slopes = []
    for depth in range(1, 11):
        w, a = t(1.0, True), t(1.0)
        a = F.sigmoid(w * a)
        for _ in range(depth - 1):
            a = F.sigmoid(a)
        a.backward()
        assert w.grad is not None
        slopes.append(w.grad.item())
    assert slopes[0] == pytest.approx(0.196612, abs=5e-7)
    assert slopes[-1] == pytest.approx(2.784767e-07, rel=1e-6)
    assert all(slope <= 0.25 ** (n + 1) for n, slope in enumerate(slopes))


def test_numeric_check_at_zero() -> None:
    """y = w2 sigmoid(w1 x) with a step of 0.001: slopes 0 and 0.5."""
    x = t([0.7])
    w1, w2 = t([0.0], True), t([0.0], True)

    def f(w1: Tensor, w2: Tensor) -> Tensor:
        return w2 * F.sigmoid(w1 * x)

    found = accelnn.numerical_gradient(f, w1, w2, eps=0.001)
    same(accelnn.stack(found), [[0.0], [0.5]])
    assert accelnn.gradcheck(f, w1, w2, entries=True).ok


def test_any_loss_after_the_output(rng: Any) -> None:
    """The output's derivative is known: two losses only scale it, by their own slope."""
    (layer,) = sigmoids((3, 1), rng)
    x, y = t(rng.normal(size=(1, 3))), t([[1.0]])
    layer(x).backward()
    assert layer.weight.grad is not None
    dyhat = layer.weight.grad.clone()
    for loss, slope in ((nn.MSELoss(), lambda yhat: 2 * (yhat - 1)), (nn.L1Loss(), F.sign)):
        layer.zero_grad()
        yhat = layer(x)
        loss(yhat, y).backward()
        outer = slope(yhat.detach() if isinstance(loss, nn.MSELoss) else (yhat - y).detach())
        same(layer.weight.grad, outer * dyhat)


# Textbook -----------------------------------------------------------------------------------------


def test_cross_entropy_by_class() -> None:
    o = t([[-4.0, 8.0, 4.0]])
    losses = [F.cross_entropy(o, [label]).item() for label in (0, 1, 2)]
    np.testing.assert_allclose(losses, [12.018156, 0.018156, 4.018156], atol=5e-7)


def test_every_weight_by_perturbation_and_by_the_graph() -> None:
    g = ENTRIES["S4-G08"]["inputs"]
    x, W1, W2, Wo = (t(g[k]) for k in ("x", "W1", "W2", "Wo"))

    def o(W1: Tensor) -> Tensor:
        return F.linear(F.relu(F.linear(F.relu(F.linear(x, W1)), W2)), Wo)

    J = accelnn.jacobian(o, W1)
    assert J.shape == (3, 2, 3)
    for i, j in np.ndindex(2, 3):
        same(accelnn.delta(o, W1, (i, j)), J[:, i, j], atol=1e-6)
    same(J[:, 1, 1], [-6.0, 2.0, -2.0])


def test_jacobian_of_a_product() -> None:
    """J(A x, x) = A; the other layout is its transpose, and y(x + d) = y + J d."""
    A, x, d = t([[2.0, -1.0, 3.0], [-1.0, 0.0, 2.0]]), t([1.0, 2.0, 3.0]), t([0.1, 0.0, -0.2])
    same(accelnn.jacobian(lambda x: A @ x, x), A)
    same(accelnn.jacobian(lambda x: A @ x, x, layout="denominator"), A.T)
    y, change = accelnn.jvp(lambda x: A @ x, x, d)
    same(A @ (x + d), y + change)


def test_chain_rule_of_jacobians() -> None:
    """J(ReLU(A x)) = diag(1(A x > 0)) A."""
    A, x = t([[1.0, -2.0], [3.0, 1.0], [-1.0, -1.0]]), t([1.0, 2.0])
    whole = accelnn.jacobian(lambda x: F.relu(A @ x), x)
    same(whole, accelnn.jacobian(F.relu, A @ x) @ accelnn.jacobian(lambda x: A @ x, x))
    same(whole, [[0.0, 0.0], [3.0, 1.0], [0.0, 0.0]])


def test_gradient_at_the_output() -> None:
    """softmax(o) - e_y at x = (3, 1, 2), class 2 from 1: o = (-3, 16, 11)."""
    o = t([[-3.0, 16.0, 11.0]], True)
    F.cross_entropy(o, [1]).backward()
    assert o.grad is not None
    same(o.grad, [[5.565e-09, -0.00669286, 0.00669285]], rtol=1e-3, atol=5e-9)
    same(o.grad, F.softmax(o.detach()) - t([[0.0, 1.0, 0.0]]))


def test_tanh_by_exponentials() -> None:
    z = t([-2.0, -0.5, 0.0, 1.0], True)
    a = F.tanh(z)
    e = (2 * z.detach()).exp()
    same(a, (e - 1) / (e + 1))
    a.backward(np.ones(4))
    same(z.grad, 1 - a.detach() ** 2)


def test_listing_in_float32() -> None:
    """The loss is one unit in the last place of 1: the maximum must be taken out of the sum."""
    loss = F.cross_entropy(accelnn.tensor([[8.0, 24.0]]), accelnn.LongTensor([1]))
    assert_close(loss.numpy(), np.array(1.1253517e-07, "float32"), length=2)
    assert loss.item() > 0


def test_an_untrained_classifier_knows_nothing() -> None:
    """784-512-512-10 begins at about ln 10 = 2.302585."""
    accelnn.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )
    x = accelnn.rand(64, 28, 28)
    labels = np.arange(64) % 10
    assert F.cross_entropy(model(x), labels).item() == pytest.approx(np.log(10), abs=0.1)
