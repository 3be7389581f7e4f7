"""Several epochs as if they were one: the same bits as one after the other."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from accelnn import nn, optim, profile
from accelnn.backends import Backend, get_backend
from accelnn.program import Program, lower
from tests.stacks import data, stack

EPOCHS, ROWS, BATCH = 5, 30, 8  # three full minibatches and one of six rows
ORDERS = np.stack([np.random.default_rng(e).permutation(ROWS) for e in range(EPOCHS)])
RATES = np.linspace(0.1, 0.2, EPOCHS * 4)


@pytest.fixture(params=["numpy", "numba"])
def host(request: pytest.FixtureRequest) -> Backend:
    """The backends whose plans lie on the host."""
    if request.param == "numba":
        pytest.importorskip("numba")
    return get_backend(request.param)


def made(backend: Backend, weights: Any = None, rows: int = ROWS) -> Program:
    model = stack("dropout", backend, "float64")
    rule = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    program = lower(model, nn.CrossEntropyLoss(), rule, backend, BATCH)
    program.bind(*data(nn.CrossEntropyLoss(), rows, "float64"), row_weights=weights)
    return program


def one_by_one(program: Program) -> tuple[list[float], list[float]]:
    losses, penalties = [], []
    for order, rates in zip(ORDERS, RATES.reshape(EPOCHS, 4), strict=True):
        program.start_epoch(order)
        losses.append(program.run(0, 4, rates))
        penalties.append(program.penalties)
    return losses, np.concatenate(penalties).tolist()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cuts", [[0, 20], [0, 4, 12, 20], [0, 1, 2, 11, 13, 20], [0, 17, 20]])
def test_the_same_bits_however_they_are_cut(host: Backend, cuts: list[int], weighted: bool) -> None:
    weights = np.random.default_rng(1).random(ROWS) if weighted else None
    single, together = made(host, weights), made(host, weights)
    losses, penalties = one_by_one(single)
    together.start_epochs(ORDERS)
    assert together.n_batches == 20
    total, found = 0.0, []
    for first, last in pairwise(cuts):
        total += together.run(first, last, RATES[first:last])
        found += together.penalties.tolist()
    assert [together.losses(4 * e, 4 * e + 4) for e in range(EPOCHS)] == losses
    assert total == pytest.approx(sum(losses), rel=1e-14)
    assert found == penalties
    np.testing.assert_array_equal(together.plan.params, single.plan.params)
    np.testing.assert_array_equal(together.plan.states, single.plan.states)
    assert together.rule.t == single.rule.t == 20
    assert together.plan.table["call"].tolist() == single.plan.table["call"].tolist()


def test_epochs_of_whole_minibatches(host: Backend) -> None:
    single, together = made(host), made(host)
    for order in ORDERS[:, :16]:
        single.start_epoch(order)
        single.run(0, 2, [0.1, 0.1])
    together.start_epochs(ORDERS[:, :16])
    together.run(0, 7, [0.1] * 7)
    together.run(7, 10, [0.1] * 3)
    np.testing.assert_array_equal(together.plan.params, single.plan.params)


def test_what_fills_up_is_no_loss_of_earlier_epochs(host: Backend) -> None:
    program = made(host)
    program.start_epochs(np.tile(np.arange(24), (2, 1)))  # leaves a loss in every place
    program.run(0, 6, [0.1] * 6)
    program.start_epochs(ORDERS[:2, :20])
    total = program.run(0, 6, [0.1] * 6)
    assert total == pytest.approx(program.losses(0, 3) + program.losses(3, 6), rel=1e-14)


def test_a_single_epoch_afterwards_is_one_again(host: Backend) -> None:
    program = made(host)
    program.start_epochs(ORDERS)
    program.start_epoch(np.arange(10))
    assert (program.n_batches, program.plan.rows(1)) == (2, 2)


def test_a_profile_counts_all_epochs() -> None:
    pytest.importorskip("numba")
    single, together = made(get_backend("numba")), made(get_backend("numba"))
    with profile() as expected:
        one_by_one(single)
    with profile() as found:
        together.start_epochs(ORDERS)
        together.run(0, 20, RATES)

    def counted(of: Any) -> set[Any]:
        return {(row.kernel, row.layer, row.calls, row.flops) for row in of.rows}

    assert counted(found) == counted(expected)


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        (np.arange(5), r"orders must have shape \(epochs, m\), got \(5,\)"),
        (np.full((2, 3), ROWS), "order must hold rows 0 ... 29 of X, got 30 ... 30"),
        (np.zeros((2, 0), np.int64), "one or more row numbers"),
    ],
)
def test_bad_orders_change_nothing(orders: Any, message: str) -> None:
    program = made(get_backend("numpy"))
    before = program.plan.order
    with pytest.raises(ValueError, match=message):
        program.start_epochs(orders)
    assert program.plan.order is before


def test_a_sparse_x_comes_one_epoch_at_a_time() -> None:
    program = made(get_backend("numpy"))
    X, y = data(nn.CrossEntropyLoss(), ROWS, "float64")
    program.bind(csr_array(X), y)
    with pytest.raises(ValueError, match="several epochs at once need dense data"):
        program.start_epochs(ORDERS)
