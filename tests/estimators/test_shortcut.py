"""Few rows that nothing is wrong with skip scikit-learn's checks; all else hears its words."""

import re
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.neural_network as theirs

from accelnn.estimators import _forward
from tests.estimators.bad_cases import C, X, y

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROW = X[:1].copy()
READ_ONLY = ROW.copy()
READ_ONLY.flags.writeable = False

#: All that the shortcut is not for, bad or good.
OTHERS: dict[str, Any] = {
    "no rows": X[:0],
    "no columns": X[:1, :0],
    "fewer columns": X[:1, :2].copy(),
    "more columns": np.ones((1, 4)),
    "one row, 1-D": X[0],
    "0-D": np.array(1.0),
    "3-D": np.ones((1, 1, 3)),
    "None": None,
    "a number": 1.0,
    "text": "abc",
    "strings": np.array([["a", "b", "c"]]),
    "None in it": np.array([[None, 1.0, 2.0]], object),
    "complex": ROW * 1j,
    "matrix": ROW.view(np.matrix),
    "a dict": {"a": 1},
    "ragged": [[1.0], [1.0, 2.0]],
    "records": np.zeros(1, [("a", "f8")]),
    "big integers": [[10**400, 1, 1]],
    "sparse with NaN": sp.csr_matrix([[0.0, np.nan, 1.0]]),
    "sparse of another width": sp.csr_matrix(np.ones((1, 4))),
    "list": ROW.tolist(),
    "float16": ROW.astype("f2"),
    "int": np.ones((1, 3), int),
    "bool": np.ones((1, 3), bool),
    "masked": np.ma.masked_array(ROW, ROW > 0),
    "strided": np.ones((1, 6))[:, ::2],
    "Fortran": np.asfortranarray(X[:5]),
    "other byte order": ROW.astype(ROW.dtype.newbyteorder()),
}
for _value, _name in ((np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")):
    for _place in range(3):
        OTHERS[f"{_name} in column {_place}"] = np.where(np.arange(3) == _place, _value, ROW)
    OTHERS[f"{_name} in the last of 16 rows"] = np.where(
        np.arange(48).reshape(16, 3) == 47, _value, 1
    )
OTHERS["inf and -inf"] = np.array([[np.inf, -np.inf, 0.0]])

TAKEN: dict[str, Any] = {
    "one row": ROW,
    "16 rows": X[:16],
    "read-only": READ_ONLY,
    "a view into many rows": X[3:5],
    "large numbers": ROW * 1e200,  # whose squares would not be finite
    "subnormal numbers": np.full((1, 3), 5e-324),
}
CALLS = ("predict", "predict_proba", "predict_log_proba")


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    """Return our and scikit-learn's model with the same weights."""
    mine = C(max_iter=1, backend="numpy").fit(X, y)
    other = theirs.MLPClassifier((4,), max_iter=1, random_state=0).fit(X, y)
    return mine, other


def said(model: Any, call: str, x: Any) -> Any:
    """Return what a call returns, or class and words of its error."""
    try:
        with np.errstate(all="ignore"):
            return getattr(model, call)(x)
    except Exception as error:
        return type(error), re.sub(r"\bMLP\w+", "<the class>", str(error))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list of what went through scikit-learn's checks."""
    seen: list[Any] = []
    module: Any = _forward
    check = module.validate_data

    def counted(estimator: Any, x: Any, *arguments: Any, **named: Any) -> Any:
        seen.append(x)
        return check(estimator, x, *arguments, **named)

    monkeypatch.setattr(_forward, "validate_data", counted)
    return seen


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", OTHERS)
def test_other_input_hears_scikit_learn(
    name: str, call: str, pair: tuple[Any, Any], checked: list[Any]
) -> None:
    mine, other = (said(model, call, OTHERS[name]) for model in pair)
    assert len(checked) == 1
    if isinstance(other, tuple):
        assert mine == other
    else:
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", TAKEN)
def test_rows_that_skip_the_checks(
    name: str, call: str, pair: tuple[Any, Any], checked: list[Any]
) -> None:
    mine, other = (said(model, call, TAKEN[name]) for model in pair)
    assert checked == []
    np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


def test_many_rows_are_checked(pair: tuple[Any, Any], checked: list[Any]) -> None:
    pair[0].predict(X[:17])
    assert len(checked) == 1


def test_rows_of_another_float_type_are_checked(checked: list[Any]) -> None:
    model = C(max_iter=1, backend="numpy").fit(X.astype("f4"), y)
    checked.clear()
    model.predict(ROW)
    assert len(checked) == 1
    model.predict(ROW.astype("f4"))
    assert len(checked) == 1


def test_where_names_were_fitted_rows_are_checked(checked: list[Any]) -> None:
    model = C(max_iter=1, backend="numpy").fit(X, y)
    model.feature_names_in_ = np.array(["a", "b", "c"], object)
    checked.clear()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(ROW)
    assert len(checked) == 1


@pytest.mark.parametrize("name", ["one row", "NaN in column 1"])
def test_without_a_fit(name: str) -> None:
    mine = said(C(), "predict", {**OTHERS, **TAKEN}[name])
    other = said(theirs.MLPClassifier(), "predict", {**OTHERS, **TAKEN}[name])
    assert mine == other
