"""TensorDataset and DataLoader: which samples a minibatch holds, in which order and shape."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn, optim, utils
from accelnn.backends import Backend
from accelnn.utils.data import DataLoader, Dataset, TensorDataset, collate


def samples(n: int, backend: Backend | str = "numpy") -> TensorDataset:
    X = np.arange(2.0 * n).reshape(n, 2)
    return TensorDataset(Tensor(X, backend=backend), Tensor(np.arange(n), backend=backend))


class Squares:
    """Samples that are computed: (number, square)."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> tuple[int, float]:
        if not 0 <= i < 5:
            raise IndexError(i)
        return i, float(i * i)


def labels(loader: DataLoader) -> list[list[int]]:
    return [y.tolist() for _, y in loader]


def test_batches_in_order(backend: Backend) -> None:
    loader = DataLoader(samples(5, backend), batch_size=2)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert all(isinstance(batch, tuple) for batch in batches)
    assert [x.tolist() for x, _ in batches] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9]]]
    assert [y.tolist() for _, y in batches] == [[0, 1], [2, 3], [4]]
    assert all(t.backend is backend for batch in batches for t in batch)
    assert {str(y.dtype) for _, y in batches} == {"int64"}


def test_drop_last() -> None:
    loader = DataLoader(samples(5), batch_size=2, drop_last=True)
    assert (len(loader), labels(loader)) == (2, [[0, 1], [2, 3]])
    assert labels(DataLoader(samples(4), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert labels(DataLoader(samples(1), 2, drop_last=True)) == []


def test_shuffled_rows_stay_together(backend: Backend) -> None:
    loader = DataLoader(samples(30, backend), batch_size=7, shuffle=True, seed=0)
    first, second = list(loader), list(loader)
    for x, y in first:
        assert x.tolist() == [[2 * i, 2 * i + 1] for i in y.tolist()]
    orders = [[i for _, y in each for i in y.tolist()] for each in (first, second)]
    assert [sorted(order) for order in orders] == [list(range(30))] * 2
    assert orders[0] != orders[1] != list(range(30))


def test_seeds() -> None:
    data = samples(20)

    def orders(**how: Any) -> list[Any]:
        loader = DataLoader(data, 20, shuffle=True, **how)
        return [labels(loader) for _ in range(2)]

    assert orders(seed=1) == orders(seed=1) != orders(seed=2)
    assert orders(generator=np.random.default_rng(1)) == orders(seed=1)
    accelnn.manual_seed(7)
    first = orders()
    accelnn.manual_seed(7)
    assert orders() == first
    assert first[0] != first[1]
    assert orders() != first


def test_a_minibatch_is_a_copy() -> None:
    X = np.ones((2, 1))
    (x,) = next(iter(DataLoader(TensorDataset(X), batch_size=2)))
    x.array[...] = 5
    assert X.tolist() == [[1.0], [1.0]]


def test_any_dataset() -> None:
    held: Dataset = Squares()
    batches = list(DataLoader(held, batch_size=3))
    assert [[t.tolist() for t in batch] for batch in batches] == [
        [[0, 1, 2], [0.0, 1.0, 4.0]],
        [[3, 4], [9.0, 16.0]],
    ]
    assert [str(t.dtype) for t in batches[0]] == ["int64", "float32"]
    shuffled = [i for x, _ in DataLoader(held, 2, shuffle=True, seed=0) for i in x.tolist()]
    assert sorted(shuffled) == [0, 1, 2, 3, 4]


def test_items_that_are_no_tuples() -> None:
    assert [x.tolist() for x in DataLoader([3.0, 4.0, 5.0], batch_size=2)] == [[3.0, 4.0], [5.0]]


def test_collate(backend: Backend) -> None:
    tensors = [Tensor([float(i), 1.0], backend=backend) for i in range(3)]
    stacked = collate(tensors)
    assert stacked.backend is backend
    assert stacked.tolist() == [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]
    arrays = collate([np.zeros((2, 2)), np.ones((2, 2))])
    assert (arrays.shape, str(arrays.dtype)) == ((2, 2, 2), "float64")
    assert collate([True, False]).tolist() == [True, False]
    nested = collate([(1, (2.0, np.array([3])))] * 2)
    assert [nested[0].tolist(), [t.tolist() for t in nested[1]]] == [
        [1, 1],
        [[2.0, 2.0], [[3], [3]]],
    ]
    assert str(collate([np.float64(1.5)] * 2).dtype) == "float64"


def test_a_collate_of_ones_own() -> None:
    loader = DataLoader(samples(3), 2, collate_fn=len)
    assert list(loader) == [2, 1]


def test_indexing() -> None:
    data = samples(4)
    assert (len(data), len(data.tensors)) == (4, 2)
    assert [t.tolist() for t in data[2]] == [[4.0, 5.0], 2]
    assert [t.tolist() for t in data[1:3]] == [[[2.0, 3.0], [4.0, 5.0]], [1, 2]]
    assert utils.data.TensorDataset is TensorDataset


def test_the_loop_that_pytorch_users_write(backend: Backend) -> None:
    accelnn.manual_seed(0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 2)).astype("float32")
    y = X @ np.array([[2.0], [-1.0]], "float32")
    model = nn.Linear(2, 1, backend=backend)
    sgd = optim.SGD(model.parameters(), lr=0.1)
    data = TensorDataset(Tensor(X, backend=backend), Tensor(y, backend=backend))
    for _ in range(30):
        for inputs, targets in DataLoader(data, batch_size=16, shuffle=True):
            sgd.zero_grad()
            nn.MSELoss()(model(inputs), targets).backward()
            sgd.step()
    np.testing.assert_allclose(model.weight.numpy(), [[2.0, -1.0]], atol=1e-3)


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "shapes"),
    [
        ((), r"\(none\)"),
        ((np.ones((2, 1)), np.ones(3)), r"\(2, 1\), \(3,\)"),
        ((np.ones(2), 1.0), r"\(2,\), \(\)"),
    ],
    ids=["none", "lengths", "scalar"],
)
def test_tensors_that_do_not_belong_together(tensors: Any, shapes: str) -> None:
    with pytest.raises(ValueError, match=f"of one number of rows; got shapes {shapes}"):
        TensorDataset(*tensors)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"num_workers": 2}, r"DataLoader\(num_workers=2\): .*; leave num_workers at 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"seed": 1, "generator": np.random.default_rng(1)}, "a seed or a generator, not both"),
    ],
    ids=["workers", "batch_size", "seeds"],
)
def test_arguments(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataLoader(samples(2), **how)
    with pytest.raises(TypeError, match=r"a dataset with len\(\) and \[i\], got generator"):
        DataLoader(x for x in [1])  # type: ignore[arg-type]


def test_samples_that_cannot_be_stacked() -> None:
    with pytest.raises(TypeError, match="not of str; give DataLoader a collate_fn"):
        list(DataLoader(["a", "b"]))
    with pytest.raises(ValueError, match="tuples of different lengths"):
        collate([(1, 2), (1,)])
