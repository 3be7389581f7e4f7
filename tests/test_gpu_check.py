"""The check for a machine with a GPU, rehearsed without one, so that its few minutes are not lost.

``tests/gpu_rehearsal.py`` stands for the GPU: everything runs but CuPy's own calls.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from accelnn.backends.cupy_probe import Diagnosis, probe
from accelnn.bench import (
    gpu_accuracy,
    gpu_check,
    gpu_epochs,
    gpu_floor,
    gpu_suites,
    gpu_tile,
    table,
)
from accelnn.bench import gpu_report as report
from accelnn.bench.contestants import flops
from accelnn.bench.gpu_data import images, program, weights
from accelnn.bench.gpu_device import Cuda, micro_source
from accelnn.bench.gpu_run import Part, Run
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.on_cupy._source import signatures
from tests.cuda.nvrtc import WHEELS, compiler
from tests.gpu_rehearsal import BATCH, ROWS, WIDTHS, Rehearsal
from tests.gpu_rehearsal import device as device
from tests.gpu_rehearsal import here as here
from tests.gpu_rehearsal import library as library

ROOT = Path(__file__).parents[1]


def no_tests(run: Run, found: dict[str, Any]) -> None:
    run.leave_out("tests", "they would run themselves")


SMALL: dict[str, Any] = {
    "tests": no_tests,
    "products": partial(gpu_floor.products, batches=(BATCH,)),
    "tile": partial(gpu_tile.tile, rows=(8,), widths=(8, 16)),
    "epochs": partial(gpu_epochs.epochs, batches=(BATCH,), rounds=2),
    "suites": partial(gpu_suites.suites, chosen=("kernels/fused", "predict/rows")),
}


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the rehearsal writes."""
    return tmp_path_factory.mktemp("rehearsal") / "results" / "gpu.json"


@pytest.fixture(scope="module")
def rehearsed(device: Rehearsal, where: Path) -> dict[str, Any]:
    """What a whole run with small sizes has written, on images made up."""
    output = where
    images.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ACCELNN_DATA", raising=False)
        patch.setattr(gpu_floor, "ALONE", (BATCH,))
        parts = [Part(p.name, p.share, SMALL.get(p.name, p.measure)) for p in gpu_check.PARTS]
        patch.setattr(gpu_check, "PARTS", parts)
        code = gpu_check.main(["--output", str(output)], device)
    images.cache_clear()
    found: dict[str, Any] = json.loads(output.read_text())
    failures = {n: p["failures"] for n, p in found["parts"].items() if p["failures"]}
    assert failures == {}
    assert code == 0
    return found


# A whole run -------------------------------------------------------------------------------------


def test_every_part_is_there(rehearsed: dict[str, Any]) -> None:
    parts = rehearsed["parts"]
    assert list(parts) == [part.name for part in gpu_check.PARTS]
    assert {part["state"] for part in parts.values()} == {"done"}
    left_out = {name: len(part["left out"]) for name, part in parts.items() if part["left out"]}
    assert left_out == {"tests": 1, "accuracy": 1}  # these images have no accuracy to reach
    assert rehearsed["machine"]["versions"]["numpy"] == np.__version__
    assert parts["epochs"]["found"]["data"] == "synthetic images"


def medians(found: Any) -> Iterator[tuple[list[float], float]]:
    """Yield all samples with their medians."""
    if isinstance(found, dict):
        if isinstance(found.get("seconds"), list):
            yield found["seconds"], found["median"]
        for inner in found.values():
            yield from medians(inner)


def test_medians_are_those_of_the_samples(rehearsed: dict[str, Any]) -> None:
    pairs = list(medians(rehearsed["parts"]))
    assert len(pairs) > 60
    for samples, middle in pairs:
        assert len(samples) > 1
        assert min(samples) > 0
        assert middle == median(samples)


def test_everybody_takes_part_and_learns_the_same(rehearsed: dict[str, Any]) -> None:
    found = rehearsed["parts"]["epochs"]["found"]
    missing = {name for name in ("torch", "jax") if find_spec(name) is None}
    assert set(found["absent"]) == missing
    expected = {f"{v}, {p}" for v, of, p in gpu_epochs.CONTESTANTS if of not in missing}
    for optimizer in ("sgd", "adam"):
        rows = found[optimizer][str(BATCH)]
        assert set(rows) == expected
        losses = [row["first loss"] for row in rows.values()]
        np.testing.assert_allclose(losses, losses[0], rtol=1e-4)
        assert all(row["agrees"] and len(row["seconds"]) == 2 for row in rows.values())
        for name in ("accelnn graph", "accelnn together", "accelnn eager"):
            mine = rows["accelnn, float32"]["seconds"]
            ratios = [a / b for a, b in zip(rows[f"{name}, float32"]["seconds"], mine, strict=True)]
            assert rows[f"{name}, float32"]["times accelnn"] == pytest.approx(median(ratios))


def test_the_ways_agree_with_numpy(rehearsed: dict[str, Any]) -> None:
    first = rehearsed["parts"]["accuracy"]["found"]["first steps"]
    assert set(first) == set(gpu_accuracy.WAYS)
    for row in first.values():
        assert row["largest relative error"] < 1e-5
        assert row["the same bits again"]
        assert len(row["losses"]) == 15  # a captured graph of 8 steps, and 7 launched ones


def test_floor_and_products(rehearsed: dict[str, Any]) -> None:
    floor = rehearsed["parts"]["floor"]["found"]
    assert set(floor["graph node"]) == {"1 block", "a block per SM"}
    assert {"2 blocks", "3 blocks", "4 blocks"} < set(floor["grid barrier"])
    assert len(floor["launch from Python"]) == 5
    products = rehearsed["parts"]["products"]["found"]
    assert set(products["epoch"][str(BATCH)]) == {"float32", "tf32", "bf16"}
    single = products["single"][str(BATCH)]["float32"]
    total = sum(row["median"] for name, row in single.items() if "sum" not in name)
    assert len(single) == 8 + 1
    assert single["sum of the medians"]["median"] == pytest.approx(total)


def test_the_suites_write_their_json_beside(rehearsed: dict[str, Any], where: Path) -> None:
    found = rehearsed["parts"]["suites"]["found"]
    assert found["states"] == {"kernels/fused": "done", "predict/rows": "done"}
    run = json.loads((where.parent / found["file"]).read_text())
    assert set(run["accelnn"]["parts"]) == set(found["states"])
    assert {b["extra_info"]["backend"] for b in run["benchmarks"]} == {"numpy"}
    assert run["accelnn"]["settings"]["network"] == list(WIDTHS)
    assert "suites: 2 parts done; the figures are in gpu-bench.json" in "\n".join(
        report.lines(rehearsed)
    )


def test_the_suites_have_only_the_time_of_their_part(tmp_path: Path, device: Rehearsal) -> None:
    """A part that is not done by then is ended, and what comes after it is left out."""
    now = iter([0.0, 0.0, 1.0, 1.0])
    found: dict[str, Any] = {}
    run = Run(device, 2.0, tmp_path / "gpu.json", clock=lambda: next(now, 9.0))
    part = Part("suites", 1, partial(gpu_suites.suites, chosen=("predict/rows", "mnist/memory")))
    run.measure([part])
    found = run.found["parts"]["suites"]
    assert found["state"] == "done"
    assert found["left out"] == [
        {"what": "predict/rows", "why": "its time was up before it was done"},
        {"what": "mnist/memory", "why": "its part had no time left"},
    ]
    assert found["found"] == {"states": {}}
    assert not list(tmp_path.glob("*bench.json"))


def test_the_tables_show_it(rehearsed: dict[str, Any]) -> None:
    text = "\n".join(report.lines(rehearsed))
    for row in (
        "| accelnn together, float32 |",
        "| graph node, 1 block |",
        "| 8 × 16 × 16 | 2.05e+03 |",
    ):
        assert row in text
    assert "- accuracy: left out 1, first test accuracies: ACCELNN_DATA names no folder" in text
    assert "failed" not in text


def test_a_run_that_was_cut_short_can_be_shown(rehearsed: dict[str, Any]) -> None:
    for name in rehearsed["parts"]:
        cut = deepcopy(rehearsed)
        found = cut["parts"][name]["found"]
        for key in list(found)[::-1]:
            if name in ("accuracy", "epochs", "products") and isinstance(found[key], dict):
                for inner in list(found[key])[::-1]:
                    del found[key][inner]
                    report.lines(cut)
            del found[key]
            report.lines(cut)


def test_a_run_without_an_answer_can_be_shown(
    here: Rehearsal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Run, "ask", lambda *_, **__: None)
    with Run(here, 60, tmp_path / "gpu.json") as run:
        run.measure(part for part in gpu_check.PARTS if part.name != "tests")
        text = "\n".join(report.lines(run.found))
    assert {part["state"] for part in run.found["parts"].values()} == {"done"}
    assert "- torch took no part: its process failed" in text
    assert "| graph |  |  |  |  |" in text


def test_the_page_shows_it_where_it_exists(rehearsed: dict[str, Any], tmp_path: Path) -> None:
    results = ROOT / "bench" / "results"
    for name in table.RUNS:
        (tmp_path / f"{name}.json").write_text((results / f"{name}.json").read_text("utf-8"))
    assert table.gpu(table.recorded(tmp_path)) == ["Not measured yet."]
    (tmp_path / "gpu.json").write_text(json.dumps(rehearsed))
    assert table.gpu(table.recorded(tmp_path)) == report.lines(rehearsed)


def test_the_counts_of_the_page(here: Rehearsal) -> None:
    """They are those of the network, and the stages are those that the engine records."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    made = program(here, here.backend("launches"), "sgd", BATCH)
    made.run(0, 1, [0.1])
    (tasks,) = made.plan.views["device"].steps.values()
    n = sum(w.size + b.size for w, b in weights(Cuda.widths))
    for row in (
        f"products of a step | {flops(128, 784) / 1e6:.1f} M | {flops(4096, 784) / 1e9:.2f} G |",
        f"as uint8 | {128 * 784 / 1e3:.0f} k | {4096 * 784 / 1e6:.2f} M |",
        f"writes, SGD | {2 * 4 * n / 1e6:.2f} M |",
        f"writes, Adam | {6 * 4 * n / 1e6:.2f} M |",
        f"by the own tile | {len(tasks.recording.items)} | {len(tasks.recording.items)} |",
        f"steps of an epoch | {-(-60000 // 128)} | {-(-60000 // 4096)} |",
    ):
        assert row in page


# Without a GPU, and what is asked wrongly ---------------------------------------------------------


def test_without_a_gpu_it_says_why_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = Diagnosis(False, "there is no GPU", "Buy one")
    monkeypatch.setattr(gpu_check, "probe", lambda: found)
    assert gpu_check.main(["--output", str(tmp_path / "gpu.json")]) == 2
    assert "gpu_check cannot run: there is no GPU. Buy one" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu_check.main(["--parts", "floor,walls"])
    assert "--parts: walls is no part" in capsys.readouterr().err


def test_chosen_parts_only(device: Rehearsal, tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    assert gpu_check.main(["--parts", "floor", "--output", str(output)], device) == 0
    assert list(json.loads(output.read_text())["parts"]) == ["floor"]


# The micro-kernels --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WHEELS)
@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90", "sm_120"])
def test_the_micro_kernels_compile(version: int, architecture: str) -> None:
    cubin, log = compiler(version).compile(micro_source(), architecture)
    assert log == ""
    assert list(signatures(micro_source())) == ["nothing", "barriers"]
    for name in (b"nothing", b"barriers"):
        assert b".text." + name + b"\0" in cubin


def test_the_barrier_is_the_engines() -> None:
    engine = _launch.source("program", "float")
    body = micro_source().partition("void grid_barrier(")[2].partition("\n}\n")[0]
    assert "atomicAdd(arrived, 1)" in body
    assert body in engine


def test_all_barriers_are_passed(here: Rehearsal) -> None:
    kernel, most = here.micro_kernel("barriers", together=True)
    arrived = np.zeros(1, np.uint64)
    kernel(3, 32, [arrived, np.int64(7)])
    assert arrived[0] == 3 * 7
    assert most >= 3


def test_nodes_are_captured_not_run(here: Rehearsal) -> None:
    runs: list[int] = []
    runner: Any = _launch.runner()
    graph = gpu_floor.capture(here, lambda: runner.do(lambda: runs.append(1)))
    assert runs == []
    graph()
    assert runs == [1]


@pytest.mark.gpu
def test_the_floor_of_a_gpu() -> None:
    if not (found := probe()).usable:
        pytest.skip(found.reason)
    device = Cuda()
    device.repeats = 100
    assert device.facts()["multiprocessors"] > 0
    assert gpu_floor.nodes(device)["1 block"]["median"] > 0
    assert len(gpu_floor.grid_barriers(device)) > 2
    assert gpu_floor.launches(device)["graph of one kernel, in order by events"]["median"] > 0
    for precision in gpu_floor.PRECISIONS:
        assert gpu_floor.single_products(device, 128, precision)["forward 784 x 512"]["median"] > 0


def test_made_up_images_are_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELNN_DATA", raising=False)
    images.cache_clear()
    name, X, y, X_test, y_test = images(ROWS)
    images.cache_clear()
    assert name == "synthetic images"
    assert X.shape == (ROWS, 784)
    assert X.dtype == X_test.dtype == np.uint8
    assert y.dtype == np.int64
    assert 0 <= y.min() <= y.max() < 10
    assert 0.1 < (X > 0).mean() < 0.2
    assert len(y_test) == ROWS
