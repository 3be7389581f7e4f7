"""Summaries: numbers of parameters, shapes, and the table."""

from itertools import pairwise
from typing import Any

import pytest

from accelnn import Parameter, Tensor, nn
from accelnn.backends import Backend
from tests.golden.entries import Golden


def mnist(**how: Any) -> nn.Sequential:
    layers = [nn.Flatten(), nn.Linear(784, 512, **how), nn.ReLU(), nn.Linear(512, 512, **how)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(512, 10, **how))


def test_golden_mnist() -> None:
    golden = Golden("S0-G10")
    summary = mnist().summary((28, 28))
    assert [row.parameters for row in summary.rows] == golden.expected["params_per_module"]
    assert (summary.total, summary.trainable) == (golden.expected["total"],) * 2 == (669_706,) * 2
    assert [row.biases for row in summary.rows] == [0, 512, 0, 512, 0, 10]
    assert summary.total - summary.biases == golden.expected["weights_only"]
    assert [row.name for row in summary.rows] == ["0", "1", "2", "3", "4", "5"]
    assert [row.layer for row in summary.rows] == ["Flatten", *["Linear", "ReLU"] * 2, "Linear"]
    assert [row.output for row in summary.rows] == [(784,), *[(512,)] * 4, (10,)]


def test_without_bias() -> None:
    golden = Golden("S0-G10")
    summary = mnist(bias=False).summary()
    assert (summary.total, summary.biases) == (golden.expected["weights_only"], 0)


@pytest.mark.parametrize("name", ["S0-G05", "S3-G07"])
def test_golden_totals(name: str) -> None:
    golden = Golden(name)
    sizes = golden.inputs["layer_sizes"]
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))
    assert model.summary().total == golden.expected["total"]


def test_shapes_without_an_input() -> None:
    model = nn.Sequential(
        nn.ReLU(),
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh()),
        nn.Flatten(),
        nn.Linear(3, 2),
    )
    rows = {row.name: row.output for row in model.summary().rows}
    known = {"1.0": (3,), "1.1": (3,), "1.2": (3,), "3": (2,)}
    assert rows == {"0": None, **known, "2": None}


class Block(nn.Module):
    """A parameter of its own beside a layer, which it runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = Parameter([1.0, 1.0])
        self.bias = Parameter([0.0, 0.0], requires_grad=False)
        self.inner = nn.Linear(2, 2)
        self.same = self.inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.same(x) * self.scale + self.bias).reshape(-1, 1, 2)


def test_modules_of_ones_own() -> None:
    model = nn.Sequential(nn.Linear(3, 2), Block())
    rows = model.summary().rows
    assert [tuple(row) for row in rows] == [
        ("0", "Linear", (2,), 8, 2),
        ("1", "Block", None, 4, 2),
        ("1.inner", "Linear", None, 6, 2),
    ]
    assert (model.summary().total, model.summary().trainable) == (18, 16)
    assert [row.output for row in model.summary((3,)).rows] == [(2,), (1, 2), (2,)]


def test_shared_parameters_count_once() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    summary = nn.Sequential(first, second).summary()
    assert [row.parameters for row in summary.rows] == [6, 2]
    assert summary.total == 8


def test_the_model_stays_as_it_is(backend: Backend) -> None:
    drop, norm = nn.Dropout(0.5, seed=1), nn.BatchNorm1d(2, backend=backend)
    model = nn.Sequential(nn.Linear(2, 2, backend=backend), drop, norm)
    calls: list[Any] = []
    model.register_forward_hook(lambda *told: calls.append(told))
    before = model.state_dict()
    assert model.summary((2,)).rows[2].output == (2,)
    assert (calls, drop.call, model.training, model[0].has_hooks) == ([], 0, True, False)
    for name, value in model.state_dict().items():
        assert value.tolist() == before[name].tolist()


def test_table() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(1000, 2))
    assert str(model.summary()).splitlines() == [
        "name       layer    output  parameters  biases",
        "0          Flatten  ?                0       0",
        "1          Linear   (n, 2)       2,002       2",
        "total                            2,002       2",
        "trainable                        2,002",
    ]
    assert repr(nn.ReLU().summary((3, 2))).splitlines()[1] == (
        "           ReLU   (n, 3, 2)           0       0"
    )


@pytest.mark.parametrize("shape", [3, (0,), (2.0,), [2]], ids=str)
def test_an_input_shape_that_is_none(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"without the batch axis, such as \(784,\)"):
        nn.ReLU().summary(shape)


def test_an_input_shape_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"expects input of shape \(..., 4\)"):
        nn.Sequential(nn.Linear(4, 2)).summary((3,))
