"""The compiled program: one signature for any network, and truly made of the kernels' loops."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.kernels import table as t
from accelnn.kernels.on_numba import operations, recording
from accelnn.kernels.on_numba import program as numba_program
from accelnn.kernels.on_numba._jit import announce, operation
from accelnn.kernels.on_numba.gemm import WORDS
from accelnn.kernels.on_numba.operations import address
from accelnn.program import lower
from tests.kernel_losses import lowered
from tests.stacks import HIDDEN, LOSSES, OPTIMIZERS, data, stack

ROOT = Path(__file__).parent.parent.parent


def test_nothing_is_compiled_for_another_network_or_layout() -> None:
    backend = get_backend("numba")
    compiled: list[str] = []

    def train(model: nn.Module, loss: Any, rule: Any, X: Any, y: Any, batch: int) -> None:
        program = lowered(model, loss, rule, backend, batch)
        program.bind(X, y)
        program.run(0, program.n_batches, [1e-3] * program.n_batches)
        for n in (1, 3, len(X)):
            program.predict(X[:n])

    def small(X: Any, dtype: str) -> None:
        model = stack("tanh", backend, dtype)
        _, y = data(nn.CrossEntropyLoss(), 20, dtype)
        train(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), X, y, 8)

    for dtype in ("float32", "float64"):
        X, _ = data(nn.CrossEntropyLoss(), 20, dtype)
        small(X, dtype)
        # A loss is compiled where it is used first, and so are the less usual activations.
        for hidden, loss in [("identity", loss) for loss in LOSSES.values()] + [
            ("silu", nn.MSELoss)
        ]:
            model = stack(hidden, backend, dtype)
            rule = optim.SGD(model.parameters(), lr=0.1)
            train(model, loss(), rule, *data(loss(), 20, dtype), 8)
        with announce(lambda: compiled.append("something")):
            for hidden in HIDDEN:
                for loss in LOSSES.values():
                    for make in OPTIMIZERS.values():
                        model = stack(hidden, backend, dtype, bias=hidden != "relu")
                        train(model, loss(), make(model.parameters()), *data(loss(), 20, dtype), 8)
            deep = [nn.Linear(3, 3, dtype=dtype, backend="numba") for _ in range(9)]
            ones = np.ones((5, 3), dtype)
            train(
                nn.Sequential(*deep),
                nn.MSELoss(),
                optim.Adam([p for layer in deep for p in layer.parameters()]),
                *(ones, ones, 2),
            )
            read_only = X.copy()
            read_only.flags.writeable = False
            for other in (read_only, np.asfortranarray(X), X.repeat(2, 0)[::2], X[::-1, ::-1]):
                small(other, dtype)
    assert not compiled


@pytest.mark.parametrize("name", ["cross-entropy", "squared error", "poisson", "perceptron"])
def test_no_loss_is_compiled_but_the_one_in_use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {f.__name__ for f in operations.COMMON}

    def spy(function: Any, dtype: Any) -> int:
        asked.add(function.__name__)
        return operation(function, dtype)

    monkeypatch.setattr(operations, "operation", spy)
    model, loss = stack("tanh", get_backend("numba"), "float64"), LOSSES[name]()
    rule = optim.SGD(model.parameters(), lr=0.1)
    program = lowered(model, loss, rule, get_backend("numba"), 8)
    program.bind(*data(loss, 20, "float64"))
    program.run(0, 3, [0.1] * 3)
    assert asked & set(t.LOSSES) == {name.replace("-", "_").replace(" ", "_")}


def test_any_layout_of_the_data_gives_the_same_weights() -> None:
    X, y = data(nn.CrossEntropyLoss(), 20, "float32")
    odd = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    wide = np.zeros((20, 2, X.shape[1]), [("x", np.float32), ("pad", "S1")])
    wide["x"][:, 1] = X  # strides that are no multiple of the element
    ends = []
    for laid in (X, np.asfortranarray(X), X[::-1].copy()[::-1], odd, wide["x"][:, 1]):
        model = stack("tanh", get_backend("numba"), "float32")
        rule = optim.SGD(model.parameters(), lr=0.1)
        program = lower(model, nn.CrossEntropyLoss(), rule, get_backend("numba"), 8)
        program.bind(laid, y)
        program.run(0, 3, [0.1] * 3)
        ends.append([p.numpy().copy() for p in model.parameters()] + [program.predict(laid)])
    for end in ends[1:]:
        for one, other in zip(ends[0], end, strict=True):
            np.testing.assert_array_equal(one, other)


def test_predictions_do_not_depend_on_how_many_rows_are_asked_for() -> None:
    model = stack("relu", get_backend("numba"), "float32")
    loss = nn.CrossEntropyLoss()
    program = lower(model, loss, optim.SGD(model.parameters(), lr=0.1), get_backend("numba"), 8)
    X, _ = data(loss, 700, "float32")
    whole = program.predict(X)
    for n in (1, 2, 11, 128, 129, 256, 257, 699):
        np.testing.assert_array_equal(program.predict(X[:n]), whole[:n])
    assert program.predict(X[:0]).shape == (0, whole.shape[1])


def test_a_run_of_no_steps_compiles_all_that_a_fit_needs() -> None:
    """In a new process without a cache: what ``training`` calls to warm up leaves nothing over."""
    code = """
import numpy as np
from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.kernels.on_numba._jit import announce
from accelnn.program import lower
backend = get_backend("numba")
model = nn.Sequential(nn.Linear(3, 4, backend="numba"), nn.Tanh(), nn.Linear(4, 2, backend="numba"))
rule = optim.Adam(model.parameters())
program = lower(model, nn.CrossEntropyLoss(), rule, backend, 8)
program.bind(np.ones((20, 3), np.float32), np.zeros(20, np.int64))
found = []
with announce(lambda: found.append("warm-up")):
    program.run(0, 0, [])
with announce(lambda: found.append("training")):
    program.run(0, 3, [0.1] * 3)
    program.predict(np.ones((20, 3), np.float32))
print(found)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ACCELNN_NUMBA_CACHE": "0", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "['warm-up']", done.stderr


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_what_an_update_will_touch_is_fetched_by_the_product_before_it(name: str) -> None:
    backend = get_backend("numba")
    rule = {"sgd": optim.SGD, "adam": optim.Adam}.get(name, partial(optim.SGD, momentum=0.9))
    model = nn.Sequential(nn.Linear(40, 64, backend="numba"), nn.Linear(64, 3, backend="numba"))
    program = lower(model, nn.CrossEntropyLoss(), rule(model.parameters(), lr=0.1), backend, 8)
    plan = program.plan
    step = numba_program._step(plan, 8, (0, 1)).reshape(-1, recording.WORDS)
    gemm, update = (address(each, plan.params.dtype) for each in ("gemm", "update"))
    seen = 0
    for before, after in pairwise(step.tolist()):
        if (before[0], after[0]) == (gemm, update):
            product = dict(zip(WORDS, before[1:], strict=False))
            touched, (rows, columns) = after[6 : 7 + len(plan.states)], after[12:14]
            places = [product[word] for word in ("place", "place_2", "place_3")]
            assert places == [*touched, 0, 0][:3]
            assert product["lines"] == rows * columns * 4 // 64
            seen += rows * columns
    assert seen == 40 * 64 + 64 * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_large_buffers_are_private_and_on_cache_lines() -> None:
    """A forked child has memory of its own; and whoever asked for zeros gets zeros."""
    code = """
import os, warnings, numpy as np
from accelnn.backends import get_backend
x = get_backend("numba").zeros((1 << 20,), "float32")
assert x.ctypes.data % 64 == 0 and not x.any() and x.flags.writeable
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    x[:] = 5
    os._exit(0)
os.waitpid(child, 0)
print(x.max())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "0.0", done.stderr


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
        ("activation_loops.py", "da[i] * (a[i] * (one - a[i]))", "da[i] * a[i]"),
        ("rows.py", "out[j] = x[j] + y[j]", "out[j] = x[j] + y[j] + 1"),
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
