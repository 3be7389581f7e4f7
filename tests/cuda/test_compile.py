"""The CUDA sources compile for every architecture of interest, on a machine without a GPU."""

from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accelnn.kernels.on_cupy import _launch
from tests.cuda import nvrtc as module
from tests.cuda.nvrtc import WANTED, WHEELS, CompileError, Nvrtc, compiler

#: Turing (the oldest that CUDA 13 knows), Ampere, Hopper, Blackwell for desktops.
ARCHITECTURES = ["sm_75", "sm_80", "sm_90", "sm_120"]
MODULES = [(file, real) for file, types in _launch.TYPES.items() for real in types]


@pytest.fixture(scope="module", params=WHEELS, ids="nvrtc{}".format)
def nvrtc(request: pytest.FixtureRequest) -> Nvrtc:
    return compiler(request.param)


@pytest.mark.parametrize(("file", "real"), MODULES)
def test_compiles(file: str, real: str, nvrtc: Nvrtc) -> None:
    source = _launch.source(file, real)
    names = list(_launch.signatures(source))
    assert names
    with ThreadPoolExecutor() as pool:  # NVRTC has no lock, and the largest source takes seconds
        jobs = {a: pool.submit(nvrtc.compile, source, a) for a in ARCHITECTURES}
    for architecture, job in jobs.items():
        try:
            cubin, log = job.result()
        except CompileError as error:
            pytest.fail(f"{file}.cu for {real} on {architecture}:\n{error}")
        assert not log  # no warnings
        assert cubin.startswith(b"\x7fELF")
        for name in names:
            assert b".text." + name.encode() + b"\0" in cubin


@pytest.mark.parametrize(
    "wrong", ["void f() { position(; }", "void f() { unknown(1); }", "void f(slope) {}"]
)
def test_a_broken_source_does_not_compile(wrong: str, nvrtc: Nvrtc) -> None:
    source = _launch.source("activations", "float")
    line = source.rpartition("#line 1")[2].count("\n")
    with pytest.raises(CompileError, match=rf"^activations\.cu\({line}\): error"):
        nvrtc.compile(source + wrong, "sm_90")


def test_two_compilers_in_one_process() -> None:
    """Each has a second library for its built-in functions, found by name once it compiles."""
    compilers = {version: compiler(version) for version in WHEELS}
    source = _launch.source("dropout", "float")
    first = {v: c.compile(source, "sm_90")[0] for v, c in compilers.items()}
    again = {v: c.compile(source, "sm_90")[0] for v, c in compilers.items()}
    assert first == again
    assert [c.version[0] for c in compilers.values()] == [12, 13]


def answer(
    monkeypatch: pytest.MonkeyPatch, version: int, here: list[int], requirement: str = ""
) -> Any:
    """Return what ``compiler`` does where these are installed and a package requires something."""
    monkeypatch.setattr(module, "find", lambda v: f"libnvrtc.so.{v}" if v in here else None)
    monkeypatch.setattr(module, "Nvrtc", Path)
    packages = [
        SimpleNamespace(name="accelnn", requires=list(WHEELS.values())),
        SimpleNamespace(name="numpy", requires=None),
        SimpleNamespace(name="another", requires=[requirement]),
    ]
    monkeypatch.setattr(metadata, "distributions", lambda: packages)
    try:
        return compiler.__wrapped__(version)
    except (pytest.skip.Exception, pytest.fail.Exception) as outcome:  # or it would be this test's
        return type(outcome), str(outcome)


@pytest.mark.parametrize(("version", "other"), [(12, 13), (13, 12)])
def test_which_are_installed(version: int, other: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def see(*arguments: Any) -> Any:
        return answer(monkeypatch, version, *arguments)

    assert see([12, 13]) == Path(f"libnvrtc.so.{version}")
    assert see([version]) == Path(f"libnvrtc.so.{version}")
    nothing = f"NVRTC is missing; to compile CUDA: {WANTED}"
    assert see([]) == (pytest.skip.Exception, nothing)
    one = f"NVRTC [{other}] is installed and {version} is not. Run: {WANTED}"
    assert see([other]) == (pytest.fail.Exception, one)
    assert see([other], f"{WHEELS[version]}>=1") == (pytest.fail.Exception, one)
    theirs = f"NVRTC {version} is missing; to compile CUDA with both: {WANTED}"
    for separator in ("", ">=1", " >=1", "==1.*; extra == 'nvrtc'", "; python_version > '3'"):
        assert see([other], WHEELS[other] + separator) == (pytest.skip.Exception, theirs)
