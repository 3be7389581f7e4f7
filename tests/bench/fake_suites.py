"""A suite of small parts that does what suites may do: measure, skip, fail, hang."""

import subprocess
import sys
from pathlib import Path

from accelnn.bench.suites import Part

CONFTEST = """
import json

def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true")
    parser.addoption("--backend", action="append")
    for name in ("--shapes", "--network", "--batch"):
        parser.addoption(name)

def pytest_benchmark_update_json(config, output_json):
    names = ("quick", "backend", "shapes", "network", "batch")
    asked = {name: config.getoption(name) for name in names}
    label = output_json["benchmarks"][0]["name"].replace("test_", "fake/")
    part = {"scale": "quick", "seconds": 0.5, "asked": asked, "not_run": []}
    output_json["accelnn"] = {"parts": {label: part}, "settings": {}}
"""

SUITE = """
import os, subprocess, sys, time, warnings
from pathlib import Path
import pytest

HERE = Path(__file__).parent

def measured(benchmark):
    with open(HERE / "ran", "a") as file:
        file.write("x")
    benchmark.extra_info.update(suite="fake")
    benchmark.pedantic(time.sleep, (0.001,), rounds=3)

def test_good(benchmark):
    warnings.warn("nobody minds")
    measured(benchmark)

def test_other(benchmark):
    measured(benchmark)

@pytest.mark.parametrize("case", [1, 2])
def test_skipped(benchmark, case):
    pytest.skip(f"there is no torch for {case}: pip install 'accelnn[peers]'")

@pytest.mark.parametrize("case", [1, 2])
def test_bad(benchmark, case):
    measured(benchmark)
    assert case == 1, "not the same product"

def test_hanging(benchmark):
    below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (HERE / "pids.new").write_text(f"{os.getpid()} {below.pid}")
    (HERE / "pids.new").rename(HERE / "pids")
    time.sleep(60)
"""

GOOD, OTHER, SKIPPED, BAD, HANGING = (
    Part("fake", name, 1, 2) for name in ("good", "other", "skipped", "bad", "hanging")
)

#: Runs the command on the fake suite: ``python -c CODE folder part,part arguments...``.
COMMAND = """
import sys
from pathlib import Path
from accelnn.bench import command
from accelnn.bench.suites import Part
command.HERE = Path(sys.argv[1])
command.PARTS = [Part("fake", name, 1, 2) for name in sys.argv[2].split(",")]
command.SUITES = {"fake": "fake"}
command.bench(sys.argv[3:])
"""


def write(folder: Path) -> Path:
    """Write the files of the suite and return their folder."""
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_fake.py").write_text(SUITE)
    return folder


def ran(folder: Path) -> int:
    """Return how many cases have been measured."""
    file = folder / "ran"
    return len(file.read_text()) if file.exists() else 0


def start(suites: Path, parts: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command on the fake suite in a new process."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(suites), parts, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
