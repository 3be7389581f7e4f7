"""The affine layer: values, shapes, layouts of the weight, and its errors."""

import math
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Parameter, Tensor, gradcheck, nn
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import Golden, linear
from tests.tolerances import assert_close


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def test_by_hand(backend: Backend) -> None:
    layer = linear([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], [1, 1, 1], backend)
    assert layer(np.ones((1, 4))).tolist() == [[11, 27, 43]]
    assert layer(np.ones((100, 4))).tolist() == [[11, 27, 43]] * 100


def test_golden_without_bias(backend: Backend) -> None:
    golden = Golden("S0-G12")
    layer = linear(golden.inputs["W"], None, backend)
    golden.check("y", layer(golden.tensor("x", backend)))
    assert layer.bias is None
    assert sum(p.array.size for p in layer.parameters()) == golden.expected["n_params"]


def test_golden_batch(backend: Backend) -> None:
    golden = Golden("S1-G06")
    layer = linear(golden.inputs["W"], golden.inputs["B"][0], backend)
    golden.check("Z", layer(golden.tensor("X", backend)))


@pytest.mark.parametrize("name", ["S0-G09", "S1-G14"])
def test_golden_shapes(backend: Backend, name: str) -> None:
    golden = Golden(name)
    layer = nn.Linear(golden.inputs.get("in_features", 4), 3, backend=backend)
    for given, expected in zip(
        golden.inputs["input_shapes"], golden.expected["output_shapes"], strict=True
    ):
        assert layer(np.ones(given, "float32")).shape == tuple(expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5), (2, 1, 4, 5), (0, 5), (2, 0, 5)])
def test_any_leading_axes(backend: Backend, shape: Any, bias: bool, rng: Any) -> None:
    w, b = rng.normal(size=(3, 5)), rng.normal(size=3)
    x = rng.normal(size=shape)
    y = F.linear(leaf(x, backend), leaf(w, backend), leaf(b, backend) if bias else None)
    assert_close(y.numpy(), x @ w.T + b * bias, length=5)
    inputs = [leaf(v, backend) for v in ((x, w, b) if bias else (x, w))]
    gradcheck(F.linear, *inputs)


def test_an_empty_batch_has_a_gradient_of_zeros(backend: Backend) -> None:
    layer = nn.Linear(3, 2, backend=backend)
    layer(np.ones((0, 3), "float32")).sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    assert_close(layer.weight.grad.numpy(), np.zeros((2, 3), "float32"))
    assert_close(layer.bias.grad.numpy(), np.zeros(2, "float32"))


def test_no_outputs(backend: Backend) -> None:
    layer = nn.Linear(3, 0, backend=backend)
    y = layer(np.ones((2, 3), "float32"))
    y.sum().backward()
    assert y.shape == (2, 0)
    assert layer.weight.grad is not None
    assert layer.weight.grad.shape == (0, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 3), (5, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layout_of_the_weight_changes_no_value(
    backend: Backend, dtype: str, shape: tuple[int, int], rng: Any
) -> None:
    """A Linear's own weight is the transpose of its storage; a user's is C-ordered, or neither."""
    w = rng.normal(size=shape).astype(dtype)
    x = rng.normal(size=(6, shape[1])).astype(dtype)
    g = rng.normal(size=(6, shape[0])).astype(dtype)
    wide = np.zeros((shape[0] * 2, shape[1] * 2), dtype)
    wide[::2, ::2] = w
    weights = [
        nn.Linear(shape[1], shape[0], dtype=dtype, backend=backend).weight,
        Parameter(w, backend=backend),
        Parameter(backend.asarray(np.asfortranarray(w)), backend=backend),
        Parameter(w, backend=backend),
    ]
    weights[0].array[...] = backend.asarray(w)
    weights[3].array = backend.asarray(wide)[::2, ::2]
    for weight in weights:
        leaf = Tensor(x, True, backend=backend)
        y = F.linear(leaf, weight)
        y.backward(g)
        assert weight.grad is not None
        assert leaf.grad is not None
        assert_close(y.numpy(), x @ w.T, length=shape[1])
        assert_close(leaf.grad.numpy(), g @ w, length=shape[0])
        assert_close(weight.grad.numpy(), g.T @ x, length=6)


@pytest.mark.parametrize("own", [True, False])
def test_matmul_receives_c_ordered_storage(backend: Backend, own: bool) -> None:
    """And a flag, whether the weight is a Linear's own or a user's ordinary (out, in) array."""
    calls = []

    def around(name: str, kernel: Any) -> Any:
        def spied(*args: Any, **how: Any) -> Any:
            if name == "matmul":
                calls.append([a.flags.c_contiguous for a in args])
            return kernel(*args, **how)

        return spied

    layer = nn.Linear(3, 2, bias=False, backend=backend.intercept(around))
    if not own:
        layer.weight = Parameter(np.ones((2, 3), "float32"), backend=layer.weight.backend)
    x = Tensor(np.ones((4, 3), "float32"), True, backend=layer.weight.backend)
    layer(x).backward(np.ones((4, 2), "float32"))
    assert calls == [[True, True]] * 3


def test_strided_input_and_gradient(backend: Backend, rng: Any) -> None:
    x, w, g = rng.normal(size=(5, 8)), rng.normal(size=(3, 5)), rng.normal(size=(3, 8))
    t, layer = leaf(x, backend), linear(w, np.zeros(3), backend)
    layer(t.T).T.backward(g)
    assert t.grad is not None
    assert layer.weight.grad is not None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    assert_close(t.grad.numpy(), w.T @ g, length=3)
    assert_close(layer.weight.grad.numpy(), g @ x.T, length=8)
    assert_close(layer.bias.grad.numpy(), g.sum(1), length=8)


def test_storage_is_c_ordered_and_input_first(backend: Backend) -> None:
    layer = nn.Linear(4, 3, backend=backend)
    assert layer.weight.shape == (3, 4)
    assert layer.weight.array.T.flags.c_contiguous
    w = np.arange(12.0).reshape(4, 3)
    made = nn.Linear.from_storage(w, None, backend)
    assert (made.in_features, made.out_features, made.bias) == (4, 3, None)
    assert made.weight.array.T.flags.c_contiguous
    assert_close(made.weight.numpy(), w.T)


def test_frozen_parts_get_no_gradient(backend: Backend) -> None:
    layer = linear([[1, 2]], [0], backend)
    layer.weight.requires_grad = False
    layer(np.ones((3, 2))).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [3.0]


def test_default_start(backend: Backend) -> None:
    """U(-k, k), k = 1/√in: bounds, mean and variance k²/3, the bias from in_features too."""
    accelnn.manual_seed(3)
    layer = nn.Linear(400, 300, backend=backend)
    assert layer.bias is not None
    for x in (layer.weight.numpy(), layer.bias.numpy()):
        k, n = 1 / math.sqrt(400), x.size
        assert str(x.dtype) == "float32"
        assert 0.98 * k < np.abs(x).max() <= np.float32(k)
        assert abs(x.mean()) < 5 * k / math.sqrt(3 * n)
        assert x.var() == pytest.approx(k * k / 3, rel=5 / math.sqrt(n))
    nn.Linear(0, 2, backend=backend)


def test_seed_gives_the_same_start_on_every_backend() -> None:
    def start(seed: int, backend: str) -> Any:
        accelnn.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(4, 3, backend=backend), nn.Linear(3, 2, backend=backend), nn.Dropout()
        )
        dropout = model[2]
        assert isinstance(dropout, nn.Dropout)
        return model.state_dict(), dropout.seed

    (one, seed), (two, again) = start(1, "numpy"), start(1, "numba")
    assert seed == again
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert not np.array_equal(one["0.weight"], start(2, "numpy")[0]["0.weight"])


def test_numpy_numbers_are_widths() -> None:
    assert nn.Linear(np.int64(4), 3).config() == {  # type: ignore[arg-type]
        "in_features": 4,
        "out_features": 3,
        "bias": True,
        "dtype": "float32",
    }


def test_input_of_the_wrong_width(backend: Backend) -> None:
    layer = nn.Linear(4, 3, backend=backend)
    for shape in ((2, 3), (5,), ()):
        with pytest.raises(ValueError, match=r"input of shape \(\.\.\., 4\) .*\(3, 4\), got \("):
            layer(np.ones(shape, "float32"))


def test_a_bias_column_is_refused() -> None:
    x, w = Tensor(np.ones((1, 3))), Tensor(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"bias of shape \(4,\).*got \(4, 1\).*bias.reshape\(4\)"):
        F.linear(x, w, Tensor(np.zeros((4, 1))))


def test_dtypes_must_agree() -> None:
    with pytest.raises(
        TypeError, match="input of float64 for a weight of float32; convert the inp"
    ):
        nn.Linear(4, 3)(np.ones((2, 4)))
    with pytest.raises(TypeError, match="for a weight of float32"):
        nn.Linear(4, 3, bias=False)(np.ones((2, 4)))
    x, w = Tensor(np.ones((1, 3))), Tensor(np.ones((4, 3)))
    with pytest.raises(TypeError, match="a bias of float32"):
        F.linear(x, w, Tensor([0.0] * 4))


@pytest.mark.parametrize("bias", [True, False])
def test_backends_must_agree(bias: bool) -> None:
    x = Tensor(np.ones((2, 4), "float32"), backend="numpy")
    with pytest.raises(TypeError, match="weight is on backend 'numba', its input on 'numpy'"):
        nn.Linear(4, 3, bias, backend="numba")(x)


@pytest.mark.parametrize("width", [-1, 2.0, "3", None])
def test_bad_widths(width: Any) -> None:
    with pytest.raises(ValueError, match="in_features must be an integer of at least 0, got"):
        nn.Linear(width, 3)
    with pytest.raises(ValueError, match="out_features must be an integer of at least 0, got"):
        nn.Linear(3, width)


@pytest.mark.parametrize("dtype", ["float16", "int64", np.int32])
def test_bad_dtypes(dtype: Any) -> None:
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got"):
        nn.Linear(3, 2, dtype=dtype)
    assert str(nn.Linear(3, 2, dtype=np.float64).weight.dtype) == "float64"
