"""The most memory that a second fit takes, beyond the data, in a process that has fitted before."""

import gc
import time
import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from accelnn.bench.arena import Player
from accelnn.bench.estimator_entrants import BATCH, Entrant, Task, arguments, make, read
from accelnn.bench.mnist_memory import HostPeak
from accelnn.bench.networks import program
from accelnn.bench.settings import Settings

#: Bytes that are neither parameters nor workspaces: numbers of each row, copies on the way out,
#: what the interpreter and its libraries allocate.
REST = 64_000_000


def limit_bytes(backend: str, X: Any, y: Any, widths: tuple[int, ...]) -> int:
    """Return what a fit may take beside X and y: 4 x the parameters, the workspaces, and a rest.

    The parameters are there once as such, once as gradients, and twice as moments of Adam.
    """
    few = slice(0, BATCH)
    with program(backend, "adam", X[few], y[few], widths=widths, batch=BATCH) as made:
        plan = made.plan
        return REST + int(4 * plan.params.nbytes + plan.work.nbytes + plan.deltas.nbytes)


def observer(task: Task, settings: Settings, rows: int | None) -> Player:
    """Return what fits twice and returns the seconds and the peak of the second fit."""
    _, X, y = read(task, rows)

    def observe(entrant: Entrant) -> dict[str, float]:
        given = arguments(task, settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            make(entrant, given).fit(X, y)
            gc.collect()
            model, peak = make(entrant, given), HostPeak()
            start = time.perf_counter()
            model.fit(X, y)
            seconds = time.perf_counter() - start
        return {"seconds": seconds, "peak_bytes": peak.bytes()}

    return observe
