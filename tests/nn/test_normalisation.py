"""BatchNorm1d and LayerNorm: values by loops, running means, gradients, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, gradcheck, nn
from accelnn.backends import Backend
from tests.tolerances import assert_close


def normalised(column: Any, eps: float) -> list[float]:
    """Return the numbers with their mean taken off, by the root of their biased variance."""
    mean = sum(column) / len(column)
    variance = sum((x - mean) ** 2 for x in column) / len(column)
    return [(x - mean) / math.sqrt(variance + eps) for x in column]


def batch_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    columns = [normalised([float(v) for v in x[:, j]], eps) for j in range(x.shape[1])]
    return np.array(columns).T * gamma + beta


def layer_norm(x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return np.array([normalised([float(v) for v in row], eps) for row in x]) * gamma + beta


LAYERS: dict[str, Any] = {
    "batch": (nn.BatchNorm1d, batch_norm),
    "layer": (nn.LayerNorm, layer_norm),
}
every = pytest.mark.parametrize("name", LAYERS)


def made(name: str, width: int, rng: Any, **how: Any) -> Any:
    """Return a layer whose γ and β are no ones and zeros."""
    layer = LAYERS[name][0](width, **how)
    state = layer.state_dict()
    for key in ("weight", "bias"):
        state[key] = rng.uniform(0.5, 2, width)
    layer.load_state_dict(state)
    return layer


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 1), (7, 3), (5, 8)], ids=str)
def test_value(backend: Backend, name: str, dtype: str, shape: tuple[int, int], rng: Any) -> None:
    layer = made(name, shape[1], rng, eps=1e-3, dtype=dtype, backend=backend)
    x = rng.normal(size=shape).astype(dtype)
    expected = LAYERS[name][1](x, layer.weight.numpy(), layer.bias.numpy(), 1e-3)
    assert_close(layer(x).numpy(), expected.astype(dtype), length=100 * shape[0])


@every
@pytest.mark.parametrize("shape", [(2, 1), (4, 3), (3, 5)], ids=str)
def test_derivative(backend: Backend, name: str, shape: tuple[int, int], rng: Any) -> None:
    layer = made(name, shape[1], rng, dtype="float64", backend=backend)
    x = Tensor(rng.normal(size=shape), True, backend=backend)
    gradcheck(lambda t: layer(t * t + t), x)
    layer.zero_grad()
    y, r = layer(x), rng.normal(size=shape)
    y.backward(r)
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    unit = LAYERS[name][1](x.numpy(), 1.0, 0.0, 1e-5)
    assert_close(layer.weight.grad.numpy(), (r * unit).sum(0), length=100)
    assert_close(layer.bias.grad.numpy(), r.sum(0), length=10)


def test_layer_norm_of_any_shape(backend: Backend, rng: Any) -> None:
    layer = made("layer", 4, rng, dtype="float64", backend=backend)
    x = rng.normal(size=(2, 3, 4))
    flat = layer(x.reshape(6, 4)).numpy()
    assert_close(layer(x).numpy(), flat.reshape(2, 3, 4), length=10)
    assert_close(layer(x[0, 0]).numpy(), flat[0], length=10)
    for shape in ((2, 3, 4), (4,), (0, 4)):
        layer.zero_grad()
        gradcheck(layer, Tensor(rng.normal(size=shape), True, backend=backend))
        assert layer.weight.grad.shape == (4,)


# Running means ------------------------------------------------------------------------------------


def test_running_means_are_those_of_pytorch(backend: Backend) -> None:
    """By hand: two minibatches, momentum 0.1, the variance in its unbiased form."""
    layer = nn.BatchNorm1d(1, dtype="float64", backend=backend)
    layer(np.array([[1.0], [3.0]]))  # mean 2, unbiased variance 2
    assert_close(layer.running_mean.numpy(), np.array([0.2]))
    assert_close(layer.running_var.numpy(), np.array([0.9 + 0.2]))
    layer(np.array([[0.0], [3.0], [6.0]]))  # mean 3, unbiased variance 9
    assert_close(layer.running_mean.numpy(), np.array([0.9 * 0.2 + 0.3]))
    assert_close(layer.running_var.numpy(), np.array([0.9 * 1.1 + 0.9]))
    assert layer.num_batches_tracked.item() == 2
    assert str(layer.num_batches_tracked.dtype) == "int64"


@pytest.mark.parametrize("momentum", [0.0, 0.25, 1.0])
def test_momentum_weighs_the_newest(backend: Backend, momentum: float) -> None:
    layer = nn.BatchNorm1d(1, momentum=momentum, backend=backend)
    layer([[4.0], [8.0]])
    assert layer.running_mean.tolist() == [6 * momentum]
    assert layer.running_var.tolist() == [1 - momentum + 8 * momentum]


def test_evaluation_uses_the_running_means(backend: Backend, rng: Any) -> None:
    layer = made("batch", 3, rng, dtype="float64", backend=backend)
    mean, variance = rng.normal(size=3), rng.uniform(0.5, 2, 3)
    state = {"running_mean": mean, "running_var": variance}
    layer.load_state_dict(layer.state_dict() | state)
    layer.eval()
    x = rng.normal(size=(4, 3))
    expected = (x - mean) / np.sqrt(variance + 1e-5) * layer.weight.numpy() + layer.bias.numpy()
    assert_close(layer(x).numpy(), expected, length=10)
    assert_close(layer(x[:1]).numpy(), expected[:1], length=10)  # of one row, too
    gradcheck(layer, Tensor(x, True, backend=backend))
    assert layer.num_batches_tracked.item() == 0
    assert_close(layer.running_mean.numpy(), mean)


def test_without_factor_and_summand(backend: Backend, rng: Any) -> None:
    layer = nn.BatchNorm1d(3, affine=False, dtype="float64", backend=backend)
    assert list(layer.parameters()) == []
    x = rng.normal(size=(4, 3))
    assert_close(layer(x).numpy(), batch_norm(x, 1, 0, 1e-5), length=100)
    gradcheck(layer, Tensor(x, True, backend=backend))


def test_it_trains_in_a_stack(backend: Backend, rng: Any) -> None:
    """The eager way: batch statistics while training, running ones for the outputs."""
    X = rng.normal(5, 3, size=(64, 2)).astype("float32")
    y = (X[:, :1] * X[:, 1:] > 25).astype("float32")
    model = nn.Sequential(
        nn.Linear(2, 8, backend=backend),
        nn.BatchNorm1d(8, backend=backend),
        nn.Tanh(),
        nn.LayerNorm(8, backend=backend),
        nn.Linear(8, 1, backend=backend),
    )
    adam = accelnn.optim.Adam(model.parameters(), lr=0.02)
    with pytest.warns(UserWarning, match="BatchNorm1d is not a layer that programs know"):
        history = accelnn.train(
            model, nn.BCEWithLogitsLoss(), adam, X, y, epochs=30, batch_size=16, seed=0
        )
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert model.state_dict()["1.num_batches_tracked"] == 120


def test_count_ops_knows_buffers() -> None:
    """The normalisation calls no kernel, so it adds nothing to what the Linear costs."""
    linear = nn.Linear(3, 2)
    count = accelnn.count_ops(nn.Sequential(linear, nn.BatchNorm1d(2)), 5)
    assert count.forward == accelnn.count_ops(linear, 5).forward


# Errors -------------------------------------------------------------------------------------------


def test_one_row_has_no_variance(backend: Backend) -> None:
    layer = nn.BatchNorm1d(2, backend=backend)
    with pytest.raises(ValueError, match=r"at least 2 rows .*got input of shape \(1, 2\)"):
        layer([[1.0, 2.0]])
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_mean.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "shape"),
    [("batch", (4,)), ("batch", (4, 3)), ("batch", (4, 2, 2)), ("layer", (2, 3)), ("layer", ())],
    ids=str,
)
def test_shapes_that_do_not_fit(backend: Backend, name: str, shape: tuple[int, ...]) -> None:
    layer = LAYERS[name][0](2, backend=backend)
    with pytest.raises(ValueError, match=r"Norm(1d)? expects input of shape \(.*2\), got \("):
        layer(np.ones(shape, "float32"))


@every
def test_dtypes_and_backends_that_do_not_fit(name: str) -> None:
    layer = LAYERS[name][0](2, backend="numpy")
    with pytest.raises(TypeError, match="of float32 got input of float64; convert the input, or"):
        layer(np.ones((3, 2)))
    with pytest.raises(TypeError, match="is on backend 'numpy', its input on 'numba'"):
        layer(Tensor(np.ones((3, 2), "float32"), backend="numba"))


@every
@pytest.mark.parametrize("width", [0, -1, 2.0, "2", None, (2,)], ids=str)
def test_bad_width(name: str, width: Any) -> None:
    with pytest.raises(ValueError, match=r"must be an integer of at least 1, got"):
        LAYERS[name][0](width)


@every
@pytest.mark.parametrize("eps", [-1e-5, math.nan, math.inf, None, "1"])
def test_bad_eps(name: str, eps: Any) -> None:
    with pytest.raises(ValueError, match="eps must be a number of at least 0, got"):
        LAYERS[name][0](2, eps)


def test_bad_momentum_and_dtype() -> None:
    with pytest.raises(ValueError, match="momentum must be a number of at least 0 and at most 1"):
        nn.BatchNorm1d(2, momentum=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'float16'"):
        nn.LayerNorm(2, dtype="float16")


def test_repr() -> None:
    assert repr(nn.BatchNorm1d(3)) == (
        "BatchNorm1d(num_features=3, eps=1e-05, momentum=0.1, affine=True, dtype='float32')"
    )
    assert repr(nn.LayerNorm(3)) == "LayerNorm(normalized_shape=3, eps=1e-05, dtype='float32')"
