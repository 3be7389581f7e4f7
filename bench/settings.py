"""How much a run measures: in full, quickly, or each case once to see that it works."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import accelnn
from accelnn.backends import get_backend, list_backends
from accelnn.bench.networks import BATCH, WIDTHS

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What the command line asked for; suites ask this, never the command line.

    Attributes
    ----------
    scale : {"full", "quick", "smoke"}
        "smoke" is ``--benchmark-disable``: tiny, once, untimed.
    backends : tuple of str
        Those to be measured, all of which can run.
    shapes : tuple of (n, k, m)
        Of the user's own products; empty for the suite's.
    network : tuple of int
        Widths of the network, from the inputs to the outputs.
    batches : tuple of int
        Sizes of minibatches that the user asked for; empty for the suite's.
    """

    scale: str = "full"
    backends: tuple[str, ...] = ("numpy", "numba")
    shapes: tuple[tuple[int, int, int], ...] = ()
    network: tuple[int, ...] = WIDTHS
    batches: tuple[int, ...] = ()

    def pick(self, full: T, quick: T, smoke: T) -> T:
        """Return what fits the scale."""
        return {"full": full, "quick": quick, "smoke": smoke}[self.scale]

    def cpu(self) -> tuple[str, ...]:
        """Return the backends among those to be measured that run on the CPU."""
        return tuple(name for name in self.backends if name.partition(":")[0] != "cupy")

    @property
    def batch(self) -> int:
        """The size of minibatches where only one is measured."""
        return self.batches[0] if self.batches else BATCH

    def recorded(self) -> dict[str, Any]:
        """Return what the JSON says of it, and what has to be the same for a run to go on."""
        return {**asdict(self), "version": accelnn.__version__}


def usable(names: Sequence[str]) -> tuple[str, ...]:
    """Return the backends named, all of which have to run; without a name, those that do.

    Raises
    ------
    ValueError, BackendUnavailable
        As ``get_backend``.
    """
    if not names:
        return tuple(status.name for status in list_backends() if status.usable)
    for name in names:
        get_backend(name)
    return tuple(dict.fromkeys(names))


def read_shapes(text: str) -> tuple[tuple[int, int, int], ...]:
    """Return the shapes in "64x64x64,128x784x512": n x k by k x m.

    Raises
    ------
    ValueError
        With what was expected.
    """
    shapes = []
    for part in text.split(","):
        sizes = part.lower().replace("×", "x").split("x")
        if len(sizes) != 3:
            raise ValueError(f"expected shapes like 128x784x512 (n x k x m), got {part!r}")
        n, k, m = positive(sizes, part)
        shapes.append((n, k, m))
    return tuple(shapes)


def read_network(text: str) -> tuple[int, ...]:
    """Return the widths in "784-512-10"; at least an input and an output."""
    widths = positive(text.split("-"), text)
    if len(widths) < 2:
        raise ValueError(f"expected widths like 784-512-10, got {text!r}")
    return widths


def read_batches(text: str) -> tuple[int, ...]:
    """Return the sizes in "32,128"."""
    return positive(text.split(","), text)


def positive(words: Sequence[str], text: str) -> tuple[int, ...]:
    """Return integers of at least 1."""
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise ValueError(f"expected whole numbers of at least 1, got {text!r}")
    return tuple(int(word) for word in words)
