"""Write a step of a program down once: the tasks of program.cu, in stages, and library products.

::

    forward 1   x W₁ + b₁, its activation                    ┐
    forward 2   ...                                          │ a stage each: the next one waits
    head        the last product, the loss, dy, dx           ┘
    backward 2, gradient 3, bias 3     side by side: none reads what another writes
    gradient 2, gradient 1, bias 2, bias 1

A gradient waits for the stage after the product that reads the same weights, since it updates them
in place. So three gradients of layer outputs are alive at once, and ``Plan.deltas`` has three rows.

Where a library computes the products (``Product``), what is fused to them above are stages of their
own.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from accelnn.kernels import table as t
from accelnn.kernels.on_cupy._launch import runner
from accelnn.kernels.on_cupy._source import (
    ELEMENTS,
    HEAD_COLUMNS,
    LOW,
    TASKS,
    TILE,
    source,
    struct,
)
from accelnn.kernels.on_cupy._units import Link, Unit, units


@dataclass
class Stage:
    """Tasks ``first`` ... of the recording that run side by side, in so many tiles."""

    first: int
    tiles: int


@dataclass
class Product:
    """``out = op(a) @ op(b)`` by a library."""

    a: Any
    b: Any
    out: Any
    ta: bool = False
    tb: bool = False


@dataclass
class Recording:
    """Tasks, as an array of struct Task, and the order in which stages and products run."""

    tasks: Any
    items: list[Stage | Product] = field(default_factory=list)

    @property
    def widest(self) -> int:
        """The most tiles of a stage."""
        return max(item.tiles for item in self.items if isinstance(item, Stage))


class Recorder:
    """Collects tasks for minibatches of ``rows`` rows of a ``Plan``.

    ``calls`` are the first calls of the dropouts; with ``library`` a library multiplies; the data
    are multiplied by ``scale``; ``work`` is a workspace for ``rows`` rows, laid out as the plan's
    is for its own.
    """

    def __init__(
        self, plan: Any, rows: int, calls: Any, library: bool, scale: float, work: Any = None
    ) -> None:
        self.plan, self.rows, self.library, self.scale = plan, rows, library, scale
        self.address, self.calls = runner().address, calls
        self.work = plan.work if work is None else work
        # Offsets in the table are for workspaces of batch_size rows.
        self.height = plan.batch_size if work is None else rows
        self.task = struct(source("program", _REALS[plan.params.dtype.name]), "Task")
        self.tasks: list[Any] = []
        self.items: list[Stage | Product] = []

    def recording(self) -> Recording:
        """Return what was collected."""
        return Recording(np.stack(self.tasks), self.items)

    # The two kinds of recordings ---------------------------------------------------------------

    def step(self) -> Recording:
        """A step of training."""
        found = units(self.plan.table, self.calls, training=True)
        last = found[-1]
        head = last.kind == "product" and last.n_out <= HEAD_COLUMNS and not self.library
        head = head and [link.kind for link in last.links] == [t.IDENTITY]
        self._forward(found[:-1] if head else found)
        self._backward(found, head)
        return self.recording()

    def forward(self) -> Recording:
        """A prediction."""
        self._forward(units(self.plan.table, self.calls, training=False))
        return self.recording()

    # Forward -----------------------------------------------------------------------------------

    def _forward(self, found: list[Unit]) -> None:
        if found and (found[0].kind == "row" or (found[0].kind == "product" and self.library)):
            n_in = found[0].n_in  # these cannot read the data through the order
            gather = Unit("elements", n_in, n_in, 0, 0, links=[Link(t.IDENTITY, 0.0, 0, 0)])
            self._stage(self._elements(gather, from_data=True))
        for i, unit in enumerate(found):
            if unit.kind == "row":
                self._stage(self._row("row_forward", unit))
            elif unit.kind == "elements":
                self._stage(self._elements(unit, from_data=i == 0))
            elif self.library:
                y = self._view(self.work, self._moved(unit.target), self.rows, unit.n_out)
                self.items.append(Product(self._input(unit), self._weight(unit), y))
                self._stage(self._elements(unit, from_data=False))
            else:
                tiles = _tiles(self.rows, LOW) * _tiles(unit.n_out)
                self._stage(self._product("forward", unit, tiles, unit.links))

    def _from_data(self, unit: Unit) -> bool:
        """Whether a product reads the data themselves: nothing has put the batch elsewhere."""
        first = int(self.plan.table["kind"][0]) == t.LINEAR
        return first and unit.source == 0 and unit.weight == 0 and not self.library

    # Backward ----------------------------------------------------------------------------------

    def _backward(self, found: list[Unit], head: bool) -> None:
        lowest = next(i for i, unit in enumerate(found) if unit.kind == "product")
        at, d, waiting = len(found) - 1, 0, list[Any]()
        if head:
            below = at > lowest
            links = _links_below(found, at) if below else []
            task = self._product("head", found[at], self.rows, links, d, 1 if below else None)
            self._stage(task)
            waiting = self._gradients(found[at], d)
            if not below:
                self._stage(*waiting)
                return
            at, d = self._descend(found, at - 1, 1, waiting, chained=True)
        else:
            self._stage(self._loss(found[-1]))
            at, d = self._descend(found, at, d, waiting, chained=False)
        while at > lowest:
            waiting, d = self._through(found, at, d, waiting), (d + 1) % 3
            at, d = self._descend(found, at - 1, d, waiting, chained=not self.library)
        self._stage(*self._gradients(found[at], d), *waiting)

    def _through(self, found: list[Unit], at: int, d: int, waiting: list[Any]) -> list[Any]:
        """Go down through the product ``at``; return the gradients that have to wait for it."""
        unit, dx = found[at], (d + 1) % 3
        if self.library:
            dy = self._view(self.plan.deltas[d], 0, self.rows, unit.n_out)
            out = self._view(self.plan.deltas[dx], 0, self.rows, unit.n_in)
            self.items.append(Product(dy, self._weight(unit), out, tb=True))
            self._stage(*self._gradients(unit, d))
            return []
        tiles = _tiles(self.rows, LOW) * _tiles(unit.n_in)
        self._stage(
            self._product("backward", unit, tiles, _links_below(found, at), d, dx), *waiting
        )
        return self._gradients(unit, d)

    def _descend(
        self, found: list[Unit], at: int, d: int, waiting: list[Any], chained: bool
    ) -> tuple[int, int]:
        """Take the gradient of unit ``at``'s output in deltas[d] down to the next product.

        Returns which product that is, and which row of the deltas then holds the gradient.
        ``chained``: the links of unit ``at`` have been gone through already. ``waiting`` is emptied
        where those tasks have been run on the way.
        """
        while True:
            unit = found[at]
            if unit.kind == "row" and unit.n_in != unit.n_out:  # maxout cannot be done in place
                # The third row is what the waiting tasks read: run now, they leave it to the next.
                self._stage(self._row("row_backward", unit, d, (d + 1) % 3), *waiting)
                waiting.clear()
                d = (d + 1) % 3
            elif unit.kind == "row":
                self._stage(self._row("row_backward", unit, d, d))
            elif not chained and any(link.kind != t.IDENTITY for link in unit.links):
                n = self.rows * unit.n_out
                task = self._new("elements_backward", -(-n // ELEMENTS), unit, unit.links)
                task["dy"] = task["dx"] = self._at(self.plan.deltas[d], 0)
                self._stage(task)
            if unit.kind == "product":
                return at, d
            at, chained = at - 1, False

    def _gradients(self, unit: Unit, d: int) -> list[Any]:
        """Return the tasks that update a layer, the gradient of its z being in deltas[d]."""
        made, update, plan = [], self.plan.update, self.plan
        if self.library:
            dy = self._view(plan.deltas[d], 0, self.rows, unit.n_out)
            g = self._view(plan.grads, unit.weight, unit.n_in, unit.n_out)
            self.items.append(Product(self._input(unit), dy, g, ta=True))
            if update.kind != t.NO_UPDATE:
                tiles = -(-unit.n_in * unit.n_out // ELEMENTS)
                made.append(self._product("flat_update", unit, tiles, [], d))
        else:
            tiles = _tiles(unit.n_in) * _tiles(unit.n_out)
            made.append(self._product("gradient", unit, tiles, [], d))
        for task in made:
            self._parameters(task, unit.weight, update.decay_weights)
        if unit.bias >= 0:
            task = self._product("bias_gradient", unit, _tiles(unit.n_out), [], d)
            self._parameters(task, unit.bias, update.decay_biases)
            made.append(task)
        return made

    # Tasks -------------------------------------------------------------------------------------

    def _stage(self, *tasks: Any) -> None:
        """Append tasks that run side by side."""
        if not tasks:
            return
        tasks[0]["together"] = len(tasks)
        self.items.append(Stage(len(self.tasks), sum(int(task["tiles"]) for task in tasks)))
        self.tasks += tasks

    def _new(self, kind: str, tiles: int, unit: Unit, links: list[Link]) -> Any:
        task = np.zeros((), self.task)
        task["kind"], task["tiles"], task["together"] = TASKS.index(kind), tiles, 1
        task["rows"], task["inner"], task["columns"] = self.rows, unit.n_in, unit.n_out
        task["scale"] = 1.0
        task["links"] = len(links)
        for place, link in zip(task["chain"], links, strict=False):
            place["a"] = self._at(self.work, self._moved(link.target))
            place["z"] = self._at(self.work, self._moved(link.source))
            for name in ("kind", "scalar", "second", "threshold", "seed", "call"):
                place[name] = getattr(link, name)
        return task

    def _product(
        self, kind: str, unit: Unit, tiles: int, links: list[Link], dy: int = 0, dx: Any = None
    ) -> Any:
        """Return a task of a Linear; dy and dx are numbers of rows of the deltas."""
        task = self._new(kind, tiles, unit, links)
        task["w"] = self._at(self.plan.params, unit.weight)
        task["b"] = self._at(self.plan.params, unit.bias) if unit.bias >= 0 else 0
        task["x"] = self._at(self.work, self._moved(unit.source))
        task["y"] = self._at(self.work, self._moved(unit.target))
        task["dy"] = self._at(self.plan.deltas[dy], 0)
        task["dx"] = 0 if dx is None else self._at(self.plan.deltas[dx], 0)
        if self._from_data(unit) and kind in ("forward", "head", "gradient"):
            task["from_data"], task["scale"] = 1, self.scale
        task["loss"], task["weight"] = self.plan.loss, self.plan.loss_weight(self.rows)
        return task

    def _elements(self, unit: Unit, from_data: bool) -> Any:
        """Return the task of links alone, or of a product's bias and links."""
        if self.rows * unit.n_out >= 2**32:  # program.cu counts them in 32 bits
            raise ValueError(
                f"{self.rows} rows of {unit.n_out} outputs are too many for a minibatch"
            )
        task = self._new("elements_forward", 0, unit, unit.links)
        task["tiles"] = -(-self.rows * unit.n_out // ELEMENTS)
        product = unit.kind == "product"
        source = unit.target if product else unit.source
        task["x"] = self._at(self.work, self._moved(source))
        if product and unit.bias >= 0:
            task["b"] = self._at(self.plan.params, unit.bias)
        if from_data:
            task["from_data"], task["scale"] = 1, self.scale
        return task

    def _row(self, kind: str, unit: Unit, dy: int = 0, dx: int = 0) -> Any:
        """Return a task of whole rows; dy and dx are numbers of rows of the deltas."""
        task = self._new(kind, self.rows, unit, [unit.row] if unit.row else [])
        task["x"] = self._at(self.work, self._moved(unit.source))
        task["y"] = self._at(self.work, self._moved(unit.target))
        task["dy"] = self._at(self.plan.deltas[dy], 0)
        task["dx"] = self._at(self.plan.deltas[dx], 0)
        return task

    def _loss(self, last: Unit) -> Any:
        target = last.links[-1].target if last.links else last.target
        task = self._new("loss", self.rows, last, [])
        task["y"] = self._at(self.work, self._moved(target))
        task["dy"] = self._at(self.plan.deltas[0], 0)
        task["loss"], task["weight"] = self.plan.loss, self.plan.loss_weight(self.rows)
        return task

    def _parameters(self, task: Any, offset: int, decay: float) -> None:
        """Say which parameters a task updates."""
        plan = self.plan
        task["p"], task["g"] = self._at(plan.params, offset), self._at(plan.grads, offset)
        for name, state in zip(("m", "v"), plan.states, strict=False):
            task[name] = self._at(state, offset)
        task["decay"] = decay

    # Places ------------------------------------------------------------------------------------

    def _moved(self, offset: int) -> int:
        """Return an offset of the plan's workspace in one that has another height."""
        return offset // int(self.plan.batch_size) * self.height

    def _at(self, array: Any, offset: int) -> int:
        return int(self.address(array) + offset * array.dtype.itemsize)

    def _view(self, buffer: Any, offset: int, rows: int, columns: int) -> Any:
        flat = buffer[offset : offset + rows * columns]
        return flat.reshape(rows, columns)

    def _input(self, unit: Unit) -> Any:
        return self._view(self.work, self._moved(unit.source), self.rows, unit.n_in)

    def _weight(self, unit: Unit) -> Any:
        return self._view(self.plan.params, unit.weight, unit.n_in, unit.n_out)


_REALS = {"float32": "float", "float64": "double"}


def _links_below(found: list[Unit], at: int) -> list[Link]:
    """Return the links that the gradient of unit ``at``'s input goes down through at once."""
    return found[at - 1].links


def _tiles(n: int, size: int = TILE) -> int:
    return -(-n // size)
