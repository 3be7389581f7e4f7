"""What does a gradient cost: by backpropagation, by perturbing each weight, by summing over paths?

One sample, float64, accelnn's own network on NumPy without biases, as in the notes. What is
differentiated is the sum of the outputs. ``backward`` is the way back alone, from the gradient of
the outputs on. The sum over paths is plain Python and has no library to be slow in; compare its
growth and its counts with the others', rather than its seconds.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

from accelnn import Tensor, count_ops, nn
from accelnn.bench import paths
from accelnn.bench.measuring import Measure
from accelnn.bench.networks import WIDTHS
from accelnn.bench.perturbation import central_differences, forward_differences
from accelnn.bench.settings import Settings
from accelnn.bench.stacks import relu_stack

FAST = ("forward", "backward")
METHODS = (*FAST, "forward differences", "central differences", "sum over paths")
#: A 3 x 5 matrix times a vector, and the small network whose operations the notes count.
EXAMPLES = ((5, 3), (3, 2, 2, 3))
#: Of a single call where something has to be made ready before it.
ROUNDS = 40


class Case(NamedTuple):
    """A method on a network.

    Attributes
    ----------
    series : str
        "width": three products of rising width; "example"; "network": that of the settings.
        An exponent has a meaning along the first only.
    """

    method: str
    widths: tuple[int, ...]
    series: str = "width"

    def __str__(self) -> str:
        return f"{self.method}-{dashed(self.widths)}"


def dashed(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


def cases_cost(settings: Settings) -> list[Case]:
    slow = settings.pick((2, 4, 6, 8, 12, 16, 24), (2, 4, 8), (2,))
    more = settings.pick((32, 64, 128, 256, 512), (256,), ())
    made = [Case(method, (n,) * 4) for n in slow for method in METHODS]
    made += [Case(method, (n,) * 4) for n in more for method in FAST]
    known = settings.pick(METHODS, FAST, METHODS)
    made += [Case(method, widths, "example") for widths in EXAMPLES for method in known]
    if settings.scale != "smoke":
        made += [Case(method, settings.network, "network") for method in FAST]
    return made


@pytest.fixture(scope="module", autouse=True)
def counts_of_the_notes() -> None:
    """Count as the notes do, or measure nothing."""
    product = count_ops(nn.Linear(5, 3, bias=False), 1).forward
    assert (product.multiplications, product.additions) == (15, 12)
    for widths, forward, backward in ((EXAMPLES[1], 16, 26), (WIDTHS, 668_672, 935_936)):
        counted = count_ops(relu_stack(widths, "numpy", bias=False), 1)
        assert counted.forward.multiplications == forward
        assert counted.backward.multiplications == backward


class Problem(NamedTuple):
    """A network and a sample, and what they yield by plain Python: backpropagation on scalars."""

    model: nn.Sequential
    x: Tensor
    numbers: Any  # the weights, as paths.py takes them
    values: Any  # of all units
    gradient: list[Any]  # as the parameters, (out, in)


@lru_cache(maxsize=1)
def problem(widths: tuple[int, ...]) -> Problem:
    model = relu_stack(widths, "numpy", "float64", bias=False)
    rng = np.random.default_rng(0)
    for p in model.parameters():  # more of them positive, or all ReLUs of a small network are shut
        p.array[...] = rng.uniform(-0.5, 1.0, p.shape) / p.shape[1] ** 0.5
    x = rng.uniform(0.0, 1.0, widths[0])
    numbers = [p.numpy().T.tolist() for p in model.parameters()]
    values = paths.forward(numbers, x.tolist())
    gradient = paths.by_backprop(numbers, values, [1.0] * widths[-1])
    assert all(map(np.any, gradient)), "a gradient of zeros proves nothing"
    sample = Tensor(x[None, :], backend="numpy")
    return Problem(model, sample, numbers, values, [np.array(g).T for g in gradient])


def test_cost(case: Case, measure: Measure, benchmark: Any) -> None:
    given, count = problem(case.widths), counted(case.method, case.widths)
    call, setup = PREPARE[case.method](given)
    benchmark.group = dashed(case.widths)
    measure(
        call,
        setup=setup,
        rounds=None if setup is None else ROUNDS,
        who=case.method,
        backend="numpy",
        method=case.method,
        series=case.series,
        widths=list(case.widths),
        parameters=sum(a * b for a, b in pairwise(case.widths)),
        multiplications=count[0],
        additions=count[1],
    )


def counted(method: str, widths: tuple[int, ...]) -> tuple[int, int]:
    """Return the multiplications and additions of a method.

    Of a perturbation those of its forward passes; to move a weight, to subtract and to divide are
    three operations more for each weight.
    """
    if method == "sum over paths":
        return paths.operations(widths)
    both = count_ops(relu_stack(widths, "numpy", bias=False), 1)
    one = both.backward if method == "backward" else both.forward
    n = sum(a * b for a, b in pairwise(widths))
    times = {"forward differences": n + 1, "central differences": 2 * n}.get(method, 1)
    return times * one.multiplications, times * one.additions


#: What is timed, and what makes it ready, if anything has to.
Prepared = tuple[Callable[[], Any], Callable[[], Any] | None]


def prepare_forward(given: Problem) -> Prepared:
    np.testing.assert_allclose(given.model(given.x).numpy()[0], given.values[-1], rtol=1e-10)
    return (lambda: given.model(given.x)), None


def prepare_backward(given: Problem) -> Prepared:
    """A graph is used up by its backward pass, so that each needs a forward pass before it."""
    ones = np.ones((1, len(given.values[-1])))
    ready: list[Tensor] = []

    def forward() -> None:
        for parameter in given.model.parameters():
            parameter.grad = None
        ready[:] = [given.model(given.x)]

    def backward() -> None:
        ready[0].backward(ones)

    forward()
    backward()
    for parameter, expected in zip(given.model.parameters(), given.gradient, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-10, atol=1e-12)
    return backward, forward


def prepare_differences(method: Callable[[nn.Module, Tensor], list[Any]]) -> Any:
    def prepare(given: Problem) -> Prepared:
        for found, expected in zip(method(given.model, given.x), given.gradient, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
        return (lambda: method(given.model, given.x)), None

    return prepare


def prepare_paths(given: Problem) -> Prepared:
    ones = [1.0] * len(given.values[-1])

    def by_paths() -> list[Any]:
        return paths.by_paths(given.numbers, given.values, ones)

    for found, expected in zip(by_paths(), given.gradient, strict=True):
        np.testing.assert_allclose(np.array(found).T, expected, rtol=1e-10, atol=1e-12)
    return by_paths, None


PREPARE: dict[str, Callable[[Problem], Prepared]] = {
    "forward": prepare_forward,
    "backward": prepare_backward,
    "forward differences": prepare_differences(forward_differences),
    "central differences": prepare_differences(central_differences),
    "sum over paths": prepare_paths,
}
