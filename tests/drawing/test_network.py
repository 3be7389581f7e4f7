"""Networks as neurons with their weights, z and a; as a box per layer where they are larger."""

import numpy as np
import pytest

from accelnn import Tensor, draw, nn
from accelnn.backends import Backend
from accelnn.drawing import Drawing
from tests.drawing.pictures import groups, notes, root, text_boxes, texts


def linear(weight: object, bias: object = None) -> nn.Linear:
    w = np.array(weight, "float64")
    layer = nn.Linear(w.shape[1], w.shape[0], bias=bias is not None, dtype="float64")
    state = {"weight": w} if bias is None else {"weight": w, "bias": np.array(bias)}
    layer.load_state_dict(state)
    return layer


def textbook() -> nn.Sequential:
    """Return the 3-2-2-3 network of the textbook's chapter 11, ReLU and softmax, no biases."""
    return nn.Sequential(
        linear([[2, -3, 0], [-1, 1, 2]]),
        nn.ReLU(),
        linear([[1, 2], [2, -2]]),
        nn.ReLU(),
        linear([[-1, 2], [2, 1], [1, 2]]),
        nn.Softmax(),
    )


def xnor() -> nn.Sequential:
    """OR(AND, NOR)."""
    return nn.Sequential(
        linear([[20, 20], [-20, -20]], [-30.0, 10.0]),
        nn.Sigmoid(),
        linear([[20, 20]], [-10.0]),
        nn.Sigmoid(),
    )


def weights(drawing: Drawing) -> dict[tuple[str | None, str | None], str | None]:
    return {
        (g.get("data-from"), g.get("data-to")): g.get("data-weight")
        for g in groups(drawing, "edge")
    }


def units(drawing: Drawing) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Return name -> z, a, bias, which must be what can be read there."""
    found = {}
    for g in groups(drawing, "unit"):
        z, a, bias = g.get("data-z"), g.get("data-a"), g.get("data-bias")
        assert texts(g, "z") == ([] if z is None else [f"z {z}"])
        assert texts(g, "a") in ([] if a is None else [f"a {a}"], [a])
        assert texts(g, "bias") == ([] if bias is None else [f"b {bias}"])
        found[g.get("data-name", "")] = (z, a, bias)
    return found


def test_weights_stand_on_their_edges() -> None:
    made = draw(textbook())
    expected = {
        ("x1", "h1.1"): "2",
        ("x2", "h1.1"): "-3",
        ("x3", "h1.1"): "0",
        ("x1", "h1.2"): "-1",
        ("x2", "h1.2"): "1",
        ("x3", "h1.2"): "2",
        ("h1.1", "h2.1"): "1",
        ("h1.2", "h2.1"): "2",
        ("h1.1", "h2.2"): "2",
        ("h1.2", "h2.2"): "-2",
        ("h2.1", "y1"): "-1",
        ("h2.2", "y1"): "2",
        ("h2.1", "y2"): "2",
        ("h2.2", "y2"): "1",
        ("h2.1", "y3"): "1",
        ("h2.2", "y3"): "2",
    }
    assert weights(made) == expected
    labels = {
        (t.get("data-from"), t.get("data-to")): t.text
        for t in root(made).iter()
        if t.get("class") == "weight"
    }
    assert labels == expected
    assert texts(root(made), "activation") == ["ReLU", "ReLU", "Softmax"]


def test_labels_lie_on_their_lines() -> None:
    made, ends = draw(xnor()), ("x1", "y1", "x2", "y2")
    lines = {
        (g.get("data-from"), g.get("data-to")): [float(line.get(k, "")) for k in ends]
        for g in groups(made, "edge")
        for line in g
        if line.tag.endswith("line")
    }
    for t in root(made).iter():
        if t.get("class") == "weight":
            x1, y1, x2, y2 = lines[t.get("data-from"), t.get("data-to")]
            x, y = float(t.get("x", "")), float(t.get("y", "")) - 4
            assert abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) < 0.2 * (x2 - x1)
            assert x1 < x < x2


def test_z_and_a_of_the_textbook(backend: Backend) -> None:
    made = draw(textbook().to(backend), [1.0, 1.0, 1.0], style="neurons")
    assert units(made) == {
        "x1": (None, "1", None),
        "x2": (None, "1", None),
        "x3": (None, "1", None),
        "h1.1": ("-1", "0", None),
        "h1.2": ("2", "2", None),
        "h2.1": ("4", "4", None),
        "h2.2": ("-4", "0", None),
        "y1": ("-4", "6.034e-06", None),
        "y2": ("8", "0.982", None),
        "y3": ("4", "0.01799", None),
    }
    assert made.text.splitlines()[3:5] == [
        "h1.1 = ReLU(2 x1 − 3 x2 + 0 x3)   z = -1  a = 0",
        "h1.2 = ReLU(-1 x1 + 1 x2 + 2 x3)  z = 2   a = 2",
    ]


@pytest.mark.parametrize(("x", "y"), [((0, 0), "1"), ((0, 1), "0"), ((1, 0), "0"), ((1, 1), "1")])
def test_xnor(backend: Backend, x: tuple[int, int], y: str) -> None:
    made = draw(xnor().to(backend), x, style="neurons", digits=2)
    assert round(float(units(made)["y"][1] or "")) == int(y)
    assert units(made)["h1"][2] == "-30"
    assert "h1 = Sigmoid(20 x1 + 20 x2 − 30)" in made.text


def test_signs_and_sizes_of_weights() -> None:
    made = draw(linear([[4.0, -2.0, 0.0]]))
    drawn = [line for g in groups(made, "edge") for line in g if line.tag.endswith("line")]
    assert [line.get("stroke-width") for line in drawn] == ["4", "2.4", "0.8"]
    assert len({line.get("stroke") for line in drawn}) == 3
    assert [line.get("stroke-dasharray") for line in drawn] == [None, None, "3 4"]


def test_numbers_that_are_none() -> None:
    made = draw(linear([[np.nan, np.inf, 1.0]]), [1.0, 1.0, 1.0], style="neurons")
    assert weights(made) == {("x1", "y"): "nan", ("x2", "y"): "inf", ("x3", "y"): "1"}
    assert units(made)["y"][0] == "nan"


def test_a_batch_shows_its_first_row() -> None:
    made = draw(xnor(), np.array([[0.0, 1.0], [1.0, 1.0]]), style="neurons")
    assert [units(made)[name][1] for name in ("x1", "x2")] == ["0", "1"]
    assert "first of 2 rows" in notes(made)


def test_dropout_keeps_everything() -> None:
    model = nn.Sequential(linear([[1.0]]), nn.Dropout(0.9), nn.Tanh(), linear([[2.0]]))
    assert units(draw(model, [1.0], style="neurons"))["y"][0] == "1.523"
    dropout = model[1]
    assert isinstance(dropout, nn.Dropout)
    assert dropout.call == 0


def test_more_edges_than_can_be_labelled_are_in_the_text() -> None:
    made = draw(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)))
    assert len(weights(made)) == 80
    assert len([t for t in root(made).iter() if t.get("class") == "weight"]) == 16
    assert "the weights are in the text" in notes(made)


def test_mnist_is_a_box_per_layer() -> None:
    layers = [nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
    made = draw(nn.Sequential(*layers, nn.Linear(512, 10)))
    shown = [[t for t, _ in text_boxes(g)] for g in groups(made, "layer")]
    assert shown[2] == [
        "Linear",
        "layer 1",
        "784 → 512",
        "weight (512, 784)",
        "bias (512,)",
        "401,920 parameters",
    ]
    leaving = [g.get("data-value") for g in groups(made, "edge")]
    assert leaving == ["784", "784", "512", "512", "512", "512", "10"]
    assert notes(made) == "669,706 parameters"
    assert made.text.splitlines()[-1].split() == ["total", "669,706"]


def test_boxes_with_an_input_show_what_leaves(backend: Backend) -> None:
    made = draw(xnor().to(backend), [1.0, 1.0], style="layers")
    leaving = [g.get("data-value") for g in groups(made, "edge")]
    assert leaving[:2] == ["(1, 2) [1, 1]", "(1, 2) [10, -30]"]


def test_other_layers_are_boxes() -> None:
    made = draw(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 1))))
    assert [g.get("data-name") for g in groups(made, "layer")] == ["", "0", "1", "2.0"]
    assert notes(made) == "19 parameters"


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (Own(), {}, r"only forward\(\) knows .* Own .* draw\(model, x\)"),
        (nn.Linear(17, 1), {"style": "neurons"}, "a layer has 17 units, more than 16"),
        (nn.ReLU(), {"style": "neurons"}, "layer , ReLU, comes before the first Linear"),
        (
            nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
            {"style": "neurons"},
            "layer 1 is a BatchNorm1d, no Linear or activation",
        ),
        (
            nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)),
            {"style": "neurons"},
            "layer 1 reads 2 units, not 3",
        ),
        (nn.Linear(2, 1), {"style": "graph"}, r"needs an input: draw\(model, x\)"),
        (nn.Linear(2, 1), {"style": "neurons", "x": np.ones((1, 1, 2))}, r"shape \(1, 1, 2\)"),
        (nn.Linear(0, 1), {"style": "neurons"}, "a layer has no units"),
    ],
    ids=str,
)
def test_errors(model: nn.Module, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(model, **arguments)  # type: ignore[arg-type]


def test_a_module_of_ones_own_has_a_graph() -> None:
    assert "inner.weight" in draw(Own(), [1.0, 2.0]).text
