"""What the suites' fixtures write beside pytest-benchmark's own, in a run of pytest of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from accelnn.bench import conftest
from accelnn.bench.measuring import spread

SUITE = """
import pytest
from accelnn.bench.playback import play_back, taken_elsewhere

calls = []

def cases_sleep(settings):
    return [pytest.param(n, id=f"n={n}") for n in settings.pick((1, 2, 3), (1, 2), (1,))]

def test_sleep(measure, case):
    measure(lambda: calls.append(case), rounds=7, who="me", flops=10 * case)

@taken_elsewhere
def test_back(benchmark):
    play_back(benchmark, [0.1, 0.2, 0.4, 0.8])

def test_skipped(measure):
    pytest.skip("there is none")

def test_sleep_more(measure):
    pytest.skip("another part, whose name begins alike")

def test_ceilings(measure, ceilings):
    assert ceilings("numpy") == ceilings("numba")
    measure(lambda: None, peak=ceilings("numpy").flops)

def test_highest(measure, ceilings, monkeypatch):
    from accelnn import roofline
    rates = iter([(1e20, 1.0), (1.0, 1e20), (2.0, 2.0)])
    monkeypatch.setattr(roofline, "ceilings", lambda backend: roofline.Ceilings(*next(rates)))
    assert ceilings("cupy") == ceilings("cupy") == (1e20, 1.0)
    monkeypatch.setattr("conftest.AGAIN", 0.0)
    assert ceilings("cupy") == (1e20, 1e20)
    assert ceilings("cupy") == (1e20, 1e20)
    measure(lambda: None)

def test_fresh(measure):
    state = [0]
    def setup():
        state[0] = 1
        return "what pytest-benchmark must not take for arguments"
    def call():
        assert state[0] == 1
        state[0] = 0
    measure(call, setup=setup)
"""


def pytest_in(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(conftest.__file__, folder / "conftest.py")
    (folder / "test_toy.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "test_toy.py", "-p", "no:cacheprovider", "-q"]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("toy")
    done = pytest_in(folder, "--benchmark-only", "--quick", "--benchmark-json=run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def by_part(recorded: dict[str, Any], part: str) -> list[dict[str, Any]]:
    return [b for b in recorded["benchmarks"] if b["extra_info"]["part"] == part]


def test_cases_come_from_the_settings(recorded: dict[str, Any]) -> None:
    cases = by_part(recorded, "sleep")
    assert [case["name"] for case in cases] == ["test_sleep[n=1]", "test_sleep[n=2]"]
    assert [case["extra_info"]["flops"] for case in cases] == [10, 20]
    for case in cases:
        assert (case["extra_info"]["suite"], case["extra_info"]["who"]) == ("toy", "me")
        assert len(case["stats"]["data"]) == 7


def test_samples_taken_elsewhere_are_kept_as_they_are(recorded: dict[str, Any]) -> None:
    (case,) = by_part(recorded, "back")
    assert case["stats"]["data"] == pytest.approx([0.1, 0.2, 0.4, 0.8], rel=1e-12)
    stats, info = case["stats"], case["extra_info"]
    assert info["spread"] == (stats["q3"] - stats["q1"]) / stats["median"]
    assert info["noisy"] is True


def test_what_was_not_run_says_why(recorded: dict[str, Any]) -> None:
    """By the part it belongs to, of those that ran."""
    parts = recorded["accelnn"]["parts"]
    assert set(parts) == {
        f"toy/{name}" for name in ("sleep", "back", "ceilings", "highest", "fresh")
    }
    assert all(part["not_run"] == [] for part in parts.values())
    assert parts["toy/sleep"]["scale"] == "quick"
    assert parts["toy/sleep"]["seconds"] > 0


def test_ceilings_are_written_down(recorded: dict[str, Any]) -> None:
    (case,) = by_part(recorded, "ceilings")
    (ceiling,) = {p["ceilings"]["numpy"]["flops"] for p in recorded["accelnn"]["parts"].values()}
    assert ceiling == case["extra_info"]["peak"] > 1e6


def test_the_machine_is_described(recorded: dict[str, Any]) -> None:
    facts = recorded["machine_info"]["accelnn"]
    assert facts["cores"] >= 1
    assert {s["name"] for s in facts["backends"]} >= {"numpy", "numba", "cupy"}
    assert any("accelnn" in pool for pool in facts["pools"])


def test_once_and_untimed(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "--benchmark-disable")
    assert "5 passed, 2 skipped" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--backend", "nunpy"],
            "--backend: unknown backend 'nunpy': expected one of 'numpy', 'numba'",
        ),
        (["--shapes", "3x3"], "--shapes: expected shapes like 128x784x512 (n x k x m), got '3x3'"),
        (["--network", "3"], "--network: expected widths like 784-512-10, got '3'"),
        (["--batch", "no"], "--batch: expected whole numbers of at least 1, got 'no'"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    options: list[str], said: str, tmp_path: Path
) -> None:
    done = pytest_in(tmp_path, *options)
    assert done.returncode == 4
    assert said in done.stdout + done.stderr


def test_parts_by_the_names_of_their_cases() -> None:
    assert conftest.part_of("bench/test_backprop_cost.py::test_cost[3-2]") == (
        "backprop_cost",
        "cost",
    )
    assert conftest.part_of("test_mnist.py::test_rungs[a/b::c]") == ("mnist", "rungs")


def test_spread() -> None:
    assert spread({"q1": 2.0, "q3": 3.0, "median": 2.5}) == 0.4
    assert spread({"q1": 0.0, "q3": 0.0, "median": 0.0}) == 0.0
