"""Places for the nodes of a graph: in columns from left to right, with room for every label.

The steps of Sugiyama, Tagawa & Toda 1981, doi:10.1109/TSMC.1981.4308636: a column for each node by
the longest path to it; an order in each column that lets few edges cross, by barycentres; heights
that keep edges straight. Between two columns of nodes lies a column of labels. An edge goes through
one slot in every column it passes, so it meets neither a node nor the label of another edge.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from accelnn.drawing.heights import spaced

#: Longer computations have their leaves beside their readers instead of in the first column.
FAR = 5
_GAP = 12.0
_LEAD = 9.0  # a level piece for the arrow's head


@dataclass
class Box:
    """What a node needs around its centre, the size of its shape, and whether it reads none."""

    width: float
    height: float
    shape: tuple[float, float]
    leaf: bool = False


@dataclass
class Link:
    """From a box to a later one; the label that stands on it has a width and a height."""

    source: int
    target: int
    operand: int
    width: float
    height: float


@dataclass
class Route:
    """Where an edge runs: level from x0 to x1 at each height y, curved between; its label."""

    levels: list[tuple[float, float, float]]  # (x0, x1, y)
    label: tuple[float, float]


@dataclass
class Placed:
    """Centres of the boxes, routes of the links, and the size of it all."""

    centres: list[tuple[float, float]]
    routes: list[Route]
    width: float
    height: float


@dataclass
class _Slot:
    """One place in a column: a box, or what an edge needs to pass through."""

    width: float
    height: float
    y: float = 0.0
    before: list["_Pull"] = field(default_factory=list)
    after: list["_Pull"] = field(default_factory=list)
    place: int = 0


class _Pull(NamedTuple):
    """A neighbour, the port of the edge to it, and how much the edge wants to be level."""

    other: _Slot
    port: float
    weight: float


def placed(boxes: Sequence[Box], links: Sequence[Link]) -> Placed:
    """Return where boxes and links go; a link's source comes before its target in ``boxes``."""
    rank = ranks(boxes, links)
    columns: list[list[_Slot]] = [[] for _ in range(2 * max(rank) + 1)]
    slots = [_Slot(box.width, box.height) for box in boxes]
    for slot, r in zip(slots, rank, strict=True):
        columns[2 * r].append(slot)
    ports = port_offsets(boxes, links)
    uses = Counter(link.source for link in links)
    alone = [box.leaf and uses[i] == 1 for i, box in enumerate(boxes)]
    paths = []
    for link, port in zip(links, ports, strict=True):
        first, last = 2 * rank[link.source], 2 * rank[link.target]
        path = [slots[link.source]]
        for column in range(first + 1, last):
            labelled = column == first + 1
            slot = _Slot(link.width, link.height) if labelled else _Slot(0.0, 8.0)
            columns[column].append(slot)
            path.append(slot)
        path.append(slots[link.target])
        for a, b in pairwise(path):
            into = b is path[-1]
            weight = 1.0 if into else 4.0  # level until it must bend
            if alone[link.source]:
                weight /= 4  # a leaf follows its reader, not the other way round
            a.after.append(_Pull(b, port if into else 0.0, weight))
            b.before.append(_Pull(a, port if into else 0.0, weight))
        paths.append(path)
    _order(columns)
    _heights(columns)
    return _measured(columns, slots, boxes, links, paths, ports)


def ranks(boxes: Sequence[Box], links: Sequence[Link]) -> list[int]:
    """Return the column of each box: the longest path that leads to it."""
    rank = [0] * len(boxes)
    for target in range(len(boxes)):  # sources come before their targets
        rank[target] = max((rank[e.source] + 1 for e in links if e.target == target), default=0)
    if max(rank) > FAR:
        for i, box in enumerate(boxes):
            if box.leaf:
                rank[i] = min((rank[e.target] for e in links if e.source == i), default=1) - 1
    return rank


def port_offsets(boxes: Sequence[Box], links: Sequence[Link]) -> list[float]:
    """Return where each link enters its target, from the centre, in the order of the operands."""
    offsets = []
    for link in links:
        rivals = sorted(e.operand for e in links if e.target == link.target)
        step = min(14.0, 0.7 * boxes[link.target].shape[1] / len(rivals))
        offsets.append((rivals.index(link.operand) - (len(rivals) - 1) / 2) * step)
    return offsets


# Order in the columns -----------------------------------------------------------------------------


def _order(columns: list[list[_Slot]]) -> None:
    """Sort each column by the mean place of the neighbours, back and forth; keep the best."""
    _number(columns)
    best, least = [list(column) for column in columns], None
    for sweep in range(16):
        backward = sweep % 2 == 0  # from the result first: operands come in their order
        for column in reversed(columns) if backward else columns:
            column.sort(key=lambda slot: _barycentre(slot, backward))
            for place, slot in enumerate(column):
                slot.place = place
        crossings = sum(map(_crossings, columns))
        if least is None or crossings < least:
            best, least = [list(column) for column in columns], crossings
        if not crossings:
            break
    columns[:] = best
    _number(columns)


def _number(columns: list[list[_Slot]]) -> None:
    for column in columns:
        for place, slot in enumerate(column):
            slot.place = place


def _barycentre(slot: _Slot, backward: bool) -> float:
    """Mean place of the neighbours on one side; a port counts for less than a place."""
    others = slot.after if backward else slot.before
    if not others:
        return float(slot.place)
    return sum(pull.other.place + pull.port / 1000 for pull in others) / len(others)


def _crossings(column: list[_Slot]) -> int:
    """Return how many pairs of edges cross on the way to the next column."""
    ends = sorted(
        (slot.place, pull.other.place + pull.port / 1000) for slot in column for pull in slot.after
    )
    seen: list[float] = []
    count = 0
    for _, end in ends:
        count += len(seen) - bisect_right(seen, end)
        insort(seen, end)
    return count


# Heights ------------------------------------------------------------------------------------------


def _heights(columns: list[list[_Slot]]) -> None:
    """Bring each slot to the mean height of its neighbours, as far as the column has room.

    Back and forth often enough to come near the least sum of weighted squares; less often where
    there is much to place.
    """
    for column in columns:
        y = 0.0
        for slot in column:
            slot.y = y + slot.height / 2
            y += slot.height + _GAP
        for slot in column:
            slot.y -= (y - _GAP) / 2
    weights = [[sum(p.weight for p in slot.after + slot.before) for slot in c] for c in columns]
    sweeps = max(6, min(80, 40_000 // sum(map(len, columns))))
    both = list(zip(columns, weights, strict=True))
    for sweep in range(sweeps):
        for column, weight in reversed(both) if sweep % 2 else both:
            wanted = []
            for slot, total in zip(column, weight, strict=True):
                y = 0.0
                for other, port, pull in slot.after:
                    y += (other.y + port) * pull
                for other, port, pull in slot.before:
                    y += (other.y - port) * pull
                wanted.append(y / total)
            _space(column, wanted, weight)
    for column in columns:  # what has one source that nothing else reads can be level with it
        wanted, weight = [slot.y for slot in column], [1.0] * len(column)
        for i, slot in enumerate(column):
            if len(slot.before) == 1 and len(slot.before[0].other.after) == 1:
                wanted[i], weight[i] = slot.before[0].other.y - slot.before[0].port, 20.0
        _space(column, wanted, weight)


def _space(column: list[_Slot], wanted: list[float], weights: list[float]) -> None:
    room = [slot.height + _GAP for slot in column]
    for slot, y in zip(column, spaced(wanted, weights, room), strict=True):
        slot.y = y


# Widths and routes --------------------------------------------------------------------------------


def _measured(
    columns: list[list[_Slot]],
    slots: list[_Slot],
    boxes: Sequence[Box],
    links: Sequence[Link],
    paths: list[list[_Slot]],
    ports: list[float],
) -> Placed:
    top = min(slot.y - slot.height / 2 for column in columns for slot in column)
    bottom = max(slot.y + slot.height / 2 for column in columns for slot in column)
    middle: dict[int, tuple[float, float]] = {}  # a slot's column: its centre and half its width
    x = 0.0
    for i, column in enumerate(columns):
        half = max(slot.width for slot in column) / 2
        for slot in column:
            slot.y -= top
            middle[id(slot)] = (x + half, half)
        climb = max(
            (abs(p.other.y - top + p.port - s.y) for s in column for p in s.after), default=0.0
        )
        last = x + 2 * half
        x = last + min(80.0, max(16.0, 0.45 * climb)) + (0 if i % 2 == 0 else _LEAD)
    routes = []
    for path, port, link in zip(paths, ports, links, strict=True):
        start, end = path[0], path[-1]
        centre, half = middle[id(start)]
        levels = [(centre + boxes[link.source].shape[0] / 2, centre + half, start.y)]
        for slot in path[1:-1]:
            centre, half = middle[id(slot)]
            levels.append((centre - half, centre + half, slot.y))
        centre, half = middle[id(end)]
        levels.append(
            (centre - half - _LEAD, centre - boxes[link.target].shape[0] / 2, end.y + port)
        )
        routes.append(Route(levels, (middle[id(path[1])][0], path[1].y)))
    return Placed([(middle[id(s)][0], s.y) for s in slots], routes, last, bottom - top)
