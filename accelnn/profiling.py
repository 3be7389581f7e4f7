"""Where the time of a fit goes: calls, time, operations and bytes of each kernel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from accelnn import roofline, tracing
from accelnn.backends import watched_by
from accelnn.backends.watching import Log, Total

_HEAD = ("kernel", "layer", "backend", "calls", "ms", "%", "GFLOP/s", "GB/s", "roofline")
#: Columns of words, before those of numbers.
_WORDY = 3


@dataclass(frozen=True)
class Row:
    """A kernel, for one layer, on one backend.

    Attributes
    ----------
    kernel : str
        Its name in ``accelnn.kernels.KERNELS``. An operation of the Numba engine that computes
        several is named after all of them, one that computes none bears its own name: "gather",
        "fetch", "deliver", and "wait", where its threads wait for each other.
    layer : str
        "Linear 2" is the second Linear of a program and what follows it; of a product also which
        of the layer's three it is: "Linear 2, forward", "Linear 2, weights" (their gradient),
        "Linear 2, input" (its gradient). Of a product outside of a program the shape, otherwise
        empty. The layers of several programs in one profile are counted together.
    backend : str
    calls : int
        Of the Numba engine: of operations on blocks of a matrix, by all threads.
    seconds : float
        On several threads of the Numba engine the mean over the threads; on a GPU the time between
        two events around the kernel, which is that of its launch where that takes longer.
    flops, bytes : int
        Floating-point operations, and bytes that cross the memory bus if no cache holds them, of
        all calls, as declared in ``kernels/reference``.
    dtype : str
        "float32" or "float64": whose ceilings it is held against.
    """

    kernel: str
    layer: str
    backend: str
    calls: int
    seconds: float
    flops: int
    bytes: int
    dtype: str

    @property
    def roofline(self) -> float | None:
        """The least time that the machine's ceilings allow, as a share of the time it took.

        More than 1 where a cache, not the memory, served it. None where there are neither
        operations nor bytes, or the ceilings cannot be measured; that is done when this is asked
        for the first time (``accelnn.roofline``).
        """
        if self.seconds <= 0 or not (self.flops or self.bytes):
            return None
        try:
            found = roofline.ceilings(self.backend, self.dtype)
        except (ValueError, MemoryError):
            return None
        return max(self.flops / found.flops, self.bytes / found.bandwidth) / self.seconds


class Profile:
    """What a ``with accelnn.profile()`` block found; complete when the block is left.

    Attributes
    ----------
    seconds : float
        Of the block.
    rows : list of Row
        The most time first. Where one thread calls kernels, their seconds and those of ``rest`` add
        up to ``seconds``.
    """

    def __init__(self, log: Log) -> None:
        self._log, self._start = log, perf_counter()
        self._stop: float | None = None

    @property
    def seconds(self) -> float:
        """Wall seconds of the block, so far while it runs."""
        return (perf_counter() if self._stop is None else self._stop) - self._start

    @property
    def rows(self) -> list[Row]:
        """One per kernel, layer and backend."""
        groups: dict[tuple[str, str, str], Total] = {}
        for t in self._log.totals():
            key = t.kernel, t.layer, t.backend
            held = groups.setdefault(key, Total(t.backend, t.kernel, t.layer, t.dtype))
            held.add(t.calls, t.seconds, t.flops, t.nbytes)
            held.dtype = max(held.dtype, t.dtype)  # "float64" where both occur
        made = [
            Row(*key, t.calls, t.seconds, round(t.flops), round(t.nbytes), t.dtype)
            for key, t in groups.items()
        ]
        return sorted(made, key=lambda row: -row.seconds)

    @property
    def rest(self) -> float:
        """Seconds of the block in which no kernel ran: Python, data, waiting."""
        return max(self.seconds - sum(row.seconds for row in self.rows), 0.0)

    def __str__(self) -> str:
        whole = self.seconds
        lines = [_HEAD, *(_line(row, whole) for row in self.rows)]
        rest = (
            "no kernel: Python, data, waiting",
            "",
            "",
            "",
            *_times(self.rest, whole),
            "",
            "",
            "",
        )
        lines.append(rest)
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
        text = [_aligned(line, widths) for line in lines]
        return "\n".join([*text, *self._remarks()])

    def _remarks(self) -> list[str]:
        """Return what a reader of the table has to know besides."""
        said = []
        for backend, dtype in sorted({(r.backend, r.dtype) for r in self.rows if r.roofline}):
            found = roofline.ceilings(backend, dtype)
            high, wide = found.flops / 1e9, found.bandwidth / 1e9
            said.append(f"roofline of {backend}, {dtype}: {high:.0f} GFLOP/s, {wide:.1f} GB/s")
        return said + [
            f"programs on {name} were run kernel by kernel, in the dtype of the model; without a "
            "profile they are not"
            for name in sorted(self._log.by_kernel)
        ]

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open.

        Parameters
        ----------
        path : str or path
            Of a JSON file, overwritten if it is there.

        Notes
        -----
        Each call of a kernel is an event, with its layer, operations and bytes. The Numba engine
        does a range of minibatches in one compiled call, and only the time that each operation took
        in all of it is known, not when: the range is one event, with those times in milliseconds.
        Of more than 200,000 events the first are written; the file says how many were dropped.
        """
        Path(path).write_text(tracing.as_json(self._log, self._start), encoding="utf-8")


def _line(row: Row, whole: float) -> tuple[str, ...]:
    """Return a row's cells."""
    share = row.roofline
    return (
        row.kernel,
        row.layer,
        row.backend,
        f"{row.calls}",
        *_times(row.seconds, whole),
        _rate(row.flops, row.seconds),
        _rate(row.bytes, row.seconds),
        "" if share is None else f"{100 * share:.0f} %",
    )


def _times(seconds: float, whole: float) -> tuple[str, str]:
    return f"{1e3 * seconds:.2f}", f"{100 * seconds / whole:.1f}"


def _rate(amount: float, seconds: float) -> str:
    return f"{amount / seconds / 1e9:.1f}" if amount and seconds else ""


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    """Return cells side by side, numbers to the right."""
    cells = zip(line, widths, strict=True)
    padded = [c.ljust(w) if i < _WORDY else c.rjust(w) for i, (c, w) in enumerate(cells)]
    return "  ".join(padded).rstrip()


@contextmanager
def profile() -> Iterator[Profile]:
    """Measure every kernel that runs inside, in all threads of the process.

    The NumPy backend's kernels are timed one by one. The Numba engine runs as it is, with a clock
    between its operations. Programs of the CuPy backend are run kernel by kernel, in float32 or
    float64, each kernel between two CUDA events and in an NVTX range. Backends are those that
    ``get_backend`` knows, also where they are made inside.

    Returns
    -------
    context manager of Profile

    Raises
    ------
    RuntimeError
        Where a profile is running already.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> with accelnn.profile() as p:
    ...     y = model(accelnn.Tensor([[1.0, 2.0, 3.0, 4.0]]))
    >>> sorted((row.kernel, row.layer, row.calls, row.flops) for row in p.rows)
    [('add_bias', '', 2, 11), ('matmul', '1 x 4 x 8, NN', 1, 56), ('matmul', '1 x 8 x 3, NN', 1, 45), ('relu', '', 1, 8)]
    """  # noqa: E501 - the output as it is
    log = Log()
    with watched_by(log):
        found = Profile(log)
        try:
            yield found
        finally:
            found._stop = perf_counter()
