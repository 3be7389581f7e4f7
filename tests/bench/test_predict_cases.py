"""How predictions are timed and what they are held against."""

from typing import Any

import numpy as np

from accelnn.bench.settings import Settings
from accelnn.bench.test_predict import WARM_UP, cases_rows, plain_forward, problem, single_calls


class Counting:
    """A program that only counts."""

    def __init__(self) -> None:
        self.predictions = self.waits = 0
        self.backend = self

    def predict(self, rows: Any) -> None:
        self.predictions += 1

    def synchronize(self) -> None:
        self.waits += 1


def test_every_call_is_a_sample_of_its_own() -> None:
    program: Any = Counting()
    seconds = single_calls(program, None, 7, 60.0)
    assert len(seconds) == 7
    assert min(seconds) > 0
    assert (program.predictions, program.waits) == (WARM_UP + 7, 1 + 7)


def test_no_more_calls_than_there_is_time_for() -> None:
    program: Any = Counting()
    assert len(single_calls(program, None, 7, 0.0)) == 1


def test_plain_forward_by_hand() -> None:
    """max(0, (1 - 2 + 1, 3 + 4 - 9)) = (0, 0) and (0, 3); the output keeps its sign."""
    x = np.array([[1.0, 2.0], [1.0, 4.5]])
    layers = [np.array([[1.0, 3.0], [-1.0, 2.0]]), np.array([1.0, -9.0])]
    layers += [np.array([[2.0], [-5.0]]), np.array([0.5])]
    np.testing.assert_array_equal(plain_forward(x, layers), [[0.5], [0.5 - 5 * 3]])


def test_what_is_predicted() -> None:
    x, expected = problem((6, 5, 3), 9)
    assert (x.shape, expected.shape, x.dtype, expected.dtype) == ((9, 6), (9, 3), "f4", "f4")
    assert np.ptp(expected) > 0


def test_rows_of_each_scale() -> None:
    rows = {
        scale: [case.rows for case in cases_rows(Settings(scale=scale, backends=("numpy",)))]
        for scale in ("full", "quick", "smoke")
    }
    assert rows == {
        "full": [1, 8, 64, 512, 4096, 60_000],
        "quick": [1, 64, 4096],
        "smoke": [1, 64],
    }
