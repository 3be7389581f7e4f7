"""The parts' JSON becomes one, which pytest-benchmark's own tools read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from accelnn.bench.merging import merge, read_run
from accelnn.bench.running import Outcome, Runner
from accelnn.bench.settings import Settings
from tests.bench import fake_suites
from tests.bench.fake_suites import BAD, GOOD, HANGING, OTHER, SKIPPED


def part(label: str, when: str, **settings: Any) -> dict[str, Any]:
    benchmark = {"name": f"test_{label}", "stats": {"data": [1.0, 2.0]}}
    return {
        "machine_info": {"node": label},
        "commit_info": {},
        "benchmarks": [benchmark],
        "datetime": when,
        "version": "5.0",
        "accelnn": {"parts": {label: {"seconds": 1.0}}, "settings": {"scale": "full", **settings}},
    }


def test_what_is_merged() -> None:
    first, second = part("a/x", "2026-01-02"), part("a/y", "2026-01-01")
    reasons = [{"name": "test_skipped", "reason": "no torch"}]
    outcomes = [
        Outcome(GOOD, "kept", 3.0),
        Outcome(SKIPPED, "not run", 0.5, reasons),
        Outcome(BAD, "failed", 2.0, reasons),
    ]
    merged = merge([first, second], outcomes)
    assert merged["benchmarks"] == first["benchmarks"] + second["benchmarks"]
    assert merged["machine_info"] == {"node": "a/x"}
    assert merged["datetime"] == "2026-01-02"
    assert merged["version"] == "5.0"
    assert merged["accelnn"]["settings"] == {"scale": "full"}
    silent = {"scale": "full", "ceilings": {}, "not_run": reasons}
    assert merged["accelnn"]["parts"] == {
        "a/x": {"seconds": 1.0},
        "a/y": {"seconds": 1.0},
        "fake/skipped": {**silent, "seconds": 0.5, "failed": False},
        "fake/bad": {**silent, "seconds": 2.0, "failed": True},
    }
    assert list(first["accelnn"]["parts"]) == ["a/x"]  # the parts are as they were


def test_parts_with_other_settings_are_no_run() -> None:
    with pytest.raises(ValueError, match="different settings"):
        merge([part("a/x", "1"), part("a/y", "2", batches=[3])])


def test_pytest_benchmark_reads_what_is_merged(tmp_path: Path) -> None:
    suites = fake_suites.write(tmp_path / "suites")
    runner = Runner(tmp_path, Settings(scale="quick"), suites)
    runs = []
    for each in (GOOD, OTHER):
        runner.run(each)
        found = runner.kept(each)
        assert found is not None
        runs.append(found)
    merged = merge(runs, [Outcome(HANGING, "not run", 1.0)])
    (tmp_path / "bench.json").write_text(json.dumps(merged))
    assert read_run(tmp_path) == read_run(tmp_path / "bench.json") == merged
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", str(tmp_path / "bench.json")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "test_good" in done.stdout
    assert "test_other" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read .*x.json: No such file"),
        ("{", "is not JSON"),
        ("[]", "has no benchmarks"),
        ('{"benchmarks": 3}', "has no benchmarks"),
        ('{"benchmarks": []}', "was not written by the suites of accelnn"),
    ],
)
def test_files_that_are_no_run(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_run(path)
