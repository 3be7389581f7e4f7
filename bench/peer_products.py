"""Matrix products by accelnn's ``matmul``, NumPy's BLAS and PyTorch's, each in its own process.

All three write into a given array, from the same operands, through the call that a user makes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from accelnn.bench.arena import Arena, Entry, Player, repetitions, timed
from accelnn.bench.networks import WIDTHS

OURS = "accelnn numba"
#: Products that are measured in one turn of a competitor.
TURN = 8


class Product(NamedTuple):
    """``op(a) @ op(b)`` of n × k and k × m, with ``ta`` and ``tb`` as in the kernel."""

    group: str
    n: int
    k: int
    m: int
    ta: bool = False
    tb: bool = False

    @property
    def letters(self) -> str:
        """NN, TN or NT."""
        return "NT"[self.ta] + "NT"[self.tb]

    @property
    def shape(self) -> str:
        """The sizes, as a reader should see them."""
        return f"{self.n} x {self.k} x {self.m}"

    @property
    def multiplications(self) -> int:
        """How many products of two numbers there are, all of which could be taken at once."""
        return self.n * self.k * self.m

    @property
    def additions(self) -> int:
        """How many additions sum them up."""
        return self.n * (self.k - 1) * self.m

    @property
    def work(self) -> int:
        """All operations: the steps of one processor."""
        return self.multiplications + self.additions

    @property
    def span(self) -> int:
        """The steps of as many processors as one likes.

        One for all multiplications, and then those of sums of pairs, of pairs of pairs and so on.
        """
        return 1 + (self.k - 1).bit_length()

    @property
    def parallelism(self) -> float:
        """Work by span: how many processors are kept busy on average, and so the speed-up."""
        return self.work / self.span

    @property
    def bytes(self) -> int:
        """What crosses the memory bus at least, in float32: both operands and the result, once."""
        return 4 * (self.n * self.k + self.k * self.m + self.n * self.m)

    def info(self) -> dict[str, Any]:
        """Return what the suites record of a product."""
        counts = ("multiplications", "additions", "work", "span", "parallelism", "bytes")
        sizes = {"n": self.n, "k": self.k, "m": self.m, "letters": self.letters}
        return {**sizes, "flops": self.work, **{name: getattr(self, name) for name in counts}}


def training_step(batch: int, widths: Sequence[int] = WIDTHS) -> Iterator[Product]:
    """Yield the products of a step, eight for three layers.

    That is three a layer, but for the first one: nobody asks for the gradient of the data.
    """
    layers = list(pairwise(widths))
    for n_in, n_out in layers:
        yield Product(f"batch {batch}, forward", batch, n_in, n_out)
    for n_in, n_out in layers:
        yield Product(f"batch {batch}, weights", n_in, batch, n_out, ta=True)
    for n_in, n_out in layers[1:]:
        yield Product(f"batch {batch}, input", batch, n_out, n_in, tb=True)


def products(odd: int) -> list[Product]:
    """Return all that is measured: three batches, two squares, and ``odd`` sizes of 1 to 300."""
    found = [p for batch in (32, 128, 512) for p in training_step(batch)]
    found += [Product("square", n, n, n) for n in (1024, 2048)]
    for n, k, m in np.random.default_rng(0).integers(1, 301, (odd, 3)).tolist():
        for ta, tb in ((False, False), (True, False), (False, True)):
            found.append(Product("odd", n, k, m, ta, tb))
    return found


def operands(p: Product) -> tuple[Any, Any, Any]:
    """Return (a, b, out), float32, stored as the transposes ask."""
    rng = np.random.default_rng([p.n, p.k, p.m])
    a = rng.random((p.k, p.n) if p.ta else (p.n, p.k), np.float32) - np.float32(0.5)
    b = rng.random((p.m, p.k) if p.tb else (p.k, p.m), np.float32) - np.float32(0.5)
    return a, b, np.full((p.n, p.m), np.nan, np.float32)


def by_ours(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
    """Return the call of accelnn's kernel."""
    from accelnn.kernels import load

    return partial(load("on_numba")["matmul"], a, b, ta=ta, tb=tb, out=out)


def by_numpy(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
    """Return NumPy's call; it hands a transposed view to BLAS as it is."""
    return partial(np.matmul, a.T if ta else a, b.T if tb else b, out=out)


def by_torch(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Callable[[], Any]:
    """Return PyTorch's call on the same memory."""
    torch = import_module("torch")
    left, right, target = (torch.from_numpy(x) for x in (a, b, out))
    return partial(torch.mm, left.t() if ta else left, right.t() if tb else right, out=target)


_HOW = {OURS: by_ours, "numpy": by_numpy, "torch": by_torch}


def multiplier(name: str, least: float) -> Player:
    """Return what takes products and returns the seconds of each, from ``least`` seconds of calls.

    The first time a product is asked for, its result is checked and the number of calls chosen.
    """
    kept: dict[Product, tuple[Callable[[], Any], int]] = {}

    def multiply(p: Product) -> float:
        if p not in kept:
            a, b, out = operands(p)
            call = _HOW[name](a, p.ta, b, p.tb, out)
            call()
            check(p, a, b, out)
            kept[p] = call, repetitions(call, least)
        call, n = kept[p]
        timed(call, n // 4 + 1)  # caches and clock as they are amid the work
        return timed(call, n)

    return lambda asked: [multiply(p) for p in asked]


def check(p: Product, a: Any, b: Any, out: Any) -> None:
    """Assert the product of operands up to 1/2, whose rounding errors are some 0.04 k eps."""
    exact = (a.T if p.ta else a).astype(np.float64) @ (b.T if p.tb else b)
    bound = max(p.k, 2) * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(out, exact, rtol=0, atol=bound, err_msg=str(p))


def compare(rounds: int, odd: int = 40, least: float = 0.02) -> dict[str, Any]:
    """Measure all products; in every round everybody does a few, then the next few."""
    if find_spec("torch") is None:
        print("torch.mm is left out: torch is not installed")
    names = [name for name in _HOW if name != "torch" or find_spec("torch")]
    asked = products(odd)
    turns = [asked[i : i + TURN] for i in range(0, len(asked), TURN)]
    seconds: list[dict[str, list[float]]] = [{name: [] for name in names} for _ in asked]
    entries: dict[str, Entry] = {name: (multiplier, (name, least)) for name in names}
    with Arena(entries) as arena:
        for number in range(rounds + 1):  # the first one is a warm-up
            for first, turn in zip(range(0, len(asked), TURN), turns, strict=True):
                for name, answer in arena.round(turn).items():
                    for place, taken in enumerate(answer if number else [], first):
                        seconds[place][name].append(taken)
    rows = [row(p, taken) for p, taken in zip(asked, seconds, strict=True)]
    return {"least seconds": least, "products": rows}


def row(p: Product, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return what is recorded of a product; the faster peer is the one with the lower median."""
    peer = min((name for name in seconds if name != OURS), key=lambda name: median(seconds[name]))
    flop = 2 * p.n * p.k * p.m
    pairs = zip(seconds[peer], seconds[OURS], strict=True)
    return {
        **p._asdict(),
        "seconds": seconds,
        "GFLOP/s": {name: flop / median(taken) / 1e9 for name, taken in seconds.items()},
        "faster peer": peer,
        "times the speed of the faster peer": median(theirs / mine for theirs, mine in pairs),
    }


def product_lines(found: dict[str, Any]) -> list[str]:
    """Return the products as a table, the odd sizes as quartiles of their ratios."""
    key = "times the speed of the faster peer"
    rows = found["products"]
    names = list(rows[0]["GFLOP/s"])
    made = [f"{'GFLOP/s':40}" + "".join(f"{name:>15}" for name in names) + "  x faster peer"]
    for each in rows:
        if each["group"] == "odd":
            continue
        p = Product(**{field: each[field] for field in Product._fields})
        label = f"{p.group:20}{p.letters} {p.n} x {p.k} x {p.m}"
        speeds = "".join(f"{each['GFLOP/s'][name]:15.1f}" for name in names)
        made.append(f"{label:40}{speeds}{each[key]:15.2f}")
    for letters in ("NN", "TN", "NT"):
        picked = [
            each[key]
            for each in rows
            if each["group"] == "odd" and "NT"[each["ta"]] + "NT"[each["tb"]] == letters
        ]
        if picked:
            low, middle, high = np.quantile(picked, (0.25, 0.5, 0.75))
            made.append(
                f"{len(picked)} odd sizes, {letters}: x faster peer: lowest {min(picked):.2f}, "
                f"quartiles {low:.2f} {middle:.2f} {high:.2f}"
            )
    return made
