"""What was changed in place, and when: a backward pass must not read what was overwritten since.

One counter serves for all: each operation of a graph and each change takes the next number, its
moment. An operation is in danger only from changes with a later moment than its own, so that the
forward pass pays for nothing but the number, and a backward pass looks into an operation only if
something was changed after it.
"""

import weakref
from collections.abc import Callable, Iterator
from itertools import count
from types import CellType, FunctionType, ModuleType
from typing import Any

#: The next moment. ``next`` of it is one step of the interpreter, so that threads may share it.
moment: Callable[[], int] = count(1).__next__

_latest = 0
#: id of an array -> the array, weakly, and the moment of its last change. One entry per array that
#: was ever changed and still lives: the parameters of a model are the same few in every step.
_changes: dict[int, "tuple[weakref.ref[Any], int]"] = {}


def changed(array: Any) -> None:
    """Note that the elements of an array were overwritten.

    Parameters
    ----------
    array : array
        That a Tensor holds, or the owner of its memory if it is a view which nobody keeps.
    """
    global _latest
    key, _latest = id(array), moment()
    held = _changes.get(key)
    if held is not None and held[0]() is array:
        _changes[key] = held[0], _latest
        return
    try:
        _changes[key] = weakref.ref(array, lambda _: _changes.pop(key, None)), _latest
    except TypeError:  # a number of NumPy instead of an array: nobody can write to it
        return


def latest() -> int:
    """Return the moment of the last change of all."""
    return _latest


def owner(array: Any) -> Any:
    """Return the array whose memory this one views, itself if it is none."""
    while isinstance(base := getattr(array, "base", None), type(array)):
        array = base
    return array


def overwritten(backward: Callable[..., Any], made: int, xp: Any) -> Any:
    """Return an array that a way back holds and that was changed since, or None.

    Parameters
    ----------
    backward : callable
        Way back of an operation.
    made : int
        Moment of the operation.
    xp : module
        Array namespace with ``may_share_memory``.
    """
    later = [a for ref, when in list(_changes.values()) if when > made and (a := ref()) is not None]
    owners = {id(owner(a)) for a in later}
    for array in held_by(backward):
        if id(owner(array)) in owners and any(
            a is array or (type(a) is type(array) and xp.may_share_memory(a, array)) for a in later
        ):
            return array
    return None


def held_by(backward: Callable[..., Any]) -> Iterator[Any]:
    """Yield the arrays in the closure of a function, in Tensors, sequences and functions there."""
    waiting: list[Any] = [backward]
    seen: set[int] = set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, FunctionType):
            waiting += thing.__closure__ or ()
        elif isinstance(thing, CellType):
            try:
                waiting.append(thing.cell_contents)
            except ValueError:  # not assigned yet
                continue
        elif isinstance(thing, tuple | list):
            waiting += thing
        elif isinstance(thing, type | ModuleType):  # numpy.shape and numpy.dtype make no array
            continue
        elif hasattr(thing, "func") and hasattr(thing, "keywords"):  # functools.partial
            waiting += (thing.func, thing.args, *thing.keywords.values())
        elif hasattr(thing, "_node"):  # a Tensor, which this module is below
            yield thing.array
        elif hasattr(thing, "shape") and hasattr(thing, "dtype"):
            yield thing
