"""Every picture is tidy: nothing overlaps, nothing leaves the card, no edge meets a node."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, draw, nn
from accelnn.drawing import Drawing
from accelnn.drawing.heights import spaced
from accelnn.nn import functional as F
from tests.drawing.pictures import assert_tidy, groups


def leaf(value: object) -> Tensor:
    return Tensor(value, True, dtype="float64")


def logistic() -> Drawing:
    w1, w2, b = leaf(0.5), leaf(-1.0), leaf(0.25)
    x1, x2, y = (Tensor(v, dtype="float64") for v in (1.0, 2.0, 1.0))
    z = w1 * x1 + w2 * x2 + b
    p = F.sigmoid(z)
    L = -(y * p.log() + (1 - y) * (1 - p).log())
    return draw(L, names={"w1": w1, "w2": w2, "b": b, "x1": x1, "x2": x2, "y": y, "z": z, "p": p})


def crossing() -> Drawing:
    a, b, c, d = (leaf(v) for v in (1.0, 2.0, 3.0, 4.0))
    y = (a * c + b * d) / (a * d - b * c) + (a.exp() * d).sqrt()
    return draw(y, a=a, b=b, c=c, d=d)


def skipping() -> Drawing:
    x, w = leaf(np.linspace(0, 1, 4)), leaf(1.5)
    h = (x * w).exp()
    return draw(((h + x) ** 2 * w - h).sum(), x=x, w=w, h=h)


def batch() -> Drawing:
    accelnn.manual_seed(0)
    layer = nn.Linear(2, 3)
    X = Tensor(np.arange(8.0, dtype="float32").reshape(4, 2))
    return draw(F.mse_loss(F.relu(layer(X)), np.ones((4, 3), "float32")), names=layer, X=X)


def deep() -> Drawing:
    accelnn.manual_seed(0)
    layers = [m for _ in range(5) for m in (nn.Linear(3, 3), nn.Tanh())]
    return draw(nn.Sequential(*layers), np.ones((7, 3)), gradient=np.ones((7, 3)))


def tangled() -> Drawing:
    """Twenty operations, each of two earlier tensors."""
    rng = np.random.default_rng(5)
    made = [leaf(v) for v in rng.normal(size=6)]
    for i in range(20):
        a, b = rng.choice(len(made) - 1, 2) if i % 2 else (len(made) - 1, rng.integers(len(made)))
        made.append(made[a] + made[b] if i % 3 else made[a] * made[b])
    total = made[6]
    for other in made[7:]:
        total = total + other
    return draw(total)


def neurons(*sizes: int, x: bool = False) -> Callable[[], Drawing]:
    def made() -> Drawing:
        accelnn.manual_seed(3)
        layers: list[nn.Module] = []
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m), nn.LeakyReLU()]
        model = nn.Sequential(*layers)
        return draw(model, np.ones(sizes[0]) if x else None, style="neurons")

    made.__name__ = "-".join(map(str, sizes)) + ("-with-x" if x else "")
    return made


def cards() -> Drawing:
    layers = (nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10), nn.Softmax())
    return draw(nn.Sequential(*layers))


MADE = [
    logistic,
    crossing,
    skipping,
    batch,
    deep,
    tangled,
    neurons(2, 3, 1),
    neurons(2, 3, 1, x=True),
    neurons(3, 2, 2, 3, x=True),
    neurons(1, 1, x=True),
    neurons(1, 16, 1),
    neurons(5, 6, 5, x=True),
    neurons(16, 16, 2),
    cards,
]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_tidy(make: Callable[[], Drawing]) -> None:
    assert_tidy(make())


def test_the_result_is_at_the_right_and_leaves_at_the_left() -> None:
    made = draw(leaf(1.0) + leaf(2.0))
    x = [
        float(rect.get("x", ""))
        for g in groups(made, "node")
        for rect in g
        if rect.tag.endswith("rect")
    ]
    assert x == sorted(x)
    assert x[0] == x[1] < x[2] < x[3]


def test_heights_are_the_nearest_that_fit(rng: np.random.Generator) -> None:
    """No other feasible heights are nearer: the least squares among many that keep the distance."""
    for _ in range(20):
        n = int(rng.integers(1, 6))
        wanted, weights = rng.normal(size=n) * 20, rng.uniform(0.5, 3, n)
        room = rng.uniform(1, 10, n)
        got = np.array(spaced(list(wanted), list(weights), list(room)))
        gaps = (room[1:] + room[:-1]) / 2
        assert np.all(np.diff(got) >= gaps - 1e-9)
        least = np.sum(weights * (got - wanted) ** 2)
        for _ in range(50):
            other = got + rng.normal(size=n)
            for i in range(1, n):
                other[i] = max(other[i], other[i - 1] + gaps[i - 1])
            assert np.sum(weights * (other - wanted) ** 2) >= least - 1e-9
