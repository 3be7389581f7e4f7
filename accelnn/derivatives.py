"""Derivatives as functions: gradients without ``.grad``, products with a Jacobian, the Jacobian.

A backward pass multiplies a row vector with the Jacobian, ``v J`` (``vjp``), at the cost of about
two forward passes, whatever the sizes (Baydin et al. 2018, arXiv:1502.05767, section 3.2). All else
here is made of such passes: the Jacobian of m outputs takes m of them, one per row, and so does its
product with a column vector (``jvp``). A forward mode would give ``J u`` in one pass, but needs a
third function for every operation, beside forward and backward; networks have one loss and many
weights, where it is of no use.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from accelnn.autograd import Tensor
from accelnn.errors import GraphError
from accelnn.graph import Node, gradients

Tensors = Tensor | tuple[Tensor, ...]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of outputs with respect to inputs, and leave every ``.grad`` alone.

    One backward pass over the graph that lies between them. Gradients have no graph of their own,
    so there are no second derivatives.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        Whose sum, weighted by ``grad_outputs``, is differentiated.
    inputs : Tensor or sequence of Tensor
        Leaves or tensors inside the graph, all with ``requires_grad``.
    grad_outputs : array, Tensor or a sequence of them, optional
        One for each output, of its shape; 1 for outputs of one element.
    retain_graph : bool
        Keep the graph for another pass.
    allow_unused : bool
        Return None for an input that no output depends on.

    Returns
    -------
    tuple of Tensor
        One for each input, of its shape.

    Raises
    ------
    GraphError
        For an output or input that needs no gradient, an input that no output depends on, an
        output of several elements without its ``grad_outputs``, and a graph that was used up.
    ValueError
        For ``grad_outputs`` of another number or shape.

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.Tensor([1.0, 2.0], requires_grad=True)
    >>> h = x * x
    >>> dx, dh = accelnn.grad((3 * h).sum(), (x, h))
    >>> dx.tolist(), dh.tolist(), x.grad
    ([6.0, 12.0], [3.0, 3.0], None)
    """
    roots, wanted = _several(outputs), _several(inputs)
    one = isinstance(outputs, Tensor)
    given = (grad_outputs,) if one or grad_outputs is None else tuple(grad_outputs)
    if grad_outputs is None:
        given = (None,) * len(roots)
    if len(given) != len(roots):
        raise ValueError(f"grad got {len(given)} grad_outputs for {len(roots)} outputs")
    for number, x in enumerate(wanted):
        if not x.requires_grad:
            raise GraphError(
                f"grad: input {number} has requires_grad=False, so no graph leads to it"
            )
    found = _reaching(roots, given, wanted, retain_graph)
    missing = [number for number, g in enumerate(found) if g is None]
    if missing and not allow_unused:
        raise GraphError(
            f"grad: no output depends on input {missing[0]}; allow_unused=True returns None for it"
        )
    return tuple(
        None if g is None else Tensor._of(g, x.backend) for g, x in zip(found, wanted, strict=True)
    )


def vjp(f: Callable[..., Tensor], inputs: Tensors, v: Any = None) -> tuple[Tensor, Any]:
    """Return ``f(inputs)`` and ``v J``, the gradients of ``Σ v · f``: one backward pass.

    Parameters
    ----------
    f : callable
        From one or several Tensors to one Tensor.
    inputs : Tensor or tuple of Tensor
        Of float32 or float64; their own graph and ``requires_grad`` do not matter.
    v : array or Tensor of the shape of the output, optional
        1 for an output of one element.

    Returns
    -------
    output : Tensor
    product : Tensor or tuple of Tensor
        One for each input, of its shape; zeros where the output does not depend on it.

    Raises
    ------
    TypeError
        If an input is no floating-point Tensor, or ``f`` does not return a Tensor.
    GraphError
        For an output of several elements without ``v``.

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.Tensor([1.0, 2.0])
    >>> y, product = accelnn.vjp(lambda x: x * x, x, v=[1.0, 10.0])
    >>> y.tolist(), product.tolist()
    ([1.0, 4.0], [2.0, 40.0])
    """
    output, leaves = _evaluated(f, inputs, "vjp")
    rows = _row(output, leaves, v, retain_graph=False)
    return output.detach(), _like(inputs, rows)


def jvp(f: Callable[..., Tensor], inputs: Tensors, v: Any) -> tuple[Tensor, Tensor]:
    """Return ``f(inputs)`` and ``J v``, the change of the output when the inputs change by v.

    One backward pass per element of the output: there is no forward mode here, see above. For an
    output of many elements two forward passes give it with an error, ``(f(x + eps v) - f(x)) /
    eps``.

    Parameters
    ----------
    f : callable
        From one or several Tensors to one Tensor.
    inputs : Tensor or tuple of Tensor
        Of float32 or float64.
    v : array or Tensor, or a tuple of them
        One for each input, of its shape.

    Returns
    -------
    output, product : Tensor
        Of one shape.

    Raises
    ------
    TypeError
        As ``vjp``.
    ValueError
        If ``v`` does not have the inputs' shapes.

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.Tensor([1.0, 2.0])
    >>> y, product = accelnn.jvp(lambda x: x * x, x, v=[1.0, 10.0])
    >>> product.tolist()
    [2.0, 40.0]
    """
    output, leaves = _evaluated(f, inputs, "jvp")
    moves = (v,) if isinstance(inputs, Tensor) else tuple(v)
    if len(moves) != len(leaves):
        raise ValueError(f"jvp got {len(moves)} directions for {len(leaves)} inputs")
    along = [
        Tensor(d, dtype=x.dtype, backend=x.backend) for d, x in zip(moves, leaves, strict=True)
    ]
    for number, (d, x) in enumerate(zip(along, leaves, strict=True)):
        if d.shape != x.shape:
            raise ValueError(f"jvp: v of input {number} has shape {d.shape}, expected {x.shape}")
    product = np.zeros(output.shape, _host_dtype(output))
    for index in np.ndindex(output.shape):
        rows = _row(output, leaves, _one_hot(output, index), retain_graph=True)
        parts = (float((g * d.array).sum()) for g, d in zip(rows, along, strict=True))
        product[index] = sum(parts)
    return output.detach(), Tensor(product, backend=output.backend)


def jacobian(f: Callable[..., Tensor], inputs: Tensors, layout: str = "numerator") -> Any:
    """Return all partial derivatives of all outputs: one backward pass per output element.

    All passes run on one graph, so there is one forward pass.

    Parameters
    ----------
    f : callable
        From one or several Tensors to one Tensor.
    inputs : Tensor or tuple of Tensor
        Of float32 or float64.
    layout : {"numerator", "denominator"}
        Shape ``(*output.shape, *input.shape)``, so ``J[i, j] = ∂y_i/∂x_j`` is m × n for m outputs
        and n inputs, as ``torch.autograd.functional.jacobian`` and the Princeton chapter have it;
        or ``(*input.shape, *output.shape)``, n × m, as in the notes of NUS.

    Returns
    -------
    Tensor or tuple of Tensor
        One for each input; zeros where the output does not depend on it.

    Raises
    ------
    TypeError
        As ``vjp``.
    ValueError
        For another layout.

    Examples
    --------
    The Jacobian of ``A x`` is A; in denominator layout its transpose:

    >>> import accelnn
    >>> A = accelnn.Tensor([[2.0, -1.0, 3.0], [-1.0, 0.0, 2.0]])
    >>> x = accelnn.Tensor([[1.0], [1.0], [1.0]])
    >>> J = accelnn.jacobian(lambda x: (A @ x).reshape(2), x)
    >>> J.reshape(2, 3).tolist()
    [[2.0, -1.0, 3.0], [-1.0, 0.0, 2.0]]
    >>> accelnn.jacobian(lambda x: (A @ x).reshape(2), x, layout="denominator").shape
    (3, 1, 2)
    """
    if layout not in ("numerator", "denominator"):
        raise ValueError(f"layout must be 'numerator' or 'denominator', got {layout!r}")
    output, leaves = _evaluated(f, inputs, "jacobian")
    rows = [
        _row(output, leaves, _one_hot(output, index), retain_graph=True)
        for index in np.ndindex(output.shape)
    ]
    found = []
    for number, x in enumerate(leaves):
        xp, shape = x.backend.xp, (*output.shape, *x.shape)
        if not rows:
            found.append(x.backend.zeros(shape, x.dtype))
            continue
        J = xp.reshape(xp.stack([row[number] for row in rows]), shape)
        if layout == "denominator":
            m, n = output.ndim, x.ndim
            J = xp.transpose(J, (*range(m, m + n), *range(m)))
        found.append(J)
    return _like(inputs, found)


def _reaching(
    roots: Sequence[Tensor], given: Sequence[Any], wanted: Sequence[Tensor], retain_graph: bool
) -> list[Any]:
    """Return the gradients that reach the wanted tensors, as arrays; None where none does."""
    for number, root in enumerate(roots):
        if not root.requires_grad:
            raise GraphError(f"grad: output {number} needs no gradient, so it has no graph")
    seeds = [root._seed(v) for root, v in zip(roots, given, strict=True)]
    end = roots[0].detach()  # one root, whose parents are the outputs
    end.requires_grad, end._node = True, Node("outputs", tuple(roots), lambda _: seeds)
    found: dict[int, Any] = {}
    places = {id(x) for x in wanted}
    for x, gradient in gradients(end, seeds[0], retain_graph=retain_graph):
        if id(x) in places:
            found[id(x)] = x.backend.copy(x.backend.asarray(gradient))  # others may hold it, too
    return [found.get(id(x)) for x in wanted]


def _evaluated(
    f: Callable[..., Tensor], inputs: Tensors, caller: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return ``f(inputs)`` and the leaves that stood for the inputs."""
    leaves = []
    for number, x in enumerate(_several(inputs)):
        if not isinstance(x, Tensor) or "float" not in str(x.dtype):
            kind = f"a Tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(
                f"{caller}: input {number} must be a Tensor of float32 or float64, got {kind}"
            )
        leaf = x.detach()
        leaf.requires_grad = True
        leaves.append(leaf)
    output = f(*leaves)
    if not isinstance(output, Tensor):
        raise TypeError(f"{caller}: f must return a Tensor, got {type(output).__name__}")
    return output, tuple(leaves)


def _row(output: Tensor, leaves: tuple[Tensor, ...], v: Any, *, retain_graph: bool) -> list[Any]:
    """Return ``v J`` as one array per leaf, zeros where nothing leads to it."""
    found: Sequence[Any] = [None] * len(leaves)
    if output.requires_grad:
        found = _reaching((output,), (v,), leaves, retain_graph)
    return [
        x.backend.xp.zeros_like(x.array) if g is None else g
        for g, x in zip(found, leaves, strict=True)
    ]


def _one_hot(output: Tensor, index: tuple[int, ...]) -> Any:
    """Return 1 at one element of the output and 0 elsewhere."""
    seed = np.zeros(output.shape, _host_dtype(output))
    seed[index] = 1
    return seed


def _host_dtype(x: Tensor) -> str:
    return str(x.dtype).rpartition(".")[2]


def _several(x: Any) -> tuple[Any, ...]:
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _like(inputs: Tensors, arrays: Sequence[Any]) -> Any:
    """Return one Tensor for one input, a tuple for a tuple."""
    made = tuple(Tensor._of(a, x.backend) for a, x in zip(arrays, _several(inputs), strict=True))
    return made[0] if isinstance(inputs, Tensor) else made
