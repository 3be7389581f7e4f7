"""Functions that listen to a module: called before and after its forward, and on the way back.

Backward hooks stand on the graph as two identities, one around the module's input and one around
its output::

    x ── input ── forward ── output ── y          grad_input ◄── backward ◄── grad_output

Gradients pass through them unchanged, or as a hook replaces them. They are recorded only while
there is such a hook.
"""

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from accelnn.autograd import Tensor, record

Hook = Callable[..., Any]
_numbers = count()


class Hookable:
    """The part of a Module that keeps its hooks."""

    _hooks: "Hooks | None" = None  # of an object only while it has any

    if TYPE_CHECKING:

        def forward(self, x: Tensor) -> Tensor:
            """Compute the output; of ``Module``."""

    def register_forward_pre_hook(self, hook: Hook) -> "Handle":
        """Call ``hook(module, inputs)`` before each forward; what it returns takes their place.

        ``inputs`` is a tuple of what the module is called with, the first a Tensor.
        """
        return self._registered("before", hook)

    def register_forward_hook(self, hook: Hook) -> "Handle":
        """Call ``hook(module, inputs, output)`` after each forward; what it returns replaces it.

        A model with a hook trains the eager way, since a program would pass it by.

        Returns
        -------
        Handle
            With ``remove()``; as a context manager it removes the hook at the end.

        Examples
        --------
        >>> from accelnn import Tensor, nn
        >>> model = nn.Sequential(nn.Flatten(), nn.ReLU())
        >>> seen = []
        >>> with model[1].register_forward_hook(lambda layer, z, a: seen.append((z[0], a))):
        ...     y = model([[-1.0, 2.0]])
        >>> [each.tolist() for each in seen[0]]
        [[[-1.0, 2.0]], [[0.0, 2.0]]]
        """
        return self._registered("after", hook)

    def register_full_backward_hook(self, hook: Hook) -> "Handle":
        """Call ``hook(module, grad_input, grad_output)`` in ``backward``, once both are known.

        Both are tuples of one: the gradient of the loss by the module's first input and by its
        output. The former is (None,) where the input needs no gradient. A Tensor that is returned
        takes the place of grad_input from there on.

        Examples
        --------
        >>> from accelnn import Tensor, nn
        >>> layer = nn.Sigmoid()
        >>> show = lambda layer, dz, da: print(dz[0].tolist(), da[0].tolist())
        >>> with layer.register_full_backward_hook(show):
        ...     layer(Tensor([0.0], requires_grad=True)).sum().backward()
        [0.25] [1.0]
        """
        return self._registered("back", hook)

    @property
    def has_hooks(self) -> bool:
        """Whether a function listens to this very module; of those below it, ask them."""
        return self._hooks is not None

    def _registered(self, kind: str, hook: Hook) -> "Handle":
        hooks = self._hooks or Hooks()
        handle = Handle(self, getattr(hooks, kind), hook)
        vars(self)["_hooks"] = hooks
        return handle

    def _forget_hooks(self) -> None:
        """Let go of the hooks when the last was removed: the module is as it was."""
        hooks = self._hooks
        if hooks is not None and not (hooks.before or hooks.after or hooks.back):
            del vars(self)["_hooks"]


class Hooks:
    """The hooks of one module, in the order in which they were registered."""

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}
        self.back: dict[int, Hook] = {}

    def call(self, module: Hookable, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return what the forward gives, or what the hooks put in its place."""
        for hook in list(self.before.values()):
            changed = hook(module, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        way_back = _WayBack(module, list(self.back.values())) if self.back else None
        if way_back:
            inputs = (way_back.around_input(inputs[0]), *inputs[1:])
        output: Any = module.forward(*inputs, **named)
        for hook in list(self.after.values()):
            changed = hook(module, inputs, output)
            output = output if changed is None else changed
        return way_back.around_output(output) if way_back else output


class Handle:
    """What registering a hook returns: ``remove`` it, or let a ``with`` block do that.

    Examples
    --------
    >>> from accelnn import nn
    >>> layer = nn.ReLU()
    >>> with layer.register_forward_hook(lambda module, inputs, output: 2 * output):
    ...     layer([-1.0, 3.0]).tolist()
    [0.0, 6.0]
    >>> layer([-1.0, 3.0]).tolist()
    [0.0, 3.0]
    """

    def __init__(self, module: Hookable, held: dict[int, Hook], hook: Hook) -> None:
        if not callable(hook):
            raise TypeError(f"a hook is a function, got {hook!r}")
        self._module, self._held, self._number = module, held, next(_numbers)
        held[self._number] = hook

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._held.pop(self._number, None)
        self._module._forget_hooks()

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class _WayBack:
    """The gradients of one call of a module, and the hooks that wait for both."""

    def __init__(self, module: Hookable, hooks: list[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.has_input = False
        self.grad_output: Any = None

    def around_input(self, x: Any) -> Any:
        if not (isinstance(x, Tensor) and x.requires_grad):
            return x
        backend = x.backend

        def backward(g: Any) -> tuple[Any]:
            return (self._tell(Tensor._of(g, backend)),)

        held = record("input_hook", x.array, (x,), backward)
        self.has_input = held.requires_grad
        return held

    def around_output(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor):
            raise TypeError(
                f"a backward hook needs a module that returns a Tensor; "
                f"{type(self.module).__name__} returned {type(y).__name__}"
            )
        backend = y.backend

        def backward(g: Any) -> tuple[Any]:
            self.grad_output = Tensor._of(g, backend)
            if not self.has_input:  # nothing more will come
                self._tell(None)
            return (g,)

        return record("output_hook", y.array, (y,), backward)

    def _tell(self, grad_input: Tensor | None) -> Any:
        """Call the hooks; return the gradient that goes on from the module's input."""
        for hook in self.hooks:
            changed = hook(self.module, (grad_input,), (self.grad_output,))
            if changed is not None and grad_input is not None:
                grad_input = _replaced(grad_input, changed)
        return None if grad_input is None else grad_input.array


def _replaced(before: Tensor, changed: Any) -> Tensor:
    after = changed[0] if isinstance(changed, tuple) and len(changed) == 1 else changed
    if not isinstance(after, Tensor) or after.shape != before.shape:
        got = f"shape {after.shape}" if isinstance(after, Tensor) else f"{after!r}"
        raise ValueError(
            f"a backward hook may return a Tensor in place of grad_input, of its shape "
            f"{before.shape}, or None; got {got}"
        )
    return after
