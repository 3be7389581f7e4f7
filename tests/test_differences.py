"""gradcheck must notice a wrong derivative, and nothing else; the other differences are values."""

from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, delta, differences, gradcheck, nn, numerical_gradient
from accelnn.autograd import record
from accelnn.backends import Backend
from accelnn.errors import GraphError
from tests.golden.entries import Golden

F = nn.functional


def square(x: Tensor, slope: float = 2.0) -> Tensor:
    """``x²`` whose backward is right for ``slope`` 2."""
    return record("square", x.array * x.array, (x,), lambda g: (g * slope * x.array,))


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def test_right_derivatives_pass(backend: Backend, rng: Any) -> None:
    x = leaf(rng.normal(size=(3, 4)), backend)
    ok, checks, worst = gradcheck(square, x, directions=5)
    assert (ok, worst) == (True, None)
    assert len(checks) == 5
    for check in checks:
        assert check.analytic == pytest.approx(check.numeric, rel=1e-6)
    assert len({check.analytic for check in checks}) == 5  # the directions differ
    assert x.grad is None


@pytest.mark.parametrize("slope", [-2.0, 1.9999, 2.0001, 0.0, float("nan")])
def test_wrong_derivatives_do_not(backend: Backend, slope: float, rng: Any) -> None:
    with pytest.raises(GraphError, match=r"backward gives .* central differences"):
        gradcheck(lambda x: square(x, slope), leaf(rng.normal(size=(3, 4)), backend))


def test_one_wrong_element_is_enough(backend: Backend, rng: Any) -> None:
    wrong = np.full((3, 4), 2.0)
    wrong[1, 2] = 2.01
    slope = backend.asarray(wrong)
    x = leaf(rng.normal(size=(3, 4)), backend)
    with pytest.raises(GraphError, match=r"worst entry: input 0 at \(1, 2\), where backward gives"):
        gradcheck(lambda x: square(x, slope), x)
    report = gradcheck(lambda x: square(x, slope), x, raise_exception=False)
    assert not report.ok
    assert len(report.checks) == 1  # the first that failed is the last
    assert report.worst is not None
    assert (report.worst.input, report.worst.index) == (0, (1, 2))
    assert report.worst.analytic / report.worst.numeric == pytest.approx(1.005, rel=1e-6)


def test_the_worst_of_several_inputs(backend: Backend, rng: Any) -> None:
    """Only the second input of three is wrong, most of all in one entry."""
    a, fixed, b = (leaf(rng.normal(size=(2, 3)), backend) for _ in range(3))
    fixed.requires_grad = False
    wrong = np.ones((2, 3))
    wrong[0, 1], wrong[1, 0] = 1.1, -3.0
    factor = backend.asarray(wrong)

    def product(x: Tensor, y: Tensor) -> Tensor:
        return record(
            "product", x.array * y.array, (x, y), lambda g: (g * y.array, g * x.array * factor)
        )

    report = gradcheck(lambda x, _, y: product(x, y), a, fixed, b, raise_exception=False)
    assert report.worst is not None
    assert (report.worst.input, report.worst.index) == (2, (1, 0))
    assert report.worst.analytic == pytest.approx(-3 * report.worst.numeric, rel=1e-6)


def test_entries_are_held_to_the_tolerance_one_by_one(backend: Backend, rng: Any) -> None:
    x = leaf(rng.normal(size=(2, 3)), backend)
    report = gradcheck(square, x, entries=True)
    assert report.ok
    assert report.worst is not None
    assert report.worst.analytic == pytest.approx(report.worst.numeric, rel=1e-6)
    assert gradcheck(square, x, directions=0) == (True, (), None)
    found = gradcheck(
        lambda x: square(x, 2.1), x, directions=0, entries=True, raise_exception=False
    )
    assert (found.ok, found.checks) == (False, ())
    with pytest.raises(GraphError, match=r"^gradcheck failed; worst entry: input 0 at"):
        gradcheck(lambda x: square(x, 2.1), x, directions=0, entries=True)


def test_the_worst_of_many_is_drawn(monkeypatch: pytest.MonkeyPatch, rng: Any) -> None:
    monkeypatch.setattr(differences, "ENTRIES", 4)
    passes = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        return square(x, 3.0)

    x = Tensor(rng.normal(size=50), True)
    report = gradcheck(counted, x, raise_exception=False)
    assert report.worst is not None
    assert passes == 1 + 3 + 1 + 2 * 4  # the shape, one direction, the gradient, four entries
    passes = 0
    assert gradcheck(counted, x, entries=True, raise_exception=False).worst is not None
    assert passes == 1 + 3 + 1 + 2 * 50


def test_a_nan_is_the_worst(backend: Backend) -> None:
    slopes = backend.asarray(np.array([2.5, np.nan, 2.0]))
    x = leaf([1.0, 2.0, 3.0], backend)
    report = gradcheck(lambda x: square(x, slopes), x, raise_exception=False)
    assert report.worst is not None
    assert report.worst.index == (1,)


def test_what_does_not_depend_on_its_input(backend: Backend) -> None:
    fixed = leaf([1.0, 2.0], backend).detach()
    assert gradcheck(lambda x: fixed * 2, leaf([3.0], backend)).ok


def test_every_input_is_moved_but_those_without_gradient(backend: Backend, rng: Any) -> None:
    a, b = (leaf(rng.normal(size=3), backend) for _ in range(2))
    fixed = Tensor(rng.normal(size=3), backend=backend)
    gradcheck(lambda x, y, c: x * y * y * c, a, b, fixed)

    def half(x: Tensor, y: Tensor) -> Tensor:
        return record("half", x.array * y.array, (x, y), lambda g: (g * y.array, g * 0))

    with pytest.raises(GraphError, match="gradcheck failed"):
        gradcheck(half, a, b)


def test_float32_is_refused(backend: Backend) -> None:
    with pytest.raises(TypeError, match="float64 inputs, got float32"):
        gradcheck(square, Tensor([1.0], True, backend=backend))


def test_repeatable(backend: Backend, rng: Any) -> None:
    x = leaf(rng.normal(size=3), backend)
    assert gradcheck(square, x, seed=4) == gradcheck(square, x, seed=4)
    assert gradcheck(square, x, seed=4) != gradcheck(square, x, seed=5)


def test_golden_central_differences(backend: Backend) -> None:
    """One input: the numeric slope along d is d · f'(x), whatever the step."""
    golden = Golden("S2-G18")

    def f(x: Tensor) -> Tensor:
        for _ in range(3):
            x = 4 * x * (1 - x)
        return x

    x = golden.tensor("x", backend, True)
    f(x).backward()
    assert x.grad is not None
    golden.check("exact", x.grad)
    for eps, expected in zip(
        golden.inputs["eps"], golden.expected["central_difference"], strict=True
    ):
        golden.equal(numerical_gradient(f, golden.tensor("x", backend), eps=eps), expected)
    gradcheck(f, golden.tensor("x", backend, True))


def test_numerical_gradient(backend: Backend, rng: Any) -> None:
    passes = 0

    def f(x: Tensor, w: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        return F.tanh(x @ w)

    x, w = (leaf(rng.normal(size=shape), backend) for shape in ((2, 3), (3, 4)))
    fixed = x.detach()  # moved all the same
    by_x, by_w = numerical_gradient(f, fixed, w)
    assert passes == 2 * (6 + 12)
    f(x, w).sum().backward()
    for found, exact in ((by_x, x.grad), (by_w, w.grad)):
        assert exact is not None
        assert (found.shape, str(found.dtype), found.backend) == (exact.shape, "float64", backend)
        np.testing.assert_allclose(found.numpy(), exact.numpy(), rtol=1e-6, atol=1e-9)
    assert not by_x.requires_grad


def test_numerical_gradient_of_float32(backend: Backend) -> None:
    x = Tensor([0.5, -0.25], backend=backend)
    found = numerical_gradient(lambda x: x * x, x, eps=2.0**-7)
    assert str(found.dtype) == "float32"
    np.testing.assert_allclose(found.numpy(), [1.0, -0.5], rtol=1e-5)


def test_slopes_at_zero_of_the_notes(backend: Backend) -> None:
    """y = w2 σ(w1 x) at zeros with ε = 0.001 (NUS IT5005): 0 and 0.5."""
    w1, w2, x = (leaf([0.0], backend) for _ in range(3))
    found = numerical_gradient(lambda w1, w2: w2 * F.sigmoid(w1 * x), w1, w2, eps=0.001)
    assert [g.item() for g in found] == [0.0, 0.5]


def test_delta_moves_one_entry(backend: Backend) -> None:
    """Princeton, example 11.3.1: the rates of h1, h2 and o when the weight (1, 1) grows."""
    x = leaf([[3.0, 1.0, 2.0]], backend)
    W1 = leaf([[2.0, -3.0, 0.0], [-1.0, 1.0, 2.0]], backend)
    W2 = leaf([[1.0, 2.0], [2.0, -2.0]], backend)
    Wo = leaf([[-1.0, 2.0], [2.0, 1.0], [1.0, 2.0]], backend)
    passes = 0

    def layers(W: Tensor) -> list[Tensor]:
        nonlocal passes
        passes += 1
        h1 = F.relu(F.linear(x, W))
        h2 = F.relu(F.linear(h1, W2))
        return [h.reshape(h.shape[1]) for h in (h1, h2, F.linear(h2, Wo))]

    for number, expected in enumerate(([0, 1], [2, -2], [-6, 2, -2])):
        rates = delta(lambda W, n=number: layers(W)[n], W1, (1, 1), step=2.0**-10)
        np.testing.assert_allclose(rates.numpy(), expected, rtol=1e-9, atol=1e-9)
        assert not rates.requires_grad
    assert passes == 3 * 2


def test_delta_of_the_slide(backend: Backend) -> None:
    """a from 3 to 3.1 moves J = 2 (ab + c) from 22 to 22.4: 4."""
    a, b, c = leaf(3.0, backend), leaf(2.0, backend), leaf(5.0, backend)
    assert delta(lambda a: 2 * (a * b + c), a, (), step=0.1).item() == pytest.approx(4.0, rel=1e-12)
    assert a.item() == 3.0


def test_what_differences_refuse(backend: Backend) -> None:
    whole = Tensor([1, 2], backend=backend)
    with pytest.raises(TypeError, match="numerical_gradient needs floating-point inputs, got int"):
        numerical_gradient(lambda x: x * x, whole)
    with pytest.raises(TypeError, match="delta needs floating-point inputs"):
        delta(lambda x: x * x, whole, 0)
    x = leaf([[1.0, 2.0]], backend)
    with pytest.raises(IndexError, match=r"index 0 of shape \(1, 2\) is of shape \(2,\)"):
        delta(lambda x: x * x, x, 0)
    with pytest.raises(IndexError, match="out of bounds"):
        delta(lambda x: x * x, x, (0, 5))
