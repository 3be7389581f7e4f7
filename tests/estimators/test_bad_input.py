"""Bad input: each case of the table says what is wrong, and leaves the estimator as it was."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from accelnn import MLPClassifier
from tests.estimators import bad_cases as cases
from tests.estimators.bad_cases import C, Case, R, X, t, y

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FITS = [*cases.DATA, *cases.VALIDATION, *cases.ARGUMENTS, *cases.IN_THE_MIDDLE, *cases.PARTIAL]


def named(tables: list[Case]) -> pytest.MarkDecorator:
    """Return the parametrization of a table."""
    ids = [f"{case.call}: {case.name}" for case in tables]
    return pytest.mark.parametrize("case", tables, ids=ids)


def fitted(like: Any, backend: str) -> Any:
    """Return a fitted estimator of a kind, whose arguments are good."""
    model = C() if isinstance(like, MLPClassifier) else R()
    model.set_params(backend=backend, dtype=like.dtype if like.dtype == "float32" else None)
    return model.fit(X, y if isinstance(like, MLPClassifier) else t)


def known(model: Any) -> dict[str, Any]:
    """Return copies of all that a model knows beside its arguments."""
    arguments = model.get_params()
    return deepcopy({k: v for k, v in model.__getstate__().items() if k not in arguments})


def assert_same(found: Any, expected: Any) -> None:
    """Compare bitwise, lists and objects by what they hold."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif hasattr(expected, "__dict__"):
        assert_same(vars(found), vars(expected))
    else:
        np.testing.assert_array_equal(found, expected)


def refuses(model: Any, case: Case, backend: str, **more: Any) -> None:
    """Call what is to fail, and compare the model with what it was, bit by bit."""
    good, before, expected = model.get_params(), known(model), model.predict(X)
    model.set_params(**case.model.get_params())
    if case.model.backend == "auto":
        model.set_params(backend=backend)
    model.set_params(**more)
    with pytest.raises(case.error, match=f"(?s){case.said}"):
        getattr(model, case.call)(**case.arguments())
    model.set_params(**good)
    assert_same(known(model), before)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_the_table_is_long() -> None:
    assert len(FITS) + len(cases.AFTERWARDS) >= 150


@named([*FITS, *cases.FIRST])
def test_an_error_leaves_an_estimator_without_a_fit(case: Case) -> None:
    model = clone(case.model, safe=False)
    before = set(vars(model))
    with pytest.raises(case.error, match=f"(?s){case.said}"):
        getattr(model, case.call)(**case.arguments())
    assert set(vars(model)) == before
    with pytest.raises(NotFittedError, match=f"{type(model).__name__} instance is not fitted yet"):
        model.predict(X)


@named(FITS)
def test_an_error_leaves_an_earlier_fit_as_it_was(case: Case, backend: str) -> None:
    model = fitted(case.model, backend)
    refuses(model, case, backend)


@named(cases.IN_THE_MIDDLE)
def test_an_error_leaves_what_it_went_on_from(case: Case, backend: str) -> None:
    """Where a fit changes in place what an earlier one left."""
    refuses(fitted(case.model, backend), case, backend, warm_start=True)


@named(cases.AFTERWARDS)
def test_a_fitted_model_refuses(case: Case, backend: str) -> None:
    model = fitted(case.model, backend)
    before = known(model)
    with pytest.raises(case.error, match=f"(?s){case.said}"):
        getattr(model, case.call)(**case.arguments())
    assert_same(known(model), before)
