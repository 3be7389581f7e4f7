"""Runs the CUDA sources on the CPU: compiled by g++ behind ``host_shim.h``, on NumPy arrays."""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from accelnn.kernels.on_cupy import _launch

HEADER = Path(__file__).with_name("host_shim.h")


def translate(modules: dict[str, str]) -> str:
    """Return C++ with an entry ``run_<kernel>(blocks, threads, backwards, ...)`` per kernel.

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
extern "C" bool run_{kernel}(unsigned blocks_, unsigned threads_, bool backwards_, {declared}) {{
    return shim::run(blocks_, threads_, backwards_, [=] {{ {kernel}({names}); }});
}}"""


def _declaration(p: _launch.Parameter) -> str:
    c_type = next(c for c, dtype in _launch.SCALARS.items() if dtype == p.dtype)
    return f"{c_type}{'*' if p.pointer else ''} {p.name}"


def compile_modules(modules: dict[str, str], folder: Path) -> ctypes.CDLL:
    """Compile CUDA sources for the CPU into ``folder``."""
    code, library = folder / "kernels.cpp", folder / "kernels.so"
    code.write_text(translate(modules), encoding="utf-8")
    # -O1: most of the time is the compiler's. No contraction, so that the formulas are rounded as
    # they are written.
    command = ["g++", "-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    done = subprocess.run(
        [*command, "-o", library, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


class HostRunner:
    """A ``_launch.Runner`` for NumPy arrays; ``backwards`` starts the threads in reverse order."""

    xp: ModuleType = np

    def __init__(self, library: ctypes.CDLL, backwards: bool = False) -> None:
        self.library = library
        self.backwards = backwards

    def function(self, file: str, real: str, name: str) -> Callable[[int, int, list[Any]], None]:
        entry = self.library[f"run_{name}"]
        entry.restype = ctypes.c_bool

        def run(blocks: int, threads: int, arguments: list[Any]) -> None:
            converted = [_to_c(a) for a in arguments]
            ok = entry(
                ctypes.c_uint(blocks),
                ctypes.c_uint(threads),
                ctypes.c_bool(self.backwards),
                *converted,
            )
            assert ok, f"{name}: threads of one block disagree about a barrier"

        return run


def _to_c(argument: Any) -> Any:
    """Return an array's address, or a NumPy scalar as the C value of its own width."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())
