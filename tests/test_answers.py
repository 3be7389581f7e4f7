"""What a reader of the exercises is told."""

from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, check_answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (6, 6),
        (0.33333, 1 / 3),
        ([2, 2, -2], (2, 2, -2)),
        (Tensor([[1.0, 2.0]]), [[1, 2]]),
        ([Tensor(1.0), Tensor(2.0)], [1, 2]),
        (np.nan, np.nan),
        (True, True),
        (" ReLU", "relu"),
        (np.float32(0.1), 0.1),
    ],
)
def test_right(answer: Any, expected: Any) -> None:
    assert check_answer(answer, expected) == "right"


@pytest.mark.parametrize("answer", [None, ...])
def test_not_begun(answer: Any) -> None:
    assert check_answer(answer, [1.0]) == "no answer yet"


@pytest.mark.parametrize(
    ("answer", "expected", "verdict"),
    [
        (5, 6, "not yet: the number is off, by up to 1"),
        (-6, 6, "not yet: the number is off, by up to 12; the sign is wrong"),
        ([1, 2, 4], [1, 2, 3], "not yet: 1 of 3 elements differs, by up to 1"),
        (
            [2, 4, 6],
            [1, 2, 3],
            "not yet: 3 of 3 elements differ, by up to 3; all of them by the factor 2",
        ),
        ([1, 2], [1, 2, 3], "not yet: the shape is (2,), expected (3,)"),
        (
            [[1, 2, 3], [4, 5, 6]],
            [[1, 4], [2, 5], [3, 6]],
            "not yet: the shape is (2, 3), expected its transpose (3, 2)",
        ),
        (np.inf, 1, "not yet: the number is off: nan or infinite"),
        ([[1], [2, 3]], [1, 2], "not yet: expected numbers of shape (2,), got list"),
        (object(), 1, "not yet: expected numbers of shape (), got object"),
        ("six", 6, "not yet: that is another word"),
    ],
)
def test_wrong(answer: Any, expected: Any, verdict: str) -> None:
    assert check_answer(answer, expected) == verdict


def test_the_tolerance_counts() -> None:
    assert check_answer(1.00009, 1) == "right"
    assert check_answer(1.0002, 1).startswith("not yet")
    assert check_answer(1.0002, 1, rtol=1e-3) == "right"
    assert check_answer(1e-9, 0) == "right"
    assert check_answer(1e-9, 0, atol=0).startswith("not yet")
