"""Programs that the tests of profiles run, and what the tests look at."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

import accelnn
from accelnn import get_backend, nn, optim
from accelnn.profiling import Profile
from accelnn.program import Program, lower
from tests.stacks import OPTIMIZERS, data, stack

CPU = ["numpy", "numba"]
ROWS, BATCH = 20, 8  # two full minibatches and one of four rows
STEPS = 3
CALLS = 23  # of kernels, in a step of NumPy's


def made(backend: str, hidden: str = "tanh", optimizer: str = "sgd") -> Program:
    """Return the program of the 7-6-5-3 stack, with its data."""
    held = get_backend(backend)
    model, loss = stack(hidden, held, "float32"), nn.CrossEntropyLoss()
    program = lower(model, loss, OPTIMIZERS[optimizer](model.parameters()), held, BATCH)
    program.bind(*data(loss, ROWS, "float32"))
    return program


def fit(program: Program) -> None:
    program.run(0, STEPS, [0.1] * STEPS)


def calls(found: Profile) -> dict[tuple[str, str], int]:
    return {(row.kernel, row.layer): row.calls for row in found.rows}


def flops(found: Profile) -> Counter[tuple[str, str]]:
    return Counter({(row.kernel, row.layer): row.flops for row in found.rows if row.flops})


def products(widths: list[int], heights: list[int]) -> dict[tuple[str, str], int]:
    """Return the operations of each product of a training, counted as 2nkm - nm by hand."""
    total: Counter[tuple[str, str]] = Counter()
    for rows in heights:
        for i, (n_in, n_out) in enumerate(pairwise(widths), 1):
            total["matmul", f"Linear {i}, forward"] += 2 * rows * n_in * n_out - rows * n_out
            total["matmul", f"Linear {i}, weights"] += 2 * n_in * rows * n_out - n_in * n_out
            if i > 1:
                total["matmul", f"Linear {i}, input"] += 2 * rows * n_out * n_in - rows * n_in
    return dict(total)


def mnist(backend: str) -> tuple[nn.Sequential, Program]:
    """Return the bench's network, and its program on 32 rows."""
    accelnn.manual_seed(0)
    sizes = [(784, 512), (512, 512), (512, 10)]
    layers: list[nn.Module] = []
    for n_in, n_out in sizes:
        layers += [nn.Linear(n_in, n_out, backend=backend), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    rule = optim.Adam(model.parameters())
    program = lower(model, nn.CrossEntropyLoss(), rule, get_backend(backend), 32)
    rng = np.random.default_rng(0)
    program.bind(rng.random((32, 784), np.float32), rng.integers(0, 10, 32))
    return model, program


@pytest.fixture(params=[1, 2])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Into how many parts the Numba engine cuts a step."""
    engine = pytest.importorskip("accelnn.kernels.on_numba.program")
    monkeypatch.setattr(engine, "threads_for", lambda _flops: request.param)
    return int(request.param)
