"""What all suites share: their options, the settings of a run, and what is recorded.

``pytest bench --benchmark-only`` measures in full, ``pytest bench --benchmark-disable`` runs each
case once, tiny and untimed; ``accelnn bench`` calls the same suites part by part. What stands in
the JSON beside pytest-benchmark's own is written here, and only here.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest

from accelnn import roofline
from accelnn.bench.facts import facts, foreign_seconds
from accelnn.bench.measuring import NOISY, Measure, spread
from accelnn.bench.settings import Settings, read_batches, read_network, read_shapes, usable
from accelnn.errors import BackendUnavailable

#: Seconds after which the ceilings are measured again.
AGAIN = 10.0

RUN = pytest.StashKey[dict[str, Any]]()
SETTINGS = pytest.StashKey[Settings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what ``accelnn bench`` offers."""
    group = parser.getgroup("accelnn bench")
    group.addoption("--quick", action="store_true", help="fewer sizes and shorter timings")
    group.addoption("--backend", action="append", metavar="NAME", help="only this; repeatable")
    group.addoption("--shapes", metavar="NxKxM,...", help="products to measure")
    group.addoption("--network", metavar="IN-...-OUT", help="widths of the network")
    group.addoption("--batch", metavar="N,...", help="sizes of minibatches")


def pytest_configure(config: pytest.Config) -> None:
    """Read the options once, and refuse what cannot be meant before anything runs."""
    config.stash[SETTINGS] = read(config)
    started = {"seconds": time.perf_counter(), "others": foreign_seconds()}
    config.stash[RUN] = {"started": started, "ceilings": {}}


def read(config: pytest.Config) -> Settings:
    """Return the settings that the options ask for."""
    try:
        names = usable(config.getoption("backend") or ())
    except (ValueError, BackendUnavailable) as error:
        raise pytest.UsageError(f"--backend: {error}") from error
    small = config.getoption("benchmark_disable", False)
    scale = "smoke" if small else "quick" if config.getoption("quick") else "full"
    made: dict[str, Any] = {"scale": scale, "backends": names}
    for option, field, reader in (
        ("shapes", "shapes", read_shapes),
        ("network", "network", read_network),
        ("batch", "batches", read_batches),
    ):
        if text := config.getoption(option):
            try:
                made[field] = reader(text)
            except ValueError as error:
                raise pytest.UsageError(f"--{option}: {error}") from error
    return Settings(**made)


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    """What the run was asked for."""
    return pytestconfig.stash[SETTINGS]


@pytest.fixture
def measure(benchmark: Any, settings: Settings) -> Measure:
    """What times a case."""
    return Measure(benchmark, settings)


@pytest.fixture(scope="session")
def ceilings(pytestconfig: pytest.Config) -> Callable[[str], roofline.Ceilings]:
    """Return what measures the ceilings of a backend and has them written into the JSON.

    They are measured again when some time has passed, and the highest count, for all backends of
    the CPU alike: a machine whose speed changes is to be held against its best.
    """
    kept = pytestconfig.stash[RUN]["ceilings"]
    best: dict[str, dict[str, float]] = {}
    last: dict[str, float] = {}

    def of(backend: str) -> roofline.Ceilings:
        device = backend if backend.startswith("cupy") else "cpu"
        if time.perf_counter() - last.get(device, -AGAIN) >= AGAIN:
            roofline.forget()
            held = best.setdefault(device, {})
            for key, rate in roofline.ceilings(backend)._asdict().items():
                held[key] = max(rate, held.get(key, 0.0))
            last[device] = time.perf_counter()
        kept[backend] = best[device]
        return roofline.Ceilings(**best[device])

    return of


def part_of(fullname: str) -> tuple[str, str]:
    """Return suite and part of a case: bench/test_matmul.py::test_rungs[...] -> matmul, rungs."""
    file, _, function = fullname.partition("::")
    name = function.partition("[")[0].removeprefix("test_")
    return file.rpartition("/")[2].removeprefix("test_").removesuffix(".py"), name


def _function(label: str) -> str:
    return "test_" + label.partition("/")[2]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a suite make its cases from the settings: ``cases_<part>(settings)`` returns params.

    A case is a ``pytest.param`` or a value for the test's argument ``case``.
    """
    if "case" in metafunc.fixturenames:
        name = metafunc.function.__name__.removeprefix("test_")
        cases = getattr(metafunc.module, f"cases_{name}")(metafunc.config.stash[SETTINGS])
        metafunc.parametrize("case", cases, ids=str)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what was skipped, with its reason."""
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        _not_run.append({"name": report.nodeid.rpartition("::")[2], "reason": reason})


_not_run: list[dict[str, str]] = []


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Record what pytest-benchmark does not know of: threads, BLAS, GPU, versions."""
    machine_info["accelnn"] = facts()


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Record suite and part of each case, whether it is noisy, and how the run went."""
    run, settings = config.stash[RUN], config.stash[SETTINGS]
    parts = set()
    for each in output_json["benchmarks"]:
        suite, part = part_of(each["fullname"])
        parts.add(f"{suite}/{part}")
        apart = spread(each["stats"])
        each["extra_info"].update(suite=suite, part=part, spread=apart, noisy=apart > NOISY)
    seconds = time.perf_counter() - run["started"]["seconds"]
    before, after = run["started"]["others"], foreign_seconds()
    others = None if before is None or after is None else max(0.0, (after - before) / seconds)
    said = {
        "scale": settings.scale,
        "seconds": seconds,
        "cores of others": others,
        "ceilings": run["ceilings"],
        "not_run": _not_run,
    }
    output_json["accelnn"] = {"parts": {}, "settings": settings.recorded()}
    for label in sorted(parts):
        mine = [case for case in _not_run if case["name"].partition("[")[0] == _function(label)]
        output_json["accelnn"]["parts"][label] = {**said, "not_run": mine}
