"""grad, vjp, jvp and jacobian: values of the notes, layouts, and that nothing else is touched."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, grad, jacobian, jvp, nn, vjp
from accelnn.backends import Backend
from accelnn.errors import GraphError
from tests.device import DeviceBackend

F = nn.functional


def leaf(values: Any, backend: Backend, requires_grad: bool = True) -> Tensor:
    return Tensor(values, requires_grad, dtype="float64", backend=backend)


def close(actual: Any, expected: Any) -> None:
    assert isinstance(actual, Tensor)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12, atol=1e-14)
    assert actual.shape == np.shape(expected)


# grad ---------------------------------------------------------------------------------------------


def test_grad_of_the_notes_graph(backend: Backend) -> None:
    """J = 2 (ab + c) at 3, 2, 5: 4, 6, 2, and 2 at both inner nodes."""
    a, b, c = (leaf([v], backend) for v in (3.0, 2.0, 5.0))
    u = a * b
    v = u + c
    J = 2 * v
    for found, expected in zip(grad(J, (a, b, c, u, v)), (4, 6, 2, 2, 2), strict=True):
        close(found, [expected])
    assert [t.grad for t in (a, b, c, u, v)] == [None] * 5


def test_grad_leaves_what_is_there(backend: Backend) -> None:
    x, w = leaf([1.0, 2.0], backend), leaf([3.0, 4.0], backend)
    (x * w).sum().backward()
    held = x.grad
    y = (x * x * w).sum()
    (found,) = grad(y, x, retain_graph=True)
    close(found, [6.0, 16.0])
    assert x.grad is held
    assert held is not None
    assert held.tolist() == [3.0, 4.0]
    assert w.grad is not None
    assert w.grad.tolist() == [1.0, 2.0]
    y.backward()  # the graph was kept
    assert x.grad is not None
    assert x.grad.tolist() == [9.0, 20.0]


def test_grad_uses_the_graph_up(backend: Backend) -> None:
    x = leaf([1.0], backend)
    y = x * x
    grad(y, x)
    with pytest.raises(GraphError, match="used up"):
        grad(y, x)


def test_grad_of_several_outputs(backend: Backend) -> None:
    x, w = leaf([1.0, 2.0], backend), leaf([3.0, 4.0], backend)
    h = x * w
    dx, dw = grad((h, h * x), (x, w), ([1.0, 1.0], [10.0, 100.0]))
    close(dx, [3 + 10 * 2 * 1 * 3, 4 + 100 * 2 * 2 * 4])
    close(dw, [1 + 10 * 1, 2 + 100 * 4])
    same, sums = grad(
        (x, (x * w).sum()), (x, w), (Tensor([5.0, 6.0], dtype="float64", backend=backend), None)
    )
    close(same, [5 + 3, 6 + 4])
    close(sums, [1, 2])


def test_grad_results_are_ones_own(backend: Backend) -> None:
    """Also inside the graph, where a sum hands one gradient to both its terms."""
    x, w = leaf([1.0, 2.0], backend), leaf([3.0, 4.0], backend)
    u, v = x * 1, w * 1
    seed = Tensor([5.0, 6.0], dtype="float64", backend=backend)
    y = u + v
    for pair in ((x, w), (u, v), (y, u)):
        first, second = grad(y, pair, seed, retain_graph=True)
        assert first is not None
        first.array[0] = 99.0
        close(second, [5.0, 6.0])
    assert seed.tolist() == [5.0, 6.0]


def test_grad_under_no_grad_and_without_use(backend: Backend) -> None:
    x, w, other = (leaf([v], backend) for v in (2.0, 3.0, 4.0))
    y = x * w
    with pytest.raises(GraphError, match=r"no output depends on input 1; allow_unused=True"):
        grad(y, (x, other), retain_graph=True)
    with accelnn.no_grad():
        found, unused = grad(y, (x, other), allow_unused=True)
    close(found, [3.0])
    assert unused is None


def test_grad_refuses(backend: Backend) -> None:
    x, fixed = leaf([1.0, 2.0], backend), leaf([1.0, 2.0], backend, False)
    y = x * fixed
    with pytest.raises(GraphError, match=r"input 1 has requires_grad=False"):
        grad(y.sum(), (x, fixed))
    with pytest.raises(GraphError, match=r"output 1 needs no gradient"):
        grad((y.sum(), fixed.sum()), x)
    with pytest.raises(GraphError, match=r"needs gradient="):
        grad(y, x)
    with pytest.raises(ValueError, match=r"1 grad_outputs for 2 outputs"):
        grad((y, y), x, ([1.0, 1.0],))
    with pytest.raises(ValueError, match=r"shape"):
        grad(y, x, [1.0, 1.0, 1.0])


def test_a_deep_graph(backend: Backend) -> None:
    x = leaf(1.0, backend)
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    (found,) = grad(y, x)
    close(found, 1.0001**10_000 * np.ones(()))


def test_pytorchs_place() -> None:
    assert accelnn.autograd.grad is grad
    assert accelnn.autograd.functional.jacobian is jacobian
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        accelnn.autograd.nothing  # noqa: B018


# vjp and jvp --------------------------------------------------------------------------------------


def network(x: Tensor, w: Tensor) -> Tensor:
    return F.tanh(x @ w) * x.sum()


@pytest.fixture
def operands(backend: Backend, rng: Any) -> tuple[Tensor, Tensor]:
    x, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    return leaf(x, backend, False), leaf(w, backend)


def test_products_agree_with_the_jacobian(operands: Any, rng: Any) -> None:
    Jx, Jw = (J.numpy() for J in jacobian(network, operands))
    assert (Jx.shape, Jw.shape) == ((2, 4, 2, 3), (2, 4, 3, 4))
    v = rng.normal(size=(2, 4))
    y, (vx, vw) = vjp(network, operands, v)
    close(y, network(*operands).numpy())
    close(vx, np.einsum("ij,ijkl->kl", v, Jx))
    close(vw, np.einsum("ij,ijkl->kl", v, Jw))
    u = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    y, product = jvp(network, operands, u)
    close(y, network(*operands).numpy())
    close(product, np.einsum("ijkl,kl->ij", Jx, u[0]) + np.einsum("ijkl,kl->ij", Jw, u[1]))
    assert not y.requires_grad
    assert [t.grad for t in operands] == [None, None]
    assert [t.requires_grad for t in operands] == [False, True]


def test_jvp_agrees_with_differences(operands: Any, rng: Any) -> None:
    x, w = operands
    u = rng.normal(size=(2, 3))
    _, product = jvp(lambda x: network(x, w), x, u)
    eps = 1e-6
    sides = [network(Tensor(x.numpy() + t * u, backend=x.backend), w).numpy() for t in (eps, -eps)]
    np.testing.assert_allclose(product.numpy(), (sides[0] - sides[1]) / (2 * eps), rtol=1e-6)


def test_vjp_of_one_element_needs_no_v(backend: Backend) -> None:
    y, product = vjp(lambda x: (x * x).sum(), leaf([1.0, 3.0], backend))
    assert y.item() == 10.0
    close(product, [2.0, 6.0])
    with pytest.raises(GraphError, match="needs gradient="):
        vjp(lambda x: x * x, leaf([1.0, 3.0], backend))


def test_shapes_of_v(backend: Backend) -> None:
    x = leaf([1.0, 3.0], backend)
    with pytest.raises(ValueError, match=r"v of input 0 has shape \(3,\), expected \(2,\)"):
        jvp(lambda x: x * x, x, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"1 directions for 2 inputs"):
        jvp(lambda x, y: x * y, (x, x), ([1.0, 1.0],))
    with pytest.raises(ValueError, match=r"shape"):
        vjp(lambda x: x * x, x, [1.0])


# jacobian -----------------------------------------------------------------------------------------


def test_jacobian_of_a_linear_map(backend: Backend) -> None:
    """Princeton, problem 11.4.2."""
    A = np.array([[2.0, -1.0, 3.0], [-1.0, 0.0, 2.0]])
    x = leaf([1.0, 1.0, 1.0], backend)
    W = leaf(A, backend)
    close(jacobian(lambda x: F.linear(x.reshape(1, 3), W).reshape(2), x), A)
    close(jacobian(lambda x: F.linear(x.reshape(1, 3), W).reshape(2), x, layout="denominator"), A.T)


def test_jacobian_of_relu_is_diagonal(backend: Backend) -> None:
    """Princeton, example 11.4.3; the slope at 0 is 0."""
    x = leaf([1.5, -2.0, 0.0, 3.0], backend)
    close(jacobian(lambda x: F.relu(x), x), np.diag([1.0, 0.0, 0.0, 1.0]))


def test_jacobian_with_respect_to_weights(backend: Backend) -> None:
    """SDSU: dz_k/dw_ij = δ_ki x_j, not the diagonal matrix that the slide prints."""
    x = leaf([2.0, 3.0, 5.0], backend, False)
    W = leaf(np.arange(12.0).reshape(4, 3), backend)
    full = jacobian(lambda W: F.linear(x.reshape(1, 3), W).reshape(4), W)
    expected = np.zeros((4, 4, 3))
    expected[range(4), range(4)] = [2.0, 3.0, 5.0]
    close(full, expected)


def test_layouts_of_several_dimensions(operands: Any) -> None:
    numerator = jacobian(network, operands)
    denominator = jacobian(network, operands, layout="denominator")
    for J, turned in zip(numerator, denominator, strict=True):
        close(turned, np.moveaxis(J.numpy(), (0, 1), (2, 3)))


def test_scalars(backend: Backend) -> None:
    x = leaf(3.0, backend)
    close(jacobian(lambda x: x * x, x), np.asarray(6.0))
    close(jacobian(lambda x: x * x, x, layout="denominator"), np.asarray(6.0))
    v = leaf([1.0, 2.0], backend)
    close(jacobian(lambda v: (v * v).sum(), v), [2.0, 4.0])
    close(jacobian(lambda x: x * v, x), [1.0, 2.0])


def test_what_does_not_depend_is_zero(backend: Backend) -> None:
    x, w = leaf([1.0, 2.0], backend), leaf([[3.0]], backend)
    fixed = leaf([5.0, 6.0, 7.0], backend, False)
    to_x, to_w = jacobian(lambda x, w: x * 2, (x, w))
    close(to_x, 2 * np.eye(2))
    close(to_w, np.zeros((2, 1, 1)))
    close(jacobian(lambda x: fixed, x), np.zeros((3, 2)))
    close(vjp(lambda x: fixed, x, [1.0, 1.0, 1.0])[1], np.zeros(2))
    close(jvp(lambda x: fixed, x, [1.0, 1.0])[1], np.zeros(3))
    close(jacobian(lambda x: x[:0], x), np.zeros((0, 2)))


def test_the_identity_and_branches(backend: Backend) -> None:
    x = leaf([1.0, 2.0], backend)
    close(jacobian(lambda x: x, x), np.eye(2))
    close(jacobian(lambda x: x * x + x, x), np.diag([3.0, 5.0]))


def test_the_dtype_is_kept(backend: Backend) -> None:
    x = Tensor([1.0, 2.0], backend=backend)
    J = jacobian(lambda x: x * x, x)
    assert str(J.dtype) == "float32"
    assert J.backend is backend
    assert str(jvp(lambda x: x * x, x, [1.0, 1.0])[1].dtype) == "float32"


def test_parameters_outside_stay_as_they_are(backend: Backend) -> None:
    layer = nn.Linear(3, 2, dtype="float64", backend=backend)
    x = leaf(np.ones((1, 3)), backend)
    J = jacobian(layer, x)
    close(J.reshape(2, 3), layer.weight.numpy())
    assert layer.weight.grad is None
    assert x.grad is None


def test_what_is_refused(backend: Backend) -> None:
    x = leaf([1.0], backend)
    with pytest.raises(ValueError, match="layout must be 'numerator' or 'denominator', got 'row'"):
        jacobian(lambda x: x, x, layout="row")
    with pytest.raises(TypeError, match="f must return a Tensor, got float"):
        jacobian(lambda x: 1.0, x)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="input 0 must be a Tensor of float32 or float64, got a Te"):
        vjp(lambda x: x, Tensor([1, 2], backend=backend), [1, 1])
    with pytest.raises(TypeError, match=r"input 1 must be a Tensor .* got list"):
        jacobian(lambda x, y: x, (x, [1.0]))  # type: ignore[arg-type]


def test_arrays_of_a_device_stay_there(device: DeviceBackend) -> None:
    """Host arrays come in by the backend, and none is mixed with its own."""
    x = Tensor([1.0, 2.0], True, dtype="float64", backend=device)
    close(jacobian(lambda x: x * x, x), np.diag([2.0, 4.0]))
    close(jacobian(lambda x: x.sum(), x, layout="denominator"), [1.0, 1.0])
    close(jvp(lambda x: x * x, x, [1.0, 10.0])[1], [2.0, 40.0])
    close(vjp(lambda x: x * x, x, [1.0, 10.0])[1], [2.0, 40.0])
    close(grad((x * x).sum(), x)[0], [2.0, 4.0])
    square = accelnn.operation(lambda a: a * a, lambda g, y, a: g * a * 2)
    assert accelnn.gradcheck(square, x, entries=True).ok
    found = accelnn.numerical_gradient(square, x)
    np.testing.assert_allclose(found.numpy(), [2.0, 4.0], rtol=1e-8)
    assert accelnn.delta(square, x, 1, step=0.5).tolist() == [0.0, 4.5]
