"""What the suite of the graph runs, that it compares the same work, and its figures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn.backends import get_backend
from accelnn.bench import graph_chains, graph_steps
from accelnn.bench import test_graph as suite
from accelnn.bench.graph_chains import OPERATIONS, both, per_operation
from accelnn.bench.networks import weights
from accelnn.bench.settings import Settings
from accelnn.bench.test_graph import Way, target
from accelnn.bench.turns import Turn

FULL = Settings(backends=("numpy", "numba"))
SMALL = Settings(scale="smoke", backends=("numpy",), network=(4, 5, 3), batches=(4,))


def test_cases() -> None:
    links = [str(case) for case in suite.cases_overhead(FULL)]
    assert links[:2] == ["tensor + tensor-numpy", "tensor + number-numpy"]
    assert len(links) == len(set(links)) == 2 * 5
    ways = [str(case) for case in suite.cases_step(FULL)]
    assert ways[:3] == [
        f"sgd-all threads-{who}" for who in ("numpy program", "numpy eager", "numba eager")
    ]
    assert ways[3] == "sgd-1 threads-numpy program"
    assert len(ways) == len(set(ways)) == 12
    on_device = Settings(backends=("numpy", "cupy"))
    assert [case.who for case in suite.cases_step(on_device)[:2]] == [
        "numpy program", "numpy eager",
    ]  # fmt: skip
    assert {case.backend for case in suite.cases_overhead(on_device)} == {"numpy"}


def test_only_numpy_on_the_network_of_the_issue_has_a_target() -> None:
    way = Way("sgd", None, "numpy eager")
    assert target(way, FULL) == 1.15
    assert target(way._replace(who="numba eager"), FULL) is None
    assert target(way._replace(who="numpy program"), FULL) is None
    assert target(way, Settings(network=(784, 16, 10))) is None
    assert target(way, Settings(batches=(32,))) is None


@pytest.mark.parametrize("name", OPERATIONS)
def test_tensors_and_array_calls_compute_the_same(name: str) -> None:
    tensors, arrays = both(name, get_backend("numpy"), 7)
    for _ in range(2):  # gradients of the first run are forgotten
        found, expected = tensors(), arrays()
        assert len(found) == len(expected) == 1 + len(OPERATIONS[name].operands)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_a_chain_of_products_by_hand() -> None:
    w = graph_chains.ROW
    _, arrays = both("tensor * tensor", get_backend("numpy"), 3)
    to_x, to_w = arrays()  # of x w w w, where x is w
    np.testing.assert_allclose(to_x, w**3, rtol=1e-6)
    np.testing.assert_allclose(to_w, 3 * w**3, rtol=1e-6)


def test_array_calls_that_compute_something_else_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = OPERATIONS["tanh"]._replace(arrays=graph_chains.shifted)
    monkeypatch.setitem(OPERATIONS, "tanh", wrong)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        graph_chains.chain("tanh", "numpy", SMALL)


def test_the_overhead_is_that_of_a_link() -> None:
    found = per_operation([30.0, 60.0, 33.0], [10.0, 20.0, 11.0], 10)
    assert found.seconds == [3.0, 6.0, 3.3]
    assert found.arrays == 1.1
    assert found.overhead == {"median": 2.2, "low": 2.0, "high": 4.0}


def test_eager_steps_are_those_of_the_program() -> None:
    X = np.random.default_rng(0).random((8, 4), np.float32)
    y = np.arange(8) % 3
    for optimizer in ("sgd", "adam"):
        eager = graph_steps.eager("numpy", optimizer, X, y, SMALL)
        program = graph_steps.trained(optimizer, X, y, SMALL)
        for _ in range(3):
            assert eager() == pytest.approx(program(), rel=1e-5)
    (w, b), (v, c) = weights(4, np.float32, SMALL.network)
    z = np.maximum(X @ w + b, 0) @ v + c
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(8), y]
    first = graph_steps.trained("sgd", X[:4], y[:4], SMALL)
    assert first() == pytest.approx(losses[:4].sum(), rel=1e-5)


def test_ratios_are_of_rounds_in_which_all_took_part(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = {"numpy program": [2.0, 4.0, 1.0], "numpy eager": [3.0, 8.0]}
    asked: list[int | None] = []

    def taken(turns: dict[str, Turn], *_: Any) -> dict[str, list[float]]:
        asked.extend(turn.threads for turn in turns.values())
        return samples

    def loss(*_: Any) -> Callable[[], float]:
        return lambda: 1.0

    monkeypatch.setattr(graph_steps, "take_turns", taken)
    monkeypatch.setattr(graph_steps, "eager", loss)
    monkeypatch.setattr(graph_steps, "trained", loss)
    found = graph_steps.steps.__wrapped__("sgd", 1, SMALL)
    assert asked == [1, 1]
    assert found["numpy eager"].seconds == [1.5, 4.0]
    assert found["numpy eager"].ratio == {"median": 1.75, "low": 1.5, "high": 2.0}
