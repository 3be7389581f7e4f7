"""Operations of one's own: values, gradients, and errors that name the operation."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, gradcheck, operation
from accelnn.backends import Backend
from accelnn.errors import GraphError


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def test_one_input(backend: Backend, rng: Any) -> None:
    cube = operation(lambda x: x * x * x, lambda g, y, x: g * 3 * x * x, name="cube")
    x = leaf(rng.normal(size=(3, 2)), backend)
    y = cube(x)
    np.testing.assert_allclose(y.numpy(), x.numpy() ** 3, rtol=1e-12)
    assert "cube" in repr(y)
    gradcheck(cube, x)
    (2 * y).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 6 * x.numpy() ** 2, rtol=1e-12)


def test_backward_gets_the_output(backend: Backend, rng: Any) -> None:
    xp = backend.xp
    bend = operation(lambda x: xp.tanh(x), lambda g, y, x: g * (1 - y * y))
    gradcheck(bend, leaf(rng.normal(size=4), backend))


def test_several_inputs_and_constants(backend: Backend, rng: Any) -> None:
    def forward(a: Any, b: Any, *, power: int) -> Any:
        return a * b**power

    def backward(g: Any, y: Any, a: Any, b: Any, *, power: int) -> Any:
        return g * b**power, g * a * power * b ** (power - 1)

    weigh = operation(forward, backward)
    a, b = leaf(rng.normal(size=3), backend), leaf(rng.normal(size=3), backend)
    gradcheck(lambda a, b: weigh(a, b, power=3), a, b)
    assert weigh.__name__ == "forward"
    y = weigh(a, [1.0, 2.0, 3.0], power=1)  # a list becomes a Tensor beside it
    np.testing.assert_allclose(y.numpy(), a.numpy() * [1, 2, 3])


def test_no_gradient_for_one_of_them(backend: Backend) -> None:
    pick = operation(lambda x, where: x * where, lambda g, y, x, where: (g * where, None))
    x = leaf([1.0, 2.0], backend)
    mask = Tensor([1.0, 0.0], dtype="float64", backend=backend)
    pick(x, mask).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 0.0]
    assert mask.grad is None


def test_straight_through(backend: Backend) -> None:
    """Sign forward, identity backward: the weight learns through a function of slope 0."""
    xp = backend.xp
    sign = operation(lambda z: xp.sign(z), lambda g, y, z: g, name="sign")
    w: Any = leaf([0.3, -0.2], backend)
    target = Tensor([-1.0, -1.0], dtype="float64", backend=backend)
    losses = []
    for _ in range(3):
        w.grad = None
        off = sign(w) - target
        loss = (off * off).sum()
        loss.backward()
        losses.append(loss.item())
        w.data = w.data - 0.1 * w.grad
    assert losses == [4.0, 0.0, 0.0]
    np.testing.assert_allclose(w.numpy(), [-0.1, -0.2], rtol=1e-9)


def test_without_backward_the_forward_works(backend: Backend) -> None:
    blocked = operation(lambda x: x + 1, name="blocked")
    x = leaf([1.0], backend)
    y = blocked(x) * 2
    assert y.tolist() == [4.0]
    with pytest.raises(GraphError, match=r"operation 'blocked' has no backward: pass one"):
        y.backward()
    with accelnn.no_grad():
        assert not blocked(x).requires_grad


@pytest.mark.parametrize(
    ("backward", "text"),
    [
        (lambda g, y, a, b: g, r"'pair' returned 1 gradients for 2 inputs"),
        (lambda g, y, a, b: (g, g, g), r"'pair' returned 3 gradients for 2 inputs"),
        (lambda g, y, a, b: (g, g[0]), r"'pair' .* shape \(\) for input 1, whose shape is \(2,\)"),
        (lambda g, y, a, b: (g.sum(), g), r"shape \(\) for input 0, whose shape is \(2,\)"),
        (lambda g, y, a, b: (0.0, g), r"'pair' returned float for input 0, expected an array"),
    ],
)
def test_wrong_gradients(backend: Backend, backward: Any, text: str) -> None:
    pair = operation(lambda a, b: a * b, backward, name="pair")
    y = pair(leaf([1.0, 2.0], backend), leaf([3.0, 4.0], backend))
    with pytest.raises(GraphError, match=text):
        y.backward([1.0, 1.0])


def test_wrong_forward(backend: Backend) -> None:
    x = leaf([1.0], backend)
    for wrong in (lambda a: 3, lambda a: None, lambda a: [a]):
        with pytest.raises(TypeError, match=r"forward of operation 'odd' must return an array"):
            operation(wrong, name="odd")(x)
    with pytest.raises(TypeError, match=r"operation 'odd' needs a Tensor .* got ndarray"):
        operation(lambda a: a, name="odd")(np.ones(2))
    with pytest.raises(TypeError, match="takes two functions"):
        operation(3)  # type: ignore[arg-type]


def test_gradcheck_sees_a_wrong_one(backend: Backend) -> None:
    wrong = operation(lambda x: x * x, lambda g, y, x: g * x, name="square")
    with pytest.raises(GraphError, match="gradcheck failed"):
        gradcheck(wrong, leaf([1.0, 2.0], backend))


def test_what_it_keeps_must_not_be_overwritten(backend: Backend) -> None:
    double = operation(lambda x: x + x, lambda g, y, x: g + g, name="double")
    x = leaf([1.0, 2.0], backend).detach()
    w = leaf([1.0, 1.0], backend)
    y = double(w * x)
    x += 1
    with pytest.raises(GraphError, match="changed in place after mul had read it"):
        y.sum().backward()
    h = leaf([3.0], backend)
    y = double(h)
    with accelnn.no_grad():
        h.zero_()
    with pytest.raises(GraphError, match="changed in place after double had read it"):
        y.backward()
