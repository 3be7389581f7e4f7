"""Derivatives by differences of the forward pass, and ``gradcheck``, which holds backward to them.

Differences need nothing but the forward pass, and so check what does not share its mistakes. They
are for checking only: one derivative costs two forward passes, so all P of a network cost 2P, where
a backward pass costs about two forward passes whatever P is. And they are rounded: the error is
``eps² f'''/6`` plus about ``u |f| / eps``, u = 1.1e-16 in float64, and smallest near
``eps = ∛(3u)`` ≈ 7e-6 (Baydin et al. 2018, arXiv:1502.05767, section 2.1).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from accelnn.autograd import Tensor
from accelnn.errors import GraphError
from accelnn.graph import no_grad

#: Most entries that a failed ``gradcheck`` differences to find the worst; of more, so many drawn.
ENTRIES = 1000

Function = Callable[..., Tensor]


class GradientCheck(NamedTuple):
    """One comparison of ``gradcheck``: the slope along a random direction, both ways."""

    analytic: float
    numeric: float


@dataclass(frozen=True)
class WorstEntry:
    """The entry of an input whose two derivatives of ``Σ r · f`` differ most.

    Attributes
    ----------
    input : int
        Which of the inputs, from 0.
    index : tuple of int
        Where in it.
    analytic, numeric : float
        By backward, and by central differences.
    """

    input: int
    index: tuple[int, ...]
    analytic: float
    numeric: float


class GradcheckReport(NamedTuple):
    """What ``gradcheck`` found.

    Attributes
    ----------
    ok : bool
        Whether all comparisons are within the tolerance.
    checks : tuple of GradientCheck
        One for each direction, up to the first that is not.
    worst : WorstEntry or None
        Looked for where a comparison failed, or where ``entries=True``.
    """

    ok: bool
    checks: tuple[GradientCheck, ...]
    worst: WorstEntry | None


def gradcheck(
    f: Function,
    *inputs: Tensor,
    directions: int = 3,
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
    entries: bool = False,
    raise_exception: bool = True,
) -> GradcheckReport:
    """Compare backward with central differences along random directions, in float64.

    The slope of ``s(t) = Σ r · f(x + t d)`` at 0 is ``(s(eps) - s(-eps)) / (2 eps)`` up to eps²,
    and ``⟨d, ∇⟩`` by backward, for random d and r: two forward passes and one backward pass per
    direction, whatever the number of inputs. If one fails, every entry is differenced by itself,
    two forward passes each, to name the worst; of more than 1000 entries, 1000 drawn at random.

    Parameters
    ----------
    f : callable
        From Tensors to one Tensor.
    *inputs : Tensor of float64
        Those with ``requires_grad`` are moved.
    directions : int
        Number of random directions.
    eps : float
        Half the distance of the two points.
    rtol, atol : float
        The two slopes may differ by ``atol + rtol · |numeric|``.
    seed : int
        Of the directions.
    entries : bool
        Difference the entries one by one in any case, hold them to the tolerance too, and report
        the worst.
    raise_exception : bool
        Otherwise return the report of a failure, too.

    Returns
    -------
    GradcheckReport

    Raises
    ------
    GraphError
        If the two differ by more than that; the message names the worst entry.
    TypeError
        If an input is not float64, in which the difference would be rounding.

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.Tensor([0.5, 2.0], requires_grad=True, dtype="float64")
    >>> accelnn.gradcheck(lambda x: x * x.exp(), x).ok
    True

    A backward that is wrong in one entry:

    >>> wrong = accelnn.operation(
    ...     lambda x: x * x, lambda gradient, y, x: gradient * x * [2, 3], name="square")
    >>> report = accelnn.gradcheck(wrong, x, raise_exception=False)
    >>> report.ok, report.worst.input, report.worst.index
    (False, 0, (1,))
    """
    rng = np.random.default_rng(seed)
    for x in inputs:
        if x.requires_grad and "float64" not in str(x.dtype):
            raise TypeError(f"gradcheck needs float64 inputs, got {x.dtype}: pass dtype='float64'")
    weights = rng.standard_normal(f(*inputs).shape)
    hosts = [x.numpy() for x in inputs]

    def total(moved: dict[int, Any]) -> float:
        """Return Σ r · f with some inputs moved."""
        given = [
            Tensor(moved[i], backend=x.backend) if i in moved else x for i, x in enumerate(inputs)
        ]
        return float((f(*given).numpy() * weights).sum())

    def close(analytic: float, numeric: float) -> bool:
        return abs(analytic - numeric) <= atol + rtol * abs(numeric)

    checks: list[GradientCheck] = []
    ok = True
    for _ in range(directions):
        moves = {i: rng.standard_normal(x.shape) for i, x in enumerate(inputs) if x.requires_grad}
        grads = _gradients(f, inputs, weights)
        analytic = sum(float((grads[i] * d).sum()) for i, d in moves.items())
        sides = [total({i: hosts[i] + t * d for i, d in moves.items()}) for t in (eps, -eps)]
        numeric = (sides[0] - sides[1]) / (2 * eps)
        checks.append(GradientCheck(analytic, numeric))
        if not close(analytic, numeric):
            ok = False
            break

    worst = None
    if entries or not ok:
        places = _places(inputs, None if entries else rng)
        worst = _worst(total, _gradients(f, inputs, weights), hosts, places, eps)
        if worst is not None:
            ok = ok and close(worst.analytic, worst.numeric)
    report = GradcheckReport(ok, tuple(checks), worst)
    if raise_exception and not ok:
        raise GraphError(_message(report, eps))
    return report


def numerical_gradient(f: Function, *inputs: Tensor, eps: float = 1e-6) -> Any:
    """Differentiate by central differences, entry by entry: 2P forward passes for P entries.

    ``∂f/∂x_i ≈ (f(x + eps e_i) - f(x - eps e_i)) / (2 eps)``, with an error of order eps² until
    rounding takes over, below 7e-6 or so; in float32 below 6e-3, where the default of ``eps`` is
    too small to be of use. No graph is recorded.

    Parameters
    ----------
    f : callable
        From Tensors to one Tensor; the derivative is that of the sum of its elements.
    *inputs : Tensor
        All of them are moved, whether they require a gradient or not; integers are refused.
    eps : float

    Returns
    -------
    Tensor or tuple of Tensor
        One gradient per input, of its shape and dtype.

    Raises
    ------
    TypeError
        For an input that is not of float32 or float64.

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.Tensor([1.0, -3.0], dtype="float64")
    >>> accelnn.numerical_gradient(lambda x: x * x, x).numpy().round(6).tolist()
    [2.0, -6.0]
    """
    found = []
    for number, x in enumerate(inputs):
        host = _floats(x, "numerical_gradient")
        gradient = np.empty_like(host)
        for index in np.ndindex(host.shape):
            sides = []
            for t in (eps, -eps):
                moved = [*inputs]
                moved[number] = Tensor(_nudged(host, index, t), backend=x.backend)
                with no_grad():
                    sides.append(float(f(*moved).numpy().sum(dtype="float64")))
            gradient[index] = (sides[0] - sides[1]) / (2 * eps)
        found.append(Tensor(gradient, backend=x.backend))
    return found[0] if len(found) == 1 else tuple(found)


def delta(f: Function, x: Tensor, index: Any, step: float = 1e-6) -> Tensor:
    """Perturb one entry and report the rate of change of every output.

    ``(f(x + step e_i) - f(x)) / step``: one forward pass besides that of f(x), for one column of
    the Jacobian. With a network of P weights that is P passes for all of them, where
    backpropagation needs one (Princeton, textbook chapter 11, section 11.3, the delta method).

    Parameters
    ----------
    f : callable
        From a Tensor to a Tensor.
    x : Tensor of float32 or float64
    index : int or tuple of int
        The entry of ``x`` that is moved.
    step : float
        By how much.

    Returns
    -------
    Tensor
        Of the shape of ``f(x)``.

    Raises
    ------
    IndexError
        If ``index`` is no single entry of ``x``.
    TypeError
        For integers.

    Examples
    --------
    J = 2 (a b + c) at a, b, c = 3, 2, 5; a moves by 0.1, and J by 0.4:

    >>> import accelnn
    >>> x = accelnn.Tensor([3.0, 2.0, 5.0], dtype="float64")
    >>> round(accelnn.delta(lambda x: 2 * (x[0] * x[1] + x[2]), x, 0, step=0.1).item(), 9)
    4.0
    """
    host = _floats(x, "delta")
    if np.shape(host[index]):
        raise IndexError(
            f"delta moves one entry, but index {index!r} of shape {x.shape} is of shape "
            f"{np.shape(host[index])}"
        )
    moved = Tensor(_nudged(host, index, step), backend=x.backend)
    with no_grad():
        return (f(moved) - f(x)) / step


def _gradients(f: Function, inputs: tuple[Tensor, ...], weights: Any) -> dict[int, Any]:
    """Return ∂(Σ r · f)/∂x of the inputs that require it, by backward, as NumPy arrays."""
    leaves = [Tensor(x.array, x.requires_grad, backend=x.backend) for x in inputs]
    output = f(*leaves)
    if output.requires_grad:
        output.backward(weights)
    return {
        i: np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        for i, leaf in enumerate(leaves)
        if leaf.requires_grad
    }


def _places(inputs: tuple[Tensor, ...], rng: Any) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield (input, index) of every entry, or of ``ENTRIES`` of them drawn at random."""
    moved = [i for i, x in enumerate(inputs) if x.requires_grad]
    ends = np.cumsum([inputs[i].array.size for i in moved])
    count = int(ends[-1]) if moved else 0
    chosen: Sequence[int] = range(count)
    if rng is not None and count > ENTRIES:
        chosen = sorted(rng.choice(count, ENTRIES, replace=False).tolist())
    for flat in chosen:
        which = int(np.searchsorted(ends, flat, side="right"))
        x = inputs[moved[which]]
        inside = flat - (int(ends[which - 1]) if which else 0)
        yield moved[which], tuple(int(n) for n in np.unravel_index(inside, x.shape))


def _worst(
    total: Callable[[dict[int, Any]], float],
    grads: dict[int, Any],
    hosts: list[Any],
    places: Iterator[tuple[int, tuple[int, ...]]],
    eps: float,
) -> WorstEntry | None:
    """Difference entries one by one and return the one that is farthest off; a NaN is."""
    worst, most = None, -1.0
    for number, index in places:
        host = hosts[number]
        sides = [total({number: _nudged(host, index, t)}) for t in (eps, -eps)]
        numeric = (sides[0] - sides[1]) / (2 * eps)
        analytic = float(grads[number][index])
        off = abs(analytic - numeric) / max(abs(numeric), 1.0)
        off = float("inf") if np.isnan(off) else off
        if off > most:
            worst, most = WorstEntry(number, index, analytic, numeric), off
    return worst


def _message(report: GradcheckReport, eps: float) -> str:
    check, worst = report.checks[-1] if report.checks else None, report.worst
    text = "gradcheck failed"
    if check is not None:
        text += (
            f": backward gives {check.analytic!r}, central differences {check.numeric!r} along a "
            f"random direction (eps={eps})"
        )
    if worst is not None:
        text += (
            f"; worst entry: input {worst.input} at {worst.index}, where backward gives "
            f"{worst.analytic!r}, differences {worst.numeric!r}"
        )
    return text


def _nudged(host: Any, index: Any, step: float) -> Any:
    moved = host.copy()
    moved[index] += step
    return moved


def _floats(x: Tensor, caller: str) -> Any:
    """Return the values on the host, if they can be moved by a small step."""
    host = x.numpy()
    if host.dtype.kind != "f":
        raise TypeError(f"{caller} needs floating-point inputs, got {x.dtype}")
    return host
