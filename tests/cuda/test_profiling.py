"""Profiles of the CuPy backend, its kernels compiled for the CPU, on a CUDA that keeps a clock."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import backends, get_backend, kernels, nn, roofline
from accelnn.backends import cupy_timing
from accelnn.backends.cupy_backend import CupyBackend
from accelnn.kernels.on_cupy import _launch
from accelnn.program import Program, lower
from accelnn.roofline import Ceilings
from tests.cuda.conftest import library as library
from tests.cuda.host_shim import HostRunner
from tests.profiled import BATCH, CALLS, STEPS, calls, fit, flops, products
from tests.stacks import OPTIMIZERS, data, stack


class Cuda:
    """What the timer asks of ``cupy.cuda``: a millisecond passes from event to event."""

    def __init__(self, nvtx: bool = True) -> None:
        self.clock, self.synchronized = 0, 0
        self.open: list[str] = []
        self.ranges: list[str] = []
        cuda = self

        class Event:
            at = -1

            def record(self) -> None:
                cuda.clock += 1
                self.at = cuda.clock

            def synchronize(self) -> None:
                assert self.at >= 0
                cuda.synchronized += 1

        def push(name: str) -> None:
            self.open.append(name)
            self.ranges.append(name)

        self.Event = Event
        self.nvtx = SimpleNamespace(available=nvtx, RangePush=push, RangePop=self.open.pop)
        self.memory = SimpleNamespace(OutOfMemoryError=MemoryError)

    def get_elapsed_time(self, begin: Any, end: Any) -> float:
        assert begin.at >= 0
        return float(end.at - begin.at)


class OnHost(CupyBackend):
    """The CuPy backend over NumPy arrays."""

    def __init__(self) -> None:
        vars(self).update(kernels.load(self.folder), xp=Xp(Cuda()), device_id=0)

    def scope(self) -> Any:
        return nullcontext()

    def fits(self, n_bytes: int) -> bool:
        return True

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)

    def release(self, plan: Any) -> None:
        plan.views.clear()


class Xp:
    """NumPy, with a ``cuda``."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@pytest.fixture
def gpu(library: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnHost]:
    monkeypatch.setattr(backends, "_REGISTRY", {**backends._REGISTRY, "cupy": OnHost})
    monkeypatch.setattr(backends, "_instances", {})
    monkeypatch.setattr(roofline, "ceilings", lambda *_: Ceilings(1e6, 1e6))
    with _launch.use(HostRunner(library)):
        held = get_backend("cupy")
        assert isinstance(held, OnHost)
        yield held


def made(gpu: OnHost, X: Any = None, scale: float = 1.0, hidden: str = "tanh") -> Program:
    model, loss = stack(hidden, gpu, "float32"), nn.CrossEntropyLoss()
    program = lower(model, loss, OPTIMIZERS["adam"](model.parameters()), gpu, BATCH)
    features, y = data(loss, 20, "float32")
    program.bind(features if X is None else X, y, scale)
    return program


def test_a_program_is_run_kernel_by_kernel_between_events(gpu: OnHost) -> None:
    program = made(gpu)
    with accelnn.profile() as found:
        fit(program)
        assert gpu.xp.cuda.synchronized == 1  # when the profile began, and nothing since
    said = {key: n for key, n in flops(found).items() if key[0] == "matmul"}
    assert said == products([7, 6, 5, 3], [8, 8, 4])
    assert sum(row.calls for row in found.rows) == CALLS * STEPS
    assert calls(found)["adam", ""] == STEPS
    assert all(row.seconds == pytest.approx(1e-3 * row.calls) for row in found.rows)
    assert gpu.xp.cuda.synchronized == 1 + CALLS * STEPS
    assert str(found).splitlines()[-1] == (
        "programs on cupy were run kernel by kernel, in the dtype of the model; without a "
        "profile they are not"
    )


def test_each_kernel_is_in_a_range_of_its_name(gpu: OnHost) -> None:
    program = made(gpu)
    with accelnn.profile():
        fit(program)
    cuda = gpu.xp.cuda
    assert len(cuda.ranges) == CALLS * STEPS
    assert cuda.ranges[2:5] == ["matmul Linear 1, forward", "add_bias Linear 1", "tanh Linear 1"]
    assert cuda.ranges[0] == "take_rows"
    assert cuda.open == []
    gpu.xp.cuda = Cuda(nvtx=False)
    with accelnn.profile() as found:
        fit(program)
    assert found.rows
    assert gpu.xp.cuda.ranges == []


def test_a_kernel_that_fails_closes_its_range(gpu: OnHost) -> None:
    with accelnn.profile() as found, pytest.raises(ValueError, match="matmul"):
        gpu.matmul(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
    assert gpu.xp.cuda.open == []
    assert found.rows == []


def test_weights_and_backend_are_as_without_a_profile(gpu: OnHost) -> None:
    plain, watched = made(gpu, hidden="dropout"), made(gpu, hidden="dropout")
    for each in (plain, watched):
        fit(each)
    before = dict(vars(gpu))
    with accelnn.profile():
        fit(watched)
    assert vars(gpu) == before
    fit(plain)
    for each in (plain, watched):
        fit(each)
    np.testing.assert_allclose(watched.plan.params, plain.plan.params, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound_inside", [False, True])
def test_bytes_are_read_as_the_program_reads_them(gpu: OnHost, bound_inside: bool) -> None:
    X = np.random.default_rng(0).integers(0, 256, (20, 7)).astype(np.uint8)
    plain = made(gpu, X, 1 / 255)
    assert plain.plan.X.dtype == np.uint8
    fit(plain)
    if bound_inside:
        with accelnn.profile():
            watched = made(gpu, X, 1 / 255)
            fit(watched)
            predicted = watched.predict(X[:5])
    else:
        watched = made(gpu, X, 1 / 255)
        with accelnn.profile():
            fit(watched)
            predicted = watched.predict(X[:5])
    np.testing.assert_allclose(watched.plan.params, plain.plan.params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predicted, plain.predict(X[:5]), rtol=1e-4, atol=1e-5)


def test_events_are_read_when_there_are_many(gpu: OnHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_timing, "MANY", 12)
    program = made(gpu)
    with accelnn.profile() as found:
        fit(program)
        assert sum(row.calls for row in found.rows) == CALLS * STEPS // 12 * 12
    assert sum(row.calls for row in found.rows) == CALLS * STEPS


def test_the_trace_has_the_gpus_own_track(gpu: OnHost, tmp_path: Path) -> None:
    program = made(gpu)
    with accelnn.profile() as found:
        fit(program)
    found.save_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    names = {e["name"]: e["args"]["name"] for e in trace if e["ph"] == "M"}
    assert names["thread_name"] == "cupy"
    events = [e for e in trace if e["ph"] == "X"]
    gaps = {round(b["ts"] - a["ts"], 3) for a, b in pairwise(events)}
    assert gaps == {2000.0}  # two events a kernel, a millisecond each
    assert {round(e["dur"], 6) for e in events} == {1000.0}
