"""Layers whose backward reads z, and maxout, whose gradient is wider than its output's.

Eager or program, on every backend, they give the same weights: wherever they stand, and however
many of them follow each other.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import Backend, get_backend
from accelnn.engines import EagerEngine
from accelnn.kernels import table as t
from accelnn.lowering import kernels_of, layer_table
from accelnn.program import lower
from tests.program.test_same_weights import assert_same
from tests.stacks import LOSSES, data

STEPS, ROWS = 20, 230

Layers = Callable[["Make"], list[nn.Module]]


class Make:
    """Layers whose weights depend on nothing but the order in which they are made."""

    def __init__(self, backend: Backend, dtype: str) -> None:
        self.rng, self.backend, self.dtype = np.random.default_rng(5), backend, dtype

    def filled(self, layer: nn.Module) -> nn.Module:
        for p in layer.parameters():
            values = self.rng.normal(0, 1 / np.sqrt(p.shape[-1]), p.shape).astype(self.dtype)
            p.data = values
        return layer

    def linear(self, n_in: int, n_out: int) -> nn.Module:
        return self.filled(nn.Linear(n_in, n_out, dtype=self.dtype, backend=self.backend))

    def maxout(self, n_in: int, n_out: int, pieces: int = 2, bias: bool = True) -> nn.Module:
        how: dict[str, Any] = {"dtype": self.dtype, "backend": self.backend}
        return self.filled(nn.Maxout(n_in, n_out, pieces, bias, **how))


#: From 7 features to 3 outputs. The wide ones are cut by columns where there are few rows.
STACKS: dict[str, Layers] = {
    "first of all": lambda m: [nn.GELU(), nn.SiLU(), m.linear(7, 5), nn.GELU(), m.linear(5, 3)],
    "behind dropout": lambda m: [
        nn.Dropout(0.2, seed=4), nn.SiLU(), m.linear(7, 40), nn.Dropout(0.3, seed=1),
        nn.GELU("tanh"), nn.Dropout(0.1, seed=2), m.linear(40, 3),
    ],
    "last": lambda m: [m.linear(7, 6), nn.LogSigmoid(), m.linear(6, 3), nn.GELU()],
    "wide": lambda m: [
        m.linear(7, 72), nn.GELU(), m.linear(72, 70), nn.SiLU(), m.linear(70, 3),
    ],
    "maxout alone": lambda m: [m.maxout(7, 3)],
    "maxouts": lambda m: [m.maxout(7, 6), m.maxout(6, 5, 3), m.maxout(5, 3, 4, bias=False)],
    "maxout of one piece": lambda m: [m.maxout(7, 6, 1), nn.Tanh(), m.linear(6, 3)],
    "maxout and dropout": lambda m: [
        nn.Dropout(0.2, seed=4), m.maxout(7, 6), nn.Dropout(0.3, seed=1), m.maxout(6, 3),
    ],
    "wide maxouts": lambda m: [
        m.linear(7, 72), nn.Tanh(), m.maxout(72, 70), nn.SiLU(), m.maxout(70, 33, 3),
        nn.ReLU6(), nn.Sequential(m.maxout(33, 3, 2)), nn.Hardtanh(-2, 2),
    ],
    "maxout and softmax": lambda m: [m.maxout(7, 64), nn.Softmax(), m.maxout(64, 3), nn.SiLU()],
}  # fmt: skip


def weights_after(
    engine: str, backend: Backend, layers: Layers, loss: nn.Loss, dtype: str, batch: int
) -> list[Any]:
    """Return the parameters after STEPS steps, and last the outputs."""
    model = nn.Sequential(*layers(Make(backend, dtype)))
    rule = optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
    runner: Any = (EagerEngine if engine == "eager" else lower)(model, loss, rule, backend, batch)
    X, y = data(loss, ROWS, dtype)
    runner.bind(backend.asarray(X), backend.asarray(y))
    rng, left = np.random.default_rng(7), STEPS
    while left:
        runner.start_epoch(rng.permutation(ROWS))
        steps = min(left, runner.n_batches)
        runner.run(0, steps, [0.02] * steps)
        left -= steps
    outputs = runner.outputs(X) if engine == "eager" else runner.predict(X)
    return [*(p.numpy() for p in model.parameters()), backend.to_numpy(outputs)]


@pytest.mark.parametrize("batch", [8, 100])
@pytest.mark.parametrize("name", STACKS)
def test_same_weights(backend: Backend, name: str, batch: int) -> None:
    how = (STACKS[name], nn.CrossEntropyLoss(), "float64", batch)
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after("program", backend, *how), expected, "float64")


@pytest.mark.parametrize("engine", ["eager", "program"])
@pytest.mark.parametrize("name", ["first of all", "maxouts"])
def test_same_weights_in_float32(engine: str, backend: Backend, name: str) -> None:
    how = (STACKS[name], nn.CrossEntropyLoss(), "float32", 16)
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after(engine, backend, *how), expected, "float32")


@pytest.mark.parametrize("loss", ["binary cross-entropy", "squared error", "cross-entropy"])
@pytest.mark.parametrize("name", ["last", "maxout alone"])
def test_last_before_a_loss(backend: Backend, name: str, loss: str) -> None:
    how = (STACKS[name], LOSSES[loss](), "float64", 32)
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after("program", backend, *how), expected, "float64")


def test_places() -> None:
    """What reads z leaves it where it is; the others overwrite a Linear's result as ever."""
    make = Make(get_backend("numpy"), "float32")
    layers = [make.linear(7, 4), nn.ReLU(), make.linear(4, 5), nn.GELU(), make.maxout(5, 3, 2)]
    table, widths, widest = layer_table(layers, 7, 10)
    assert [t.LAYERS[r["kind"]] for r in table] == [
        "linear", "relu", "linear", "gelu", "linear", "maxout",
    ]  # fmt: skip
    assert (table["source"] // 10).tolist() == [0, 7, 7, 11, 16, 21]
    assert (table["target"] // 10).tolist() == [7, 7, 11, 16, 21, 27]
    assert table["n_out"].tolist() == [4, 4, 5, 5, 6, 3]
    assert (widths, widest) == (30, 7)


def test_numbers_of_a_record() -> None:
    layers = [nn.Hardtanh(-2, 3), nn.ReLU6(), nn.Sign(0), nn.Step(), nn.Maxout(4, 3, 5)]
    table, _, _ = layer_table(layers, 4, 1)
    assert [t.numbers_of(r) for r in table] == [
        {"low": -2.0, "high": 3.0},
        {"low": 0.0, "high": 6.0},
        {"low": -1.0, "at_zero": 0.0},
        {"low": 0.0, "at_zero": 1.0},
        {},
        {"pieces": 5},
    ]
    assert table.dtype.itemsize == 88


def test_kernels() -> None:
    linear = ["matmul", "add_bias", "sum_rows"]
    assert kernels_of(nn.Maxout(4, 3)) == [*linear, "maxout", "maxout_backward_z"]
    assert kernels_of(nn.GELU("tanh")) == ["gelu_tanh", "gelu_tanh_backward_z"]
    assert kernels_of(nn.ReLU6()) == ["hardtanh", "hardtanh_backward"]


@pytest.mark.parametrize("kind", [nn.Sign, nn.Step])
def test_nothing_before_a_step_learns(backend: Backend, kind: Any) -> None:
    def layers(make: Make) -> list[nn.Module]:
        return [make.linear(7, 6), kind(), make.linear(6, 3)]

    start = [
        p.numpy().copy() for layer in layers(Make(backend, "float64")) for p in layer.parameters()
    ]
    after = weights_after("program", backend, layers, nn.CrossEntropyLoss(), "float64", 8)
    np.testing.assert_array_equal(after[0], start[0])
    np.testing.assert_array_equal(after[1], start[1])
    assert np.abs(after[2] - start[2]).min() > 0
