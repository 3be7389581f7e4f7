"""Compiling the CUDA modules ahead of time: all of them, and CuPy's cache tells what was new."""

import sys
from pathlib import Path
from typing import Any

import pytest

from accelnn import backends, get_backend
from accelnn.backends import cupy_probe, forking
from accelnn.backends.cupy_backend import CupyBackend
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.on_cupy.warming import warm_up
from tests.cuda.fake_cupy import Machine, make


class Compiler:
    """Stands for CuPy: a file in its cache for each module, compiled once."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.kernels: list[tuple[str, str, str, bool]] = []

    def function(self, file: str, real: str, name: str, together: bool = False) -> Any:
        assert name in _launch.signatures(_launch.source(file, real))
        self.kernels.append((file, real, name, together))
        self.cache.mkdir(exist_ok=True)
        (self.cache / f"{file}_{real}.cubin").write_bytes(b"")


def test_all_modules_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "cache"))
    compiler: Any = Compiler(tmp_path / "cache")
    with _launch.use(compiler):
        assert all(new for _, new in warm_up())
        found = {(file, real) for file, real, _, _ in compiler.kernels}
        assert found == {(file, real) for file, types in _launch.TYPES.items() for real in types}
        assert {k[:2] for k in compiler.kernels if k[3]} == {
            ("program", "float"),
            ("program", "double"),
        }
        names = [name for name, new in warm_up() if not new]
    assert names[0] == "rows float"
    assert len(names) == len(found)


def test_for_the_device_of_the_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, devices = Machine(), set()

    class Watched(Compiler):
        def function(self, file: str, real: str, name: str, together: bool = False) -> Any:
            devices.add(machine.current)

    monkeypatch.setitem(sys.modules, "cupy", make(machine))
    monkeypatch.setattr(cupy_probe, "_distribution_version", lambda name: "")
    monkeypatch.setattr(forking, "watch", lambda: None)
    monkeypatch.setattr(backends, "_instances", {})
    monkeypatch.setattr(CupyBackend, "xp", None, raising=False)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    compiler: Any = Watched(tmp_path)
    with _launch.use(compiler):
        assert not any(new for _, new in get_backend("cupy:1").warm_up())
    assert devices == {1}
    assert machine.current == 0
