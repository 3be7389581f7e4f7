"""What a step becomes on a GPU: which tasks, in which stages."""

from itertools import pairwise
from typing import Any

import pytest

from accelnn import nn, optim
from accelnn.kernels import table as t
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.on_cupy._units import units
from accelnn.kernels.on_cupy.recording import Product, Recorder, Recording, Stage
from accelnn.program import lower
from tests.cuda.host_shim import HostRunner
from tests.cuda.networks import STACKS, prepare
from tests.program.conftest import CudaOnHost


def record(stack: str, library: bool = False, **how: Any) -> Recording:
    made, _ = prepare(CudaOnHost(), stack, **how)
    return Recorder(made.plan, 37, made.plan.table["call"], library, 1.0).step()


def kinds(recording: Recording) -> list[list[str]]:
    """Return the kinds of the tasks of each stage; "product" is the library's."""
    found = []
    for item in recording.items:
        if isinstance(item, Product):
            found.append(["product"])
            continue
        tasks = recording.tasks[item.first :][: recording.tasks["together"][item.first]]
        found.append([_launch.TASKS[kind] for kind in tasks["kind"]])
        assert item.tiles == tasks["tiles"].sum()
    return found


def test_stages_of_three_layers(runner: HostRunner) -> None:
    assert kinds(record("three layers")) == [
        ["forward"],
        ["forward"],
        ["head"],
        ["backward", "gradient", "bias_gradient"],
        ["gradient", "bias_gradient", "gradient", "bias_gradient"],
    ]


def test_tiles_of_the_mnist_network(runner: HostRunner) -> None:
    """The table of docs/architecture.md."""
    backend, layers = CudaOnHost(), list[nn.Module]()
    for n_in, n_out in ((784, 512), (512, 512), (512, 10)):
        layers += [nn.Linear(n_in, n_out).to(backend), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    made = lower(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters()), backend, 128)
    recording = Recorder(made.plan, 128, made.plan.table["call"], False, 1.0).step()
    tiles = [s.tiles for s in recording.items if isinstance(s, Stage)]
    assert tiles == [128, 128, 128, 128 + 16 + 1, 256 + 16 + 400 + 16]


def test_stages_of_maxout(runner: HostRunner) -> None:
    """It cannot turn its gradient in place, and so sends on what waits for the third row."""
    assert kinds(record("maxout")) == [
        ["forward"],
        ["row_forward"],
        ["elements_forward"],
        ["forward"],
        ["row_forward"],
        ["head"],
        ["row_backward", "gradient", "bias_gradient"],
        ["backward"],
        ["row_backward", "gradient", "bias_gradient"],
        ["gradient", "bias_gradient"],
    ]


def test_what_reads_z_finds_it(runner: HostRunner) -> None:
    """A product followed by GELU is kept; one followed by a ReLU is not."""
    made, _ = prepare(CudaOnHost(), "what reads z")
    found = units(made.plan.table, made.plan.table["call"], training=True)
    assert [[t.LAYERS[link.kind] for link in unit.links] for unit in found] == [
        ["gelu"],
        ["identity", "gelu", "silu"],
        ["relu", "dropout", "gelu_tanh"],
        ["identity", "silu", "hardtanh"],
        ["gelu"],
        ["identity"],
    ]
    for unit in found:
        for before, link in pairwise(unit.links):
            assert link.source == before.target
            assert link.kind not in t.READS_Z or link.target != link.source


def test_stages_with_a_library(runner: HostRunner) -> None:
    assert kinds(record("two linears", library=True)) == [
        ["elements_forward"],  # the minibatch is gathered
        ["product"],
        ["elements_forward"],
        ["product"],
        ["elements_forward"],
        ["loss"],
        ["product"],  # dy Wᵀ
        ["product"],  # xᵀ dy
        ["flat_update", "bias_gradient"],
        ["product"],
        ["flat_update", "bias_gradient"],
    ]


#: Kind of task -> the fields whose arrays it reads, and writes. `p` stands for the states, too, and
#: `a` for what the links of the chain write, and read on the way back.
ACCESS = {
    "forward": ("xwb", "a"),
    "head": ("xwba", "y dy dx"),
    "loss": ("y", "dy"),
    "backward": ("dy w a", "dx"),
    "gradient": ("x dy", "p"),
    "bias_gradient": ("dy", "p"),
    "flat_update": ("g", "p"),
    "elements_forward": ("xb", "a"),
    "elements_backward": ("dy a", "dx"),
    "row_forward": ("x", "y"),
    "row_backward": ("dy x y", "dx"),
}


def accesses(task: Any) -> tuple[set[int], set[int]]:
    """Return the addresses of the arrays that a task reads, and of those it writes."""
    sides = []
    for of_z, fields in zip("za", ACCESS[_launch.TASKS[task["kind"]]], strict=True):
        names = fields.split() if " " in fields else [fields] if fields in ("dy", "dx") else fields
        found = {int(task[name]) for name in names if name != "a"}
        if "a" in names:
            links = task["chain"][: task["links"]]
            found |= {int(link[of_z if link["kind"] in t.READS_Z else "a"]) for link in links}
        sides.append(found - {0})
    return sides[0], sides[1]


@pytest.mark.parametrize("library", [False, True])
@pytest.mark.parametrize("stack", STACKS)
def test_tasks_of_a_stage_do_not_disturb_each_other(
    stack: str, library: bool, runner: HostRunner
) -> None:
    recording = record(stack, library)
    for item in recording.items:
        if not isinstance(item, Stage):
            continue
        tasks = recording.tasks[item.first :][: recording.tasks["together"][item.first]]
        sides = [accesses(task) for task in tasks]
        for i, (_, written) in enumerate(sides):
            for j, (read, also) in enumerate(sides):
                assert i == j or not written & (read | also)


def test_more_tasks_than_a_block_holds(runner: HostRunner) -> None:
    """So that a block copies those of one stage at a time."""
    room = int(_launch.source("program", "float").partition("ROOM = ")[2].split()[0])
    assert len(record("more tasks than a block holds").tasks) > room
    assert len(record("three layers").tasks) < room
