"""How long is an epoch of the MNIST network, per backend and optimizer?

Checked first: after 20 steps every competitor has the weights of the plain NumPy loop.
"""

from typing import Any

import numpy as np
import pytest

from accelnn.backends import list_backends
from accelnn.bench.networks import BATCH, RATES, PlainLoop, load, program

BACKENDS = [status.name for status in list_backends() if status.usable]
STEPS = 20


@pytest.fixture(scope="module")
def data() -> Any:
    return load()


@pytest.mark.benchmark(group="epoch")
@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("backend", ["plain numpy loop", *BACKENDS])
def test_epoch(benchmark: Any, data: Any, backend: str, optimizer: str) -> None:
    dataset, X, y = data
    order = np.random.default_rng(1).permutation(len(X))
    benchmark.extra_info.update(data=dataset.name, rows=len(X), batch=BATCH)
    if backend == "plain numpy loop":
        loop = PlainLoop(optimizer, X, y)
        benchmark.pedantic(loop.run, args=(order,), rounds=3, warmup_rounds=1)
        return
    check(backend, optimizer, X, y)
    made = program(backend, optimizer, X, y)
    made.start_epoch(order)
    rates = [RATES[optimizer]] * made.n_batches

    def epoch() -> None:
        made.run(0, made.n_batches, rates)
        made.backend.synchronize()

    benchmark.pedantic(epoch, rounds=3, warmup_rounds=1)


def check(backend: str, optimizer: str, X: Any, y: Any) -> None:
    """Assert equal weights after 20 steps, in float64 so that rounding does not blur the answer."""
    rows = min(STEPS * BATCH, len(X))
    wide, labels = X[:rows].astype(np.float64), y[:rows]
    loop, made = PlainLoop(optimizer, wide, labels), program(backend, optimizer, wide, labels)
    loop.run(np.arange(rows))
    total = made.run(0, made.n_batches, [RATES[optimizer]] * made.n_batches)
    assert abs(total / rows - loop.loss) < 1e-9
    mine = made.backend.to_numpy(made.plan.params)
    weights = [p.ravel() for p in (*loop.parameters[::2], *loop.parameters[1::2])]
    np.testing.assert_allclose(mine, np.concatenate(weights), rtol=1e-7, atol=1e-9)
