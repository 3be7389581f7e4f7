"""What no step can do without: a node of a graph, a barrier, the products, a launch from Python.

Nodes, barriers and products are timed on the device, many in a row, and divided by their number;
products are captured in a CUDA graph, as Python could not launch them fast enough. Launches are
timed on the CPU, without waiting for the device.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_run import Run, sampled, summed
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.on_cupy._source import BLOCK, source, struct
from accelnn.kernels.on_cupy.cublas import WORKSPACE

PRECISIONS = ("float32", "tf32", "bf16")
BATCHES = (32, 128, 512, 4096)
ALONE = (128, 4096)  # batches whose products are also measured one by one


def floor(run: Run, found: dict[str, Any]) -> None:
    """Measure nodes, barriers and launches."""
    found["graph node"] = run.ask("accelnn", "gpu_floor.nodes")
    found["grid barrier"] = run.ask("accelnn", "gpu_floor.grid_barriers")
    found["launch from Python"] = run.ask("accelnn", "gpu_floor.launches")


def products(run: Run, found: dict[str, Any], batches: tuple[int, ...] = BATCHES) -> None:
    """Measure cuBLAS: the products of a whole epoch, and single ones."""
    for batch in batches:
        for precision in PRECISIONS:
            row = run.ask(
                "accelnn", "gpu_floor.epoch_of_products", batch=batch, precision=precision
            )
            found.setdefault("epoch", {}).setdefault(str(batch), {})[precision] = row
    for batch in set(batches) & set(ALONE):
        for precision in PRECISIONS:
            row = run.ask("accelnn", "gpu_floor.single_products", batch=batch, precision=precision)
            found.setdefault("single", {}).setdefault(str(batch), {})[precision] = row
        row = run.ask("accelnn", "gpu_floor.products_from_python", batch=batch)
        found.setdefault("cupy.matmul, from Python", {})[str(batch)] = row


# In the process of accelnn ------------------------------------------------------------------------


def capture(device: Device, work: Callable[[], None]) -> Callable[[], None]:
    """Return what runs captured work as a graph in the current stream's order."""
    device.backend("auto")
    runner = _launch.runner()
    stream = runner.stream()
    graph = runner.capture(stream, work)

    def launch() -> None:
        with runner.in_order(stream):
            graph()

    return launch


def nodes(device: Device) -> dict[str, Any]:
    """Seconds per node of a chain of empty kernels, of one block and of a block per SM."""
    device.backend("auto")
    kernel, _ = device.micro_kernel("nothing", together=False)
    count, found = device.repeats, dict[str, Any]()
    for label, blocks in (("1 block", 1), ("a block per SM", device.multiprocessors())):
        kernel(blocks, BLOCK, [np.int32(0)])  # loaded before the capture

        def chain(blocks: int = blocks) -> None:
            for _ in range(count):
                kernel(blocks, BLOCK, [np.int32(0)])

        graph = capture(device, chain)
        found[label] = summed(sampled(_per(device, graph, count)))
    return found


def grid_barriers(device: Device) -> dict[str, Any]:
    """Seconds per barrier: of 1 and 2 blocks per SM, and of as many as the engine's kernel has."""
    xp = device.backend("auto").xp
    kernel, most = device.micro_kernel("barriers", together=True)
    units, count = device.multiprocessors(), device.repeats
    engine = _launch.runner().most_together("program", "float", "steps_float", BLOCK)
    arrived, found = xp.zeros(1, np.uint64), dict[str, Any]()

    def pass_barriers(blocks: int) -> None:
        arrived.fill(0)
        kernel(blocks, BLOCK, [arrived, np.int64(count)])

    for blocks in sorted({units, 2 * units, engine}):
        if 0 < blocks <= most:
            measure = _per(device, partial(pass_barriers, blocks), count)
            found[f"{blocks} blocks"] = summed(sampled(measure))
    return {"multiprocessors": units, "blocks of the engine": engine, **found}


def launches(device: Device) -> dict[str, Any]:
    """Seconds of the CPU per launch; of no more in a row than the queue of a device holds."""
    count = device.repeats // 4
    xp = device.backend("auto").xp
    kernel, _ = device.micro_kernel("nothing", together=False)
    a, b, out = (xp.ones((128, 512), np.float32) for _ in range(3))
    square, product = xp.ones((512, 512), np.float32), xp.empty((128, 512), np.float32)
    real = source("program", "float")
    record = xp.zeros(struct(real, "Range").itemsize, np.uint8)
    empty = np.int32(0)
    graph = capture(device, lambda: kernel(1, BLOCK, [empty]))
    calls: dict[str, Callable[[], Any]] = {
        "kernel, by _launch": lambda: _launch.launch("tick", np.float32, 1, 32, record, 0),
        "kernel, by RawKernel": lambda: kernel(1, BLOCK, [empty]),
        "ufunc with out=": lambda: xp.add(a, b, out=out),
        "matmul with out=": lambda: xp.matmul(a, square, out=product),
        "graph of one kernel, in order by events": graph,
    }
    found = {}
    for name, call in calls.items():

        def measure(call: Callable[[], Any] = call) -> float:
            device.synchronize()
            start = time.perf_counter()
            for _ in range(count):
                call()
            seconds = time.perf_counter() - start
            device.synchronize()
            return seconds / count

        found[name] = summed(sampled(measure))
    return found


def epoch_of_products(device: Device, batch: int, precision: str) -> dict[str, Any]:
    """Seconds of the products of an epoch, one after the other in one graph."""
    steps = [step(device, batch)] * (device.rows // batch)
    if short := device.rows % batch:
        steps.append(step(device, short))
    multiply = _multiplier(device, precision)

    def work() -> None:
        for calls in steps:
            for call in calls.values():
                multiply(*call)

    for calls in steps[-1:] + steps[:1]:  # cuBLAS sets itself up before a capture
        for call in calls.values():
            multiply(*call)
    graph = capture(device, work)
    return summed(sampled(lambda: device.seconds(graph, 3), 5))


def single_products(device: Device, batch: int, precision: str) -> dict[str, Any]:
    """Seconds of each product of a step, from a graph of it many times."""
    times = max(1, device.repeats // 20)
    multiply, found = _multiplier(device, precision), {}
    for name, call in step(device, batch).items():
        multiply(*call)

        def work(call: Any = call) -> None:
            for _ in range(times):
                multiply(*call)

        found[name] = summed(sampled(_per(device, capture(device, work), times)))
    found["sum of the medians"] = {"median": sum(row["median"] for row in found.values())}
    return found


def products_from_python(device: Device, batch: int) -> dict[str, Any]:
    """Seconds of each product by the array library, launched from Python, out= given."""
    times = max(1, device.repeats // 20)
    xp, found = device.backend("auto").xp, {}
    for name, (a, b, out, ta, tb) in step(device, batch).items():
        left, right = a.T if ta else a, b.T if tb else b

        def call(left: Any = left, right: Any = right, out: Any = out) -> None:
            xp.matmul(left, right, out=out)

        found[name] = summed(sampled(partial(device.seconds, call, times)))
    return found


def step(device: Device, rows: int) -> dict[str, tuple[Any, Any, Any, bool, bool]]:
    """Return (a, b, out, ta, tb) of all products of a step: forward, weights, inputs."""
    xp, rng = device.backend("auto").xp, np.random.default_rng(0)

    def filled(*shape: int) -> Any:
        return xp.asarray(rng.standard_normal(shape, np.float32))

    forward, back = dict[str, Any](), dict[str, Any]()
    for n_in, n_out in pairwise(device.widths):
        x, w, dy = filled(rows, n_in), filled(n_in, n_out), filled(rows, n_out)
        forward[f"forward {n_in} x {n_out}"] = x, w, xp.empty_like(dy), False, False
        if back:  # the first layer has no gradient of its inputs
            back[f"inputs {n_in} x {n_out}"] = dy, w, xp.empty_like(x), False, True
        back[f"weights {n_in} x {n_out}"] = x, dy, xp.empty_like(w), True, False
    return forward | dict(reversed(back.items()))


def _multiplier(device: Device, precision: str) -> Callable[..., None]:
    room = device.backend("auto").xp.empty(WORKSPACE, np.uint8)

    def multiply(a: Any, b: Any, out: Any, ta: bool, tb: bool) -> None:
        _launch.runner().product(a, b, out, ta=ta, tb=tb, precision=precision, room=room)

    return multiply


def _per(device: Device, call: Callable[[], Any], count: int) -> Callable[[], float]:
    """Return what measures one of ``count`` things that a call does in a row."""
    return lambda: device.seconds(call, 5) / count
