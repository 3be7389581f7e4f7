"""A real GPU in several processes, and what goes from one to another."""

import io
import pickle
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import get_backend, nn, optim
from tests.backends.fresh import printed
from tests.cuda.networks import bytes_like_images, network, targets
from tests.cuda.test_gpu_stress import classes, estimator, unfinished
from tests.cuda.test_gpu_stress import cupy as cupy

pytestmark = pytest.mark.gpu

FORK = """
import json, os
import accelnn
gpu = accelnn.get_backend("cupy")
x = gpu.relu(gpu.asarray([-1.0, 2.0], "float32"))
read, write = os.pipe()
child = os.fork()
if child == 0:
    said = []
    for action in (lambda: accelnn.get_backend("cupy"), lambda: gpu.relu(x)):
        try:
            said.append(repr(action()))
        except accelnn.BackendUnavailable as error:
            said.append(error.reason)
    os.write(write, json.dumps(said).encode())
    os._exit(0)
_, status = os.waitpid(child, 0)
print(json.dumps([status, json.loads(os.read(read, 1 << 16)), gpu.to_numpy(gpu.relu(x)).tolist()]))
"""

SPAWN = """
import json, multiprocessing, warnings
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import accelnn
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.standard_normal((200, 20)).astype("float32"), rng.integers(0, 3, 200)
model = accelnn.MLPClassifier((16,), max_iter=3, random_state=0, backend="cupy")
with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
    waiting = [pool.submit(model.fit, X, y) for _ in range(2)]
    here = model.fit(X, y)  # while they do the same
    there = [each.result() for each in waiting]
same = [all(np.array_equal(a, b) for a, b in zip(t.coefs_, here.coefs_)) for t in there]
print(json.dumps([same, [t.backend_ for t in there]]))
"""


@pytest.mark.usefixtures("cupy")
def test_a_forked_child_is_told() -> None:
    reason = "this process was forked from one that had used CUDA"
    assert printed(FORK) == [0, [reason, reason], [0.0, 2.0]]


@pytest.mark.usefixtures("cupy")
def test_spawned_children_train() -> None:
    assert printed(SPAWN) == [[True, True], ["cupy", "cupy"]]


def pickled(value: Any, cupy: Any) -> Any:
    """Return a copy by a pickle in which there is no array of the device."""

    class Strict(pickle.Pickler):
        def persistent_id(self, each: Any) -> None:
            assert not isinstance(each, cupy.ndarray)

    file = io.BytesIO()
    Strict(file).dump(value)
    return pickle.loads(file.getvalue())


@unfinished
def test_a_pickle_of_an_estimator(cupy: Any) -> None:
    X, y = classes()
    fitted = estimator().fit(cupy.asarray(X), cupy.asarray(y))
    twin = pickled(fitted, cupy)
    assert twin.backend_ == "cupy"
    np.testing.assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))


def test_a_pickle_of_a_model(cupy: Any) -> None:
    X, y = bytes_like_images(200), targets(nn.CrossEntropyLoss(), 200, 10, "float32")
    model = network("three layers", get_backend("cupy"))
    adam = optim.Adam(model.parameters())
    accelnn.train(model, nn.CrossEntropyLoss(), adam, X, y, backend="cupy", input_scale=1 / 255)
    twin = pickled(model, cupy)
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert type(other.array) is cupy.ndarray
        np.testing.assert_array_equal(other.array.get(), mine.array.get())
