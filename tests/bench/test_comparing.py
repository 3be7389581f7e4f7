"""What is beyond the noise and what is not: by hand, and on noise whose truth is known."""

import io
import math
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from accelnn.bench.comparing import LEAST, compare
from tests.bench.made_runs import run_of


def names(cases: Any) -> list[str]:
    return [found.key[3] for found in cases]


def test_slower_faster_and_unchanged() -> None:
    before = run_of(same=(1.0, 0.01), worse=(1.0, 0.01), better=(1.0, 0.01), loud=(1.0, 0.3))
    after = run_of(same=(1.04, 0.01), worse=(1.5, 0.01), better=(0.5, 0.01), loud=(1.5, 0.3))
    found = compare(before, after)
    assert names(found.of("slower")) == ["worse"]
    assert names(found.of("faster")) == ["better"]
    assert sorted(names(found.of("unchanged"))) == ["loud", "same"]
    assert found.status == 1
    assert compare(before, before).status == 0
    assert [c.ratio for c in found.of("slower")] == [1.5]


def test_the_limit_by_hand() -> None:
    """Samples of 11 whose quartiles are 13.49 per cent apart: 10 per cent each, 10 degrees."""
    before, after = run_of(x=(2.0, 0.1349, 11)), run_of(x=(2.0, 0.1349, 11))
    (found,) = compare(before, after).cases
    t = 2.228139  # 2.5 % of Student's distribution with 10 degrees lie above, by the tables
    s = math.sqrt(2 * 0.1**2 * (1 + math.pi / 22))
    assert math.log(found.limit) == pytest.approx(t * s, rel=1e-5)
    (quiet,) = compare(run_of(x=(2.0, 0.0)), run_of(x=(2.0, 0.0))).cases
    assert quiet.limit == 1 + LEAST


def test_few_samples_and_many_cases_ask_for_more() -> None:
    def limit(rounds: int, cases: int) -> float:
        run = run_of(**{f"x{i}": (1.0, 0.05, rounds) for i in range(cases)})
        return compare(run, run).cases[0].limit

    assert limit(40, 1) < limit(5, 1) < limit(3, 1) < limit(3, 50)
    assert limit(40, 1) < limit(40, 50) < limit(5, 50)


def test_a_case_with_too_few_samples_is_not_judged() -> None:
    found = compare(run_of(x=(1.0, 0.0, 2)), run_of(x=(9.0, 0.0, 40)))
    assert names(found.of("not judged")) == ["x"]
    assert found.status == 2
    assert "1 with too few samples to tell: matmul/rungs x" in found.lines()


def test_cases_that_only_one_has_are_named() -> None:
    found = compare(run_of(x=(1.0, 0.0), old=(1.0, 0.0)), run_of(x=(1.0, 0.0), new=(1.0, 0.0)))
    assert found.lines() == [
        "1 cases in both: 0 slower, 0 faster, 1 unchanged",
        "only in the first: matmul/rungs old",
        "only in the second: matmul/rungs new",
    ]
    assert compare(run_of(x=(1.0, 0.0)), run_of(y=(1.0, 0.0))).status == 2


def test_other_machines_and_scales_are_warned_of() -> None:
    a, b = run_of(x=(1.0, 0.0)), run_of(x=(1.0, 0.0))
    assert compare(a, b).warnings == []
    b["accelnn"]["settings"]["scale"] = "full"
    b["machine_info"]["accelnn"] = {"cores": 8, "versions": {"numpy": "2.1"}}
    assert compare(a, b).warnings == [
        "scale differs: quick and full",
        "cores differs: 2 and 8",
        "numpy differs: 2.0 and 2.1",
    ]


def noisy_run(rng: Any, shift: float, cases: int, rounds: int) -> dict[str, Any]:
    """Return a run of unequally noisy cases whose luck, too, is as large as their noise."""
    made = {}
    for i in range(cases):
        noise = 0.01 * (1 + i % 5)
        samples = shift * np.exp(rng.normal(0, noise) + rng.normal(0, noise, rounds))
        q1, median, q3 = np.quantile(samples, [0.25, 0.5, 0.75])
        made[f"x{i}"] = (float(median), float((q3 - q1) / median), rounds)
    return run_of(**made)


@pytest.mark.parametrize("rounds", [5, 20])
def test_equal_runs_are_equal(rounds: int) -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(40):
        runs = noisy_run(rng, 1.0, 40, rounds), noisy_run(rng, 1.0, 40, rounds)
        found += any(case.verdict != "unchanged" for case in compare(*runs).cases)
    assert found <= 5  # 2 are expected


def test_a_slowdown_is_found() -> None:
    rng = np.random.default_rng(5)
    found = compare(noisy_run(rng, 1.0, 60, 20), noisy_run(rng, 1.6, 60, 20))
    assert len(found.of("slower")) >= 55


def test_the_table_shows_what_changed() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    found = compare(run_of(x=(0.002, 0.0), y=(1.0, 0.0)), run_of(x=(0.003, 0.0), y=(1.0, 0.0)))
    console.print(found.table())
    (line,) = [line for line in console.export_text().splitlines() if "matmul/rungs" in line]
    assert line.split("│")[1:-1] == [
        " matmul/rungs ", " 8 x 8 x 8: x ", "   2 ms ", "  3 ms ", " × 1.50 ", " × 1.05 ",
    ]  # fmt: skip
