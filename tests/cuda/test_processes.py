"""When CUDA is touched, and what a forked process is told; each in a fresh process, with a fake."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.backends.fresh import ROOT, printed

FAKE = """
import sys
from tests.cuda.fake_cupy import Machine, make
machine = Machine()
sys.modules[__name__] = make(machine)
sys.modules[__name__].machine = machine
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a search path on which the fake is ``cupy``."""
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text(FAKE)
    here = Path(__file__).parents[2]
    return os.pathsep.join([str(tmp_path), str(ROOT), str(here), os.environ.get("PYTHONPATH", "")])


def test_nothing_touches_cuda_before_it_is_asked_for(path: str) -> None:
    code = """
import json, sys
import numpy as np
import accelnn
from accelnn import nn, optim
accelnn.Tensor([1.0]).exp()
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
adam = optim.Adam(model.parameters())
X, y = np.zeros((8, 3), "float32"), np.arange(8) % 2
accelnn.train(model, nn.CrossEntropyLoss(), adam, X, y, epochs=2, batch_size=4, backend="auto")
model = accelnn.MLPClassifier((4,), max_iter=2, tol=0.0, n_iter_no_change=9)
model.partial_fit(X, y, classes=[0, 1])
before = "cupy" in sys.modules
accelnn.get_backend("cupy")
print(json.dumps([before, sys.modules["cupy"].machine.calls]))
"""
    before, calls = printed(code, PYTHONPATH=path)
    assert not before  # not imported, so nothing in it was called
    assert ["getDeviceCount", 0] in calls


#: What the child of a fork tries, and what came of it, printed by the parent.
FORK = """
import json, os
import numpy as np
import accelnn
{before}
read, write = os.pipe()
if os.fork() == 0:
    said = {{}}
    def attempt(what, action):
        try:
            said[what] = str(action())
        except accelnn.BackendUnavailable as error:
            said[what] = [error.reason, error.remedy]
        except BaseException as error:
            said[what] = repr(error)
{child}
    os.write(write, json.dumps(said).encode())
    os._exit(0)
_, status = os.wait()
os.close(write)
{after}
print(json.dumps([status, json.loads(os.read(read, 1 << 20) or b"null")]))
"""

TOLD = [
    "this process was forked from one that had used CUDA",
    'Start processes by the method "spawn" or "forkserver" of multiprocessing, or through joblib, '
    "whose loky is safe",
]


def fork(path: str, before: str, child: dict[str, str], after: str = "") -> dict[str, Any]:
    """Return what each of the child's expressions gave."""
    lines = "\n".join(f"    attempt({k!r}, lambda: {v})" for k, v in child.items())
    status, said = printed(FORK.format(before=before, child=lines, after=after), PYTHONPATH=path)
    assert status == 0, "the child went on to CUDA"
    assert isinstance(said, dict)
    return said


def test_a_forked_child_is_told(path: str) -> None:
    before = """
gpu, second = accelnn.get_backend("cupy"), accelnn.get_backend("cupy:1")
twin = gpu.intercept(lambda name, kernel: kernel)
x, y = gpu.zeros((2, 3), "float32"), second.zeros((2, 3), "float32")
relu, matmul = gpu.relu, gpu.matmul
from accelnn.kernels.on_cupy import _launch
for backend in (gpu, second):
    backend.relu(backend.zeros((2, 3), "float32"))  # compiled, and kept by the launcher
"""
    child = {
        "made": "accelnn.get_backend('cupy')",
        "made by number": "accelnn.get_backend('cupy:1')",
        "array": "gpu.zeros((3,), 'float32')",
        "asarray": "second.asarray([1.0])",
        "to_numpy": "gpu.to_numpy(x)",
        "synchronize": "gpu.synchronize()",
        "fits": "second.fits(1)",
        "copy": "twin.zeros((3,), 'float32')",
        "kernel": "gpu.relu(x)",
        "kernel by number": "second.relu(y)",
        "kernel with out": "gpu.add_bias(x, x, out=x)",
        "kernel of the copy": "twin.relu(x)",
        "held kernel": "relu(x)",
        "held product": "matmul(x, x, tb=True)",
        "compiled kernel": "_launch.each('relu', x, x, x)",
        "use_backend": "accelnn.use_backend(second).__enter__()",
    }
    after = """
assert accelnn.get_backend("cupy") is gpu
gpu.relu(gpu.zeros((2, 3), "float32"))  # the parent goes on
"""
    assert fork(path, before, child, after) == dict.fromkeys(child, TOLD)


def test_the_list_in_a_forked_child_does_not_raise(path: str) -> None:
    """Asking what there is initialises CUDA as well."""
    child = {
        "list": "[(s.usable, s.reason, s.remedy) for s in accelnn.list_backends()][2]",
        "made": "accelnn.get_backend('cupy')",
        "numpy": "accelnn.Tensor([1.0], backend='numpy').numpy()",
        "auto": "accelnn.backends.choose_for_fit(1e15)",
    }
    said = fork(path, "assert accelnn.list_backends()[2].usable", child)
    assert said == {
        "list": str((False, *TOLD)),
        "made": TOLD,
        "numpy": "[1.]",
        "auto": "numba",
    }


def test_a_fork_before_cuda_is_used_harms_nothing(path: str) -> None:
    child = {"made": "accelnn.get_backend('cupy')", "relu": "type(gpu_zeros()).__name__"}
    before = "gpu_zeros = lambda: accelnn.get_backend('cupy').zeros((3,), 'float32')"
    said = fork(path, before, child, after="accelnn.get_backend('cupy')")
    assert said == {"made": "<accelnn backend 'cupy'>", "relu": "ndarray"}
