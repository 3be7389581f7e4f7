"""As scikit-learn's: what is printed, what is warned of, and when."""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from tests.estimators.conftest import data
from tests.estimators.pairs import NAMES, assert_same_fit, both, first_call, small, warned

#: Every epoch's loss is printed with 8 digits, so without the penalty, which is no word.
VERBOSE: dict[str, Any] = {"verbose": True, "alpha": 0.0}
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def said(pair: tuple[Any, Any], X: Any, y: Any, capfd: Any) -> list[list[str]]:
    """Return the lines that each of two estimators prints in ``fit``."""
    lines = []
    for estimator in pair:
        capfd.readouterr()
        estimator.fit(X, y)
        lines.append(capfd.readouterr().out.splitlines())
    return lines


@quiet
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", ["binary", "regression 3"])
def test_verbose(
    task: str, solver: str, early_stopping: bool, learning_rate: str, backend: str, capfd: Any
) -> None:
    X, y = small(task)
    pair = both(
        task,
        backend,
        solver=solver,
        learning_rate=learning_rate,
        early_stopping=early_stopping,
        n_iter_no_change=1,
        tol=0.1,
        max_iter=60,
        **VERBOSE,
    )
    theirs, ours = said(pair, X, y, capfd)
    assert ours == theirs
    assert_same_fit(pair[1], pair[0])
    what = "Validation score" if early_stopping else "Training loss"
    why = f"{what} did not improve more than tol=0.100000 for 1 consecutive epochs."
    assert any(line.startswith(why) for line in ours)
    assert any("Validation score: " in line for line in ours) == early_stopping
    if (solver, learning_rate) == ("sgd", "adaptive"):
        assert f"{why} Setting learning rate to 0.004000" in ours
        assert ours[-1] == f"{why} Learning rate too small. Stopping."
    else:
        assert ours[-1] == f"{why} Stopping."


@quiet
@pytest.mark.parametrize("verbose", [True, 1, 10])
def test_verbose_lbfgs(verbose: Any, backend: str, capfd: Any) -> None:
    """SciPy prints, if it does: the same on both sides."""
    X, y = small("binary")
    pair = both("binary", backend, solver="lbfgs", verbose=verbose, max_iter=3)
    theirs, ours = said(pair, X, y, capfd)
    assert ours == theirs


@quiet
def test_verbose_partial_fit(backend: str, capfd: Any) -> None:
    X, y = data("binary")
    lines = []
    for estimator in both("binary", backend, **VERBOSE):
        estimator.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
        lines.append(capfd.readouterr().out.splitlines())
    assert lines[1] == lines[0]
    assert [line[:11] for line in lines[1]] == ["Iteration 1"] * 2


def test_stopping_when_nothing_improves_is_no_warning(backend: str) -> None:
    X, y = data("binary")
    pair = both("binary", backend, alpha=0.0, tol=0.05, n_iter_no_change=2, max_iter=300)
    assert [warned(lambda e: e.fit(X, y), estimator) for estimator in pair] == [[], []]
    assert pair[1].n_iter_ == pair[0].n_iter_ < 300


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", NAMES)
def test_max_iter_reached(task: str, solver: str, early_stopping: bool, backend: str) -> None:
    """After fit, not after partial_fit, and again by each fit."""
    X, y = small(task)
    pair = both(task, backend, solver=solver, warm_start=True, max_iter=2)
    texts = []
    for estimator in pair:
        first = warned(lambda e: e.partial_fit(X, y, **first_call(task, y)), estimator)
        estimator.set_params(early_stopping=early_stopping, warm_start=not early_stopping)
        texts.append([first, *(warned(lambda e: e.fit(X, y), estimator) for _ in range(2))])
    message = (
        "Stochastic Optimizer: Maximum iterations (2) reached and the optimization hasn't "
        "converged yet."
    )
    assert texts[1] == texts[0] == [[]] + [[("ConvergenceWarning", message)]] * 2


@pytest.mark.parametrize("arguments", [{"max_iter": 2}, {"max_fun": 3}])
def test_lbfgs_does_not_converge(arguments: dict[str, Any], backend: str) -> None:
    X, y = small("regression 1")
    pair = both("regression 1", backend, solver="lbfgs", **arguments)
    theirs, ours = (warned(lambda e: e.fit(X, y), estimator) for estimator in pair)
    assert ours == theirs
    assert [kind for kind, _ in ours] == ["ConvergenceWarning"]


@quiet
@pytest.mark.parametrize("batch_size", [151, 10**6])
def test_a_minibatch_larger_than_the_data(batch_size: int, backend: str) -> None:
    X, y = data("binary")
    pair = both("binary", backend, batch_size=batch_size, max_iter=200, tol=1e9)
    theirs, ours = (warned(lambda e: e.fit(X, y), estimator) for estimator in pair)
    assert [kind for kind, _ in ours] == [kind for kind, _ in theirs] == ["UserWarning"]
    assert all(text.startswith("Got `batch_size`") for _, text in (*ours, *theirs))
    assert_same_fit(pair[1], pair[0])


@pytest.mark.parametrize("task", ["binary", "regression 1"])
def test_a_column_of_targets(task: str) -> None:
    X, y = data(task)
    theirs, ours = (
        warned(lambda e: e.fit(X, y[:, None]), estimator) for estimator in both(task, "numpy")
    )
    assert ours == theirs
    assert [kind for kind, _ in ours] == ["DataConversionWarning", "ConvergenceWarning"]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupted(early_stopping: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the fourth epoch: a warning, and the estimator of the epochs before."""
    X, y = data("binary")
    pair = both("binary", "numpy", early_stopping=early_stopping, verbose=True, max_iter=50)
    seen = []
    for estimator in pair:
        printed: list[str] = []

        def say(text: str, heard: list[str] = printed) -> None:
            heard.append(text)
            if text.startswith("Iteration 4"):
                raise KeyboardInterrupt

        monkeypatch.setattr("builtins.print", say)
        seen.append(warned(lambda e: e.fit(X, y), estimator))
    monkeypatch.undo()
    assert seen[1] == seen[0] == [("UserWarning", "Training interrupted by user.")]
    assert pair[1].n_iter_ == pair[0].n_iter_ == 4
    assert_same_fit(pair[1], pair[0])


def test_a_warning_made_an_error_comes_when_all_is_done() -> None:
    """scikit-learn's then raises in the midst of its last epoch; both are fitted."""
    X, y = data("binary")
    pair = both("binary", "numpy", max_iter=3)
    for estimator in pair:
        with pytest.raises(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
            estimator.fit(X, y)
    assert_same_fit(pair[1], pair[0])
    np.testing.assert_array_equal(pair[1].predict(X), pair[0].predict(X))
