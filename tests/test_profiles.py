"""The times of a profile, its share of the roofline, its table and its trace."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import accelnn
from accelnn import get_backend, profiling, roofline
from accelnn.backends import watching
from accelnn.roofline import Ceilings
from tests.profiled import CALLS, STEPS, calls, fit, made, mnist
from tests.profiled import parts as parts


@pytest.fixture(autouse=True)
def _no_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure nothing; a million operations and bytes a second are what a machine can do."""
    monkeypatch.setattr(roofline, "ceilings", lambda *_: Ceilings(1e6, 1e6))


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return a clock that a second passes on whenever it is read."""
    clock = count(100)
    for module in (profiling, watching):
        monkeypatch.setattr(module, "perf_counter", lambda: float(next(clock)))
    return clock


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ticks")
def test_a_kernels_time_is_what_passes_around_it() -> None:
    program = made("numpy")
    with accelnn.profile() as found:
        fit(program)
    assert all(row.seconds == row.calls for row in found.rows)
    n_calls = sum(row.calls for row in found.rows)
    assert n_calls == CALLS * STEPS
    assert found.seconds == 2 * n_calls + 1  # every call reads the clock twice
    assert found.rest == n_calls + 1
    assert found.rest + sum(row.seconds for row in found.rows) == found.seconds
    assert [row.seconds for row in found.rows] == sorted(r.seconds for r in found.rows)[::-1]


@pytest.mark.usefixtures("parts")
def test_an_engines_operations_take_no_longer_than_the_block() -> None:
    _, program = mnist("numba")
    program.run(0, 1, [0.001])
    with accelnn.profile() as found:
        for _ in range(5):
            program.run(0, 1, [0.001])
    took = sum(row.seconds for row in found.rows)
    assert all(row.seconds > 0 for row in found.rows)
    assert 0 < took <= found.seconds
    assert found.rest == pytest.approx(found.seconds - took)


# Roofline, table, trace ---------------------------------------------------------------------------


@pytest.mark.usefixtures("ticks")
def test_the_share_of_the_roofline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def measure(backend: str, dtype: str) -> Ceilings:
        asked.append((backend, dtype))
        return Ceilings(flops=100.0, bandwidth=1000.0)

    monkeypatch.setattr(roofline, "ceilings", measure)
    with accelnn.profile() as found:
        get_backend("numpy").matmul(np.ones((2, 3), np.float32), np.ones((3, 4), np.float32))
        get_backend("numpy").add_bias(np.ones((2, 3)), np.ones(3))
    rows = {row.kernel: row for row in found.rows}
    assert not asked
    assert (rows["matmul"].flops, rows["matmul"].bytes) == (40, 4 * (6 + 12 + 8))
    assert rows["matmul"].roofline == 0.4  # a second, of which the operations need 0.4
    assert (rows["add_bias"].flops, rows["add_bias"].bytes) == (6, 8 * (6 + 3 + 6))
    assert rows["add_bias"].roofline == 0.12  # and its bytes 0.12
    assert asked == [("numpy", "float32"), ("numpy", "float64")]


def test_a_row_of_both_dtypes_is_held_against_the_ceilings_of_float64() -> None:
    with accelnn.profile() as found:
        for dtype in ("float64", "float32", "float64", "float32"):
            get_backend("numpy").relu(np.ones((2, 3), dtype))
    (row,) = found.rows
    assert (row.calls, row.bytes, row.dtype) == (4, 2 * (48 + 96), "float64")


@pytest.mark.usefixtures("ticks")
def test_the_table() -> None:
    program = made("numpy")
    with accelnn.profile() as found:
        fit(program)
    lines = str(found).splitlines()
    assert lines[0].split() == [
        "kernel", "layer", "backend", "calls", "ms", "%", "GFLOP/s", "GB/s", "roofline",
    ]  # fmt: skip
    assert len(lines) == 1 + len(found.rows) + 2
    product = next(line for line in lines if "Linear 1, weights" in line)
    assert " ".join(product.split()) == "matmul Linear 1, weights numpy 3 3000.00 2.2 0.0 0.0 0 %"
    assert " ".join(lines[-2].split()) == "no kernel: Python, data, waiting 70000.00 50.4"
    assert lines[-1] == "roofline of numpy, float32: 0 GFLOP/s, 0.0 GB/s"


@pytest.mark.usefixtures("ticks")
def test_the_trace_of_timed_kernels(tmp_path: Path) -> None:
    program = made("numpy")
    with accelnn.profile() as found:
        fit(program)
    path = tmp_path / "trace.json"
    found.save_trace(path)
    trace = json.loads(path.read_text(encoding="utf-8"))
    assert trace["otherData"]["dropped_events"] == 0
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    said: Counter[tuple[str, str]] = Counter((e["name"], e["args"]["layer"]) for e in events)
    assert said == calls(found)
    assert [e["ts"] for e in events] == [1e6 * (1 + 2 * i) for i in range(len(events))]
    assert {(e["dur"], e["cat"], e["tid"]) for e in events} == {(1e6, "numpy", 1)}
    assert events[2]["args"] == {
        "layer": "Linear 1, forward",
        "flops": 8 * 6 * 13,
        "bytes": 4 * (56 + 42 + 48),
    }
    names = {e["name"]: e["args"]["name"] for e in trace["traceEvents"] if e["ph"] == "M"}
    assert names == {
        "process_name": "accelnn",
        "thread_name": f"thread {threading.get_native_id()}",
    }


def test_the_trace_of_a_compiled_range(tmp_path: Path) -> None:
    program = made("numba")
    with accelnn.profile() as found:
        fit(program)
        program.predict(np.ones((5, 7), np.float32))
    found.save_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [e["name"] for e in events] == ["steps 0 to 2", "outputs of 5 rows"]
    took = Counter[str]()
    for event in events:
        took.update(event["args"])
    assert took == pytest.approx(
        {
            f"{row.kernel}, {row.layer}, ms" if row.layer else f"{row.kernel}, ms": 1e3
            * row.seconds
            for row in found.rows
        }
    )
    assert all(sum(e["args"].values()) * 1e3 <= e["dur"] for e in events)


def test_a_trace_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_EVENTS", 10)
    program = made("numpy")
    with accelnn.profile() as found:
        fit(program)
    found.save_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    assert sum(e["ph"] == "X" for e in trace["traceEvents"]) == 10
    assert trace["otherData"]["dropped_events"] == CALLS * STEPS - 10
    assert sum(row.calls for row in found.rows) == CALLS * STEPS
