"""Maxout: a Linear and the largest of each unit's pieces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, gradcheck, nn
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.tolerances import assert_close


def by_hand(x: Any, weight: Any, bias: Any, pieces: int) -> Any:
    """Unit after unit: the largest of its own rows of the weight times x."""
    units = weight.shape[0] // pieces
    out = np.empty((len(x), units), x.dtype)
    for i, j in np.ndindex(out.shape):
        own = range(j * pieces, (j + 1) * pieces)
        out[i, j] = max(float(weight[k] @ x[i] + bias[k]) for k in own)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_values_and_gradients(backend: Backend, pieces: int, dtype: str, rng: Any) -> None:
    layer = nn.Maxout(5, 4, pieces, dtype=dtype, backend=backend)
    assert layer.weight.shape == (4 * pieces, 5)
    assert layer.bias is not None
    assert layer.bias.shape == (4 * pieces,)
    x = rng.normal(size=(6, 5)).astype(dtype)
    expected = by_hand(x, layer.weight.numpy(), layer.bias.numpy(), pieces)
    assert_close(layer(Tensor(x, backend=backend)).numpy(), expected, length=5)
    if dtype == "float64":
        z = Tensor(x, True, backend=backend)
        gradcheck(lambda t, w, b: F.maxout(F.linear(t, w, b), pieces) * 2, z, *layer.parameters())


@pytest.mark.parametrize("shape", [(6,), (2, 6), (2, 3, 6), (0, 6), (2, 0, 3, 6), (3, 0)], ids=str)
def test_function_of_any_shape(backend: Backend, shape: tuple[int, ...], rng: Any) -> None:
    z = rng.normal(size=shape)
    x = Tensor(z, True, backend=backend)
    y = F.maxout(x, 3)
    expected = z.reshape(*shape[:-1], shape[-1] // 3, 3).max(axis=-1)
    assert_close(y.numpy(), expected)
    if z.size:
        gradcheck(lambda t: F.maxout(t, 3) * F.maxout(t + t, 2).sum(), x)


def test_only_the_largest_piece_learns(backend: Backend) -> None:
    layer = nn.Maxout(1, 1, 3, dtype="float64", backend=backend)
    layer.weight.data = [[1.0], [2.0], [2.0]]
    assert layer.bias is not None
    layer.bias.data = [0.0, 1.0, 1.0]
    layer(Tensor(np.array([[3.0]]), backend=backend)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    assert layer.weight.grad.tolist() == [[0.0], [3.0], [0.0]]
    assert layer.bias.grad.tolist() == [0.0, 1.0, 0.0]


def test_two_pieces_are_relu(backend: Backend, rng: Any) -> None:
    layer = nn.Maxout(3, 2, bias=False, dtype="float64", backend=backend)
    w = rng.normal(size=(2, 3))
    layer.weight.data = np.stack([w, np.zeros((2, 3))], axis=1).reshape(4, 3)
    x = Tensor(rng.normal(size=(7, 3)), backend=backend)
    expected = F.relu(F.linear(x, Tensor(w, backend=backend)))
    assert_close(layer(x).numpy(), expected.numpy(), length=3)


def test_weight_is_stored_as_linears() -> None:
    weight = nn.Maxout(5, 4, 3).weight.array
    assert weight.T.flags.c_contiguous


def test_saved_and_loaded(tmp_path: Path, rng: Any) -> None:
    model = nn.Sequential(
        nn.Maxout(5, 4, 3), nn.GELU("tanh"), nn.Hardtanh(-2, 3), nn.Maxout(4, 2, bias=False),
        nn.LogSigmoid(), nn.ReLU6(), nn.SiLU(), nn.Sign(0), nn.Step(0.5),
    )  # fmt: skip
    accelnn.save(model, tmp_path / "m.accelnn")
    again = accelnn.load(tmp_path / "m.accelnn")
    assert repr(again) == repr(model)
    x = rng.normal(size=(3, 5)).astype("float32")
    np.testing.assert_array_equal(again[:2](x).numpy(), model[:2](x).numpy())
    assert list(again.state_dict()) == ["0.weight", "0.bias", "3.weight"]


def test_repr_and_config() -> None:
    layer = nn.Maxout(5, 4, 3, bias=False, dtype="float64")
    text = "Maxout(in_features=5, out_features=4, pieces=3, bias=False, dtype='float64')"
    assert repr(layer) == text
    assert repr(nn.Maxout(**layer.config())) == text


def test_operations_are_counted() -> None:
    count = accelnn.count_ops(nn.Sequential(nn.Maxout(5, 4, 3, bias=False)), 2)
    assert count.forward.multiplications == 2 * 5 * 12
    assert count.forward.other == 2 * 12


@pytest.mark.parametrize("pieces", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_pieces(pieces: Any) -> None:
    message = f"pieces must be an integer of at least 1, got {pieces!r}"
    with pytest.raises(ValueError, match=message):
        nn.Maxout(3, 2, pieces)
    with pytest.raises(ValueError, match=message):
        F.maxout(Tensor(np.ones((2, 4))), pieces)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"multiple of 3, got shape \(2, 4\)"):
        F.maxout(Tensor(np.ones((2, 4))), 3)
    with pytest.raises(ValueError, match=r"multiple of 2, got shape \(\)"):
        F.maxout(Tensor(1.0), 2)
    for sizes in ((-1, 2), (2, -1), (2, 1.5)):
        with pytest.raises(ValueError, match="must be an integer of at least 0"):
            nn.Maxout(*sizes)
