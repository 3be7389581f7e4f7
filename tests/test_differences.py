"""gradcheck must notice a wrong derivative, and nothing else."""

from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck
from accelnn.autograd import record
from accelnn.backends import Backend
from accelnn.errors import GraphError
from tests.golden_graph import Golden


def square(x: Tensor, slope: float = 2.0) -> Tensor:
    """``x²`` whose backward is right for ``slope`` 2."""
    return record("square", x.array * x.array, (x,), lambda g: (g * slope * x.array,))


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def test_right_derivatives_pass(backend: Backend, rng: Any) -> None:
    x = leaf(rng.normal(size=(3, 4)), backend)
    checks = gradcheck(square, x, directions=5)
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
    with pytest.raises(GraphError, match="gradcheck failed"):
        gradcheck(lambda x: square(x, slope), leaf(rng.normal(size=(3, 4)), backend))


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
        sides = [f(golden.tensor("x", backend) + step).item() for step in (eps, -eps)]
        golden.equal((sides[0] - sides[1]) / (2 * eps), expected)
    gradcheck(f, golden.tensor("x", backend, True))
