"""Minibatches for the loop that PyTorch users write: ``for x, y in DataLoader(...)``.

``accelnn.train`` needs neither: it takes arrays. These are for loops written by hand.
"""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np

from accelnn.autograd import Tensor
from accelnn.checking import check_count
from accelnn.seeding import fresh_seed


class Dataset(Protocol):
    """Anything with a length and items: numbers, arrays, Tensors, or tuples of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class TensorDataset:
    """Tensors whose first axes belong together: sample i is the tuple of their rows i.

    Parameters
    ----------
    *tensors : Tensor or array of shape (n, ...)
        At least one, all of one n. An array becomes a Tensor of its dtype.

    Raises
    ------
    ValueError
        If there is none, one has no first axis, or the lengths differ.

    Examples
    --------
    >>> from accelnn.utils.data import TensorDataset
    >>> samples = TensorDataset([[1.0], [2.0], [3.0]], [0, 1, 0])
    >>> len(samples), [each.tolist() for each in samples[1]]
    (3, [[2.0], 1])
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        shapes = [t.shape for t in self.tensors]
        if not shapes or not all(shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(
                f"TensorDataset expects tensors that have a row for each sample, of one number of "
                f"rows; got shapes {', '.join(map(str, shapes)) or '(none)'}"
            )

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def rows(self, chosen: Any) -> tuple[Tensor, ...]:
        """Return copies of several rows, for their numbers (k,) in an array on the host."""
        return tuple(_rows(t, chosen) for t in self.tensors)


class DataLoader:
    """The minibatches of a dataset; each time it is iterated, all samples once.

    Parameters
    ----------
    dataset : TensorDataset, or anything with ``len`` and ``[i]``
    batch_size : int
    shuffle : bool
        Visit the samples in a new order each time.
    drop_last : bool
        Leave out the last minibatch if it is smaller.
    seed : int, optional
        Of the orders. Without it and ``generator`` they come from ``manual_seed``.
    generator : numpy.random.Generator, optional
        To draw the orders from.
    collate_fn : callable, optional
        From a list of samples to a minibatch, in place of ``collate``.
    num_workers : int
        Only 0: samples are read by the thread that asks for them.

    Raises
    ------
    ValueError
        If ``batch_size`` is no integer of at least 1, ``num_workers`` is not 0, or ``seed`` and
        ``generator`` are both given.

    Examples
    --------
    >>> from accelnn.utils.data import DataLoader, TensorDataset
    >>> samples = TensorDataset([[1.0], [2.0], [3.0]], [0, 1, 0])
    >>> for x, y in DataLoader(samples, batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [[1.0], [2.0]] [0, 1]
    [[3.0]] [0]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
    ) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                f"DataLoader expects a dataset with len() and [i], got {type(dataset).__name__}"
            )
        if num_workers != 0:
            raise ValueError(
                f"DataLoader(num_workers={num_workers!r}): accelnn reads samples in the thread "
                "that asks for them; leave num_workers at 0"
            )
        if seed is not None and generator is not None:
            raise ValueError("give DataLoader a seed or a generator, not both")
        self.dataset, self.batch_size = dataset, check_count("batch_size", batch_size)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.collate_fn = collate_fn
        self._generator = np.random.default_rng(seed) if seed is not None else generator

    def __len__(self) -> int:
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        for batch in range(len(self)):
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            if isinstance(self.dataset, TensorDataset) and self.collate_fn is None:
                yield self.dataset.rows(chosen)
            else:
                yield (self.collate_fn or collate)([self.dataset[int(i)] for i in chosen])

    def _order(self) -> Any:
        n = len(self.dataset)
        if not self.shuffle:
            return np.arange(n)
        return (self._generator or np.random.default_rng(fresh_seed())).permutation(n)


def collate(samples: Sequence[Any]) -> Any:
    """Stack samples: numbers to (k,), arrays and Tensors to (k, ...), tuples place by place.

    Python numbers become float32 or int64, arrays keep their dtype.

    Examples
    --------
    >>> from accelnn.utils.data import collate
    >>> x, y = collate([([1.0, 2.0], 0), ([3.0, 4.0], 1)])
    >>> x.tolist(), y.tolist()
    ([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    """
    first = samples[0]
    if isinstance(first, tuple):
        if len({len(sample) for sample in samples}) > 1:
            raise ValueError("the samples of a minibatch are tuples of different lengths")
        return tuple(collate(column) for column in zip(*samples, strict=True))
    if isinstance(first, Tensor):
        be = first.backend
        return Tensor._of(be.xp.stack([first._other(each).array for each in samples]), be)
    if hasattr(first, "shape"):
        return Tensor(np.stack([np.asarray(each) for each in samples]))
    if isinstance(first, bool | Integral | Real | list):
        return Tensor(list(samples))
    raise TypeError(
        f"a minibatch is stacked of numbers, arrays, Tensors or tuples of them, not of "
        f"{type(first).__name__}; give DataLoader a collate_fn"
    )


def _rows(tensor: Tensor, chosen: Any) -> Tensor:
    """Return rows as a tensor of its own memory, outside the graph."""
    be = tensor.backend
    return Tensor._of(tensor.array[be.asarray(chosen, dtype=np.int64)], be)
