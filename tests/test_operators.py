"""What a Tensor computes: every operation by value and by differences, ties, and bad operands."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck
from accelnn.backends import Backend, get_backend
from accelnn.errors import GraphError
from accelnn.graph import unbroadcast
from tests.tolerances import assert_close

#: Operators mean the same for Tensors and for arrays, so each is its own reference.
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": lambda a, b: a.maximum(b) if isinstance(a, Tensor) else np.maximum(a, b),
    "minimum": lambda a, b: a.minimum(b) if isinstance(a, Tensor) else np.minimum(a, b),
    "where": lambda a, b: a.where(a > b, b) if isinstance(a, Tensor) else np.where(a > b, a, b),
    "pow": lambda a, b: a**b,
}
#: Those that Python writes with a sign, which may stand behind an array.
SIGNS = ["add", "sub", "mul", "div", "pow"]
SHAPES = [
    ((), ()),
    ((1,), (1,)),
    ((3, 5), (3, 5)),
    ((3, 5), (5,)),
    ((5,), (3, 5)),
    ((3, 1), (1, 5)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((1, 1), (4, 2)),
    ((2, 1, 3), (4, 1)),
    ((0, 3), (3,)),
]
INDICES: dict[str, Any] = {
    "row": 1,
    "element": (2, 1),
    "negative": -1,
    "slice": (slice(None), slice(1, 3)),
    "step back": slice(None, None, -2),
    "rows": [2, 0],
    "a row three times": [1, 1, 0, 1],
    "pairs": ([0, 0, 2], [1, 1, 3]),
    "ellipsis": (..., 2),
    "all": ...,
    "two new axes": (None, ..., None),
    "a pair and a slice": (slice(1, 3), [0, 0]),
    "a mask of elements": np.arange(12).reshape(3, 4) % 3 == 0,
    "new axis": (slice(None), None, 0),
    "mask": np.array([True, False, True]),
    "nothing": np.array([], np.int64),
}
TWO: Any = np.int64(2)


def probabilities(x: Any, axis: int) -> Any:
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


#: Name -> (on a Tensor, on an array, shape); the inputs are between 0.5 and 2.
UNARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Any], Any], tuple[int, ...]]] = {
    "neg": (lambda x: -x, lambda x: -x, (3, 4)),
    "pow 3": (lambda x: x**3, lambda x: x**3, (3, 4)),
    "pow -1": (lambda x: x**-1, lambda x: 1 / x, (3, 4)),
    "pow 0.5": (lambda x: x**0.5, np.sqrt, (3, 4)),
    "pow NumPy number": (lambda x: x**TWO, lambda x: x * x, (3, 4)),
    "exp": (lambda x: x.exp(), np.exp, (3, 4)),
    "log": (lambda x: x.log(), np.log, (3, 4)),
    "sqrt": (lambda x: x.sqrt(), np.sqrt, (3, 4)),
    "sqrt of none": (lambda x: x.sqrt(), np.sqrt, (0, 4)),
    "2 ** x": (lambda x: 2**x, lambda x: 2**x, (3, 4)),
    "expm1": (lambda x: x.expm1(), np.expm1, (3, 4)),
    "log1p": (lambda x: x.log1p(), np.log1p, (3, 4)),
    "square": (lambda x: x.square(), np.square, (3, 4)),
    "sign": (lambda x: (x - 1).sign(), lambda x: np.sign(x - 1), (3, 4)),
    "sigmoid": (lambda x: x.sigmoid(), lambda x: 1 / (1 + np.exp(-x)), (3, 4)),
    "tanh": (lambda x: x.tanh(), np.tanh, (3, 4)),
    "relu": (lambda x: (x - 1).relu(), lambda x: np.maximum(x - 1, 0), (3, 4)),
    "softmax": (lambda x: x.softmax(), lambda x: probabilities(x, -1), (3, 4)),
    "softmax 0": (lambda x: x.softmax(dim=0), lambda x: probabilities(x, 0), (3, 4)),
    "softmax 1 of 3-D": (lambda x: x.softmax(1), lambda x: probabilities(x, 1), (2, 3, 4)),
    "softmax of a vector": (lambda x: x.softmax(0), lambda x: probabilities(x, 0), (5,)),
    "log softmax": (lambda x: x.log_softmax(1), lambda x: np.log(probabilities(x, 1)), (3, 4)),
    "log softmax 0": (lambda x: x.log_softmax(0), lambda x: np.log(probabilities(x, 0)), (3, 4)),
    "clamp": (lambda x: x.clamp(min=0.8, max=1.5), lambda x: np.clip(x, 0.8, 1.5), (3, 4)),
    "clone": (lambda x: x.clone() * x, np.square, (3, 4)),
    "view": (lambda x: x.view(2, -1), lambda x: x.reshape(2, 6), (3, 4)),
    "flatten": (lambda x: x.flatten(), np.ravel, (2, 3, 4)),
    "flatten from 1": (lambda x: x.flatten(1), lambda x: x.reshape(2, 12), (2, 3, 4)),
    "flatten to 1": (lambda x: x.flatten(0, 1), lambda x: x.reshape(6, 4), (2, 3, 4)),
    "flatten 0-D": (lambda x: x.flatten(), np.ravel, ()),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda x: x[:, None], (3, 4)),
    "unsqueeze -1": (lambda x: x.unsqueeze(-1), lambda x: x[..., None], (3, 4)),
    "squeeze": (lambda x: x.squeeze(), np.squeeze, (1, 3, 1)),
    "squeeze 0": (lambda x: x.squeeze(0), lambda x: x[0], (1, 3, 1)),
    "squeeze of 3": (lambda x: x.squeeze(1), lambda x: x, (1, 3, 1)),
    "mT": (lambda x: x.mT, lambda x: x.swapaxes(1, 2), (2, 3, 4)),
    "t": (lambda x: x.t(), np.transpose, (3, 4)),
    "t of a vector": (lambda x: x.t(), lambda x: x, (3,)),
    "transpose": (lambda x: x.transpose(0, -1), lambda x: x.swapaxes(0, 2), (2, 3, 4)),
    "transpose all": (lambda x: x.transpose(), np.transpose, (2, 3, 4)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda x: x.transpose(2, 0, 1), (2, 3, 4)),
    "permute by a tuple": (
        lambda x: x.permute((1, 2, 0)),
        lambda x: x.transpose(1, 2, 0),
        (2, 3, 4),
    ),
    "movedim": (lambda x: x.movedim(0, -1), lambda x: np.moveaxis(x, 0, -1), (2, 3, 4)),
    "expand": (lambda x: x.expand(2, 3, -1), lambda x: np.broadcast_to(x, (2, 3, 4)), (3, 4)),
    "expand 1": (lambda x: x.expand(3, 5), lambda x: np.broadcast_to(x, (3, 5)), (3, 1)),
    "broadcast": (lambda x: x.broadcast_to((2, 3)), lambda x: np.broadcast_to(x, (2, 3)), ()),
    "double": (lambda x: x.double() * x, np.square, (3, 4)),
    "there and back": (lambda x: x.to("numba").square().to(x.backend), np.square, (3, 4)),
    "abs": (lambda x: (x - 1).abs(), lambda x: np.abs(x - 1), (3, 4)),
    "abs()": (lambda x: abs(1 - x), lambda x: np.abs(1 - x), (3, 4)),
    "clip": (lambda x: x.clip(0.8, 1.5), lambda x: np.clip(x, 0.8, 1.5), (3, 4)),
    "clip from below": (lambda x: x.clip(low=1), lambda x: np.clip(x, 1, None), (3, 4)),
    "clip from above": (lambda x: x.clip(high=1), lambda x: np.clip(x, None, 1), (3, 4)),
    "maximum with a number": (lambda x: x.maximum(1), lambda x: np.maximum(x, 1), (3, 4)),
    "sum": (lambda x: x.sum(), np.sum, (3, 4)),
    "sum of none": (lambda x: x.sum(), np.sum, (0, 4)),
    "sum 0": (lambda x: x.sum(0), lambda x: x.sum(0), (3, 4)),
    "sum -1, kept": (lambda x: x.sum(-1, True), lambda x: x.sum(-1, keepdims=True), (3, 4)),
    "sum of 3-D": (lambda x: x.sum(axis=1), lambda x: x.sum(1), (2, 3, 4)),
    "mean": (lambda x: x.mean(), np.mean, (3, 4)),
    "mean 1": (lambda x: x.mean(1), lambda x: x.mean(1), (3, 4)),
    "mean -2, kept": (lambda x: x.mean(-2, True), lambda x: x.mean(-2, keepdims=True), (2, 3, 4)),
    "reshape": (lambda x: x.reshape(2, -1), lambda x: x.reshape(2, 6), (3, 4)),
    "reshape to a tuple": (lambda x: x.reshape((4, 3)), lambda x: x.reshape(4, 3), (3, 4)),
    "reshape to 0-D": (lambda x: x.reshape(()), lambda x: x.reshape(()), (1, 1)),
    "T": (lambda x: x.T, np.transpose, (3, 4)),
    "2 + x": (lambda x: 2 + x, lambda x: 2 + x, (3, 4)),
    "2 - x": (lambda x: 2 - x, lambda x: 2 - x, (3, 4)),
    "2 * x": (lambda x: 2 * x, lambda x: 2 * x, (3, 4)),
    "2 / x": (lambda x: 2 / x, lambda x: 2 / x, (3, 4)),
    "x / 2": (lambda x: x / 2, lambda x: x / 2, (3, 4)),
    "np.float64(2) - x": (lambda x: np.float64(2) - x, lambda x: 2 - x, (3, 4)),
}


def leaf(values: Any, backend: Backend, dtype: Any = "float64") -> Tensor:
    return Tensor(values, True, dtype=dtype, backend=backend)


def grad(x: Tensor) -> Any:
    """Return a gradient that must be there, on the host."""
    assert x.grad is not None
    return x.grad.numpy()


def positive(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.5, 2, shape)


# Operations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_binary(backend: Backend, name: str, shapes: tuple[Any, Any], rng: Any) -> None:
    arrays = [positive(rng, shape) for shape in shapes]
    a, b = (leaf(x, backend) for x in arrays)
    y = BINARY[name](a, b)
    assert_close(y.numpy(), np.asarray(BINARY[name](*arrays)))
    assert f"op={name}" in repr(y)
    gradcheck(BINARY[name], a, b)
    y.backward(np.ones(y.shape))
    assert (grad(a).shape, grad(b).shape) == shapes


@pytest.mark.parametrize("name", BINARY)
def test_one_operand_twice(backend: Backend, name: str, rng: Any) -> None:
    x = positive(rng, (2, 3))
    assert_close(BINARY[name](leaf(x, backend), leaf(x, backend)).numpy(), BINARY[name](x, x))
    gradcheck(lambda t: BINARY[name](t, t), leaf(x, backend))


@pytest.mark.parametrize("name", UNARY)
def test_unary(backend: Backend, name: str, rng: Any) -> None:
    on_tensor, on_array, shape = UNARY[name]
    x = positive(rng, shape)
    y = on_tensor(leaf(x, backend))
    assert_close(y.numpy(), np.asarray(on_array(x)), length=x.size)
    gradcheck(on_tensor, leaf(x, backend))


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_getitem(backend: Backend, index: Any, rng: Any) -> None:
    x = rng.normal(size=(3, 4))
    assert_close(leaf(x, backend)[index].numpy(), np.asarray(x[index]))
    gradcheck(lambda t: t[index] * t[index], leaf(x, backend))


def test_getitem_counts_repetitions(backend: Backend) -> None:
    x = leaf([1.0, 2.0, 3.0], backend)
    x[Tensor([2, 2, 0], backend=backend)].sum().backward()
    assert_close(grad(x), np.array([1.0, 0.0, 2.0]))


@pytest.mark.parametrize("name", SIGNS)
def test_arrays_on_the_left(name: str, rng: Any) -> None:
    """NumPy leaves the operation to the Tensor, for numbers of its own and for arrays."""
    a, b = positive(rng, (3, 4)), positive(rng, (4,))
    for left in (a, a[0, 0], np.float32(3)):
        t = leaf(b, get_backend("numpy"))
        y = BINARY[name](left, t)
        assert isinstance(y, Tensor)
        assert_close(y.numpy(), BINARY[name](left, b))
        gradcheck(partial(BINARY[name], left), t)


def test_transpose_and_power_say_what_they_take() -> None:
    with pytest.raises(ValueError, match=r"transpose of a matrix, got shape \(3,\)"):
        _ = Tensor([1.0, 2.0, 3.0]).T
    with pytest.raises(TypeError, match="expected numbers, got str"):
        Tensor([1.0]) ** "2"


@pytest.mark.parametrize(("power", "slope"), [(0, 0.0), (1, 1.0), (2, 0.0), (0.0, 0.0)])
def test_powers_at_zero(backend: Backend, power: float, slope: float) -> None:
    x = leaf([0.0], backend)
    (x**power).backward()
    assert_close(grad(x), np.array([slope]))


def test_unbroadcast_sums_what_was_copied() -> None:
    g = np.arange(24.0).reshape(2, 3, 4)
    assert_close(unbroadcast(g, (3, 1)), g.sum(axis=(0, 2)).reshape(3, 1))
    assert_close(unbroadcast(g, ()), np.asarray(g.sum()))
    assert unbroadcast(g, (2, 3, 4)) is g


# Choice -------------------------------------------------------------------------------------------


def slopes(y: Tensor, *inputs: Tensor) -> list[Any]:
    y.sum().backward()
    return [grad(x).tolist() for x in inputs]


def test_equal_elements_share_the_gradient(backend: Backend) -> None:
    a, b = leaf([1.0, 2.0, 3.0], backend), leaf([3.0, 2.0, 1.0], backend)
    assert slopes(a.maximum(b), a, b) == [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]
    a, b = leaf([1.0, 2.0, 3.0], backend), leaf([3.0, 2.0, 1.0], backend)
    assert slopes(a.minimum(b), a, b) == [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]


def test_slopes_at_the_kinks(backend: Backend) -> None:
    x = leaf([-1.0, 0.0, 1.0, 2.0], backend)
    assert slopes(x.abs(), x) == [[-1.0, 0.0, 1.0, 1.0]]
    x = leaf([-1.0, 0.0, 1.0, 2.0], backend)
    assert slopes(x.clip(0, 1), x) == [[0.0, 1.0, 1.0, 0.0]]  # as in PyTorch, limits included


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_stays_nan_and_the_dtype_too(backend: Backend, dtype: str) -> None:
    nan, one = (leaf([x], backend, dtype) for x in (np.nan, 1.0))
    found = [nan.maximum(1), one.maximum(nan), nan.minimum(one), nan.clip(0, 1), nan.abs()]
    for y in found:
        assert_close(y.numpy(), np.array([np.nan], dtype))
    for y in (nan.abs(), nan.sqrt()):
        nan.grad = None
        y.backward()
        assert_close(grad(nan), np.array([np.nan], dtype))


def test_comparisons(backend: Backend) -> None:
    a = leaf([1.0, 2.0, 3.0], backend)
    for y, expected in (
        (a < 2, [True, False, False]),
        (a <= [2.0, 2.0, 2.0], [True, True, False]),
        (a > Tensor([2.0], backend=backend), [False, False, True]),
        (a >= 2, [False, True, True]),
    ):
        assert (y.tolist(), str(y.dtype), y.requires_grad) == (expected, "bool", False)


def test_an_array_compared_with_a_tensor() -> None:
    y: Any = np.array([1.0, 3.0]) < leaf([2.0, 2.0], get_backend("numpy"))
    assert isinstance(y, Tensor)
    assert y.tolist() == [True, False]


def test_the_condition_of_where(backend: Backend, rng: Any) -> None:
    """It may be an array, and broadcasts like the two operands."""
    a, b = rng.normal(size=(3, 1)), rng.normal(size=(1, 4))
    chosen = rng.uniform(size=(2, 3, 4)) > 0.5
    for condition in (chosen, Tensor(chosen, backend=backend), chosen.tolist()):
        y = leaf(a, backend).where(condition, b)
        assert_close(y.numpy(), np.where(chosen, a, b))
    gradcheck(lambda s, t: s.where(chosen, t), leaf(a, backend), leaf(b, backend))
    with pytest.raises(TypeError, match="where expects a condition of bool, got float64"):
        leaf(a, backend).where(a, b)


def test_equality_and_identity(backend: Backend) -> None:
    a, b = leaf([1.0, 2.0], backend), leaf([1.0, 3.0], backend)
    assert (a == b).tolist() == a.eq(b).tolist() == [True, False]
    assert (a != b).tolist() == a.ne([1.0, 3.0]).tolist() == [False, True]
    assert {a: "a", b: "b"}[a] == "a"
    assert len({a, b, a}) == 2
    assert (a == None) is False  # noqa: E711
    assert (a != "a") is True


def test_logic(backend: Backend) -> None:
    a, b = (Tensor(x, backend=backend) for x in ([True, True, False], [True, False, False]))
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    assert (Tensor([6], backend=backend) & 3).tolist() == [2]
    x = leaf([0.5], backend)
    with pytest.raises(TypeError, match=r"& takes .* got float64; put comparisons in brackets"):
        _ = x & x
    with pytest.raises(TypeError, match="~ takes a tensor of bool"):
        _ = ~x


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1, 2], [0.5, 0.5], "float32"),
        ([1, 2], np.array([0.5, 0.5]), "float64"),
        ([1.0, 2.0], np.array([1, 2]), "float32"),
        ([True, False], [0.5, 0.5], "float32"),
        ([1.0, 2.0], np.array([0.5, 0.5]), "float64"),
        ([1, 2], [3, 4], "int64"),
        ([True, False], 1, "int64"),
        ([1, 2], 0.5, "float32"),
    ],
    ids=str,
)
def test_integers_beside_floats(backend: Backend, left: Any, right: Any, expected: str) -> None:
    a = Tensor(left, backend=backend)
    for y in (a + right, right + a if not isinstance(right, list) else a * right):
        assert str(y.dtype) == expected
    assert_close(
        (a - right).numpy() if expected != "int64" else (a * 1).numpy(),
        (np.array(left) - np.array(right)).astype(expected)
        if expected != "int64"
        else np.array(left).astype("int64"),
    )


def test_integers_divided_and_rooted_are_float32(backend: Backend) -> None:
    x = Tensor([1, 4], backend=backend)
    for y in (x / 2, x / x, x.sqrt(), x.exp(), x**0.5, x.sigmoid()):
        assert str(y.dtype) == "float32"
    assert (x // 3).tolist() == [0, 1]
    assert str((x // 3).dtype) == "int64"
    with pytest.raises(GraphError, match="// has no derivative"):
        leaf([1.0], backend) // 2


def test_powers_of_zero_by_tensors(backend: Backend) -> None:
    """PyTorch's slopes: 0 where the formula has no value."""
    a, b = leaf([0.0, 2.0, 0.0], backend), leaf([0.0, 3.0, 2.0], backend)
    assert slopes(a**b, a, b) == [[0.0, 12.0, 0.0], [0.0, 8 * np.log(2.0), 0.0]]
