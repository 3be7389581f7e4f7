"""The bench's own suites on the GPU, part by part, for as long as there is time.

``accelnn bench --backend cupy --quick`` measures the same and writes the same JSON. Here each part
must be done within the time that is left, and what was measured so far is kept.
"""

import json
from pathlib import Path
from typing import Any

from accelnn.bench.gpu_run import Run
from accelnn.bench.merging import merge
from accelnn.bench.running import Runner
from accelnn.bench.settings import Settings
from accelnn.bench.suites import PARTS
from accelnn.paths import replace_file

#: What is measured beside the GPU, for the products and the epochs to be compared with.
HOST = "numpy"
#: In the order of their weight, should the time run out.
CHOSEN = (
    "mnist/epoch",
    "matmul/rungs",
    "matmul/network",
    "mnist/profile",
    "kernels/fused",
    "kernels/single",
    "scaling/roofline",
    "predict/rows",
    "mnist/accuracy",
    "mnist/memory",
)


def suites(run: Run, found: dict[str, Any], chosen: tuple[str, ...] = CHOSEN) -> None:
    """Run parts of the suites; their JSON lies beside that of the run, named in ``file``."""
    backends = tuple(dict.fromkeys((run.device.name, HOST)))
    settings = Settings("quick", backends, network=run.device.widths)
    folder = run.output.parent / f"{run.output.stem}-parts"
    folder.mkdir(parents=True, exist_ok=True)
    runner = Runner(folder, settings, Path(__file__).parent)
    found["states"], outcomes = {}, []
    for part in sorted(
        (part for part in PARTS if part.label in chosen), key=lambda p: chosen.index(p.label)
    ):
        if run.left() <= 0:
            run.leave_out(part.label, "its part had no time left")
            continue
        runner.forget(part)
        try:
            outcome = runner.run(part, lambda: in_time(run))
        except TimeoutError as error:
            run.leave_out(part.label, str(error))
            continue
        outcomes.append(outcome)
        found["states"][part.label] = outcome.state
        if outcome.state == "failed":
            run.fail(part.label, outcome.tail or outcome.reasons[0]["reason"])
    measured = [kept for part in PARTS if (kept := runner.kept(part)) is not None]
    if measured:
        file = run.output.with_name(f"{run.output.stem}-bench.json")
        replace_file(file, json.dumps(merge(measured, outcomes)).encode())
        found["file"] = file.name


def in_time(run: Run) -> None:
    """Raise TimeoutError where the time of the part is up; its process is ended then."""
    if run.left() <= 0:
        raise TimeoutError("its time was up before it was done")
