"""``accelnn warmup``: what is compiled ahead of time is all that fits need, and is said."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from accelnn import BackendUnavailable, backends, cli, get_backend
from accelnn.backends import cupy_probe
from accelnn.backends.numba_backend import NumbaBackend
from accelnn.kernels import NAMES
from accelnn.kernels.on_numba import warming
from accelnn.kernels.on_numba.operations import COMMON, RARE
from tests.backends.fresh import printed, python

NOTHING_TO_COMPILE = [
    f"{name} float32" for name in ("identity", "identity_backward", "step_backward")
]

#: float32 only: both types take twice the time, and do the same.
WARM_UP = """
import json
import numpy as np
from accelnn.kernels.on_numba.warming import warm_up
print(json.dumps(dict(warm_up((np.dtype("float32"),)))))
"""

#: Fits and predictions of all kinds, and the pieces of code that were compiled for them.
FITS = """
import json, warnings
from pathlib import Path
import numpy as np
import accelnn
from accelnn import MLPClassifier, nn, optim
from accelnn.kernels.on_numba._jit import CACHE_FOLDER, announce
from accelnn.kernels.on_numba.warming import warm_up

def pieces():
    return sorted(path.name for path in Path(CACHE_FOLDER).rglob("*.nbc"))

rng, before, compiled = np.random.default_rng(0), pieces(), []
X, classes = rng.random((300, 20), dtype=np.float32), rng.integers(0, 3, 300)
values, bits = X[:, :3].copy(), (X[:, :3] > 0.5).astype(np.float32)
warnings.simplefilter("ignore")
with announce(lambda: compiled.append("something")):
    MLPClassifier(backend="numba", max_iter=2).fit(X, classes).predict_proba(X)
    for loss, y in (
        (nn.CrossEntropyLoss(), classes), (nn.MSELoss(), values), (nn.BCEWithLogitsLoss(), bits)
    ):
        for own in (loss, lambda prediction, target: loss(prediction, target)):
            model = nn.Sequential(
                nn.Linear(20, 70), nn.ReLU(), nn.Dropout(0.5), nn.Linear(70, 8), nn.Tanh(),
                nn.Linear(8, 3),
            )
            for rule in (optim.SGD, optim.Adam):
                made = rule(model.parameters(), lr=0.01)
                how = {"X_val": X[:9], "y_val": y[:9], "backend": "numba", "batch_size": 32}
                accelnn.train(model, own, made, X, y, **how)
found = {"compiled": compiled, "pieces": len(before), "more": pieces() != before}
found["again"] = dict(warm_up((np.dtype("float32"),)))
print(json.dumps(found))
"""


def test_a_fit_after_it_compiles_nothing(tmp_path: Path) -> None:
    where = {"ACCELNN_CACHE": str(tmp_path), "ACCELNN_NUMBA_CACHE": "1"}
    first = printed(WARM_UP, **where)
    assert [name for name, new in first.items() if not new] == NOTHING_TO_COMPILE
    found = printed(FITS, **where)
    assert found["pieces"] > 40
    assert (found["compiled"], found["more"]) == ([], False)
    assert found["again"] == dict.fromkeys(first, False)


def test_it_has_all_kernels_and_all_that_programs_call() -> None:
    names = [name for name, _ in warming._tasks(warming.TYPES)]
    assert len(set(names)) == len(names)
    called = [f"program {f.__name__}" for f in (*COMMON, *RARE)]
    for dtype in ("float32", "float64"):
        for name in (*NAMES, *called, "program replay"):
            assert f"{name} {dtype}" in names


def test_without_a_folder_it_says_so() -> None:
    done = python("-m", "accelnn", "warmup", "--backend", "numba", ACCELNN_NUMBA_CACHE="0")
    assert done.returncode == 1
    assert "there is no folder for compiled kernels" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_probe, "_is_installed", lambda: False)
    monkeypatch.setattr(backends, "_instances", {})


@pytest.mark.usefixtures("no_cupy")
def test_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [True, False, True]

    def warm_up(self: Any) -> Iterator[tuple[str, bool]]:
        yield from zip(("gemm", "adam", "relu"), left, strict=True)

    monkeypatch.setattr(NumbaBackend, "warm_up", warm_up)
    result = CliRunner().invoke(cli.main, ["warmup"])
    assert result.exit_code == 0
    numpy, gemm, relu, numba, cupy = result.output.splitlines()
    assert numpy == "numpy: has nothing to compile"
    assert re.fullmatch(r"numba: gemm, \d+\.\d s", gemm)
    assert re.fullmatch(r"numba: relu, \d+\.\d s", relu)
    assert re.fullmatch(r"numba: 2 compiled, 1 found compiled, \d+\.\d s", numba)
    assert cupy == "cupy: cannot run here: CuPy is not installed"
    left[:] = [False] * 3
    result = CliRunner().invoke(cli.main, ["warmup", "--backend", "numba"])
    assert re.fullmatch(r"numba: 0 compiled, 3 found compiled, \d+\.\d s\n", result.output)


@pytest.mark.usefixtures("no_cupy")
def test_a_backend_named_must_run() -> None:
    with pytest.raises(BackendUnavailable):
        get_backend("cupy")
    for name, said in (("cupy", "CuPy is not installed. Run: pip"), ("nunpy", "unknown backend")):
        result = CliRunner().invoke(cli.main, ["warmup", "--backend", name])
        assert result.exit_code == 1
        assert said in result.output
