"""The layer by hand: equal to what the graph gives, and to the golden values."""

from typing import Any

import numpy as np
import pytest

from accelnn import Parameter, Tensor, nn
from accelnn.backends import Backend
from accelnn.nn import functional as F
from accelnn.nn.dense import ACTIVATIONS
from tests.golden.entries import Golden, linear
from tests.tolerances import assert_close

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def on_graph(layer: nn.Dense, activation: str, x: Any, da: Any, backend: Backend) -> list[Any]:
    """Return a, da_prev, dW and db of the same layer through ``F.linear`` and the activation."""
    leaf = Tensor(x, True, backend=backend)
    layer.weight.grad = None
    a = getattr(F, activation)(F.linear(leaf, layer.weight, layer.bias))
    a.backward(da)
    found = [a, leaf.grad, layer.weight.grad]
    if layer.bias is not None:
        found.append(layer.bias.grad)
        layer.bias.grad = None
    assert all(each is not None for each in found)
    return [each.numpy() for each in found if each is not None]


@activations
@dtypes
@pytest.mark.parametrize("shape", [(7, 5), (1, 5), (5,), (0, 5)], ids=str)
def test_equals_the_graph(
    backend: Backend, activation: str, dtype: str, shape: tuple[int, ...], rng: Any
) -> None:
    layer = nn.Dense(5, 3, activation, dtype=dtype, backend=backend)
    x = rng.normal(size=shape).astype(dtype) * 4
    da = rng.normal(size=(*shape[:-1], 3)).astype(dtype)
    a, cache = layer.forward(x)
    da_prev, dw, db = layer.backward(da, cache)
    expected = on_graph(layer, activation, x, da, backend)
    for ours, theirs in zip((a, da_prev, dw, db), expected, strict=True):
        assert_close(backend.to_numpy(ours), theirs, length=7)
    assert tuple(dw.shape) == (3, 5)
    assert tuple(db.shape) == (3,)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_golden(backend: Backend, activation: str) -> None:
    golden = Golden(f"S0-G07-{activation}")
    layer = nn.Dense.of(linear(golden.inputs["W"], golden.inputs["b"], backend), activation)
    a, cache = layer.forward(golden.tensor("A_prev", backend))
    da_prev, dw, db = layer.backward(golden.tensor("dA", backend), cache)
    golden.check("Z", backend.to_numpy(cache.z))
    golden.check("A", backend.to_numpy(a))
    golden.check("dA_prev", backend.to_numpy(da_prev))
    golden.check("dW_sum", backend.to_numpy(dw))
    golden.check("db_sum", backend.to_numpy(db))
    mean = layer.backward(np.array(golden.inputs["dA"]) / 3, cache)  # 1/m comes in with dA
    golden.check("dW_mean", backend.to_numpy(mean[1]))
    golden.check("db_mean", backend.to_numpy(mean[2]))


def test_two_layers_by_hand(backend: Backend, rng: Any) -> None:
    """The cache of one layer per pass: backward through a network equals the graph's."""
    model = nn.Sequential(
        nn.Linear(3, 4, dtype="float64", backend=backend),
        nn.Tanh(),
        nn.Linear(4, 2, dtype="float64", backend=backend),
    )
    first, last = (nn.Dense.of(m, g) for m, g in ((model[0], "tanh"), (model[2], "identity")))  # type: ignore[arg-type]
    x, t = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    a1, cache1 = first.forward(x)
    a2, cache2 = last.forward(a1)
    da1, dw2, db2 = last.backward(2 * (backend.to_numpy(a2) - t) / t.size, cache2)
    _, dw1, db1 = first.backward(da1, cache1)
    nn.MSELoss()(model(x), t).backward()
    for ours, parameter in zip((dw1, db1, dw2, db2), model.parameters(), strict=True):
        assert parameter.grad is not None
        assert_close(backend.to_numpy(ours), parameter.grad.numpy(), length=6)


def test_shares_the_parameters_of_a_linear(backend: Backend) -> None:
    layer = nn.Linear(2, 2, backend=backend)
    dense = nn.Dense.of(layer, "relu")
    assert dense.weight is layer.weight
    assert dense.bias is layer.bias
    assert repr(dense) == "Dense(2, 2, activation='relu')"


def test_without_bias(backend: Backend) -> None:
    dense = nn.Dense.of(linear([[2.0, 3.0]], None, backend))
    a, cache = dense.forward([1.0, 1.0])
    da_prev, dw, db = dense.backward([2.0], cache)
    assert (a.tolist(), da_prev.tolist(), dw.tolist(), db) == (
        [5.0],
        [4.0, 6.0],
        [[2.0, 2.0]],
        None,
    )


def test_a_weight_in_c_order(backend: Backend) -> None:
    layer = nn.Dense(2, 1, backend=backend)
    layer.weight = Parameter(np.array([[2.0, 3.0]], "float32"), backend=backend)
    layer.bias = None
    a, cache = layer.forward([[1, 1], [0, 2]])
    assert a.tolist() == [[5.0], [6.0]]
    assert layer.backward([[1], [1]], cache)[0].tolist() == [[2.0, 3.0], [2.0, 3.0]]


def test_nothing_of_the_user_is_written_to(backend: Backend, rng: Any) -> None:
    layer = nn.Dense(4, 3, "relu", dtype="float64", backend=backend)
    x, da = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    before = x.copy(), da.copy()
    _, cache = layer.forward(x)
    layer.backward(da, cache)
    first = backend.to_numpy(cache.a).copy()
    layer.backward(da, cache)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(da, before[1])
    np.testing.assert_array_equal(backend.to_numpy(cache.a), first)


# Errors -------------------------------------------------------------------------------------------


def test_unknown_activation() -> None:
    with pytest.raises(ValueError, match=r"activation must be one of identity, .*; got 'swish'"):
        nn.Dense(2, 2, "swish")


@pytest.mark.parametrize("other", [nn.Maxout(2, 3), nn.ReLU()], ids=str)
def test_of_something_else(other: Any) -> None:
    with pytest.raises(TypeError, match=r"Dense.of\(\) takes a Linear, got (Maxout|ReLU)"):
        nn.Dense.of(other)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 2), ()], ids=str)
def test_input_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a_prev of shape \(n, 2\), or \(2,\) for one example"):
        nn.Dense(2, 1).forward(np.ones(shape, "float32"))


@pytest.mark.parametrize("shape", [(1,), (2, 1), (3,), (3, 2)], ids=str)
def test_gradient_of_another_shape(shape: tuple[int, ...]) -> None:
    layer = nn.Dense(2, 1)
    _, cache = layer.forward(np.ones((3, 2), "float32"))
    with pytest.raises(
        ValueError, match=r"Dense expects da of|da must have the shape of the output"
    ):
        layer.backward(np.ones(shape, "float32"), cache)


def test_floats_of_another_dtype() -> None:
    with pytest.raises(TypeError, match="Dense of float32 got a_prev of float64; convert it"):
        nn.Dense(2, 1).forward(np.ones((3, 2)))
