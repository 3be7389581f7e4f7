"""The text form: one line per tensor, columns aligned, the same on every run."""

import numpy as np

from accelnn import Tensor, draw
from accelnn.backends import Backend
from accelnn.nn import functional as F

TREE = """\
a          3   da = 4
b          2   db = 6
u = a · b  6   du = 2
c          5   dc = 2
v = u + c  11  dv = 2
J = 2 · v  22  dJ = 1"""

BRANCHES = """\
v                 2      dv = -6.917 = (-2.75) + (-4) + (-0.1667)
d = v · (-3)      -6     dd = 0.9167 = 1 + (-0.08333)
v1 = v²           4      dv1 = -1
v2 = d − v1       -10    dv2 = 1
v3 = v − (-1)     3      dv3 = -0.1667
v4 = v3 / d       -0.5   dv4 = 1
result = v2 + v4  -10.5  dresult = 1"""


def leaf(value: object, backend: Backend | str = "numpy") -> Tensor:
    return Tensor(value, True, dtype="float64", backend=backend)


def test_a_chain(backend: Backend) -> None:
    a, b, c = (leaf(v, backend) for v in (3.0, 2.0, 5.0))
    u = a * b
    v = u + c
    J = 2 * v
    made = draw(J, a=a, b=b, c=c, u=u, v=v, J=J)
    assert made.text == TREE
    assert made.ascii == TREE.replace("·", "*")


def test_branches_and_negative_parts(backend: Backend) -> None:
    """f = -3 v - v² + (v + 1) / (-3 v): f' (2) = -3 - 4 + 1/12."""
    v = leaf(2.0, backend)
    d = v * -3
    assert draw(d - v**2 + (v - -1) / d, v=v, d=d).text == BRANCHES


def test_every_operation_has_a_formula() -> None:
    x, y = leaf(np.array([[4.0, 1.0], [1.0, 3.0]])), leaf(np.eye(2))
    loss = (
        (-x @ y).abs().sqrt().exp().log()
        + x.T.reshape(2, 2) ** -2
        + x[0]
        - F.softmax(x) / y.maximum(0.5) ** 0.5
    ).sum()
    lines = draw(loss, x=x, y=y).text.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "x",
        "v1 = −x",
        "y",
        "v2 = v1 @ y",
        "v3 = |v2|",
        "v4 = √(v3)",
        "v5 = exp(v4)",
        "v6 = log(v5)",
        "v7 = xᵀ",
        "v8 = reshape(v7)",
        "v9 = v8⁻²",
        "v10 = v6 + v9",
        "v11 = x[…]",
        "v12 = v10 + v11",
        "v13 = softmax(x)",
        "v14 = max(y, 0.5)",
        "v15 = v14^0.5",
        "v16 = v13 / v15",
        "v17 = v12 − v16",
        "result = Σ(v17)",
    ]
    assert lines[0].endswith("dx = (2, 2) [2.237, 0.4813; -1.543, 0.2581], of 4 parts")


def test_ascii_has_nothing_else() -> None:
    x = leaf(np.arange(1.0, 10.0).reshape(3, 3))
    made = draw(F.sigmoid((x**-12 + x).T - 1).sum(), x=x)
    plain = made.ascii
    assert plain.isascii()
    assert "?" not in plain
    assert "x^-12" in plain
    assert "(3, 3) norm = 16.88" in plain
