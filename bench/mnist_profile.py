"""Where an epoch's time goes, and what its products take alone: the ladder's prediction."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import accelnn
from accelnn.backends import Backend, get_backend
from accelnn.bench.arena import repetitions, timed
from accelnn.bench.measuring import settle
from accelnn.bench.mnist_epochs import Epochs
from accelnn.profiling import Profile, Row

#: How often the products alone are timed; the median counts.
ROUNDS = 5
#: What a profile calls the three products of a layer, with what is transposed in them.
FORWARD, WEIGHTS, INPUT = ("forward", "NN"), ("weights", "TN"), ("input", "NT")


class Product(NamedTuple):
    """A product of a training step: op(a) (n, k) by op(b) (k, m).

    Attributes
    ----------
    name : str
        As ``accelnn.profile`` calls it.
    letters : {"NN", "TN", "NT"}
        T for an operand that is transposed.
    n, k, m : int
    """

    name: str
    letters: str
    n: int
    k: int
    m: int

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return self.n * self.m * (2 * self.k - 1)


def products(n_in: int, widths: tuple[int, ...], batch: int) -> list[Product]:
    """Return those of a step: three per layer, two in the first, whose input needs no gradient."""
    found = []
    for number, (n_from, n_to) in enumerate(pairwise((n_in, *widths[1:])), 1):
        shapes = {
            FORWARD: (batch, n_from, n_to),
            WEIGHTS: (n_from, batch, n_to),
            INPUT: (batch, n_to, n_from),
        }
        for (which, letters), shape in shapes.items():
            if number > 1 or which != "input":
                found.append(Product(f"Linear {number}, {which}", letters, *shape))
    return found


def profiled(epoch: Epochs) -> Profile:
    """Return the profile of an epoch.

    The first profile of a process loads what takes the times, so that one is thrown away.
    """
    with accelnn.profile():
        epoch()
    with accelnn.profile() as found:
        epoch()
    return found


def alone(backend: str, listed: Iterable[Product], least: float) -> dict[str, float]:
    """Return the seconds of each product by itself, by name, its result checked.

    All are checked before any is timed: NumPy's product is the judge, and its threads go on
    spinning for a while, on the cores of the next.
    """
    calls = {product.name: checked(backend, product) for product in listed}
    settle()
    return {name: seconds_of(call, get_backend(backend), least) for name, call in calls.items()}


def checked(backend: str, product: Product) -> Callable[[], Any]:
    """Return the call of a backend's product on float32 operands, whose result is right."""
    held, rng = get_backend(backend), np.random.default_rng(2)
    ta, tb = (letter == "T" for letter in product.letters)
    n, k, m = product.n, product.k, product.m
    host = [rng.random(s, np.float32) for s in ((k, n) if ta else (n, k), (m, k) if tb else (k, m))]
    with held.scope():
        a, b = (held.asarray(each) for each in host)
        out = held.empty((n, m), np.float32)
        call = partial(held.matmul, a, b, ta=ta, tb=tb, out=out)
        call()
        held.synchronize()
        expected = (host[0].T if ta else host[0]) @ (host[1].T if tb else host[1])
        np.testing.assert_allclose(held.to_numpy(out), expected, rtol=1e-4)
    return call


def seconds_of(call: Callable[[], Any], held: Backend, least: float) -> float:
    """Return the seconds of a call that is asked for again and again for ``least`` seconds.

    A GPU is waited for once, at the end, as in an epoch.
    """

    def calls(times: int) -> None:
        for _ in range(times):
            call()
        held.synchronize()

    with held.scope():
        times = repetitions(call, least)
        held.synchronize()
        return median(timed(partial(calls, times), 1) / times for _ in range(ROUNDS))


def beside(
    listed: Iterable[Product], rows: list[Row], calls: int, seconds_alone: dict[str, float]
) -> list[dict[str, Any]]:
    """Return each product's speed in an epoch beside its speed alone, in GFLOP/s."""
    inside = {row.layer: row.seconds for row in rows if row.kernel == "matmul"}
    return [
        {
            **product._asdict(),
            "calls": calls,
            "seconds": inside[product.name],
            "gflops_inside": calls * product.flops / inside[product.name] / 1e9,
            "gflops_alone": product.flops / seconds_alone[product.name] / 1e9,
        }
        for product in listed
    ]


def predicted(calls: int, seconds_alone: dict[str, float]) -> float:
    """Return the seconds of an epoch that did nothing but its products."""
    return calls * sum(seconds_alone.values())


def rest(found: Profile) -> dict[str, float]:
    """Return the seconds of all that is no product, by the kernel's name; the most first."""
    by_name: dict[str, float] = {}
    for row in found.rows:
        if row.kernel != "matmul":
            by_name[row.kernel] = by_name.get(row.kernel, 0.0) + row.seconds
    by_name["no kernel"] = found.rest
    return dict(sorted(by_name.items(), key=lambda item: -item[1]))


def kernels(found: Profile) -> list[dict[str, Any]]:
    """Return the rows of a profile as the JSON has them."""
    return [{**asdict(row), "roofline": row.roofline} for row in found.rows]
