"""The peak of a process's memory, by allocations of known size."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn.backends import get_backend
from accelnn.bench import mnist_memory
from accelnn.bench.mnist_memory import DevicePeak, HostPeak, floor_bytes, no_peak, prepare

MEGA = 1 << 20
on_linux = pytest.mark.skipif(bool(no_peak()), reason=no_peak() or "it can be measured")


@on_linux
def test_memory_that_was_held_and_is_not_any_more_is_found() -> None:
    high = HostPeak()
    held = np.ones(40 * MEGA, np.uint8)
    del held
    # Linux counts the pages of each processor apart, and adds them up now and then.
    assert 38 * MEGA < high.bytes() < 48 * MEGA
    assert HostPeak().bytes() < 8 * MEGA


@on_linux
def test_what_was_freed_before_does_not_hide_what_comes_after() -> None:
    def chunks() -> list[Any]:
        return [np.ones(1 << 16, np.uint8) for _ in range(640)]

    held = chunks()
    last = np.ones(1 << 16, np.uint8)  # so that the heap does not end where the chunks are
    del held
    high = HostPeak()
    held = chunks()
    assert high.bytes() > 36 * MEGA
    assert len(held) == 640
    assert last.all()


def test_a_system_that_does_not_tell_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert no_peak() == "the peak of a process is read from /proc, which only Linux has"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(mnist_memory, "CLEAR", tmp_path / "missing" / "clear_refs")
    assert no_peak().startswith("this system does not tell the peak of a process: [Errno 2]")
    monkeypatch.setattr(mnist_memory, "CLEAR", tmp_path / "clear_refs")
    (tmp_path / "status").write_text("VmRSS:\t 12 kB\n")
    monkeypatch.setattr(mnist_memory, "STATUS", tmp_path / "status")
    assert mnist_memory.resident("VmRSS") == 12 * 1024
    assert "does not say VmHWM" in no_peak()


@pytest.mark.parametrize(("dtype", "copied"), [(np.uint8, 20 * 6 * 4), (np.float32, 0)])
def test_the_floor_is_the_buffers_and_the_floats_made_of_bytes(dtype: Any, copied: int) -> None:
    X, y = np.ones((20, 6), dtype), np.arange(20) % 3
    held = get_backend("numpy")
    scale = 1 / 255 if dtype == np.uint8 else 1.0
    with prepare(held, "adam", X, y, scale, (6, 4, 3), 5) as made:
        parameters = 6 * 4 + 4 + 4 * 3 + 3
        work, deltas = 5 * (6 + 4 + 3), held.deltas_alive * 5 * 6
        assert floor_bytes(made, X) == 4 * (4 * parameters + work + deltas) + copied


class Pool:
    held = 100

    def total_bytes(self) -> int:
        return self.held


class FakeDevice:
    """A backend with a pool, from which what is unused can be given back."""

    def __init__(self) -> None:
        self.pool, self.xp = Pool(), self
        self.cuda = self

    def get_default_memory_pool(self) -> Pool:
        return self.pool

    def free_memory(self) -> None:
        self.pool.held = 30

    def scope(self) -> Any:
        return get_backend("numpy").scope()


def test_of_a_gpu_it_is_what_the_pool_took() -> None:
    device: Any = FakeDevice()
    high = DevicePeak(device)
    assert high.bytes() == 0
    device.pool.held = 1000
    assert high.bytes() == 970
