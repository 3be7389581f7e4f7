"""Matrix products of matrices, vectors and stacks, by value and by differences."""

from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck
from accelnn.backends import Backend, get_backend
from tests.tolerances import assert_close


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 2), (0, 4, 2), (3, 0, 2), (7, 5, 9)], ids=str)
def test_matmul(backend: Backend, shape: tuple[int, int, int], rng: Any) -> None:
    n, k, m = shape
    a, b = rng.normal(size=(n, k)), rng.normal(size=(k, m))
    y = leaf(a, backend) @ leaf(b, backend)
    assert_close(y.numpy(), a @ b, length=k)
    gradcheck(lambda s, t: s @ t, leaf(a, backend), leaf(b, backend))
    gradcheck(lambda s, t: t.T @ s.T, leaf(a, backend), leaf(b, backend))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((4, 2, 3), (3, 5)),
        ((4, 2, 3), (3,)),
        ((3,), (4, 3, 2)),
        ((2, 3), (4, 3, 5)),
        ((4, 2, 3), (4, 3, 5)),
        ((1, 6, 2, 3), (4, 1, 3, 5)),
        ((0, 2, 3), (3, 5)),
    ],
    ids=str,
)
def test_matmul_of_vectors_and_stacks(backend: Backend, shapes: Any, rng: Any) -> None:
    a, b = (rng.normal(size=shape) for shape in shapes)
    assert_close((leaf(a, backend) @ leaf(b, backend)).numpy(), np.asarray(a @ b), length=3)
    gradcheck(lambda s, t: s.matmul(t), leaf(a, backend), leaf(b, backend))


def test_mm_and_dot(backend: Backend) -> None:
    a, b = leaf([[1.0, 2.0]], backend), leaf([[3.0], [4.0]], backend)
    assert a.mm(b).tolist() == [[11.0]]
    assert a[0].dot(b.flatten()).item() == 11.0
    with pytest.raises(ValueError, match=r"two matrices, got \(2,\) and"):
        a[0].mm(b)
    with pytest.raises(ValueError, match=r"two vectors, got \(1, 2\) and"):
        a.dot(b)


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3)), ((3,), (2, 3)), ((2, 3), (2,)), ((), (3, 2)), ((3,), ())], ids=str
)
def test_matmul_names_shapes_that_do_not_fit(shapes: Any) -> None:
    a, b = (Tensor(np.ones(s)) for s in shapes)
    with pytest.raises(ValueError, match=r"\(n, k\) @ \(k, m\), .* got \("):
        a @ b


def test_array_matmul_tensor(rng: Any) -> None:
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    t = leaf(b, get_backend("numpy"))
    assert_close((a @ t).numpy(), a @ b, length=3)
    assert_close((t.T @ a.T).numpy(), b.T @ a.T, length=3)
    gradcheck(lambda x: a @ x, t)
