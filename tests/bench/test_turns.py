"""Competitors that take turns: everybody in each round, but for those that are too slow."""

import time
from itertools import groupby
from pathlib import Path

import pytest

from accelnn.bench import measuring, turns
from accelnn.bench.turns import Turn, take_turns


def test_everybody_in_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "settle", lambda: None)
    said: list[str] = []
    calls = {name: Turn(lambda name=name: said.append(name)) for name in ("a", "b")}  # type: ignore[misc]
    taken = take_turns(calls, rounds=7, least=0.0)
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 7, "b": 7}
    assert min(taken["a"] + taken["b"]) >= 0
    order = [name for name, _ in groupby(said)]
    assert order == ["a", "b"] * 8  # the first time to find out how many calls make a sample


def test_a_sample_is_the_mean_of_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "settle", lambda: None)
    taken = take_turns({"a": Turn(lambda: time.sleep(0.002))}, rounds=3, least=0.01)
    assert all(seconds >= 0.002 for seconds in taken["a"])


def test_the_slow_leave_after_the_fewest_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "settle", lambda: None)
    monkeypatch.setattr(turns, "LONG", 0.003)
    slow, count = Turn(lambda: time.sleep(0.004)), measuring.FEWEST
    taken = take_turns({"slow": slow, "fast": Turn(lambda: None)}, rounds=count + 3, least=0.0)
    assert (len(taken["slow"]), len(taken["fast"])) == (count, count + 3)


def test_each_has_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    given: list[int | None] = []

    @contextlib.contextmanager
    def on_threads(count):  # type: ignore[no-untyped-def]
        given.append(count)
        yield

    monkeypatch.setattr(turns, "on_threads", on_threads)
    take_turns({1: Turn(lambda: None, 1), 2: Turn(lambda: None)}, rounds=1, least=0.0)
    assert given == [1, None, 1, None]


def test_settling_waits_for_threads_that_spin() -> None:
    import threading

    until = time.perf_counter() + 0.1

    def spin() -> None:
        while time.perf_counter() < until:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    measuring.settle(most=5.0)
    assert time.perf_counter() >= until - 0.02
    thread.join()
    if Path("/proc").exists():  # where the clock of the process is fine enough
        start = time.perf_counter()
        measuring.settle(most=5.0)
        assert time.perf_counter() - start < 4.0
