"""The graph of a computation: on every edge the value forward and the gradient backward."""

import numpy as np
import pytest

from accelnn import Tensor, draw, nn, no_grad, operation
from accelnn.backends import Backend
from accelnn.errors import GraphError
from accelnn.nn import functional as F
from tests.device import DeviceBackend
from tests.drawing.pictures import edges, groups, notes, signs, sums


def leaf(value: object, backend: Backend | str = "numpy") -> Tensor:
    return Tensor(value, True, dtype="float64", backend=backend)


def test_the_graph_of_the_notes(backend: Backend) -> None:
    """J = 2 (a b + c) at 3, 2, 5: u = 6, v = 11, J = 22 and gradients 4, 6, 2, 2, 2, 1."""
    a, b, c = (leaf(v, backend) for v in (3.0, 2.0, 5.0))
    u = a * b
    v = u + c
    J = 2 * v
    made = draw(J, a=a, b=b, c=c, u=u, v=v, J=J)
    assert edges(made) == {
        ("a", "u", 0): ("3", "4"),
        ("b", "u", 1): ("2", "6"),
        ("u", "v", 0): ("6", "2"),
        ("c", "v", 1): ("5", "2"),
        ("v", "J", 1): ("11", "2"),
        ("J", "(result)", 0): ("22", "1"),
    }
    assert signs(made) == {"a": "a", "b": "b", "c": "c", "u": "×", "v": "+", "J": "× 2"}
    assert (sums(made), notes(made)) == ({}, "")


def test_another_of_the_notes(backend: Backend) -> None:
    """3 (a + b c) at 5, 3, 2: gradients 3, 6, 9."""
    a, b, c = (leaf(v, backend) for v in (5.0, 3.0, 2.0))
    seen = edges(draw(3 * (a + b * c), a=a, b=b, c=c))
    assert seen["a", "v2", 0] == ("5", "3")
    assert seen["b", "v1", 0] == ("3", "6")
    assert seen["c", "v1", 1] == ("2", "9")
    assert seen["result", "(result)", 0] == ("33", "1")


def test_a_branch_shows_each_part_and_the_sum(backend: Backend) -> None:
    """q = v² + eᵛ at 2, with v² as v · v: 2 + 2 + e²."""
    v = leaf(2.0, backend)
    made = draw(v * v + v.exp(), v=v)
    seen = edges(made)
    assert [seen["v", "v1", 0], seen["v", "v1", 1]] == [("2", "2"), ("2", "2")]
    assert seen["v", "v2", 0] == ("2", "7.389")
    assert sums(made) == {"v": "Σ 11.39"}
    assert len(groups(made, "node")) == 5  # v, once, the two operations, the sum, the result


def test_nothing_is_used_up_and_no_grad_is_written(backend: Backend) -> None:
    a = leaf([1.0, 2.0], backend)
    h = a.exp()
    h.retain_grad()
    L = (h * a).sum()
    first = draw(L, a=a)
    assert (a.grad, h.grad) == (None, None)
    assert draw(L, a=a).svg == first.svg
    L.backward()
    assert a.grad is not None
    expected = np.exp([1.0, 2.0]) * [2.0, 3.0]
    np.testing.assert_allclose(a.grad.numpy(), expected, rtol=1e-12)
    assert sums(first)["a"] == "Σ (2,) [5.437, 22.17]"


def test_branches_agree_with_backward(backend: Backend, rng: np.random.Generator) -> None:
    """Each tensor's gradient is the sum of its parts, and that which backward finds."""
    x, w = leaf(rng.normal(size=(3, 2)), backend), leaf(rng.normal(size=(2, 2)), backend)
    h = F.tanh(x @ w)
    h.retain_grad()
    L = ((h @ w - x) * h).mean()
    made = draw(L, x=x, w=w, h=h, digits=6)
    L.backward()
    for name, tensor in (("x", x), ("w", w), ("h", h)):
        assert tensor.grad is not None
        rows = "; ".join(", ".join(f"{v:.6g}" for v in row) for row in tensor.grad.tolist())
        assert sums(made)[name] == f"Σ {tensor.shape} [{rows}]"


def test_arrays_that_only_their_library_reads(device: DeviceBackend) -> None:
    w = leaf([1.0, -2.0], device)
    made = draw((w * w).sum(), w=w)
    assert sums(made) == {"w": "Σ (2,) [2, -4]"}
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).to(device)
    for style, shown in (("graph", "x Wᵀ + b"), ("neurons", "ReLU"), ("layers", "Linear")):
        assert shown in draw(model, [1.0, 2.0], style=style).svg


def test_used_up(backend: Backend) -> None:
    a = leaf(3.0, backend)
    J = (a * 2).exp()
    J.backward()
    made = draw(J, a=a)
    assert edges(made)["a", "v1", 0] == ("3", None)
    assert sums(made) == {"a": "grad 806.9"}  # 2 e⁶
    assert "used this graph up" in notes(made)
    assert "used this graph up" in made.text


def test_gradient_of_what_comes_after(backend: Backend) -> None:
    x = leaf([1.0, 2.0], backend)
    y = x * x
    without = draw(y, x=x)
    assert edges(without)["x", "result", 0] == ("(2,) [1, 2]", None)
    assert "give gradient=" in notes(without)
    with_it = draw(y, x=x, gradient=np.array([1.0, 10.0]))
    assert edges(with_it)["x", "result", 0] == ("(2,) [1, 2]", "(2,) [1, 20]")
    assert edges(with_it)["result", "(result)", 0][1] == "(2,) [1, 10]"
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\), expected the tensor's"):
        draw(y, gradient=np.ones(3))


def test_constants_and_data_have_no_gradient(backend: Backend) -> None:
    w, x = leaf(2.0, backend), Tensor(3.0, dtype="float64", backend=backend)
    y = Tensor([1.0, 2.0], dtype="float64", backend=backend)
    made = draw((1 - w * x) ** 2 / 4, w=w, x=x)
    assert edges(made)["x", "v1", 1] == ("3", None)
    assert signs(made) == {
        "w": "w",
        "x": "x",
        "v1": "×",
        "v2": "1 −",
        "v3": "( )²",
        "result": "÷ 4",
    }
    assert edges(draw((w * y).sum()))["x2", "v1", 1] == ("(2,) [1, 2]", None)
    assert signs(draw((w * x).maximum(0)))["result"] == "max(0, ·)"


def test_arrays_show_elements_or_norm(backend: Backend) -> None:
    x = leaf(np.full((2, 3), 1 / 3), backend)
    wide = leaf(np.ones((3, 4)), backend)
    seen = edges(draw((x @ wide).sum(), x=x, wide=wide, digits=2))
    assert seen["x", "v1", 0] == (
        "(2, 3) [0.33, 0.33, 0.33; 0.33, 0.33, 0.33]",
        "(2, 3) [4, 4, 4; 4, 4, 4]",
    )
    assert seen["wide", "v1", 1] == ("(3, 4) ‖·‖ = 3.5", "(3, 4) ‖·‖ = 2.3")


def test_a_module_brings_its_names(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()).to(backend)
    model.load_state_dict({"0.weight": np.array([[1.0, -1.0]]), "0.bias": np.array([0.0])})
    made = draw(model, np.array([[2.0, 2.0]]))
    assert edges(made) == {
        ("x", "v1", 0): ("(1, 2) [2, 2]", None),
        ("0.weight", "v1", 1): ("(1, 2) [1, -1]", "(1, 2) [0.5, 0.5]"),
        ("0.bias", "v1", 2): ("(1,) [0]", "(1,) [0.25]"),
        ("v1", "output", 0): ("(1, 1) [0]", "(1, 1) [0.25]"),
        ("output", "(result)", 0): ("(1, 1) [0.5]", "(1, 1) [1]"),
    }
    assert signs(made)["v1"] == "x Wᵀ + b"
    loss = F.mse_loss(model(Tensor([[2.0, 2.0]], backend=backend)), np.array([[1.0]]))
    assert edges(draw(loss, names=model))["0.bias", "v1", 2] == ("(1,) [0]", "(1,) [-0.25]")


def test_depth_shows_what_is_near_the_result() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y * 1.0 + 0.0
    with pytest.raises(ValueError, match=r"20001 nodes, more than the 300 .* depth=5"):
        draw(y)
    made = draw(y, depth=2)
    assert made.text.splitlines()[0].startswith("v1 = …")
    assert edges(made)["v1", "v2", 0] == ("1", "1")
    assert len(groups(made, "cut")) == 1


def test_no_graph(backend: Backend) -> None:
    a = leaf(3.0, backend)
    with no_grad():
        made = draw(a * 2)
    assert edges(made) == {("result", "(result)", 0): ("6", None)}
    assert "No operation was recorded" in notes(made)


def test_what_cannot_be_walked_back_has_values_only() -> None:
    a = leaf(3.0)
    made = draw(operation(np.sign, name="sign")(a), a=a)
    assert edges(made)["a", "result", 0] == ("3", None)
    assert "'sign' has no backward" in notes(made)
    x = leaf([1.0, 2.0]) * 1
    y = (x * x).sum()
    x.detach().zero_()
    with pytest.raises(GraphError):
        y.backward()
    assert "changed in place" in notes(draw(y))


def test_unnamed_tensors_get_names_that_are_free() -> None:
    a, b = leaf(1.0), leaf(2.0)
    assert {name for name, _, _ in edges(draw((a + b) * a, x1=b))} == {"x1", "x2", "v1", "result"}


def test_x_beside_a_tensor_is_a_name() -> None:
    x = leaf(1.0)
    assert ("x", "result", 0) in edges(draw(x.exp(), x=x))


def test_names_that_xml_cannot_hold() -> None:
    a = leaf(1.0)
    made = draw(a.exp(), names={'<a & "b">\x00': a})
    assert '<a & "b">�' in signs(made)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"what": 3.0}, TypeError, "draw expects a Tensor or a Module, got float"),
        ({"names": {"a": 1.0}}, TypeError, "names are for tensors, got float for 'a'"),
        ({"digits": 0}, ValueError, "digits must be an integer of at least 1, got 0"),
        ({"depth": 0}, ValueError, "depth must be an integer of at least 1, got 0"),
        ({"style": "dot"}, ValueError, "style must be one of auto, graph, .*; got 'dot'"),
        ({"style": "neurons"}, ValueError, "a tensor is drawn as its graph"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    given = {"what": leaf(1.0), **arguments}
    with pytest.raises(error, match=message):
        draw(given.pop("what"), **given)  # type: ignore[arg-type]
