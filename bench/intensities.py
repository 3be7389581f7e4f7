"""Kernels by their arithmetic intensity, on arrays that lie far beyond the caches.

Operations and bytes are those that ``kernels/reference`` declares. A product of a tall matrix with
one of few columns reads each element once for as many multiplications as there are columns.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from accelnn.backends import Backend
from accelnn.bench.settings import Settings
from accelnn.bench.shared_adam import SCALARS
from accelnn.kernels import load
from accelnn.kernels.cost import Cost, Shaped

#: Columns of the arrays, and so the length of a softmax and of a product's sums.
WIDTH = 512
#: Rows whose results are checked.
CHECKED = 64
#: Kernels of a row's elements: how many arrays, and what else they are given.
STREAMS: dict[str, tuple[int, dict[str, float]]] = {
    "relu": (1, {}),
    "sgd": (2, {"lr": 1e-3, "decay": 0.0}),
    "adam": (4, SCALARS),
    "softmax": (1, {}),
}
#: Columns of the right operand in the thin products.
THIN = (1, 4, 16, 64)


class Kernel(NamedTuple):
    """A kernel and the shapes it is given.

    Attributes
    ----------
    label : str
        What a reader should see.
    name : str
        As in ``kernels.KERNELS``.
    shapes : tuple of (rows, columns)
    how : dict
        Its keyword arguments.
    """

    label: str
    name: str
    shapes: tuple[tuple[int, int], ...]
    how: dict[str, float]

    def cost(self) -> Cost:
        """Return what the reference kernel declares."""
        shaped = [Shaped(*shape) for shape in self.shapes]
        declared: Cost = load("reference")[self.name].cost(*shaped, **self.how)  # type: ignore[attr-defined]
        return declared

    def given(self) -> list[Any]:
        """Return its arguments: float32 between 0 and 1."""
        rng = np.random.default_rng(0)
        return [rng.random(shape, np.float32) for shape in self.shapes]


def kernels(settings: Settings) -> list[Kernel]:
    """Return those of a scale, from the lowest intensity to the highest."""
    rows = settings.pick(1 << 16, 1 << 13, 1 << 3)  # 128 MiB each in full, 16 MiB in a quick run
    side = settings.pick(2048, 1024, 16)
    names = settings.pick(tuple(STREAMS), ("relu", "adam"), tuple(STREAMS))
    columns = settings.pick(THIN, (1, 16), THIN[:2])
    shape = (rows, WIDTH)
    found = [Kernel(name, name, (shape,) * STREAMS[name][0], STREAMS[name][1]) for name in names]
    for m in columns:
        label = f"product with {m} column{'s' if m > 1 else ''}"
        found.append(Kernel(label, "matmul", (shape, (WIDTH, m)), {}))
    found.append(Kernel("product of squares", "matmul", ((side, side),) * 2, {}))
    return found


def prepared(kernel: Kernel, backend: Backend) -> Callable[[], Any]:
    """Return the call, after one whose result was compared with the reference kernel's."""
    given, run = kernel.given(), getattr(backend, kernel.name)
    few = [x[:CHECKED].astype(np.float64) for x in given]
    if kernel.name == "matmul":
        few[1] = given[1].astype(np.float64)
    expected = load("reference")[kernel.name](*few, **kernel.how)
    arrays = [backend.asarray(x) for x in given]
    if kernel.name == "adam":
        out: Any = (arrays[0], *arrays[2:])
    elif kernel.name == "sgd":
        out = arrays[0]
    else:
        shape = (len(given[0]), given[-1].shape[1])
        out = backend.zeros(shape, np.float32)

    def call() -> Any:
        run(*arrays, **kernel.how, out=out)
        backend.synchronize()

    call()
    length = kernel.shapes[0][1] if kernel.name == "matmul" else 16  # of chains of roundings
    bound = 2 * length * float(np.finfo(np.float32).eps)
    for found, exact in zip(_tuple(out), _tuple(expected), strict=True):
        np.testing.assert_allclose(
            backend.to_numpy(found[:CHECKED]), exact, rtol=bound, atol=bound, err_msg=kernel.label
        )
    return call


def _tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)
