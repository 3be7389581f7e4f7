"""Flatten, Dropout, Sequential."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, gradcheck, nn
from accelnn.backends import Backend
from accelnn.kernels import load
from accelnn.nn import functional as F
from tests.golden.entries import Golden
from tests.tolerances import assert_close

ONES = np.ones((6, 7))


# Flatten ------------------------------------------------------------------------------------------


def test_golden_flatten(backend: Backend) -> None:
    golden = Golden("S0-G11")
    for given, expected in zip(
        golden.inputs["input_shapes"], golden.expected["output_shapes"], strict=True
    ):
        assert nn.Flatten()(Tensor(np.ones(given), backend=backend)).shape == tuple(expected)
    golden.check("flat", nn.Flatten()(golden.tensor("image", backend)))


@pytest.mark.parametrize("shape", [(0, 2, 3), (3, 0, 2), (4,), (2, 5)], ids=str)
def test_flatten(backend: Backend, shape: tuple[int, ...], rng: Any) -> None:
    x = rng.normal(size=shape)
    y = nn.Flatten()(Tensor(x, backend=backend))
    assert_close(y.numpy(), x.reshape(shape[0], int(np.prod(shape[1:]))))
    gradcheck(F.flatten, Tensor(x, True, backend=backend))


# Dropout ------------------------------------------------------------------------------------------


def test_mask_is_the_same_on_every_backend(backend: Backend) -> None:
    layer, kernel = nn.Dropout(0.4, seed=7), load("reference")["dropout"]
    for call in range(3):
        assert layer.call == call
        y = layer(Tensor(ONES, backend=backend))
        assert_close(y.numpy(), kernel(ONES, p=0.4, seed=7, call=call))
        assert 0 < np.count_nonzero(y.numpy()) < ONES.size
    assert layer.call == 3


def test_evaluation_passes_the_input_through(backend: Backend) -> None:
    layer = nn.Dropout(0.4, seed=7)
    x = Tensor(ONES, backend=backend)
    assert layer.eval()(x) is x
    assert layer.call == 0
    assert not np.array_equal(layer.train()(x).numpy(), ONES)


def test_gradient_has_the_mask_of_its_forward(backend: Backend, rng: Any) -> None:
    layer = nn.Dropout(0.5, seed=3)
    x = Tensor(ONES, True, backend=backend)
    y = layer(x)
    layer(x)  # another call in between
    y.sum().backward()
    assert x.grad is not None
    assert_close(x.grad.numpy(), y.numpy())
    gradcheck(
        lambda t: F.dropout(t, 0.3, seed=1, call=2),
        Tensor(rng.normal(size=(4, 5)), True, backend=backend),
    )


@pytest.mark.parametrize(("p", "kept"), [(0.0, 1.0), (1.0, 0.0), (1, 0.0)])
def test_all_or_nothing(backend: Backend, p: float, kept: float) -> None:
    x = Tensor(ONES, True, backend=backend)
    y = nn.Dropout(p)(x)
    assert_close(y.numpy(), ONES * kept)
    y.sum().backward()
    assert x.grad is not None
    assert_close(x.grad.numpy(), ONES * kept)


def test_manual_seed_repeats_the_masks(backend: Backend) -> None:
    def drawn() -> Any:
        accelnn.manual_seed(12)
        first, second = nn.Dropout(), nn.Dropout()
        assert first.seed != second.seed
        return [layer(Tensor(ONES, backend=backend)).tolist() for layer in (first, second)]

    assert drawn() == drawn()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_bad_fraction(p: float) -> None:
    with pytest.raises(ValueError, match="p is the fraction dropped, 0 to 1; got"):
        nn.Dropout(p)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_bad_seed(seed: int) -> None:
    with pytest.raises(ValueError, match=r"seed must be an integer from 0 to 2\*\*64 - 1, got"):
        nn.Dropout(seed=seed)


def test_largest_seed(backend: Backend) -> None:
    nn.Dropout(seed=2**64 - 1)(Tensor(ONES, backend=backend))


# Sequential ---------------------------------------------------------------------------------------


def nested() -> nn.Sequential:
    block = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    return nn.Sequential(block, nn.Linear(3, 1))


def test_nested(backend: Backend, rng: Any) -> None:
    with accelnn.use_backend(backend):
        model = nested()
    flat = nn.Sequential(*model[0], model[1])  # type: ignore[misc]
    x = rng.normal(size=(4, 2)).astype("float32")
    state = model.state_dict()
    assert list(state) == ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]
    hidden = np.maximum(x @ state["0.0.weight"].T + state["0.0.bias"], 0)
    expected = hidden @ state["1.weight"].T + state["1.bias"]
    assert_close(model(x).numpy(), expected, length=3)
    assert_close(flat(x).numpy(), expected, length=3)


def test_repr() -> None:
    assert repr(nested()) == (
        "Sequential(\n"
        "  (0): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True, dtype='float32')\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (1): Linear(in_features=3, out_features=1, bias=True, dtype='float32')\n"
        ")"
    )
    assert repr(nn.Sequential()) == "Sequential()"


def test_indexing() -> None:
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[-1] is layers[2]
    head = model[:2]
    assert isinstance(head, nn.Sequential)
    assert list(head) == layers[:2]
    with pytest.raises(IndexError):
        model[3]


def test_a_replaced_layer_keeps_its_place() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    new = nn.Tanh()
    setattr(model, "1", new)
    assert [type(layer) for layer in model] == [nn.Linear, nn.Tanh, nn.Linear]


def test_empty_returns_its_input() -> None:
    x = Tensor([[1.0]])
    assert nn.Sequential()(x) is x


@pytest.mark.parametrize("layer", [F.relu, nn.ReLU, [nn.ReLU()], None])
def test_only_modules(layer: Any) -> None:
    with pytest.raises(TypeError, match=r"Sequential expects modules, got \w+ at position 1"):
        nn.Sequential(nn.ReLU(), layer)
