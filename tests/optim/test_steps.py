"""What a step does: closed forms, the notes' training runs, and PyTorch's where it is installed."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from accelnn import Parameter, Tensor, nn, optim
from accelnn.backends import Backend
from accelnn.nn import functional as F
from accelnn.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from tests.golden.entries import Golden, linear
from tests.tolerances import assert_close

N = 12
START, SLOPE = np.array([1.0, -2.0, 0.0]), np.array([0.5, -3.0, 1e-3])


def steps(
    make: Callable[[Iterable[Parameter]], Optimizer], backend: Backend, slope: Any = SLOPE
) -> Any:
    """Return (N + 1, 3): a parameter before and after N steps along a constant gradient."""
    p = Parameter(START, backend=backend)
    optimizer = make([p])
    path = [p.numpy().copy()]
    for _ in range(N):
        p.grad = Tensor(slope, backend=backend)
        optimizer.step()
        path.append(p.numpy().copy())
    return np.array(path)


def column(x: Any) -> Any:
    return np.asarray(x)[:, None]


n = np.arange(N + 1)


# Closed forms -------------------------------------------------------------------------------------


def test_sgd_goes_straight(backend: Backend) -> None:
    path = steps(lambda p: SGD(p, lr=0.1), backend)
    assert_close(path, START - 0.1 * column(n) * SLOPE, length=N)


@pytest.mark.parametrize("mu", [0.5, 0.9])
def test_momentum_is_a_geometric_series(backend: Backend, mu: float) -> None:
    velocity = (1 - mu ** n[1:]) / (1 - mu)  # v₁ = g, vₙ = (1 + μ + ... + μⁿ⁻¹) g
    path = steps(lambda p: SGD(p, lr=0.1, momentum=mu), backend)
    sums = np.concatenate([[0], np.cumsum(velocity)])
    assert_close(path, START - 0.1 * column(sums) * SLOPE, length=N)


def test_nesterov_looks_one_step_ahead(backend: Backend) -> None:
    """μ vₙ + g = vₙ₊₁ for a constant gradient, so the path is momentum's without its first."""
    plain = steps(lambda p: SGD(p, lr=0.1, momentum=0.9), backend)
    ahead = steps(lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True), backend)
    assert_close(ahead[:-1] - START, plain[1:] - plain[1], length=N)


@pytest.mark.parametrize(
    ("make", "factor"),
    [
        (lambda p: SGD(p, lr=0.1, weight_decay=0.3), 0.97),
        (lambda p: AdamW(p, lr=0.1, weight_decay=0.3), 0.97),
        (lambda p: AdamW(p, lr=0.1), 0.999),
        (lambda p: Adam(p, lr=0.1), 1.0),
    ],
    ids=["sgd", "adamw", "adamw's default", "adam without"],
)
def test_decay_alone_shrinks_geometrically(backend: Backend, make: Any, factor: float) -> None:
    path = steps(make, backend, np.zeros(3))
    assert_close(path, START * column(factor**n), length=N)


@pytest.mark.parametrize("make", [Adam, lambda p, **how: AdamW(p, weight_decay=0, **how)])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
def test_adam_moves_by_lr_along_a_constant_gradient(
    backend: Backend, make: Any, eps: float
) -> None:
    """Bias correction makes both means exact: m̂ = g, v̂ = g², each step lr · g / (|g| + eps)."""
    path = steps(lambda p: make(p, lr=0.1, eps=eps, betas=(0.8, 0.95)), backend)
    assert_close(path, START - 0.1 * column(n) * SLOPE / (np.abs(SLOPE) + eps), length=100 * N)


def test_adams_decay_enters_the_gradient(backend: Backend) -> None:
    """With the gradient switched off, λp is the gradient: the first step is lr · sign p."""
    path = steps(lambda p: Adam(p, lr=0.1, weight_decay=0.3, eps=0), backend, np.full(3, 1e-100))
    assert_close(path[1], np.array([0.9, -1.9, -0.1]))


def test_adamw_is_adam_then_shrinkage(backend: Backend) -> None:
    one = steps(lambda p: AdamW(p, lr=0.1, weight_decay=0.5), backend)[1]
    assert_close(one, START * 0.95 - 0.1 * SLOPE / (np.abs(SLOPE) + 1e-8), length=100)


def by_hand(alpha: float, eps: float, decay: float, slope: Any) -> Any:
    """Return the path of RMSprop as PyTorch's page writes it down, number by number."""
    path = [list(START)]
    means = [0.0] * len(START)
    for _ in range(N):
        point = []
        for i, (p, g) in enumerate(zip(path[-1], slope, strict=True)):
            g = g + decay * p
            means[i] = alpha * means[i] + (1 - alpha) * g**2
            point.append(p - 0.1 * g / (means[i] ** 0.5 + eps))
        path.append(point)
    return np.array(path)


@pytest.mark.parametrize(
    ("alpha", "eps", "decay"), [(0.99, 1e-8, 0.0), (0.5, 0.1, 0.3), (0.0, 1e-3, 0.0)]
)
def test_rmsprop_by_hand(backend: Backend, alpha: float, eps: float, decay: float) -> None:
    path = steps(lambda p: RMSprop(p, lr=0.1, alpha=alpha, eps=eps, weight_decay=decay), backend)
    assert_close(path, by_hand(alpha, eps, decay, SLOPE), length=100 * N)


def test_rmsprop_without_memory_goes_by_the_sign(backend: Backend) -> None:
    path = steps(lambda p: RMSprop(p, lr=0.1, alpha=0, eps=0), backend)
    assert_close(path, START - 0.1 * column(n) * np.sign(SLOPE), length=N)


# Training runs of the notes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_golden_two_weights(backend: Backend, name: str) -> None:
    golden = Golden(f"S2-G22-{name}")
    g = golden.inputs
    w1, w2 = (golden.tensor(k, backend, True) for k in ("w1", "w2"))
    optimizer = getattr(optim, name)([w1, w2], lr=g["lr"])
    losses, params = [], []
    for _ in range(g["steps"]):
        optimizer.zero_grad()
        loss = nn.MSELoss()(w2 * F.sigmoid(w1 * golden.tensor("x", backend)), g["y"])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        params.append([w1.item(), w2.item()])
    golden.check("losses", losses)
    golden.check("params", params)


def test_golden_parabola(backend: Backend) -> None:
    golden = Golden("S3-G11")
    g = golden.inputs
    layers = [linear(g[f"W{i}"], g[f"b{i}"], backend) for i in (1, 2, 3)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = Adam(model.parameters(), lr=g["lr"])
    losses = []
    for _ in range(g["steps"]):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(golden.tensor("x", backend)), g["y"])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    golden.check("losses", losses)
    final = golden.expected["final_params"]
    for p, expected in zip(model.parameters(), final, strict=True):
        golden.equal(p, expected)


def test_golden_single_step(backend: Backend) -> None:
    golden = Golden("S4-G23")
    g = golden.inputs
    layers = [linear(g[f"hidden{i}"], None, backend) for i in (1, 2, 3)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    logits = model(golden.tensor("x", backend))
    F.cross_entropy(logits[None], [g["target_0_based"]]).backward()
    SGD(model.parameters(), lr=g["eta"]).step()
    for i, layer in enumerate(layers, 1):
        golden.check(f"W{i}", layer.weight)


def test_golden_chain_of_three(backend: Backend) -> None:
    golden = Golden("S3-G01")
    g = golden.inputs
    w = golden.tensor("W", backend, True)
    a = golden.tensor("x", backend)
    for i in range(3):
        a = F.sigmoid(w[i] * a)
    loss = 0.5 * (a - g["y"]) ** 2
    loss.backward()
    golden.check("yhat", a)
    golden.check("E", loss)
    golden.check("dE_dW", w.grad)
    SGD([w], lr=g["eta"]).step()  # type: ignore[list-item]
    golden.check("W_new", w)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_golden_zero_start(backend: Backend, name: str) -> None:
    golden = Golden(f"S1-G25-{name}")
    g = golden.inputs
    hidden = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}[name]()
    first = linear(np.zeros((4, 3)), np.zeros(4), backend)
    second = linear(np.zeros((1, 4)), np.zeros(1), backend)
    model = nn.Sequential(first, hidden, second)
    optimizer = SGD(model.parameters(), lr=g["lr"])
    for _ in range(g["steps"]):
        optimizer.zero_grad()
        nn.BCEWithLogitsLoss()(model(golden.tensor("X", backend)), g["Y"]).backward()
        optimizer.step()
    for key, p in zip(("W1", "b1", "W2", "b2"), model.parameters(), strict=True):
        golden.check(key, p)


# PyTorch ------------------------------------------------------------------------------------------

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd, decay": ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    "adam": ("Adam", {"lr": 0.02}),
    "adam, all": ("Adam", {"lr": 0.02, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.05}),
    "adamw": ("AdamW", {"lr": 0.02}),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop, all": (
        "RMSprop",
        {"lr": 0.02, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.05},
    ),
    "adamw, all": ("AdamW", {"lr": 0.02, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.3}),
}


@pytest.mark.parametrize(("name", "how"), RUNS.values(), ids=RUNS)
def test_the_path_of_torch(backend: Backend, name: str, how: dict[str, Any], rng: Any) -> None:
    """20 steps of a 4-5-1 network, the learning rate halved on the way."""
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    X, Y = rng.normal(size=(9, 4)), rng.normal(size=(9, 1))
    mine = nn.Sequential(
        nn.Linear(4, 5, dtype="float64", backend=backend),
        nn.Tanh(),
        nn.Linear(5, 1, dtype="float64", backend=backend),
    )
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)
    ).double()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in mine.state_dict().items()})
    one = getattr(optim, name)(mine.parameters(), **how)
    two = getattr(torch.optim, name)(theirs.parameters(), **how)
    for step in range(20):
        if step == 10:
            one.lr = two.param_groups[0]["lr"] = how["lr"] / 2
        one.zero_grad()
        two.zero_grad()
        F.mse_loss(mine(X), Y).backward()
        torch.nn.functional.mse_loss(theirs(torch.from_numpy(X)), torch.from_numpy(Y)).backward()
        one.step()
        two.step()
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(mine.state_dict()[key], value.numpy(), rtol=1e-9, atol=1e-9)
