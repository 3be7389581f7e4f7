"""NVRTC, NVIDIA's run-time compiler, from the PyPI wheel and through ctypes: needs no GPU."""

import ctypes
from typing import Any


class CompileError(Exception):
    """NVRTC refused a source; the message is its log."""


class Nvrtc:
    """The compiler; ``path`` is that of libnvrtc."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)

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
