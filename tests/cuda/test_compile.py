"""The CUDA sources compile for every architecture of interest, on a machine without a GPU."""

import pytest

from accelnn.kernels.on_cupy import _launch
from tests.cuda.nvrtc import CompileError, Nvrtc

#: Turing (the oldest that CUDA 13 knows), Ampere, Hopper, Blackwell for desktops.
ARCHITECTURES = ["sm_75", "sm_80", "sm_90", "sm_120"]
MODULES = [(file, real) for file, types in _launch.TYPES.items() for real in types]
WANTED = "pip install 'accelnn[cuda-compile]'"


@pytest.fixture(scope="module")
def nvrtc() -> Nvrtc:
    pathfinder = pytest.importorskip("cuda.pathfinder", reason=f"to compile CUDA: {WANTED}")
    try:
        found = pathfinder.load_nvidia_dynamic_lib("nvrtc")
    except pathfinder.DynamicLibNotFoundError:
        pytest.skip(f"NVRTC is missing; to compile CUDA: {WANTED}")
    return Nvrtc(found.abs_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("file", "real"), MODULES)
def test_compiles(file: str, real: str, architecture: str, nvrtc: Nvrtc) -> None:
    source = _launch.source(file, real)
    try:
        cubin, log = nvrtc.compile(source, architecture)
    except CompileError as error:
        pytest.fail(f"{file}.cu for {real} on {architecture}:\n{error}")
    assert not log  # no warnings
    assert cubin.startswith(b"\x7fELF")
    names = list(_launch.signatures(source))
    assert names
    for name in names:
        assert b".text." + name.encode() + b"\0" in cubin


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("* (a[i] > 0 ? 1 : 0)", "* (a[i] > 0 ? 1 : 0"),
        ("expm1(", "expm2("),
        ("REAL slope", "slope"),
    ],
)
def test_a_broken_source_does_not_compile(right: str, wrong: str, nvrtc: Nvrtc) -> None:
    source = _launch.source("activations", "float")
    broken = source.replace(right.replace("REAL", "float"), wrong)
    assert broken != source
    with pytest.raises(CompileError, match=r"activations\.cu\(\d+\): error"):
        nvrtc.compile(broken, "sm_90")
