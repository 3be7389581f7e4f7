"""What a user waits for besides epochs: the first call, a prediction, an estimator, large data.

The first call is that of a new process, with an empty folder for compiled kernels and with the one
that the process before has filled. All times are the CPU's, with what the call returns on the host.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

import numpy as np

from accelnn.bench.gpu_data import images, program
from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_run import Run, sampled, summed, times
from accelnn.kernels.on_cupy import program as engine

#: Its argument is the backend; it prints the seconds of each step of the way.
FIRST = """
import json, sys, time
start, found = time.perf_counter(), {}
def lap(name):
    global start
    now = time.perf_counter()
    found[name], start = now - start, now
import numpy as np, accelnn
from accelnn import nn, optim
from accelnn.program import lower
lap("import")
backend = accelnn.get_backend(sys.argv[1])
backend.zeros((1,), np.float32)
backend.synchronize()
lap("backend and context")
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)).to(backend)
program = lower(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), backend, 128)
program.bind(np.ones((256, 784), np.float32), np.zeros(256, np.int64))
lap("program")
program.run(0, 2, [0.1, 0.1])
backend.synchronize()
lap("first steps")
program.run(0, 2, [0.1, 0.1])
backend.synchronize()
lap("the same steps again")
print(json.dumps(found))
"""


def start(run: Run, found: dict[str, Any], rounds: int = 3) -> None:
    """Measure the first call, with a cold and with a warm cache."""
    found["cold"], found["warm"] = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for cache in ("cold", "warm"):
                answer = run.ask("accelnn", "gpu_uses.first_call", folder=folder)
                if answer is not None:
                    found[cache].append(answer)


def uses(run: Run, found: dict[str, Any]) -> None:
    """Measure a prediction, an estimator, and data that come from the host."""
    found["predict"] = run.ask("accelnn", "gpu_uses.predict")
    found["estimator"] = run.ask("accelnn", "gpu_uses.estimator")
    found["streaming"] = run.ask("accelnn", "gpu_uses.streaming")


# In the process of accelnn ------------------------------------------------------------------------


def first_call(device: Device, folder: str) -> dict[str, Any]:
    """Return the seconds of the first steps of a new process."""
    command = [sys.executable, "-c", FIRST, device.name]
    environment = {**os.environ, "CUPY_CACHE_DIR": folder}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds: dict[str, Any] = json.loads(done.stdout)
    return seconds


def predict(device: Device) -> dict[str, Any]:
    """Seconds of a prediction, from bytes on the host and from bytes on the device."""
    backend = device.backend("auto")
    made = program(device, backend, "sgd", min(128, device.rows))
    host = images(device.rows)[1][:10_000]
    there = backend.asarray(host)

    def seconds(X: Any) -> float:
        device.synchronize()
        begin = time.perf_counter()
        made.predict(X)
        device.synchronize()
        return time.perf_counter() - begin

    found: dict[str, Any] = {
        "from the host": summed(sampled(lambda: seconds(host))),
        "on the device": summed(sampled(lambda: seconds(there))),
    }
    return {"rows": len(host), **found}


def estimator(device: Device, epochs: int = 5) -> dict[str, Any]:
    """Seconds of ``MLPClassifier.fit``, with all its checks."""
    from sklearn.exceptions import ConvergenceWarning

    from accelnn import MLPClassifier

    _, X, y, _, _ = images(device.rows)
    X = X.astype(np.float32) / 255

    def seconds() -> float:
        made = MLPClassifier(
            device.widths[1:-1],
            backend=device.name,
            batch_size=min(128, len(X)),
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            begin = time.perf_counter()
            made.fit(X, y)
            return time.perf_counter() - begin

    return {"epochs": epochs, "rows": len(X), **summed(sampled(seconds, 3))}


def streaming(device: Device, pieces: int = 8, rounds: int = 5) -> dict[str, Any]:
    """Seconds of an epoch from the host, in some pieces, beside one from the device."""
    batch = min(4096, device.rows // 2)
    resident, streamed = (program(device, device.backend("auto"), "sgd", batch) for _ in range(2))
    streamed.plan.X = device.on_host(images(device.rows)[1])
    order = np.random.default_rng(0).permutation(device.rows)

    def seconds(made: Any) -> float:
        made.start_epoch(order)
        device.synchronize()
        begin = time.perf_counter()
        made.run(0, made.n_batches, [0.1] * made.n_batches)
        device.synchronize()
        return time.perf_counter() - begin

    before, engine.PIECE = engine.PIECE, max(1, streamed.plan.X.nbytes // pieces)
    try:
        found: dict[str, list[float]] = {"resident": [], "streamed": []}
        for turn in range(rounds + 1):
            for name, made in (("resident", resident), ("streamed", streamed)):
                once = seconds(made)
                if turn:
                    found[name].append(once)
    finally:
        engine.PIECE = before
    return {
        **{name: summed(samples) for name, samples in found.items()},
        "batch": batch,
        "bytes of a piece": streamed.plan.X.nbytes // pieces,
        "streamed / resident": times(found["streamed"], found["resident"]),
    }
