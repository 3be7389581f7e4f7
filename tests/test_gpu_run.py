"""The time, the failures and the figures of ``gpu_check``, most of them on samples made up."""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from accelnn.backends.cupy_probe import probe
from accelnn.bench import gpu_accuracy, gpu_epochs, gpu_floor, gpu_run, gpu_tile
from accelnn.bench import gpu_report as report
from accelnn.bench.arena import Arena, Entry, Player
from accelnn.bench.gpu_device import Cuda
from accelnn.bench.gpu_peers import absence
from accelnn.bench.gpu_run import Part, Run, plain, times
from accelnn.bench.gpu_tests import outcomes
from accelnn.bench.gpu_tests import pytest as run_pytest
from tests.gpu_rehearsal import BATCH, Rehearsal
from tests.gpu_rehearsal import device as device
from tests.gpu_rehearsal import here as here
from tests.gpu_rehearsal import library as library

# Time and failures --------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_time_that_a_part_leaves_goes_to_the_next(device: Rehearsal, tmp_path: Path) -> None:
    clock, left = Clock(), dict[str, float]()

    def spend(name: str, seconds: float) -> Part:
        def measure(run: Run, found: dict[str, Any]) -> None:
            left[name] = run.left()
            clock.now += seconds

        return Part(name, {"a": 50, "b": 25, "c": 25}[name], measure)

    with Run(device, 100, tmp_path / "gpu.json", clock) as run:
        run.measure([spend("a", 10), spend("b", 60), spend("c", 1)])
    # a leaves 40 of its 50 s; b has half of 90 and overdraws it; c has what is left of 100.
    assert left == {"a": 50, "b": 45, "c": 30}
    assert [part["seconds"] for part in run.found["parts"].values()] == [10, 60, 1]


def test_what_has_no_time_is_left_out(device: Rehearsal, tmp_path: Path) -> None:
    clock = Clock()

    def measure(run: Run, found: dict[str, Any]) -> None:
        clock.now += 200
        found["answer"] = run.ask("accelnn", "gpu_floor.nodes")

    with Run(device, 100, tmp_path / "gpu.json", clock) as run:
        run.measure([Part("slow", 1, measure)])
    part = json.loads((tmp_path / "gpu.json").read_text())["parts"]["slow"]
    why = {"what": "gpu_floor.nodes()", "why": "its part had no time left"}
    assert part["left out"] == [why]
    assert part["found"] == {"answer": None}


def test_a_part_that_fails_is_recorded_and_the_others_go_on(
    device: Rehearsal, tmp_path: Path
) -> None:
    output, seen = tmp_path / "gpu.json", []

    def fails(run: Run, found: dict[str, Any]) -> None:
        found["before"] = 1
        raise ZeroDivisionError("far too fast")

    def asks(run: Run, found: dict[str, Any]) -> None:
        found["bad"] = run.ask("accelnn", "gpu_floor.no_such_function")
        seen.append(json.loads(output.read_text())["parts"])  # what a kill would leave behind
        found["good"] = run.ask("accelnn", "gpu_peers.absence", library="numpy")

    with Run(device, 60, output) as run:
        run.measure([Part("fails", 1, fails), Part("asks", 1, asks)])
    parts = json.loads(output.read_text())["parts"]
    assert [part["state"] for part in parts.values()] == ["failed", "failed"]
    assert parts["fails"]["found"] == {"before": 1}
    assert parts["fails"]["failures"][0]["why"].endswith("ZeroDivisionError: far too fast\n")
    assert parts["asks"]["found"] == {"bad": None, "good": ""}
    (failure,) = parts["asks"]["failures"]
    assert failure["what"] == "accelnn: gpu_floor.no_such_function()"
    assert "AttributeError" in failure["why"]
    assert seen[0]["asks"]["failures"] == [failure]
    assert "- fails: fails failed: ZeroDivisionError: far too fast" in report.remarks(parts)


class Hanging(Rehearsal):
    def multiprocessors(self) -> int:
        time.sleep(20)
        return super().multiprocessors()


def test_a_process_that_hangs_is_replaced(
    device: Rehearsal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_run, "PATIENCE", 8.0)

    def measure(run: Run, found: dict[str, Any]) -> None:
        found["bad"] = run.ask("accelnn", "gpu_floor.nodes")
        found["good"] = run.ask("accelnn", "gpu_peers.absence", library="numpy")

    hanging = Hanging(device.kernels, device.micro)
    with Run(hanging, 60, tmp_path / "gpu.json") as run:
        run.measure([Part("part", 1, measure)])
    part = run.found["parts"]["part"]
    assert part["found"] == {"bad": None, "good": ""}
    assert "no answer within 8 s" in part["failures"][0]["why"]


def test_a_contestant_that_fails_does_not_play_on(
    device: Rehearsal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ways = [("accelnn", "accelnn", "float32"), ("accelnn sideways", "accelnn", "float64")]
    monkeypatch.setattr(gpu_epochs, "CONTESTANTS", ways)
    small = partial(gpu_epochs.epochs, batches=(BATCH,), rounds=1)
    with Run(device, 60, tmp_path / "gpu.json") as run:
        run.measure([Part("epochs", 1, small)])
    part = run.found["parts"]["epochs"]
    assert [f["what"].partition("optimizer='")[2][:4] for f in part["failures"]] == ["sgd'", "adam"]
    for optimizer in ("sgd", "adam"):
        assert list(part["found"][optimizer][str(BATCH)]) == ["accelnn, float32"]


def test_what_is_made_again_is_not_among_the_samples(
    device: Rehearsal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_epochs, "CONTESTANTS", [("accelnn", "accelnn", "float32")])
    monkeypatch.setattr(gpu_epochs, "RATES", {"sgd": 0.1})
    answers = iter([(9.0, 1.0, True), (8.0, 1.0, True), (2.0, 1.0, False), (3.0, 1.0, False)])

    def ask(run: Run, library: str, function: str, /, **_: Any) -> Any:
        return "absent" if "absence" in function else next(answers)

    monkeypatch.setattr(Run, "ask", ask)
    found: dict[str, Any] = {}
    with Run(device, 60, tmp_path / "gpu.json") as run:
        gpu_epochs.epochs(run, found, batches=(BATCH,), rounds=2)
    row = found["sgd"][str(BATCH)]["accelnn, float32"]
    assert (row["first"], row["seconds"], row["median"]) == (9.0, [2.0, 3.0], 2.5)


def test_a_contestant_is_made_once_per_batch() -> None:
    made: list[Any] = []

    def make(*given: Any) -> Any:
        made.append(given[1:])
        return SimpleNamespace(train=lambda order: float(order[0]), wait=lambda: None)

    kept, small = gpu_epochs.Kept(make), cast(Any, SimpleNamespace(rows=5))
    turns = [("a", "sgd", 8), ("b", "sgd", 8), ("a", "sgd", 8), ("a", "sgd", 4), ("a", "sgd", 8)]
    new = [kept.epoch(small, v, "float32", o, b, seed=1)[2] for v, o, b in turns]
    assert new == [True, True, False, True, True]
    assert [given[2] for given in made] == [8, 8, 4, 8]


def test_a_peer_that_is_absent_says_why(here: Rehearsal) -> None:
    assert absence(here, "no_such_library").startswith("ModuleNotFoundError: No module named")
    if find_spec("torch") is not None and not probe().usable:
        assert "finds no GPU" in absence(Cuda(), "torch")


class Replayed:
    """A CUDA graph that is captured by name only: what it replays is written to ``step``."""

    step: Callable[[], None]

    def replay(self) -> None:
        self.step()


def captured_and_eager(device: Rehearsal) -> Player:
    """Return what trains PyTorch with and without captures, whose CUDA is made up."""

    def losses(optimizer: str) -> list[list[float]]:
        import torch

        from accelnn.bench.gpu_torch import TorchEager, TorchGraph

        stream = SimpleNamespace(wait_stream=lambda _: None)
        made_up: dict[str, Any] = {"Stream": lambda: stream, "current_stream": lambda: stream}
        made_up |= {"stream": nullcontext, "graph": nullcontext, "CUDAGraph": Replayed}
        for name, stand_in in made_up.items():
            setattr(torch.cuda, name, stand_in)
        order = torch.arange(device.rows).flip(0)
        made: list[Any] = [
            kind(device, optimizer, 10, "float32") for kind in (TorchEager, TorchGraph)
        ]
        graph = made[1]
        capture = graph._captured

        def captured(rows: int) -> Any:
            graph.kind = "cuda"
            replay = capture(rows)
            graph.kind = "cpu"
            replay.__self__.step = lambda: graph._next(rows)
            return replay

        graph._captured = captured
        found = []
        for each in made:
            found.append([each.train(order.numpy()) for _ in range(3)])
        assert sorted(graph.graphs) == [device.rows % 10, 10]
        return found

    return losses


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_steps_before_a_capture_are_undone(device: Rehearsal, optimizer: str) -> None:
    entries: dict[str, Entry] = {"torch": (captured_and_eager, (device,))}
    with Arena(entries, pause=0.0) as arena:  # its pool of threads stays out of this process
        eager, graph = arena.ask("torch", optimizer)
    assert eager[2] < eager[0]
    np.testing.assert_allclose(graph, eager, rtol=1e-5)


# Figures from samples -----------------------------------------------------------------------------


def row(*seconds: float, loss: float = 1.0) -> dict[str, Any]:
    return {"seconds": list(seconds), "first loss": loss}


def test_ratios_are_taken_within_the_rounds() -> None:
    rows = {
        "accelnn, float32": row(1.0, 2.0, 4.0),
        "torch eager, float32": row(3.0, 20.0, 4.0, loss=1.04),
        "torch eager, tf32": row(3.0, 20.0, 4.0, loss=0.9),
        "jax scan, float32": row(5.0),  # failed after the first round
        "torch graph, float32": row(),
    }
    gpu_epochs.compare(rows)
    assert rows["torch eager, float32"]["times accelnn"] == 3.0
    assert rows["torch eager, float32"]["median"] == 4.0
    assert rows["jax scan, float32"]["times accelnn"] == 5.0
    assert "times accelnn" not in rows["torch eager, tf32"]  # nothing to compare with
    assert "median" not in rows["torch graph, float32"]
    assert [r["agrees"] for r in rows.values()] == [True, True, False, True, True]
    assert times([2.0, 9.0, 3.0], [1.0, 3.0, 3.0]) == 2.0


def test_from_where_the_library_wins() -> None:
    def shapes(*pairs: tuple[int, float]) -> list[dict[str, Any]]:
        return [{"multiplications": m, "tile / library": ratio} for m, ratio in pairs]

    assert gpu_tile.library_from(shapes((10, 1.2), (20, 0.9), (40, 1.1), (80, 2.0))) == 40
    assert gpu_tile.library_from(shapes((10, 1.2), (20, 0.9), (20, 1.5), (80, 2.0))) == 80
    assert gpu_tile.library_from(shapes((10, 1.2), (20, 1.9))) == 10
    assert gpu_tile.library_from(shapes((10, 1.2), (20, 0.9))) is None
    assert gpu_tile.library_from([]) is None


def test_goals() -> None:
    def config(ours: float, ratio: float, precision: str) -> dict[str, Any]:
        return {
            f"accelnn, {precision}": {"median": ours},
            f"torch eager, {precision}": {"times accelnn": ratio},
        }

    small = {**config(0.013, 12.5, "float32"), **config(0.007, 11.9, "tf32")}
    large = {**config(0.0026, 9, "float32"), **config(0.0021, 3.5, "tf32")}
    parts = {
        "epochs": {"found": {"adam": {"128": small, "4096": large}}},
        "products": {"found": {"epoch": {"4096": {"float32": {"median": 0.0021}}}}},
    }
    met = {goal.what: goal.met for goal in report.goals(parts)}
    assert met.pop("adam, batch 128, float32: torch eager / accelnn") == "yes"
    assert met.pop("adam, batch 128, tf32: torch eager / accelnn") == "no"
    assert met.pop("adam, batch 4096, tf32: torch eager / accelnn") == "yes"
    assert met.pop("adam, batch 128, tf32: an epoch") == "yes"
    assert met.pop("adam, batch 128, float32: an epoch") == "no"
    assert met.pop("adam, batch 4096, tf32: an epoch") == "no"
    assert met.pop("adam, batch 4096, float32: an epoch / its products by cuBLAS") == "no"
    assert set(met.values()) == {"not measured"}
    assert len(met) == 13 + 6


def test_json_holds_plain_numbers() -> None:
    given = {"a": np.float32(0.5), 4096: [np.int64(3), float("nan"), (True, None, "x")]}
    assert plain(given) == {"a": 0.5, "4096": [3, None, [True, None, "x"]]}


def test_products_are_those_of_a_step(here: Rehearsal) -> None:
    step = gpu_floor.step(here, 5)
    assert list(step)[:3] == ["forward 784 x 8", "forward 8 x 6", "forward 6 x 10"]
    multiplied = 0
    for a, b, out, ta, tb in step.values():
        left, right = a.T if ta else a, b.T if tb else b
        assert (left @ right).shape == out.shape
        multiplied += left.shape[0] * left.shape[1] * right.shape[1]
    assert multiplied == 5 * (3 * (784 * 8 + 8 * 6 + 6 * 10) - 784 * 8)


def test_training_is_judged_by_its_accuracies(
    here: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = gpu_accuracy.trained(here, "together", "sgd")
    assert len(found["test accuracies"]) == 4
    assert found["within"] is False  # after 4 epochs of 48 rows
    for last, best, within in ((0.0, 0.0, True), (0.99, 0.0, False), (0.0, 0.99, False)):
        monkeypatch.setattr(gpu_accuracy, "BOUNDS", {"sgd": (1, last, best)})
        assert gpu_accuracy.trained(here, "tf32", "sgd")["within"] is within


# The tests on a GPU -------------------------------------------------------------------------------

TESTS = """
import time, pytest
def test_good(): pass
@pytest.mark.parametrize("x", ["a b", "c"])
def test_bad(x): assert x == "c", "they differ"
@pytest.mark.skip(reason="no")
def test_skipped(): pass
def test_slow(): time.sleep({seconds})
"""


def test_outcomes_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.format(seconds=0))
    (tmp_path / "test_wrong.py").write_text("import no_such_library")
    found = run_pytest(tmp_path, ["."], 60)
    assert found["counts"] == {"passed": 3, "failed": 1, "skipped": 1}
    assert found["exit code"] == 1
    assert any("test_bad[a b] - AssertionError: they differ" in f for f in found["failures"])
    assert any("ERROR test_wrong.py" in f for f in found["failures"])


def test_pytest_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.format(seconds=600))
    found = run_pytest(tmp_path, ["."], 6)
    assert found["ended at its time limit"] is True
    assert found["exit code"] is None
    assert found["counts"] == {"passed": 2, "failed": 1, "skipped": 1}
    assert found["failures"] == ["test_it.py::test_bad[a b]"]


def test_no_tests_are_no_outcomes() -> None:
    assert outcomes("nothing\n", 5) == {"counts": {}, "failures": [], "tail": "nothing\n"}
