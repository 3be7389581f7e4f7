"""Runs kernels on the CPU under ThreadSanitizer, with all barriers and without each of them.

The library that ``compile_modules`` makes can only be loaded where ThreadSanitizer was there first,
so ``races`` starts a Python of its own for it. That one loads everything, and then forks for each
run: each begins from the same state, and starting Python is paid for once.

Keep the launches of a run small, some 250 threads together: a thread costs about a millisecond, and
newer ThreadSanitizers tell no more apart.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from accelnn.kernels.on_cupy import _launch
from tests.cuda import host_shim

ROOT = Path(__file__).parents[2]
REPORTED = 66  # the exit code of a run with reports
_MARK = "=== run "  # begins the line before the output of a run
_DONE = "=== done\n"  # the line after it, if it came to its end
_BARRIER = re.compile(r"__syncthreads\(\)|__threadfence\(\)|GRID_BARRIER\(")
_LINE = re.compile(r'#line (\d+) "(.*)"')
_ACCESS = re.compile(r"^  (?:\w+ )*(?:read|write) of size .*\n((?: +#.*\n)+)", re.I | re.M)
_FRAME = re.compile(r"(\w+\.cu):(\d+)")


class Place(NamedTuple):
    """A line of a ``.cu`` file."""

    file: str
    line: int


class Race(NamedTuple):
    """A report: what ThreadSanitizer calls it, and the place of each access in the kernels."""

    kind: str
    places: tuple[Place, ...]


class Run(NamedTuple):
    """A function that runs kernels, given a ``HostRunner``, and the barrier to remove if any."""

    function: str
    removed: Place | None = None

    def __str__(self) -> str:
        return (
            f"{self.function}@{self.removed.file}:{self.removed.line}"
            if self.removed
            else self.function
        )


def missing() -> str | None:
    """Return why ThreadSanitizer cannot be used here, or None where it can."""
    if sys.platform != "linux":
        return "ThreadSanitizer is preloaded, which is Linux's way"
    if shutil.which("g++") is None:
        return "g++ is missing: the CUDA kernels cannot be run on the CPU"
    if not _sanitizer().is_absolute():
        return "libtsan is missing: ThreadSanitizer cannot be used"
    return None


def _sanitizer() -> Path:
    command = ["g++", "-print-file-name=libtsan.so"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def barriers(sources: Iterable[str]) -> list[Place]:
    """Return the places of all barriers and fences in some sources, each place once."""
    found: dict[Place, None] = {}
    for source in sources:
        file, number = "", 0
        for text in source.splitlines():
            number += 1
            if directive := _LINE.fullmatch(text):
                file, number = directive[2], int(directive[1]) - 1
            elif not text.startswith("#") and _BARRIER.search(text.split("//")[0]):
                found[Place(file, number)] = None
    return list(found)


def compile_modules(modules: dict[str, str], folder: Path) -> Path:
    """Compile CUDA sources for the CPU and ThreadSanitizer into a library in ``folder``."""
    return host_shim.build(modules, folder, "-fsanitize=thread", "-g")


def races(library: Path, module: str, runs: Sequence[Run]) -> dict[Run, list[Race]]:
    """Return what is reported of each of some runs, whose functions are in ``module``."""
    processes = min(os.cpu_count() or 1, len(runs))
    with ThreadPoolExecutor(processes) as pool:
        shares = [runs[i::processes] for i in range(processes)]
        found = list(pool.map(lambda share: _races(library, module, share), shares))
    together = {run: reports for share in found for run, reports in share.items()}
    return {run: together[run] for run in runs}


def _races(library: Path, module: str, runs: Sequence[Run]) -> dict[Run, list[Race]]:
    """Do some runs in one process."""
    command = [sys.executable, "-m", __name__, str(library), module, *map(str, runs)]
    environment = os.environ | {
        "LD_PRELOAD": str(_sanitizer()),
        # No other threads are about to end, for which it would wait a second.
        "TSAN_OPTIONS": f"exitcode={REPORTED} atexit_sleep_ms=0",
        "OPENBLAS_NUM_THREADS": "1",  # a fork takes no other thread along
    }
    log = _log(command, environment)
    if "unexpected memory mapping" in log and shutil.which("setarch"):
        log = _log(["setarch", "-R", *command], environment)  # addresses that are not random
    outputs = [output.partition("\n") for output in log.split(_MARK)[1:]]
    found = {name: _parse(text) for name, _, text in outputs if text.endswith(_DONE)}
    assert list(found) == [str(run) for run in runs], log
    return {run: found[str(run)] for run in runs}


def _log(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.stderr


def _parse(text: str) -> list[Race]:
    """Return the reports of one run's output."""
    reports = []
    for report in re.split(r"^(?:WARNING|==\d+==ERROR): ThreadSanitizer: ", text, flags=re.M)[1:]:
        frames = [_FRAME.search(stack) for stack in _ACCESS.findall(report)]
        places = tuple(Place(f[1], int(f[2])) for f in frames if f)
        reports.append(Race(re.split(r" \(| on ", report)[0], places))
    return reports


def main(library: str, module: str, *names: str) -> None:
    """Do each run in a process of its own; what happens goes to the standard error."""
    runner = host_shim.HostRunner(ctypes.CDLL(library))
    functions = import_module(module)
    for name in names:
        function, _, place = name.partition("@")
        os.write(2, f"{_MARK}{name}\n".encode())
        child = os.fork()
        if child == 0:
            _exercise(runner, getattr(functions, function), place)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) in (0, REPORTED):
            os.write(2, _DONE.encode())


def _exercise(runner: host_shim.HostRunner, run: Callable[[Any], None], place: str) -> NoReturn:
    """Run the kernels in both orders, and end the process."""
    try:
        if place:
            file, line = place.split(":")
            runner.remove(file, int(line))
        with _launch.use(runner):
            for runner.backwards in (False, True):
                run(runner)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # at once, without Python's own tidying up; ThreadSanitizer makes it REPORTED


if __name__ == "__main__":
    main(*sys.argv[1:])
