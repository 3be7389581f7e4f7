"""The bench against peers: its processes, and that everybody in it computes the same."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn.bench import peers
from accelnn.bench.arena import Arena, Entry, PlayerFailed, repetitions
from accelnn.bench.contestants import CONTESTANTS, Contestant, available, distance, flops
from accelnn.bench.facts import QUIET, foreign_seconds
from accelnn.bench.networks import BATCH, RATES, weights
from accelnn.bench.peer_products import OURS, Product, check, compare, product_lines, products, row


def clock() -> Callable[[Any], Any]:
    return lambda task: (os.getpid(), task, time.monotonic())


def counter(first: int) -> Callable[[Any], Any]:
    calls = iter(range(first, first + 100))
    return lambda task: next(calls)


def breaker(how: str) -> Callable[[Any], Any]:
    if how == "at the start":
        raise ValueError("no such data")

    def answer(task: Any) -> Any:
        if how == "ends":
            os._exit(7)
        raise ValueError(f"cannot do {task}")

    return answer


def burner() -> Callable[[Any], Any]:
    def burn(seconds: float) -> None:
        start = time.process_time()
        while time.process_time() - start < seconds:
            pass

    return burn


Children = Callable[[], int]


@pytest.fixture
def children() -> Children:
    """Count the processes started since the test began; another test's pool may still have some."""
    before = {child.pid for child in multiprocessing.active_children()}
    return lambda: len({child.pid for child in multiprocessing.active_children()} - before)


def test_one_after_the_other_in_processes_of_their_own(children: Children) -> None:
    entries: dict[str, Entry] = dict.fromkeys("abc", (clock, ()))
    with Arena(entries, pause=0.0) as arena:
        answers = arena.contest(["warm-up", "one", "two"])
        assert children() == 3
    assert children() == 0
    assert list(answers) == ["a", "b", "c"]
    for given in answers.values():
        assert [task for _, task, _ in given] == ["one", "two"]
        assert len({pid for pid, _, _ in given}) == 1
    assert len({given[0][0] for given in answers.values()} | {os.getpid()}) == 4
    times = [answers[name][number][2] for number in range(2) for name in "abc"]
    assert times == sorted(times)


def test_the_first_round_is_not_kept_and_a_player_lasts() -> None:
    with Arena({"a": (counter, (0,)), "b": (counter, (50,))}, pause=0.0) as arena:
        assert arena.contest(range(3)) == {"a": [1, 2], "b": [51, 52]}
        assert arena.ask("b", None) == 53


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("at the start", "(?s)'bad' failed.*Traceback.*ValueError: no such data"),
        ("raises", "(?s)'bad' failed.*Traceback.*ValueError: cannot do 5"),
        ("ends", "(?s)'bad' failed.*exit code 7"),
    ],
)
def test_a_failure_names_the_player_and_ends_everybody(
    how: str, message: str, children: Children
) -> None:
    entries: dict[str, Entry] = {"good": (clock, ()), "bad": (breaker, (how,))}
    with pytest.raises(PlayerFailed, match=message), Arena(entries, pause=0.0) as arena:
        arena.contest([5])
    assert children() == 0


def test_an_interruption_ends_everybody(children: Children) -> None:
    with pytest.raises(KeyboardInterrupt), Arena({"a": (clock, ())}, pause=0.0):
        raise KeyboardInterrupt
    assert children() == 0


def test_repetitions_take_as_long_as_asked() -> None:
    assert repetitions(lambda: time.sleep(0.002), 0.001) == 1
    assert repetitions(lambda: None, 0.001) > 100


def pixels(dtype: str) -> tuple[Any, Any]:
    """Three minibatches and one of five rows, of images that are dark for the most part."""
    rng = np.random.default_rng(3)
    X = np.maximum(rng.random((3 * BATCH + 5, 30)) - 0.5, 0).astype(dtype)
    return X, rng.integers(0, 10, len(X))


def learner(name: str) -> Callable[[Any], Any]:
    X, y = pixels("float64")

    def learn(optimizer: str) -> Any:
        contestant: Contestant = CONTESTANTS[name](optimizer, X, y)
        for seed in range(2):
            assert contestant.epoch(np.random.default_rng(seed).permutation(len(X))) > 0
        return contestant.weights(), contestant.loss

    return learn


def needs(name: str, library: str) -> Any:
    # Looked for, not imported: it is to be loaded by the contestant's process alone.
    missing = find_spec(library) is None
    return pytest.param(
        name, marks=pytest.mark.skipif(missing, reason=f"{library} is not installed")
    )


@pytest.mark.parametrize(
    "name",
    ["accelnn numpy", "accelnn numba", needs("torch eager", "torch"), needs("jax scan", "jax")],
)
def test_everybody_learns_the_same(name: str) -> None:
    start = [p for pair in weights(pixels("float64")[0].shape[1], np.float64) for p in pair]
    plain = learner("plain numpy loop")
    # A library with pools of its own stays out of this process.
    with Arena({name: (learner, (name,))}, pause=0.0) as arena:
        for optimizer in RATES:
            expected, loss = plain(optimizer)
            actual, own_loss = arena.ask(name, optimizer)
            assert [w.dtype for w in actual] == ["float64"] * 6
            assert distance(actual, expected, start) < 1e-9
            assert abs(own_loss - loss) < 1e-9


def test_scikit_learn_goes_through_one_epoch() -> None:
    X, y = pixels("float32")
    contestant: Any = CONTESTANTS["scikit-learn"]("sgd", X, y)
    before = contestant.model.t_
    contestant.train(np.arange(len(X)))
    assert contestant.model.t_ - before == len(X)
    assert contestant.model.coefs_[0].dtype == "float32"


def test_a_missing_library_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "accelnn.bench.contestants.find_spec", lambda name: None if name == "jax" else name
    )
    assert [name for name in CONTESTANTS if name not in available()] == ["jax scan"]
    assert "jax scan is left out: jax is not installed" in capsys.readouterr().out


def test_operations_of_an_epoch() -> None:
    assert flops(60000, 784) == 2 * 60000 * (668672 + 935936)


def test_the_list_of_products() -> None:
    listed = products(odd=40)
    assert len(listed) == 3 * 8 + 2 + 3 * 40
    step = [p for p in listed if p.group.startswith("batch 128")]
    assert sum(2 * p.n * p.k * p.m for p in step) == flops(128, 784)
    assert {p.letters for p in listed} == {"NN", "TN", "NT"}
    assert products(odd=40) == listed


def test_a_wrong_product_is_noticed() -> None:
    p = Product("odd", 3, 5, 2, ta=True)
    a, b = np.full((5, 3), 0.5, np.float32), np.full((5, 2), 0.5, np.float32)
    check(p, a, b, a.T @ b)
    with pytest.raises(AssertionError, match="n=3"):
        check(p, a, b, (a.T @ b) * np.float32(1.0001))


def test_a_ratio_is_taken_within_the_rounds() -> None:
    seconds = {OURS: [1.0, 2.0, 4.0], "numpy": [2.0, 3.0, 2.0], "torch": [9.0, 9.0, 9.0]}
    found = row(Product("odd", 10, 10, 10), seconds)
    assert found["faster peer"] == "numpy"
    assert found["times the speed of the faster peer"] == 1.5


def test_a_part_amid_other_work_is_called_disturbed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    used = iter([0.0, 1e6, 1e6, 1e6])
    monkeypatch.setattr(peers, "foreign_seconds", lambda: next(used))
    monkeypatch.setattr(peers, "parts", lambda _: {n: (dict, lambda _: []) for n in ("a", "b")})
    peers.main(["--only", "a,b", "--out", str(tmp_path / "found.json")])
    printed = capsys.readouterr().out
    assert "do not quote a" in printed
    assert "do not quote b" not in printed
    cores = json.loads((tmp_path / "found.json").read_text())["cores of others"]
    assert cores["a"] > QUIET
    assert cores["b"] == 0


def test_own_work_is_not_work_of_others() -> None:
    before, start = foreign_seconds(), os.times()
    if before is None:
        pytest.skip("this system does not say what all programs used")
    with Arena({"a": (burner, ())}, pause=0.0) as arena:
        arena.ask("a", 0.5)
    after, end = foreign_seconds(), os.times()
    assert after is not None
    own = sum(end[:4]) - sum(start[:4])
    assert own > 0.4
    assert after - before < (os.cpu_count() or 1) * (end.elapsed - start.elapsed) - own + 0.1


def test_products_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [Product("square", 8, 8, 8), *products(odd=1)[-3:]]
    monkeypatch.setattr("accelnn.bench.peer_products.products", lambda odd: few)
    monkeypatch.setattr("accelnn.bench.peer_products._HOW", {OURS: None, "numpy": None})
    found = compare(rounds=2, odd=1, least=1e-4)
    assert [len(each["seconds"][OURS]) for each in found["products"]] == [2] * 4
    assert len(product_lines(found)) == 1 + 1 + 3
