"""Runs the parts, each in a pytest process of its own, and keeps what it found as a checkpoint.

A checkpoint is the JSON that pytest-benchmark writes, with what was asked for beside it. It appears
when its process has ended well, and as a whole: an interruption costs the part that was at work.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from accelnn.backends.numpy_backend import cores, cpu_name
from accelnn.bench.facts import THREADS
from accelnn.bench.settings import Settings
from accelnn.bench.suites import Part
from accelnn.paths import replace_file

#: Lines of a log that are shown where a part failed.
TAIL = 15
#: Seconds that a process is given to end, before it is killed.
MERCY = 5.0


@dataclass(frozen=True)
class Outcome:
    """What became of a part.

    Attributes
    ----------
    part : Part
    state : {"done", "kept", "not run", "failed"}
        "kept": it was measured before. "not run": all its cases were skipped.
    seconds : float
        That it took, when it ran.
    reasons : list of {"name", "reason"}
        Why cases did not run, or failed; of a part that is done they are in its JSON.
    tail : str
        The last lines of the log of a part that failed.
    """

    part: Part
    state: str
    seconds: float
    reasons: list[dict[str, str]] = field(default_factory=list)
    tail: str = ""


class Runner:
    """Runs parts with one choice of settings.

    Parameters
    ----------
    folder : Path
        Where checkpoints and logs go; it exists.
    settings : Settings
    suites : Path
        Where the files of the suites are.
    """

    def __init__(self, folder: Path, settings: Settings, suites: Path) -> None:
        self.folder, self.settings, self.suites = folder, settings, suites
        self.stamp = stamp(settings)

    def place(self, part: Part, ending: str) -> Path:
        """Return the path of one of a part's files."""
        return self.folder / f"{part.suite}-{part.name}.{ending}"

    def kept(self, part: Part) -> dict[str, Any] | None:
        """Return a part's checkpoint; None without one, or where other settings were meant."""
        found = read_json(self.place(part, "json"))
        if found is None or found.get("accelnn", {}).get("settings") != self.stamp:
            return None
        return found

    def forget(self, part: Part) -> None:
        """Delete a part's checkpoint."""
        self.place(part, "json").unlink(missing_ok=True)

    def run(self, part: Part, tick: Callable[[], None] = lambda: None) -> Outcome:
        """Measure a part, or take its checkpoint; ``tick`` is called while it is at work."""
        if (found := self.kept(part)) is not None:
            return Outcome(part, "kept", seconds_of(found, part))
        fresh, cases = self.place(part, "json.part"), self.place(part, "xml.part")
        log, started = self.place(part, "log"), time.monotonic()
        try:
            with log.open("wb") as output:
                code = _wait(self.command(part, fresh, cases), output, tick)
            seconds = time.monotonic() - started
            if code != 0:
                tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-TAIL:])
                why = reasons(cases, ("failure", "error"))
                why = why or [{"name": f"test_{part.name}", "reason": f"pytest exited with {code}"}]
                return Outcome(part, "failed", seconds, why, tail)
            if not (found := read_json(fresh)) or not found["benchmarks"]:
                return Outcome(part, "not run", seconds, reasons(cases, ("skipped",)))
            said = found.setdefault("accelnn", {})
            said["settings"] = self.stamp
            said.setdefault("parts", {}).setdefault(part.label, {})["process_seconds"] = seconds
            replace_file(self.place(part, "json"), json.dumps(found).encode())
            return Outcome(part, "done", seconds)
        finally:
            fresh.unlink(missing_ok=True)
            cases.unlink(missing_ok=True)

    def command(self, part: Part, result: Path, cases: Path) -> list[str]:
        """Return the pytest command of a part.

        Neither the checkout's settings for pytest nor those of the current folder have a say, so
        that an installed bench and a checkout do the same.
        """
        test = self.suites / f"test_{part.suite}.py"
        pytest = [sys.executable, "-m", "pytest", f"{test}::test_{part.name}"]
        pytest += ["-c", os.devnull, "--rootdir", str(self.suites), "--import-mode=importlib"]
        pytest += ["-p", "no:cacheprovider", "-q", "-rsfE", "--tb=short", "--disable-warnings"]
        pytest += [f"--junitxml={cases}", "--benchmark-only", "--benchmark-quiet"]
        pytest += [f"--benchmark-json={result}"]
        return pytest + options(self.settings)


def stamp(settings: Settings) -> dict[str, Any]:
    """Return what a checkpoint is good for: these settings, on this version and machine."""
    threads = {name: os.environ[name] for name in THREADS if name in os.environ}
    machine = {"processor": cpu_name(), "cores": cores(), "threads by environment": threads}
    machine["data by environment"] = "ACCELNN_DATA" in os.environ  # MNIST, or a stand-in
    said = {**settings.recorded(), "machine": machine}
    return dict(json.loads(json.dumps(said)))  # with lists for tuples, as it is read back


def options(settings: Settings) -> list[str]:
    """Return the settings as the options of ``bench/conftest.py``."""
    said = ["--quick"] if settings.scale == "quick" else []
    for name in settings.backends:
        said += ["--backend", name]
    if settings.shapes:
        said += ["--shapes", ",".join("x".join(map(str, shape)) for shape in settings.shapes)]
    said += ["--network", "-".join(map(str, settings.network))]
    if settings.batches:
        said += ["--batch", ",".join(map(str, settings.batches))]
    return said


def seconds_of(run: dict[str, Any], part: Part) -> float:
    """Return how long a part's process took, by its checkpoint."""
    return float(run["accelnn"]["parts"][part.label]["process_seconds"])


def reasons(cases: Path, kinds: tuple[str, ...]) -> list[dict[str, str]]:
    """Return why cases were skipped or failed, as pytest's JUnit file says it."""
    try:
        tree = ET.parse(cases)
    except (OSError, ET.ParseError):  # pytest did not come so far
        return []
    return [
        {"name": case.get("name", ""), "reason": said.get("message", "")}
        for case in tree.iter("testcase")
        for said in case
        if said.tag in kinds
    ]


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a file; None where there is no file, or nothing whole in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first Ctrl-C or request to end, and be deaf to the next.

    A second one would break off the cleaning up, and ``accelnn bench`` passes on what it hears,
    though a terminal sends it to both. Once interrupted, the process stays deaf: it is to end.
    """

    def stop(*_: object) -> None:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    heard = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in heard}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _wait(command: list[str], output: Any, tick: Callable[[], None]) -> int:
    """Run a command in a process group of its own, and leave none of the group behind."""
    how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output}
    how |= {"stderr": subprocess.STDOUT}
    if sys.platform == "win32":
        how["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        how["start_new_session"] = True
    how["env"] = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}
    child = subprocess.Popen(command, **how)
    try:
        while True:
            try:
                return child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                tick()
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a process, and what it has started."""
    if sys.platform == "win32":
        child.kill()
        child.wait()
        return
    with suppress(ProcessLookupError, PermissionError):  # nobody is left, as systems say it
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=MERCY)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
