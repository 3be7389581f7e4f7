"""The axes of the report: what fits on them, and how it is written."""

import itertools

import pytest

from accelnn.bench.report.svg import text_width
from accelnn.bench.report.ticks import Scale, written


def test_labels() -> None:
    assert [written(v, "number") for v in (0.01, 2048, 60_000, 3e6)] == [
        "0.01",
        "2048",
        "60 k",
        "3 M",
    ]
    assert written(5e-6, "seconds") == "5 µs"
    assert written(0.0, "bytes") == "0"
    assert written(0.2, "percent") == "20 %"


@pytest.mark.parametrize("log", [True, False])
def test_labels_do_not_touch(log: bool) -> None:
    wanted = [float(n) for n in range(1000, 1200)]
    scale = Scale(wanted, log, "number")
    kept = scale.ticks(7, 300.0, wanted)
    places = [300 * scale.part(tick) for tick in kept]
    assert kept[0] == 1000
    assert min(b - a for a, b in itertools.pairwise(places)) >= text_width("1000") + 8


def test_limits_hold_all_values() -> None:
    for log, zero, values in [(True, True, [1e-3, 5.0]), (False, True, [2.0, 3.0]),
                              (False, False, [0.9, 0.98]), (True, True, [7.0]), (True, True, []),
                              (False, False, [0.0])]:  # fmt: skip
        low, high = Scale(values, log, "number", zero).limits
        assert low < high
        assert all(low <= value <= high for value in values)
        assert not (zero and not log) or low == 0
        assert not log or high > 2 * low > 0  # one value still needs an axis


@pytest.mark.parametrize("values", [[1.0, 1.2], [1.0, 30.0], [1e-9, 1e9]])
def test_there_are_ticks_enough(values: list[float]) -> None:
    scale = Scale(values, True, "number")
    assert 3 <= len(scale.ticks(6)) <= 7
