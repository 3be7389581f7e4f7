"""NVRTC, NVIDIA's run-time compiler, from the PyPI wheels and through ctypes: needs no GPU."""

import ctypes
import re
from functools import cache
from importlib import metadata
from typing import Any

import pytest

#: CUDA version -> the wheel with its NVRTC. The two can be installed side by side.
WHEELS = {12: "nvidia-cuda-nvrtc-cu12", 13: "nvidia-cuda-nvrtc"}
WANTED = "pip install 'accelnn[cuda-compile]'"


class CompileError(Exception):
    """NVRTC refused a source; the message is its log."""


class Nvrtc:
    """The compiler; ``path`` is that of libnvrtc."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("Version", ctypes.byref(major), ctypes.byref(minor))
        self.version = major.value, minor.value

    def compile(self, source: str, architecture: str) -> tuple[bytes, str]:
        """Return a cubin for "sm_90" and the like, and the log, with the options CuPy passes."""
        options = [
            f"-arch={architecture}".encode(),
            b"--std=c++17",
            b"-ftz=true",
            b"--device-as-default-execution-space",
        ]
        program = ctypes.c_void_p()
        self._call(
            "CreateProgram", ctypes.byref(program), source.encode(), b"accelnn.cu", 0, None, None
        )
        try:
            array = (ctypes.c_char_p * len(options))(*options)
            status = self._library.nvrtcCompileProgram(program, len(options), array)
            log = self._read(program, "ProgramLog").rstrip(b"\0").decode()
            if status:
                raise CompileError(log)
            return self._read(program, "CUBIN"), log
        finally:
            self._call("DestroyProgram", ctypes.byref(program))

    def _read(self, program: Any, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"Get{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(f"Get{what}", program, text)
        return text.raw

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"nvrtc{name}")(*arguments)
        assert status == 0, f"nvrtc{name} answered {status}"


@cache
def compiler(version: int) -> Nvrtc:
    """Return the compiler of CUDA 12 or 13; skips the test where none is installed.

    The extra brings both, so one without the other is a failure: the sources would be compiled for
    half of the users, and nobody would notice. But CuPy and PyTorch bring one for themselves.
    """
    found = {v: path for v in WHEELS if (path := find(v))}
    if version in found:
        return Nvrtc(found[version])
    if not found:
        pytest.skip(f"NVRTC is missing; to compile CUDA: {WANTED}")
    if all(is_required_by_another(WHEELS[v]) for v in found):
        pytest.skip(f"NVRTC {version} is missing; to compile CUDA with both: {WANTED}")
    pytest.fail(f"NVRTC {sorted(found)} is installed and {version} is not. Run: {WANTED}")


def find(version: int) -> str | None:
    """Return the path of libnvrtc in its wheel, or None."""
    try:
        files = metadata.files(WHEELS[version]) or []
    except metadata.PackageNotFoundError:
        return None
    return next((str(f.locate()) for f in files if f.name == f"libnvrtc.so.{version}"), None)


def is_required_by_another(wheel: str) -> bool:
    """Whether an installed distribution other than this one names the wheel in its requirements."""
    return any(
        re.fullmatch(rf"{wheel}\b(?!-).*", requirement)
        for distribution in metadata.distributions()
        if distribution.name != "accelnn"
        for requirement in distribution.requires or []
    )
