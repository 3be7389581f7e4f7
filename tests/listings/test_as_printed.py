"""What the listings get wrong is an error here too."""

import pytest

import accelnn as torch
import accelnn.nn as nn
from tests.listings.test_nus import NeuralNetRegressor


def test_errata_in_calls() -> None:
    a2 = torch.sigmoid(torch.tensor([[0.0, 0.0]], requires_grad=True))
    with pytest.raises(TypeError, match="grad"):  # E1-14: the keyword is gradient
        a2.backward(grad=torch.ones_like(a2))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):  # E2-6: sizes are for randn
        torch.tensor(8, 2, requires_grad=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):  # E2-7
        NeuralNetRegressor()  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="Hardtanh"):  # E1-6: the t is small
        nn.HardTanh  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(NameError):  # E3-8: math is not imported
        exec("def sigmoid(x):\n    return 1 / (1 + math.exp(-x))\nsigmoid(0)", {})


@pytest.mark.parametrize(
    ("id", "line"),
    [
        ("E2-7", "model = neural_net_regressor // w1 and w2 are declared before"),
        ("E4-9", "weight = nn.Parameter(torch.tensor([[0., 1.], [2., -1.] ], [1., 2.]])"),
        ("E4-9", "weight = nn.Parameter(torch.tensor([[-1., 2., 1.], [3., 0., 0.])))"),
    ],
)
def test_errata_in_the_grammar(id: str, line: str) -> None:
    with pytest.raises(SyntaxError):
        compile(line, id, "exec")
