"""What is paid per call: one row through the MNIST network, and steps of a tiny one."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.bench.arena import Arena, Entry, Player, repetitions, timed
from accelnn.bench.networks import RATES, WIDTHS, program, weights
from accelnn.bench.peer_epochs import ratios
from accelnn.program import lower

OURS = "accelnn numba"
ROWS, SMALL, SMALL_BATCH = 150, (4, 16, 3), 32


def forward_numpy(x: Any) -> Callable[[], Any]:
    """Return the forward pass as one writes it by hand."""
    (w1, b1), (w2, b2), (w3, b3) = weights(x.shape[1])

    def forward() -> Any:
        h = np.maximum(x @ w1 + b1, 0)
        h = np.maximum(h @ w2 + b2, 0)
        return h @ w3 + b3

    return forward


def forward_ours(x: Any) -> Callable[[], Any]:
    """Return accelnn's; a program is made for training, so it is given a row to train on."""
    return partial(program("numba", "sgd", x, np.zeros(1, np.int64)).predict, x)


def forward_torch(x: Any) -> Callable[[], Any]:
    """Return PyTorch's, without a graph."""
    torch = import_module("torch")
    layers = []
    for w, b in weights(x.shape[1]):
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.ReLU()]
    model, given = torch.nn.Sequential(*layers[:-1]), torch.from_numpy(x)

    def forward() -> Any:
        with torch.no_grad():
            return model(given)

    return forward


_FORWARD = {OURS: forward_ours, "numpy": forward_numpy, "torch": forward_torch}


def repeated(call: Callable[[], Any], least: float) -> Player:
    """Return what calls for ``least`` seconds and returns the seconds of one call."""
    call()
    n = repetitions(call, least)

    def run(_round: int) -> float:
        timed(call, n // 4 + 1)  # caches and clock as they are amid the work
        return timed(call, n)

    return run


def row_runner(name: str, least: float) -> Player:
    """Return what times the forward pass of one row, checked against NumPy in float64."""
    x = np.random.default_rng(0).random((1, WIDTHS[0]), np.float32)
    call = _FORWARD[name](x)
    # Weights in float32 and a row in float64: NumPy computes in float64.
    np.testing.assert_allclose(call(), forward_numpy(x.astype(np.float64))(), rtol=0, atol=1e-5)
    return repeated(call, least)


def small_program(backend: str, optimizer: str) -> Any:
    """Return the program of 4-16-3 on 150 rows; the same weights on every backend."""
    held, rng = get_backend(backend), np.random.default_rng(0)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(SMALL):
        w = (rng.random((n_in, n_out)) - 0.5).astype(np.float32)
        bias = held.zeros((n_out,), "float32")
        layers += [nn.Linear.from_storage(held.asarray(w), bias, held), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    rule = {"sgd": optim.SGD, "adam": optim.Adam}[optimizer](model.parameters())
    made = lower(model, nn.CrossEntropyLoss(), rule, held, SMALL_BATCH)
    X, y = rng.random((ROWS, SMALL[0]), np.float32), np.arange(ROWS) % SMALL[-1]
    made.bind(held.asarray(X), held.asarray(y))
    return made


def step_runner(backend: str, optimizer: str, least: float) -> Player:
    """Return what times epochs of the tiny network and returns the seconds of a step."""
    made, other = (small_program(name, optimizer) for name in (backend, "numpy"))
    rates = [RATES[optimizer]] * made.n_batches
    losses = [p.run(0, p.n_batches, rates) for p in (made, other)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    run = repeated(partial(made.run, 0, made.n_batches, rates), least)
    return lambda number: run(number) / made.n_batches


def one_row(rounds: int, least: float = 0.02) -> dict[str, Any]:
    """Measure one row through 784-512-512-10."""
    if find_spec("torch") is None:
        print("torch, one row, is left out: torch is not installed")
    names = [name for name in _FORWARD if name != "torch" or find_spec("torch")]
    entries: dict[str, Entry] = {name: (row_runner, (name, least)) for name in names}
    with Arena(entries) as arena:
        return ratios(arena.contest(range(rounds + 1)), OURS)


def small_steps(rounds: int, least: float = 0.02) -> dict[str, Any]:
    """Measure a step of 4-16-3 with batch 32, by both optimizers."""
    found: dict[str, Any] = {}
    for optimizer in RATES:
        entries: dict[str, Entry] = {
            f"accelnn {backend}": (step_runner, (backend, optimizer, least))
            for backend in ("numba", "numpy")
        }
        with Arena(entries) as arena:
            found[optimizer] = ratios(arena.contest(range(rounds + 1)), OURS)
    return found


def small_lines(found: dict[str, Any], what: str) -> list[str]:
    """Return a table of microseconds."""
    key = f"times {OURS}"
    made = [f"{what:40}{'µs':>10}{'x ours':>8}"]
    for name, row in found.items():
        made.append(f"{name:40}{1e6 * row['median']:10.1f}{row[key]:8.2f}")
    return made
