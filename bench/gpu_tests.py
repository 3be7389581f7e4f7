"""The tests that need a GPU, in a process of their own, which may be ended before it is done."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from accelnn.bench.gpu_run import Run

_OUTCOME = re.compile(r"^(\S+::.+?) (PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)\b", re.MULTILINE)
_SAID = re.compile(r"^(?:FAILED|ERROR) .*$", re.MULTILINE)
_TAIL = 2000  # characters of the output that are kept where something went wrong


def tests(run: Run, found: dict[str, Any]) -> None:
    """Run pytest until it is done or the time of the part is up."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "tests").is_dir():
        run.leave_out("tests", f"{root} has no folder tests; run this from a checkout")
        return
    found.update(pytest(root, ["tests", "-m", "gpu"], run.left()))
    if code := found["exit code"]:
        run.fail("pytest", f"exit code {code}: {len(found['failures'])} failures, see there")


def pytest(root: Path, chosen: list[str], seconds: float) -> dict[str, Any]:
    """Return the outcomes of the chosen tests, counted, and the first lines of the failures."""
    command = [sys.executable, "-m", "pytest", *chosen, "-v", "--tb=line", "-rfE"]
    # An optional library that a test module imports must not keep all others from running.
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "300"},  # or the summary is cut short
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that tests have started
            process.wait()
            code = None
        file.seek(0)
        output = file.read()
    return {"exit code": code, "ended at its time limit": code is None, **outcomes(output, code)}


def outcomes(output: str, code: int | None) -> dict[str, Any]:
    """Return what pytest's lines say; where it was ended, of the tests so far."""
    said = dict(_OUTCOME.findall(output))
    counts = Counter(outcome.lower() for outcome in said.values())
    failed = _SAID.findall(output) or [n for n, o in said.items() if o in ("FAILED", "ERROR")]
    return {
        "counts": dict(counts),
        "failures": failed,
        "tail": output[-_TAIL:] if code else "",
    }
