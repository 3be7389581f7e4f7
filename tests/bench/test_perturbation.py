"""The gradient by perturbation, and what it costs."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, nn
from accelnn.backends import get_backend
from accelnn.bench.perturbation import central_differences, forward_differences
from accelnn.bench.stacks import relu_stack
from accelnn.bench.test_backprop_cost import METHODS, counted
from accelnn.kernels import load

BOTH = pytest.mark.parametrize("method", [forward_differences, central_differences])


@BOTH
def test_of_a_product_the_gradient_is_the_input(method: Any) -> None:
    model = nn.Linear(2, 3, bias=False, dtype="float64", backend="numpy")
    (found,) = method(model, Tensor([[3.0, -5.0]], backend="numpy", dtype="float64"))
    np.testing.assert_allclose(found, [[3, -5]] * 3, rtol=1e-8)


def test_central_differences_are_exact_on_a_parabola() -> None:
    """(w + e)² - (w - e)² = 4 w e, where a forward difference is e too big."""

    class Square(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(1, 1, bias=False, dtype="float64", backend="numpy")
            self.inner.weight.array[...] = 0.5

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) ** 2

    one = Tensor([[1.0]], backend="numpy", dtype="float64")
    assert forward_differences(Square(), one)[0][0, 0] - 1 == pytest.approx(1e-6, rel=1e-2)
    assert central_differences(Square(), one)[0][0, 0] - 1 == pytest.approx(0, abs=1e-9)


@BOTH
def test_the_weights_are_put_back(method: Any) -> None:
    model = relu_stack((3, 2, 2), "numpy", "float64")
    before = [p.numpy().copy() for p in model.parameters()]
    method(model, Tensor([[1.0, 2.0, 3.0]], backend="numpy", dtype="float64"))
    for parameter, data in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), data)


@pytest.mark.parametrize("widths", [(5, 3), (3, 2, 2, 3)])
@pytest.mark.parametrize(
    ("name", "method", "passes"),
    [
        ("forward differences", forward_differences, lambda n: n + 1),
        ("central differences", central_differences, lambda n: 2 * n),
    ],
)
def test_operations_are_those_that_are_done(
    name: str, method: Any, passes: Any, widths: tuple[int, ...]
) -> None:
    done: Counter[str] = Counter()
    reference: Any = load("reference")

    def around(kernel_name: str, kernel: Any) -> Any:
        def spied(*arrays: Any, out: Any = None, **how: Any) -> Any:
            cost = reference[kernel_name].cost(*arrays, **how)
            done.update({"*": cost.multiplications, "+": cost.additions, kernel_name: 1})
            return kernel(*arrays, out=out, **how)

        return spied

    spy = get_backend("numpy").intercept(around)
    model = relu_stack(widths, spy, "float64", bias=False)
    method(model, Tensor(np.ones((1, widths[0])), backend=spy))
    weights = sum(int(np.prod(p.shape)) for p in model.parameters())
    assert done["matmul"] == passes(weights) * (len(widths) - 1)
    assert (done["*"], done["+"]) == counted(name, widths)


def test_counts_of_all_methods() -> None:
    """Of a 3 x 5 matrix times a vector: P = 15, and every path has one weight."""
    found = {name: counted(name, (5, 3)) for name in METHODS}
    assert found == {
        "forward": (15, 12),
        "backward": (15, 0),
        "forward differences": (16 * 15, 16 * 12),
        "central differences": (30 * 15, 30 * 12),
        "sum over paths": (15, 0),
    }
    assert counted("forward", (784, 512, 512, 10))[0] == 668_672
    assert counted("backward", (784, 512, 512, 10))[0] == 935_936
