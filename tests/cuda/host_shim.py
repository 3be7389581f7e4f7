"""Runs the CUDA sources on the CPU: compiled by g++ behind ``host_shim.h``, on NumPy arrays."""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from accelnn.kernels.on_cupy import _launch
from tests.cuda.host_device import HostDevice

HEADER = Path(__file__).with_name("host_shim.h")


def translate(modules: dict[str, str]) -> str:
    """Return C++ with an entry ``run_<kernel>`` per kernel, which returns what went wrong.

    ``modules`` maps a name to a CUDA source; each gets a namespace of its own.
    """
    parts = [f'#include "{HEADER}"']
    for module, text in modules.items():
        entries = [_entry(k, parameters) for k, parameters in _launch.signatures(text).items()]
        parts += [f"namespace {module} {{", text, *entries, "}"]
    return "\n".join(parts)


def _entry(kernel: str, parameters: tuple[_launch.Parameter, ...]) -> str:
    declared = ", ".join(_declaration(p) for p in parameters)
    names = ", ".join(p.name for p in parameters)
    return f"""
extern "C" const char* run_{kernel}(
    unsigned blocks_, unsigned threads_, bool backwards_, bool together_, {declared}) {{
    return shim::run(blocks_, threads_, backwards_, together_, [=] {{ {kernel}({names}); }});
}}"""


def _declaration(p: _launch.Parameter) -> str:
    return f"{p.c_type}{'*' if p.pointer else ''} {p.name}"


def build(modules: dict[str, str], folder: Path, *options: str) -> Path:
    """Compile CUDA sources for the CPU into a library in ``folder``."""
    code, library = folder / "kernels.cpp", folder / "kernels.so"
    code.write_text(translate(modules), encoding="utf-8")
    # -O1: most of the time is the compiler's. No contraction, so that the formulas are rounded as
    # they are written.
    command = ["g++", "-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", *options]
    # Where shared memory lies is a static of an inline function: two libraries must not share it.
    command.append("-fno-gnu-unique")
    done = subprocess.run(
        [*command, "-o", library, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return library


def compile_modules(modules: dict[str, str], folder: Path) -> ctypes.CDLL:
    """Compile CUDA sources for the CPU, and load them."""
    return ctypes.CDLL(str(build(modules, folder)))


class HostRunner(HostDevice):
    """A ``_launch.Runner`` for NumPy arrays; ``backwards``: threads and blocks in reverse order."""

    def __init__(self, library: ctypes.CDLL, backwards: bool = False) -> None:
        super().__init__()
        self.library = library
        self.backwards = backwards

    def function(
        self, file: str, real: str, name: str, together: bool = False
    ) -> Callable[[int, int, list[Any]], None]:
        entry = self.library[f"run_{name}"]
        entry.restype = ctypes.c_char_p

        def run(blocks: int, threads: int, arguments: list[Any]) -> None:
            converted = [_to_c(a) for a in arguments]
            self.do(lambda: now(blocks, threads, converted))

        def now(blocks: int, threads: int, converted: list[Any]) -> None:
            wrong = entry(
                ctypes.c_uint(blocks),
                ctypes.c_uint(threads),
                ctypes.c_bool(self.backwards),
                ctypes.c_bool(together),
                *converted,
            )
            assert wrong is None, f"{name}: {wrong.decode()}"

        return run

    def remove(self, file: str = "", line: int = 0) -> None:
        """Turn off the barrier or fence in one place of the sources; without a place, none."""
        self.library.remove_barrier(file.encode(), line)


def _to_c(argument: Any) -> Any:
    """Return an array's address, or a NumPy scalar as the C value of its own width."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())
