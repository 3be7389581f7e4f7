"""How many rows per second does a network predict, and how long does a caller wait for them?

Each sample is a single call, timed by itself: a 99th percentile of means would be none. The rows
lie where the backend works, and the call ends when the outputs are there.
"""

import time
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.bench.measuring import settle
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.settings import Settings
from accelnn.bench.stacks import relu_stack
from accelnn.program import Program, lower

#: Rows of a call -> calls that are timed, if there is time.
FULL = {1: 1000, 8: 1000, 64: 1000, 512: 500, 4096: 200, 60_000: 20}
QUICK = {1: 500, 64: 200, 4096: 20}
SMOKE = {1: 1, 64: 1}
#: Seconds after which there are no more calls, on a machine that is slow or busy.
FULL_SECONDS, QUICK_SECONDS = 12.0, 1.2
#: Calls before the timed ones, besides the one that was checked.
WARM_UP = 1
#: Fewer calls than these have no 99th percentile in a full run; of twenty it is the slowest.
ENOUGH = 200
#: Rows that the plain forward pass takes at a time, so that its layers stay small.
CHUNK = 4096


class Case(NamedTuple):
    """A backend, and how many rows it predicts in a call."""

    backend: str
    rows: int
    calls: int

    def __str__(self) -> str:
        return f"{self.backend}-{self.rows}"


def cases_rows(settings: Settings) -> list[Case]:
    calls = settings.pick(FULL, QUICK, SMOKE)
    return [Case(name, rows, n) for rows, n in calls.items() for name in settings.backends]


@lru_cache(maxsize=1)
def problem(widths: tuple[int, ...], rows: int) -> tuple[Any, Any]:
    """Return as many rows as are predicted at most, and their outputs by plain NumPy."""
    x = np.random.default_rng(0).random((rows, widths[0]), np.float32)
    layers = [p.numpy().T for p in relu_stack(widths, "numpy").parameters()]
    chunks = [plain_forward(x[i : i + CHUNK], layers) for i in range(0, rows, CHUNK)]
    return x, np.concatenate(chunks)


def plain_forward(x: Any, layers: list[Any]) -> Any:
    """Return the outputs; ``layers`` holds W (in, out) and b (out,) by turns."""
    for w, b in zip(layers[::2], layers[1::2], strict=True):
        x = x @ w + b
        if b is not layers[-1]:
            np.maximum(x, 0, out=x)
    return x


@lru_cache(maxsize=1)
def program(backend: str, widths: tuple[int, ...], batch: int) -> Program:
    """Return the program of a network that has been trained for no step yet."""
    held = get_backend(backend)
    model = relu_stack(widths, held)
    rule = optim.SGD(model.parameters(), lr=0.1)
    return lower(model, nn.CrossEntropyLoss(), rule, held, batch)


@taken_elsewhere
def test_rows(case: Case, settings: Settings, benchmark: Any) -> None:
    x, expected = problem(settings.network, max(settings.pick(FULL, QUICK, SMOKE)))
    made = program(case.backend, settings.network, settings.batch)
    held = made.backend
    rows = held.asarray(x[: case.rows])
    found = held.to_numpy(made.predict(rows))
    np.testing.assert_allclose(found, expected[: case.rows], rtol=1e-4, atol=1e-4)
    if settings.scale != "smoke":
        settle()
    seconds = single_calls(made, rows, case.calls, settings.pick(FULL_SECONDS, QUICK_SECONDS, 0.0))
    p50, p99 = (float(q) for q in np.percentile(seconds, (50, 99)))
    claimed = len(seconds) >= ENOUGH or settings.scale == "quick"
    benchmark.group = f"{case.rows} rows"
    benchmark.extra_info.update(
        who=case.backend,
        backend=case.backend,
        rows=case.rows,
        calls=len(seconds),
        p50=p50,
        p99=p99 if claimed else None,
        rows_per_second=case.rows / p50,
        flops=case.rows * sum(2 * a * b for a, b in pairwise(settings.network)),
    )
    play_back(benchmark, seconds)


def single_calls(made: Program, rows: Any, most: int, limit: float) -> list[float]:
    """Return the seconds of each prediction: so many, or fewer where the limit is reached."""
    for _ in range(WARM_UP):
        made.predict(rows)
    made.backend.synchronize()
    seconds: list[float] = []
    begin = time.perf_counter()
    while len(seconds) < most:
        start = time.perf_counter()
        made.predict(rows)
        made.backend.synchronize()
        end = time.perf_counter()
        seconds.append(end - start)
        if end - begin > limit:
            break
    return seconds
