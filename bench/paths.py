"""The gradient of a small network as the chain rule spells it: a sum over all paths.

A weight reaches an output along every path of units behind it. Its derivative is the sum, over
these paths, of the products of what lies on them: the value that enters the weight, the weights
that follow, the derivatives of the ReLUs between, and the gradient of the output at the end. No
product is kept for another path. ``by_backprop`` computes the same from the same numbers, each
unit's share once.

Everything is a Python number, or what behaves like one, so that a test can count. Weights are
lists ``weights[layer][from][to]``, without biases: a bias is the weight of one more input, 1. The
derivative of a ReLU is a choice and no multiplication, as in the costs of the kernels.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise, product
from math import prod
from operator import add, mul
from typing import Any

#: Numbers by layer, unit they come from, and unit they go to.
Weights = Sequence[Sequence[Sequence[Any]]]


def forward(weights: Weights, x: Sequence[Any]) -> list[list[Any]]:
    """Return the values of all units, layer by layer, from the inputs to the outputs."""
    values = [list(x)]
    for layer in weights:
        columns = zip(*layer, strict=True)
        sums = [reduce(add, map(mul, values[-1], column)) for column in columns]
        last = len(values) == len(weights)
        values.append(sums if last else [gate(z, z) for z in sums])
    return values


def gate(d: Any, value: Any) -> Any:
    """Return d where the ReLU's value, or its argument, is above 0, else 0."""
    return d if value > 0 else type(d)(0)


def by_paths(weights: Weights, values: list[list[Any]], seed: Sequence[Any]) -> list[Any]:
    """Return the derivatives by all weights, ordered as they are, path by path.

    Parameters
    ----------
    weights, values
        Values as ``forward`` returns them.
    seed : sequence
        The gradient of the outputs.
    """
    widths = [len(layer) for layer in values]

    def derivative(layer: int, source: int, target: int) -> Any:
        behind = product(*map(range, widths[layer + 2 :]))
        ways = (along(weights, values, seed, layer, (target, *rest)) for rest in behind)
        return reduce(add, (way * values[layer][source] for way in ways))

    return [
        [[derivative(layer, i, j) for j in range(n_out)] for i in range(n_in)]
        for layer, (n_in, n_out) in enumerate(pairwise(widths))
    ]


def along(
    weights: Weights, values: list[list[Any]], seed: Sequence[Any], layer: int, units: Sequence[int]
) -> Any:
    """Return what one path contributes, from the output back to the unit that the weight feeds."""
    d = seed[units[-1]]
    for step in range(len(units) - 1, 0, -1):
        before = units[step - 1]
        d = gate(d * weights[layer + step][before][units[step]], values[layer + step][before])
    return d


def by_backprop(weights: Weights, values: list[list[Any]], seed: Sequence[Any]) -> list[Any]:
    """Return the same derivatives, each unit's share computed once, from the outputs back."""
    deltas, found = list(seed), []
    for layer in range(len(weights) - 1, -1, -1):
        found.append([[a * d for d in deltas] for a in values[layer]])
        if layer:
            sums = [reduce(add, map(mul, row, deltas)) for row in weights[layer]]
            deltas = [gate(d, a) for d, a in zip(sums, values[layer], strict=True)]
    return found[::-1]


def operations(widths: Sequence[int]) -> tuple[int, int]:
    """Return the multiplications and additions of ``by_paths``."""
    multiplications = additions = 0
    for layer, (n_in, n_out) in enumerate(pairwise(widths)):
        behind = widths[layer + 2 :]
        paths = prod(behind)
        multiplications += n_in * n_out * paths * (len(behind) + 1)
        additions += n_in * n_out * (paths - 1)
    return multiplications, additions
