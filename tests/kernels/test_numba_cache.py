"""How the loops are compiled, and what happens to the compiled code on disk.

The cache is looked at from fresh processes that run a copy of the package, so that its sources
can be edited.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import accelnn.kernels
import accelnn.paths
from accelnn.kernels import KERNELS, load
from tests.kernels.cases import CALLS, build

PACKAGE = Path(accelnn.paths.__file__).parent
KERNELS_FOLDER = Path(accelnn.kernels.__file__).parent

SETTINGS = ("ACCELNN_CACHE", "ACCELNN_NUMBA_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")

#: Prints a result of a kernel whose loop calls a loop of another file, and where the code is from.
USE_LOSSES = """
import json, warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from accelnn.kernels.on_numba import losses
    from accelnn.kernels.on_numba._jit import from_python
z, t = np.array([[0.0, 1.0, 3.0]]), np.array([2])
dz = losses.cross_entropy_backward(np.ones(1), z, t)
loop = from_python(losses.cross_entropy_backward_loop)
print(json.dumps({
    "dz": dz.tolist(),
    "hits": sum(loop.stats.cache_hits.values()),
    "misses": sum(loop.stats.cache_misses.values()),
    "warnings": [[w.category.__name__, str(w.message), w.filename] for w in caught],
    "file": losses.__file__,
}))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package, installed files rather than links."""
    shutil.copytree(
        PACKAGE,
        tmp_path / "site" / "accelnn",
        ignore=shutil.ignore_patterns("kernels", "bench", "__pycache__"),
    )
    shutil.copytree(
        KERNELS_FOLDER,
        tmp_path / "site" / "accelnn" / "kernels",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path / "site"


def _python(site: Path, code: str, **settings: str) -> Any:
    """Run ``code`` in a new process on the package in ``site``; return the JSON it prints."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    environment |= {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", **settings}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=site,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_edited_callee_in_another_file_is_seen(copy: Path, tmp_path: Path) -> None:
    where = {"ACCELNN_CACHE": str(tmp_path / "cache")}
    cold = _python(copy, USE_LOSSES, **where)
    assert Path(cold["file"]).is_relative_to(copy)
    assert (cold["hits"], cold["misses"], cold["warnings"]) == (0, 1, [])
    p = np.exp([0.0, 1.0, 3.0]) / np.exp([0.0, 1.0, 3.0]).sum()
    np.testing.assert_allclose(cold["dz"], [p - [0, 0, 1]])

    warm = _python(copy, USE_LOSSES, **where)
    assert (warm["hits"], warm["misses"]) == (1, 0)
    assert warm["dz"] == cold["dz"]

    activations = copy / "accelnn" / "kernels" / "on_numba" / "activation_loops.py"
    _edit(activations, "        share = one / total\n", "        share = one / (2 * total)\n")
    edited = _python(copy, USE_LOSSES, **where)
    np.testing.assert_allclose(edited["dz"], [p / 2 - [0, 0, 1]])
    assert (edited["hits"], edited["misses"]) == (0, 1)


def test_a_folder_that_cannot_be_written_costs_one_warning(copy: Path, tmp_path: Path) -> None:
    """The folder is below a regular file, which not even root can write into."""
    (tmp_path / "file").write_text("")
    found = _python(copy, USE_LOSSES, ACCELNN_CACHE=str(tmp_path / "file" / "cache"))
    ((category, message, _),) = found["warnings"]
    assert category == "RuntimeWarning"
    assert "ACCELNN_CACHE" in message
    assert "ACCELNN_NUMBA_CACHE=0" in message
    assert found["hits"] == 0
    assert len(found["dz"][0]) == 3
    assert not list(copy.rglob("*.nbi"))


def test_the_cache_can_be_switched_off_silently(copy: Path, tmp_path: Path) -> None:
    where = {"ACCELNN_CACHE": str(tmp_path / "cache"), "ACCELNN_NUMBA_CACHE": "0"}
    found = _python(copy, USE_LOSSES, **where)
    assert (found["hits"], found["warnings"]) == (0, [])
    assert not (tmp_path / "cache").exists()
    assert not list(tmp_path.rglob("*.nbi"))


def test_numba_cache_dir_is_honoured_and_left_as_it_was(copy: Path, tmp_path: Path) -> None:
    code = """
import json, numba
from accelnn.kernels.on_numba import _jit
import accelnn.kernels.on_numba.rows
print(json.dumps([_jit.CACHE_FOLDER, numba.config.CACHE_DIR]))
"""
    given = tmp_path / "given"
    folder, after = _python(copy, code, NUMBA_CACHE_DIR=str(given))
    assert Path(folder).parent == given / "accelnn"
    assert after == str(given)


def test_importing_the_kernels_imports_no_library(copy: Path) -> None:
    code = """
import json, sys
import accelnn.kernels
print(json.dumps(sorted(m.partition(".")[0] for m in sys.modules)))
"""
    loaded = set(_python(copy, code))
    assert "accelnn" in loaded
    assert loaded.isdisjoint({"numba", "llvmlite", "cupy", "sklearn", "scipy", "numpy"})


#: Compiled into their callers, so that they have no signature where those come from the cache.
CALLED_BY_LOOPS = ["row_max", "philox_loop", "add_loop", "below_max_loop", "shares_loop"]
CALLED_BY_LOOPS += ["exp_loop", "exp_in_place_loop", "zero_loop", "is_better"]
CALLED_BY_LOOPS += ["binary_cross_entropy_terms_loop", "cross_entropy_slope_loop"]


def _loops() -> list[tuple[str, Any]]:
    """Return every compiled function of the folder."""
    modules: list[ModuleType] = [
        import_module(f"accelnn.kernels.on_numba.{file}") for file in (*KERNELS, "activation_loops")
    ]
    return [
        (name, f)
        for module in modules
        for name, f in vars(module).items()
        if hasattr(f, "targetoptions") and f.py_func.__module__ == module.__name__
    ]


def _read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


def test_one_signature_per_dtype(rng: Any) -> None:
    """Whatever the layout of what comes in, and whether it can be written: one compilation."""
    from accelnn.kernels.on_numba._jit import from_python

    kernels = load("on_numba")
    layouts: list[Callable[[Any], Any]] = [np.asarray, _read_only, np.asfortranarray]
    for name, variant in CALLS:
        case = build(name, variant, (4, 3), "float64", rng)
        for layout in layouts:
            kernels[name](*(layout(a) for a in case.arrays), **case.scalars)
    loops = _loops()
    assert len(loops) > 25
    for name, inner in loops:
        loop = from_python(inner)
        compiled = Counter(tuple(getattr(t, "dtype", t) for t in s) for s in loop.signatures)
        assert compiled or name in CALLED_BY_LOOPS, name
        assert max(compiled.values(), default=0) <= 1, (name, loop.signatures)


def test_a_nan_is_never_assumed_away() -> None:
    loops = _loops()
    assert len(loops) > 25
    for name, loop in loops:
        flags = loop.targetoptions["fastmath"]
        assert isinstance(flags, set), name
        assert flags.isdisjoint({"nnan", "ninf", "fast", "arcp", "afn"}), name
        assert loop.targetoptions["error_model"] == "numpy", name
        assert loop.targetoptions["nogil"] is True, name


def test_garbage_is_not_looked_for_while_much_is_compiled_and_then_as_before() -> None:
    from accelnn.kernels.on_numba._jit import compiling

    seen: list[bool] = []

    def broken() -> None:
        seen.append(gc.isenabled())
        raise KeyError

    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            with pytest.raises(KeyError), compiling():
                broken()
            seen.append(gc.isenabled())
        finally:
            gc.enable()
    assert seen == [False, True, False, False]


def test_announce_speaks_once_and_only_when_something_is_compiled() -> None:
    import numba

    from accelnn.kernels.on_numba._jit import announce

    said: list[str] = []
    double = numba.njit(lambda x: 2 * x)
    with announce(lambda: said.append("compiling")):
        double(1)
        double(1.0)
    assert said == ["compiling"]
    with announce(lambda: said.append("again")):
        double(2)
    assert said == ["compiling"]
