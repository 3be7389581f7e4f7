"""Each function is the method of its name: values against NumPy, gradients by gradcheck."""

from typing import Any

import numpy as np
import pytest

import accelnn as torch
from accelnn import Tensor, functions, gradcheck
from accelnn.backends import Backend


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


A = np.array([[0.5, 2.0, 1.5], [3.0, 0.25, 1.0]])
B = np.array([[1.0, 0.5, 4.0], [2.0, 0.75, 1.25]])

#: name -> (arguments of which the first is A, what NumPy gives)
UNARY: dict[str, tuple[tuple[Any, ...], Any]] = {
    "square": ((), A**2),
    "exp": ((), np.exp(A)),
    "expm1": ((), np.expm1(A)),
    "log": ((), np.log(A)),
    "log1p": ((), np.log1p(A)),
    "sqrt": ((), np.sqrt(A)),
    "abs": ((), A),
    "neg": ((), -A),
    "sigmoid": ((), sigmoid(A)),
    "tanh": ((), np.tanh(A)),
    "relu": ((), A),
    "pow": ((3,), A**3),
    "clamp": ((0.6, 2.5), np.clip(A, 0.6, 2.5)),
    "clip": ((None, 2.5), np.clip(A, None, 2.5)),
    "softmax": ((1,), softmax(A)),
    "log_softmax": ((1,), np.log(softmax(A))),
    "sum": ((0,), A.sum(axis=0)),
    "mean": ((1, True), A.mean(axis=1, keepdims=True)),
    "prod": ((1,), A.prod(axis=1)),
    "var": ((0,), A.var(axis=0, ddof=1)),
    "std": ((1, 0), A.std(axis=1)),
    "reshape": (((3, 2),), A.reshape(3, 2)),
    "unsqueeze": ((1,), A[:, None]),
    "transpose": ((0, 1), A.T),
    "permute": (((1, 0),), A.T),
    "flatten": ((), A.ravel()),
}
BINARY: dict[str, Any] = {
    "add": A + B,
    "sub": A - B,
    "mul": A * B,
    "div": A / B,
    "maximum": np.maximum(A, B),
    "minimum": np.minimum(A, B),
}


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def close(actual: Tensor, expected: Any) -> None:
    assert actual.shape == np.shape(expected)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", UNARY)
def test_of_one_tensor(backend: Backend, name: str) -> None:
    function, (arguments, expected) = getattr(torch, name), UNARY[name]
    x = leaf(A, backend)
    close(function(x, *arguments), expected)
    gradcheck(lambda x: function(x, *arguments), x)
    with torch.use_backend(backend):
        made = function(A, *arguments)  # an array will do
    assert made.backend is backend
    close(made, expected)


@pytest.mark.parametrize("name", BINARY)
def test_of_two(backend: Backend, name: str) -> None:
    function, expected = getattr(torch, name), BINARY[name]
    a, b = leaf(A, backend), leaf(B, backend)
    close(function(a, b), expected)
    close(function(a, B), expected)
    close(function(A, b), expected)
    gradcheck(function, a, b)
    one = function(2.0, b)
    assert one.shape == (2, 3)
    assert str(one.dtype) == "float64"


def test_negative_numbers(backend: Backend) -> None:
    x = leaf([-2.0, 0.0, 3.0], backend)
    close(torch.abs(x), [2.0, 0.0, 3.0])
    close(torch.relu(x), [0.0, 0.0, 3.0])
    close(torch.sign(x), [-1.0, 0.0, 1.0])


def test_where(backend: Backend) -> None:
    a, b = leaf(A, backend), leaf(B, backend)
    close(torch.where(a > b, a, b), np.maximum(A, B))
    close(torch.where(a > 1, a, 0.0), np.where(A > 1, A, 0))
    close(torch.where(a > 1, 7.0, a), np.where(A > 1, 7.0, A))
    gradcheck(lambda a, b: torch.where(A > B, a, b), a, b)


def test_extremes(backend: Backend) -> None:
    x = leaf(A, backend)
    assert (torch.max(x).item(), torch.min(x).item()) == (3.0, 0.25)
    values, indices = torch.max(x, 1)
    assert (values.tolist(), indices.tolist()) == ([2.0, 3.0], [1, 0])
    values, indices = torch.min(x, dim=0, keepdim=True)
    assert (values.tolist(), indices.tolist()) == ([[0.5, 0.25, 1.0]], [[0, 1, 1]])
    close(torch.max(x, leaf(B, backend)), np.maximum(A, B))
    assert torch.argmax(x, 1).tolist() == [1, 0]
    assert torch.argmin(x).item() == 4
    assert torch.all(x > 0).item() is True
    assert torch.any(x > 5).item() is False
    assert torch.any(x > 2, axis=0).tolist() == [True, False, False]


def test_both_names_of_an_axis(backend: Backend) -> None:
    x = leaf(A, backend)
    for name in ("sum", "mean", "prod", "var", "std"):
        function = getattr(torch, name)
        theirs, ours = function(x, dim=1, keepdim=True), function(x, axis=1, keepdims=True)
        close(theirs, ours.numpy())
        assert theirs.shape == (2, 1)


def test_products(backend: Backend) -> None:
    a, b = leaf(A, backend), leaf(B.T, backend)
    close(torch.matmul(a, b), A @ B.T)
    close(torch.mm(a, B.T), A @ B.T)
    close(torch.matmul(A, b), A @ B.T)
    close(torch.dot(leaf([1.0, 2.0], backend), [3.0, 4.0]), np.asarray(11.0))
    gradcheck(torch.matmul, a, b)
    with pytest.raises(ValueError, match="mm"):
        torch.mm(leaf([1.0], backend), b)
    with pytest.raises(ValueError, match="dot"):
        torch.dot(a, b)


def test_joining(backend: Backend) -> None:
    a, b = leaf(A, backend), leaf(B, backend)
    close(torch.cat([a, b], dim=1), np.concatenate([A, B], axis=1))
    close(torch.stack([a, b]), np.stack([A, B]))
    gradcheck(lambda a, b: torch.cat((a, b)), a, b)
    gradcheck(lambda a, b: torch.stack((a, b), dim=1), a, b)


def test_squeeze(backend: Backend) -> None:
    x = leaf(np.ones((1, 2, 1)), backend)
    assert torch.squeeze(x).shape == (2,)
    assert torch.squeeze(x, 0).shape == (2, 1)


def test_comparisons(backend: Backend) -> None:
    x = leaf(A, backend)
    assert torch.allclose(x, A + 1e-7)
    assert not torch.allclose(x, A + 1e-3)
    assert torch.allclose(x, A + 1e-3, atol=1e-2)
    assert not torch.allclose(leaf([np.nan], backend), [np.nan])
    assert torch.allclose(leaf([np.nan], backend), [np.nan], equal_nan=True)
    assert torch.equal(x, leaf(A, backend))
    assert not torch.equal(x, A[:1])
    assert torch.is_tensor(x)
    assert not torch.is_tensor(A)
    assert torch.numel(x) == 6


def test_every_function_is_public() -> None:
    found = {
        n for n, f in vars(functions).items() if getattr(f, "__module__", "") == functions.__name__
    }
    for name in {n for n in found if not n.startswith("_")} | {"clip"}:
        assert getattr(torch, name) is getattr(functions, name)


def test_names_outside_the_project() -> None:
    for name in ("conv2d", "jit", "compile"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}': PyTorch's is outside"):
            getattr(torch, name)
    with pytest.raises(AttributeError, match=r"no attribute 'sigmoyd'; did you mean 'sigmoid'\?$"):
        torch.sigmoyd  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute '__wrapped__'$"):
        torch.__wrapped__  # noqa: B018
    assert not set(torch._OUTSIDE) & set(torch._HOME)


def test_import_star_leaves_pythons_own() -> None:
    names: dict[str, Any] = {}
    exec("from accelnn import *", names)
    assert "sigmoid" in names
    assert {"sum", "max", "abs", "bool", "float", "pow", "all"} & set(names) == set()
    assert "sum" in dir(torch)
