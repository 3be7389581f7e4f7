"""What each scale of the MNIST suite runs, and what it says of the rest."""

from typing import Any

from accelnn.bench import test_mnist as suite
from accelnn.bench.settings import Settings


def reasons(params: list[Any]) -> dict[str, str]:
    """Return the reasons of what is left out, by the name of the case."""
    return {
        param.id or str(param.values[0]): mark.kwargs["reason"]
        for param in params
        for mark in param.marks
        if mark.name == "skip" or mark.args[0]
    }


def test_epochs_in_full_and_in_short() -> None:
    full = [str(case) for case in suite.cases_epoch(Settings())]
    assert len(full) == len(set(full)) == 4 * 2 * 3
    assert {"plain NumPy loop-sgd-32", "numba-adam-4096"} <= set(full)
    quick = [str(case) for case in suite.cases_epoch(Settings(scale="quick"))]
    assert len(quick) == 9
    assert "numba-adam-128" in quick
    assert "numba-adam-4096" not in quick
    own = [case.batch for case in suite.cases_epoch(Settings(batches=(7, 9)))]
    assert sorted(set(own)) == [7, 9]


def test_a_short_run_says_what_it_leaves_out() -> None:
    why = "a quick run leaves it out; a full one has it"
    quick = Settings(scale="quick")
    left_out = dict.fromkeys(("numpy-sgd-128", "numba-sgd-128"), why)
    assert reasons(suite.cases_memory(quick)) == reasons(suite.cases_profile(quick)) == left_out
    assert reasons(suite.cases_accuracy(quick)) == {**left_out, "numpy-adam-128": why}
    alone = Settings(scale="quick", backends=("numpy",))
    assert reasons(suite.cases_accuracy(alone)) == {"numpy-sgd-128": why}
    for cases in (suite.cases_accuracy, suite.cases_memory, suite.cases_profile):
        assert reasons(cases(Settings())) == {}
        assert len(cases(Settings())) == 4


def test_rungs_that_cannot_be_plugged_in_say_why() -> None:
    cases = suite.cases_rungs(Settings())
    run = [param.id for param in cases if not param.marks]
    assert run[0] == "three loops in Python"
    assert "accelnn's product, all threads" in run
    left_out = reasons(cases)
    assert not set(run) & set(left_out)
    assert {"array API: torch", "array API: jax"} <= set(left_out)
    without = suite.cases_rungs(Settings(backends=("numpy",)))
    assert [param.id for param in without if not param.marks] == [
        "three loops in Python",
        "all products at once, then the sums",
        "NumPy's product, 1 thread",
        "NumPy's product, all threads",
    ]
