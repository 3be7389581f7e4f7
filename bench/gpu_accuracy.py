"""Whether every way of running the program trains, before anybody asks how fast.

The losses of the first steps are held against NumPy's, twice the same seed must give the same bits,
and after some epochs of MNIST the accuracy must be that of ``tests/test_main_job.py``.
"""

from typing import Any

import numpy as np

import accelnn
from accelnn import nn
from accelnn.backends import get_backend
from accelnn.bench.gpu_data import images, network, program
from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_run import Run
from accelnn.bench.gpu_tile import library_bound

BATCH, STEPS = 128, 20
#: Way -> (way of the backend, precision, largest relative error of a step's loss). A first loss is
#: off by the rounding of three products; each step adds to that.
WAYS = {
    "eager": ("eager", "float32", 1e-4),
    "launches": ("launches", "float32", 1e-4),
    "graph": ("graph", "float32", 1e-4),
    "together": ("together", "float32", 1e-4),
    "library": ("graph", "float32", 1e-4),
    "tf32": ("graph", "tf32", 1e-2),
    "bf16": ("graph", "bf16", 5e-2),
}
#: Optimizer -> epochs, least accuracy of the last one, least of the best.
BOUNDS = {"adam": (5, 0.96, 0.975), "sgd": (4, 0.955, 0.955)}


def accuracy(run: Run, found: dict[str, Any]) -> None:
    """Train in every way."""
    found["data"] = data = images(run.device.rows)[0]
    found["first steps"] = {}
    for way in WAYS:
        answer = run.ask("accelnn", "gpu_accuracy.first_steps", way=way)
        found["first steps"][way] = answer
        if answer and not answer["within"]:
            run.fail(
                way, f"the first losses are {answer['largest relative error']:.1e} off NumPy's"
            )
        if answer and not answer["the same bits again"]:
            run.fail(way, "the same seed gave other losses")
    if data != "MNIST":
        run.leave_out("test accuracies", "ACCELNN_DATA names no folder with MNIST")
        return
    for optimizer in BOUNDS:
        found[optimizer] = {}
        for way in WAYS:
            answer = run.ask("accelnn", "gpu_accuracy.trained", way=way, optimizer=optimizer)
            found[optimizer][way] = answer
            if answer and not answer["within"]:
                run.fail(f"{way}, {optimizer}", f"test accuracies {answer['test accuracies']}")


# In the process of accelnn ------------------------------------------------------------------------


def first_steps(device: Device, way: str) -> dict[str, Any]:
    """Return the losses of the first steps, and how far they are from NumPy's."""
    runs_in, precision, bound = WAYS[way]
    with library_bound(0.0 if way == "library" else float("inf")):
        losses, again = (_losses(device, device.backend(runs_in), precision) for _ in range(2))
    expected = _losses(device, get_backend("numpy"), "float32")
    error = float(np.max(np.abs(losses / expected - 1)))
    return {
        "losses": losses.tolist(),
        "largest relative error": error,
        "allowed": bound,
        "within": error <= bound,
        "the same bits again": bool(np.array_equal(losses, again)),
    }


def _losses(device: Device, backend: Any, precision: str) -> Any:
    """Return the mean loss of each of the first steps of SGD."""
    batch = min(BATCH, device.rows // 16)
    made = program(device, backend, "sgd", batch, precision)
    steps = min(STEPS, made.n_batches - 1)  # the last may be smaller
    made.run(0, steps, [0.1] * steps)
    rows = backend.to_numpy(made.plan.row_losses)[: steps * batch]
    return rows.reshape(steps, batch).mean(axis=1, dtype=np.float64)


def trained(device: Device, way: str, optimizer: str) -> dict[str, Any]:
    """Return the test accuracies of some epochs."""
    runs_in, precision, _ = WAYS[way]
    epochs, last, best = BOUNDS[optimizer]
    _, X, y, X_test, y_test = images(device.rows)
    backend = device.backend(runs_in)
    model, rule = network(backend, optimizer, device.widths)
    with library_bound(0.0 if way == "library" else float("inf")):
        history = accelnn.train(
            model,
            nn.CrossEntropyLoss(),
            rule,
            X,
            y,
            epochs=epochs,
            batch_size=min(BATCH, device.rows),
            X_val=X_test,
            y_val=y_test,
            backend=backend,
            seed=0,
            input_scale=1 / 255,
            precision=precision,
        )
    accuracies = [float(a) for a in history["val_accuracy"]]
    return {
        "test accuracies": accuracies,
        "least": {"last": last, "best": best},
        "within": accuracies[-1] >= last and max(accuracies) >= best,
    }
