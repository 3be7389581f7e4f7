"""The fitted curves, by hand."""

import pytest

from accelnn.bench.fitting import amdahl, exponent


def test_exponent_of_a_power() -> None:
    assert exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
    assert exponent([8, 1, 2], [5, 5, 5]) == pytest.approx(0)
    assert exponent([1, 4, 16], [8, 4, 2]) == pytest.approx(-0.5)


def test_exponent_by_least_squares() -> None:
    """Logarithms 0, 1, 2 and 0, 2, 1: slope 1/2."""
    assert exponent([1, 10, 100], [1, 100, 10]) == pytest.approx(0.5)


def test_a_point_twice_counts_twice() -> None:
    assert exponent([1, 10, 10], [1, 1, 100]) == pytest.approx(1)


@pytest.mark.parametrize("xs", [[], [1.0, 2.0], [2.0, 2.0, 2.0]])
def test_no_exponent(xs: list[float]) -> None:
    assert exponent(xs, xs) is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_amdahl_gives_the_share_back(share: float) -> None:
    threads = [1, 2, 4, 8]
    assert amdahl(threads, [1 / (share + (1 - share) / n) for n in threads]) == pytest.approx(share)


def test_amdahl_by_least_squares() -> None:
    """x = 0, 1/2, 3/4 and y = 0, 0, 1/4: (3/16) / (1/4 + 9/16) = 3/13."""
    assert amdahl([1, 2, 4], [1, 2, 2]) == pytest.approx(3 / 13)


def test_amdahl_stays_a_share() -> None:
    assert amdahl([1, 2, 4], [1, 2.5, 6]) == 0
    assert amdahl([1, 2, 4], [1, 0.5, 0.4]) == 1


@pytest.mark.parametrize("threads", [[1], [1, 2], [1, 2, 2]])
def test_no_amdahl(threads: list[int]) -> None:
    assert amdahl(threads, [1.0] * len(threads)) is None
