"""The compiled program: one signature for any network, and truly made of the kernels' loops."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.kernels.on_numba import program as compiled
from accelnn.kernels.on_numba._jit import from_python
from accelnn.program import lower
from tests.stacks import HIDDEN, LOSSES, OPTIMIZERS, data, stack

ROOT = Path(__file__).parent.parent.parent


def test_one_signature_per_dtype_for_any_network() -> None:
    backend = get_backend("numba")
    for hidden in HIDDEN:
        for loss in LOSSES.values():
            for make in OPTIMIZERS.values():
                model = stack(hidden, backend, "float32", bias=hidden != "relu")
                program = lower(model, loss(), make(model.parameters()), backend, 8)
                X, y = data(loss(), 20, "float32")
                X.flags.writeable = False
                program.bind(X, y)
                program.run(0, 3, [1e-3] * 3)
                program.predict(X)
    deep = nn.Sequential(*(nn.Linear(3, 3, dtype="float64", backend="numba") for _ in range(9)))
    program = lower(deep, nn.MSELoss(), optim.Adam(deep.parameters()), backend, 2)
    program.bind(np.ones((5, 3)), np.ones((5, 3)))
    program.run(0, 3, [1e-3] * 3)
    program.predict(np.ones((5, 3)))
    loops: list[Any] = [compiled.run_steps_loop, compiled.run_forward_loop]
    for loop in map(from_python, loops):
        assert len(loop.signatures) <= 2, loop.signatures  # float32 and float64


TRAIN = """
import json, numpy as np
from accelnn import Tensor, nn, optim, train
from accelnn.backends import get_backend
from accelnn.engines import EagerEngine
from accelnn.program import lower
backend, found = get_backend("numba"), []
for make in (EagerEngine, lower):
    w = np.linspace(-1, 1, 6).reshape(2, 3)
    first = nn.Linear.from_storage(w, np.zeros(3), backend)
    last = nn.Linear.from_storage(w.T.copy(), np.zeros(2), backend)
    model = nn.Sequential(first, nn.Sigmoid(), last)
    engine = make(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.5), backend, 2)
    engine.bind(np.eye(2), np.eye(2))
    engine.run(0, 1, [0.5])
    found.append(first.weight.numpy().tolist())
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("activations.py", "out[i] = da[i] * (a[i] * (one - a[i]))", "out[i] = da[i] * a[i]"),
        ("rows.py", "out[i, j] = z[i, j] + b[j]", "out[i, j] = z[i, j] + b[j] + 1"),
    ],
)
def test_a_broken_loop_changes_both_ways(tmp_path: Path, file: str, old: str, new: str) -> None:
    for folder, target in (("accelnn", "accelnn"), ("kernels", "accelnn/kernels")):
        ignore = shutil.ignore_patterns("__pycache__", "kernels", "bench")
        shutil.copytree(ROOT / folder, tmp_path / target, ignore=ignore, dirs_exist_ok=True)
    path = tmp_path / "accelnn/kernels/on_numba" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    right, wrong = trained(ROOT), trained(tmp_path)
    np.testing.assert_allclose(right[0], right[1], rtol=1e-12)
    np.testing.assert_allclose(wrong[0], wrong[1], rtol=1e-12)
    assert np.abs(np.subtract(right, wrong)).max() > 1e-3


def trained(package: Path) -> list[list[list[float]]]:
    """Return the weights after an eager step and after a step of the compiled program."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        capture_output=True,
        text=True,
        check=True,
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    found: list[list[list[float]]] = json.loads(done.stdout)
    return found
