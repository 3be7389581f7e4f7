"""Where an epoch's time goes, and what its products take alone: the ladder's prediction."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import accelnn
from accelnn.backends import Backend, get_backend
from accelnn.bench.arena import repetitions, timed
from accelnn.bench.measuring import settle
from accelnn.bench.mnist_epochs import Epochs
from accelnn.bench.peer_products import Product, check, operands
from accelnn.profiling import Profile, Row

#: How often the products alone are timed; the median counts.
ROUNDS = 5


def products(n_in: int, widths: tuple[int, ...], batch: int) -> list[Product]:
    """Return those of a step, each with the name that ``accelnn.profile`` gives it as its group.

    Three per layer, two in the first, whose input needs no gradient.
    """
    found = []
    for number, (n_from, n_to) in enumerate(pairwise((n_in, *widths[1:])), 1):
        name = f"Linear {number}"
        found.append(Product(f"{name}, forward", batch, n_from, n_to))
        found.append(Product(f"{name}, weights", n_from, batch, n_to, ta=True))
        if number > 1:
            found.append(Product(f"{name}, input", batch, n_to, n_from, tb=True))
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
    calls = {product.group: checked(backend, product) for product in listed}
    settle()
    return {name: seconds_of(call, get_backend(backend), least) for name, call in calls.items()}


def checked(backend: str, product: Product) -> Callable[[], Any]:
    """Return the call of a backend's product, whose result is right."""
    held, (a, b, out) = get_backend(backend), operands(product)
    with held.scope():
        x, y, target = (held.asarray(each) for each in (a, b, out))
        call = partial(held.matmul, x, y, ta=product.ta, tb=product.tb, out=target)
        call()
        held.synchronize()
        check(product, a, b, held.to_numpy(target))
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
            "name": product.group,
            "letters": product.letters,
            "n": product.n,
            "k": product.k,
            "m": product.m,
            "calls": calls,
            "seconds": inside[product.group],
            "gflops_inside": calls * product.work / inside[product.group] / 1e9,
            "gflops_alone": product.work / seconds_alone[product.group] / 1e9,
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
