"""The contest with peers: what is asked in which order, and what is made of the answers."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn.bench import peer_rounds, test_peers
from accelnn.bench.arena import Arena, Entry
from accelnn.bench.networks import PlainLoop
from accelnn.bench.peer_epochs import OURS, agreement
from accelnn.bench.peer_rounds import PLAIN, Race, contest, player, ratios
from accelnn.bench.settings import Settings

RACE = Race(40, (7, 6, 5), 8)


def images(rows: int | None) -> tuple[None, Any, Any]:
    rng = np.random.default_rng(5)
    return None, rng.random((50, 7), np.float32)[:rows], rng.integers(0, 5, 50)[:rows]


def meet(folder: str, mine: str, other: str) -> Callable[[Any], Any]:
    """Wait for somebody else's start, which does not come where one starts after the other."""
    (Path(folder) / mine).touch()
    end = time.monotonic() + 20
    while not (Path(folder) / other).exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{other} did not start")
        time.sleep(0.01)
    return lambda task: (mine, task)


def test_processes_start_together(tmp_path: Path) -> None:
    entries: dict[str, Entry] = {
        mine: (meet, (str(tmp_path), mine, other)) for mine, other in ("ab", "ba")
    }
    with Arena(entries, pause=0.0, together=True) as arena:
        assert arena.round(1) == {"a": ("a", 1), "b": ("b", 1)}


def test_ratios_are_taken_within_the_rounds() -> None:
    found = ratios([2.0, 9.0, 8.0], [1.0, 3.0, 8.0])
    assert found == {"median": 2.0, "low": 1.0, "high": 3.0}


@pytest.mark.parametrize("name", [OURS, "accelnn numpy", "scikit-learn"])
def test_a_player_is_checked_and_keeps_its_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_rounds, "load", images)
    answer = player(name, RACE, ["adam"], ["float64"])
    if name != "scikit-learn":
        _, X, y = images(None)
        loop = PlainLoop("adam", X[:40].astype(np.float64), y[:40], widths=RACE.widths, batch=8)
        loop.run(np.arange(40))
        weights, loss = answer(("adam", "float64"))
        assert loss == pytest.approx(loop.loss, abs=1e-12)
        for mine, expected in zip(weights, loop.parameters, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-7, atol=1e-9)
    made: list[str] = []
    real = peer_rounds.EVERYBODY[name]

    def counted(optimizer: str, *given: Any) -> Any:
        made.append(optimizer)
        return real(optimizer, *given)

    monkeypatch.setitem(peer_rounds.EVERYBODY, name, counted)
    answer = player(name, RACE, ["sgd", "adam"], [])
    assert all(answer((optimizer, seed)) > 0 for seed in (1, 2) for optimizer in ("sgd", "adam"))
    assert made == ["sgd", "adam"]


class Told:
    """In an arena's place: everybody's answers are made up, tasks are kept."""

    def __init__(self, entries: Any, pause: float, together: bool) -> None:
        self.names = list(entries)
        self.asked: list[Any] = []
        self.tasks: list[Any] = []
        TOLD.append(self)

    def __enter__(self) -> "Told":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def ask(self, name: str, task: Any) -> Any:
        self.asked.append((name, task))
        off = 0.5 if name == "wrong" else 0.0
        return [np.full(shape, 2.0 + off) for shape in ((7, 6), 6, (6, 5), 5)], 1.0

    def round(self, task: Any) -> Any:
        self.tasks.append(task)
        speed = {OURS: 1.0, PLAIN: 3.0, "scikit-learn": 4.0}
        return {name: speed[name] * task[1] for name in self.names}


TOLD: list[Told] = []


def test_a_contest_checks_then_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_rounds, "load", images)
    monkeypatch.setattr(peer_rounds, "Arena", Told)
    names = [OURS, PLAIN, "scikit-learn"]
    found = contest(names, ["sgd"], RACE, ["float64"], rounds=2, pause=0.0)
    assert TOLD[-1].asked == [(OURS, ("sgd", "float64")), (PLAIN, ("sgd", "float64"))]
    assert TOLD[-1].tasks == [("sgd", 1), ("sgd", 2)]
    assert found["sgd", PLAIN].seconds == [3.0, 6.0]
    assert found["sgd", PLAIN].ratio == {"median": 3.0, "low": 3.0, "high": 3.0}
    assert found["sgd", OURS].distance == 0.0
    assert found["sgd", "scikit-learn"].distance is None
    with pytest.raises(AssertionError, match="wrong is"):
        contest([OURS, PLAIN, "wrong"], ["sgd"], RACE, ["float64"], rounds=1, pause=0.0)


def test_who_is_far_from_the_plain_loop_is_named() -> None:
    start, end = [np.zeros(3)], [np.ones(3)]
    near = {PLAIN: (end, 1.0), "near": ([end[0] + 1e-10], 1.0)}
    assert agreement(near, start, "a step")["near"] == pytest.approx(1e-10, rel=1e-3)
    for wrong in (([end[0] + 1e-8], 1.0), (end, 1.1), ([np.full(3, np.nan)], 1.0)):
        with pytest.raises(AssertionError, match="after a step, far is"):
            agreement({PLAIN: (end, 1.0), "far": wrong}, start, "a step")


@pytest.mark.parametrize(
    ("scale", "who", "optimizer", "reason"),
    [
        ("full", "scikit-learn", "sgd", ""),
        ("quick", "scikit-learn", "sgd", "a quick run has one optimizer, adam"),
        ("smoke", "scikit-learn", "sgd", ""),
        ("full", "accelnn cupy", "sgd", "the backend cupy cannot run here, or was not asked for"),
        ("full", "JAX", "sgd", "jax is not installed; pip install 'accelnn[peers]' brings it"),
    ],
)
def test_who_takes_no_part_and_why(
    scale: str, who: str, optimizer: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_peers, "find_spec", lambda name: None if name == "jax" else name)
    assert test_peers.absence(who, optimizer, Settings(scale=scale)) == reason
