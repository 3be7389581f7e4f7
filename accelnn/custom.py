"""Operations of one's own: a pair of functions on arrays, forward and backward."""

from collections.abc import Callable
from typing import Any

from accelnn.autograd import Tensor
from accelnn.errors import GraphError
from accelnn.graph import record


def operation(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
) -> Callable[..., Tensor]:
    """Make an operation on Tensors of a function of arrays and of its way back.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays) -> array``. The arrays are those of the backend (NumPy's, CuPy's) and
        must not be written to.
    backward : callable, optional
        ``backward(gradient, output, *arrays)``: from the gradient of the result, the result and the
        same arrays to the gradients of those arrays, each of its array's shape; one alone or a
        tuple, None where there is none. Whether it is the derivative of ``forward`` is not checked
        (``accelnn.gradcheck`` does that): it may be an estimate, as below.
    name : str, optional
        What errors, pictures and ``repr`` call it; that of ``forward`` if not given.

    Returns
    -------
    callable
        On Tensors, numbers and arrays, at least one of them a Tensor, all on one backend. Keyword
        arguments go to ``forward`` and ``backward`` as they are.

    Raises
    ------
    GraphError
        When a backward pass comes to the operation: if it has no ``backward``, or if what that
        returns is not one gradient per input, of the input's shape. The message names it.
    TypeError
        If ``forward`` returns something else than an array, or no input is a Tensor.

    Examples
    --------
    The sign has the slope 0 and learns nothing. Its straight-through estimator passes the gradient
    on as if it were the identity (Bengio et al. 2013, arXiv:1308.3432, section 4):

    >>> import numpy as np
    >>> import accelnn
    >>> sign = accelnn.operation(np.sign, lambda gradient, output, x: gradient, name="sign")
    >>> x = accelnn.Tensor([-2.0, 0.5], requires_grad=True)
    >>> y = sign(x)
    >>> (3 * y).sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([-1.0, 1.0], [3.0, 3.0])
    """
    if not callable(forward) or not (backward is None or callable(backward)):
        raise TypeError("operation() takes two functions, forward and backward")
    called = name or str(getattr(forward, "__name__", "operation"))

    def apply(*inputs: Any, **constants: Any) -> Tensor:
        parents = _tensors(called, inputs)
        arrays = [p.array for p in parents]
        output = forward(*arrays, **constants)
        backend = parents[0].backend
        if not _is_array(output):
            raise TypeError(
                f"the forward of operation {called!r} must return an array of backend "
                f"{backend.name!r}, got {type(output).__name__}"
            )

        def back(gradient: Any) -> tuple[Any, ...]:
            if backward is None:
                raise GraphError(
                    f"operation {called!r} has no backward: pass one to operation(forward, "
                    "backward), or detach() its inputs"
                )
            return _checked(called, parents, backward(gradient, output, *arrays, **constants))

        return record(called, backend.asarray(output), parents, back)

    apply.__name__ = apply.__qualname__ = called
    apply.__doc__ = forward.__doc__
    return apply


def _tensors(called: str, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Return the inputs as Tensors of one backend."""
    first = next((x for x in inputs if isinstance(x, Tensor)), None)
    if first is None:
        kinds = ", ".join(type(x).__name__ for x in inputs) or "nothing"
        raise TypeError(f"operation {called!r} needs a Tensor among its inputs, got {kinds}")
    return tuple(first._other(x) for x in inputs)


def _checked(called: str, parents: tuple[Tensor, ...], gradients: Any) -> tuple[Any, ...]:
    """Return one gradient per input; zeros, which are never kept, where none is wanted."""
    found = gradients if isinstance(gradients, tuple | list) else (gradients,)
    if len(found) != len(parents):
        raise GraphError(
            f"the backward of operation {called!r} returned {len(found)} gradients for "
            f"{len(parents)} inputs; return one for each, None where there is none"
        )
    checked = []
    for number, (gradient, parent) in enumerate(zip(found, parents, strict=True)):
        if gradient is None:
            gradient = parent.backend.xp.zeros_like(parent.array)
        elif not _is_array(gradient):
            raise GraphError(
                f"the backward of operation {called!r} returned {type(gradient).__name__} for "
                f"input {number}, expected an array of shape {parent.shape}"
            )
        elif tuple(gradient.shape) != parent.shape:
            raise GraphError(
                f"the backward of operation {called!r} returned a gradient of shape "
                f"{tuple(gradient.shape)} for input {number}, whose shape is {parent.shape}"
            )
        checked.append(parent.backend.asarray(gradient))
    return tuple(checked)


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, Tensor)
