"""Unusual input that is fine comes out as its plain form does; and what training itself ends."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.neural_network as theirs
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from accelnn import MLPClassifier, MLPRegressor
from tests.estimators.bad_cases import LABELS, C, R, X, t, val, y

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HALVES = np.round(X * 4) / 4  # which every type of floats holds exactly
WHOLE = np.round(X * 4)
READ_ONLY = X.copy()
READ_ONLY.flags.writeable = False
WIDE = np.zeros((24, 6))
WIDE[:, ::2] = X
KINDS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")

#: What is given for X, and the same as a plain array.
FORMS: dict[str, tuple[Any, Any]] = {
    "Fortran": (np.asfortranarray(X), X),
    "strided": (WIDE[:, ::2], X),
    "rows backwards": (X[::-1].copy()[::-1], X),
    "read-only": (READ_ONLY, X),
    "masked": (np.ma.masked_array(X, X > 1), X),  # scikit-learn reads what lies under a mask
    "object": (X.astype(object), X),
    "list": (X.tolist(), X),
    "tuples": (tuple(map(tuple, X.tolist())), X),
    "other byte order": (X.astype(X.dtype.newbyteorder()), X),
    "float16": (HALVES.astype("f2"), HALVES),
    "longdouble": (HALVES.astype(np.longdouble), HALVES),
    "int8": (WHOLE.astype("i1"), WHOLE),
    "uint64": (np.abs(WHOLE).astype("u8"), np.abs(WHOLE)),
    "bool": (X > 0, (X > 0).astype(float)),
    "datetime": (WHOLE.astype("M8[s]"), WHOLE),  # seconds, as scikit-learn reads them
    **{f"{kind} matrix": (getattr(sp, f"{kind}_matrix")(X), X) for kind in KINDS},
    **{f"{kind} array": (getattr(sp, f"{kind}_array")(X), X) for kind in KINDS},
    "sparse int64 indices": (
        sp.csr_array((X.ravel(), np.tile(np.arange(3), 24), np.arange(25) * 3)),
        X,
    ),
}


def assert_same_weights(a: Any, b: Any) -> None:
    for mine, other in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_x(form: str, backend: str) -> None:
    given, plain = FORMS[form]
    a, b = (C(backend=backend).fit(x, y) for x in (given, plain))
    assert_same_weights(a, b)
    for call in ("predict", "predict_proba", "transform"):
        np.testing.assert_array_equal(getattr(a, call)(given), getattr(b, call)(plain))
    assert a.score(given, y) == b.score(plain, y)


@pytest.mark.parametrize("form", ["csr matrix", "coo array", "list", "Fortran", "strided"])
def test_a_form_of_x_val_and_of_partial_fit(form: str, backend: str) -> None:
    given, plain = FORMS[form]
    a, b = (
        C(backend=backend).fit(x, y, **val(X_val=x, y_val=y)).partial_fit(x, y)
        for x in (given, plain)
    )
    assert a.validation_scores_ == b.validation_scores_
    np.testing.assert_allclose(a.validation_loss_curve_, b.validation_loss_curve_, rtol=1e-12)
    assert_same_weights(a, b)


def test_numbers_as_text_are_for_fit_alone(backend: str) -> None:
    """As in scikit-learn."""
    model = C(backend=backend).fit(HALVES.astype(str), y)
    assert_same_weights(model, C(backend=backend).fit(HALVES, y))
    with pytest.raises(ValueError, match="not compatible with arrays of bytes/strings"):
        model.predict(HALVES.astype(str))


def test_a_memory_map(tmp_path: Path, backend: str) -> None:
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    a, b = (C(backend=backend).fit(x, y) for x in (mapped, X))
    assert_same_weights(a, b)
    np.testing.assert_array_equal(a.predict_proba(mapped), b.predict_proba(X))


def test_another_dtype_at_predict(backend: str) -> None:
    """It is read in the dtype of the network, which no call changes."""
    for mine, other in (("f8", "f4"), ("f4", "f8")):
        model = C(backend=backend).fit(HALVES.astype(mine), y)
        expected = model.predict_proba(HALVES.astype(mine))
        found = model.predict_proba(HALVES.astype(other))
        assert found.dtype == expected.dtype == np.dtype(mine)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model.predict(WHOLE.astype(int)), model.predict(WHOLE))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame(library: str, backend: str) -> None:
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    frame = __import__(library).DataFrame({name: X[:, i] for i, name in enumerate("abc")})
    a, b = (C(backend=backend).fit(x, y) for x in (frame, X))
    assert_same_weights(a, b)
    assert a.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        np.testing.assert_array_equal(a.predict(X), b.predict(X))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([-(2**62), 5, 2**62]),
        np.array([1, 5, 2**63 + 5], np.uint64),
        np.array(["a", "b", "c"]),
        np.array(["a", "b", "c"], object),
        np.array(["1970", "1980", "1990"], "M8[Y]"),
        np.array([-0.0, 1.0, 2.0**60]),
    ],
    ids=lambda labels: f"{labels.dtype}",
)
def test_labels_of_any_kind(labels: Any, backend: str) -> None:
    a, b = C(backend=backend).fit(X, labels[y]), C(backend=backend).fit(X, y)
    assert_same_weights(a, b)
    np.testing.assert_array_equal(a.classes_, labels)
    np.testing.assert_array_equal(a.predict(X), labels[b.predict(X)])
    assert a.score(X, labels[y]) == b.score(X, y)


def test_labels_that_numpy_makes_text(backend: str) -> None:
    a = C(backend=backend).fit(X, [1, "a", 2] * 8)
    assert a.classes_.tolist() == ["1", "2", "a"]


def test_one_class(backend: str) -> None:
    model = C(backend=backend).fit(X, np.full(24, 7))
    assert model.predict(X).tolist() == [7] * 24
    assert model.score(X, np.full(24, 7)) == 1.0


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array", "lil_matrix"])
def test_labels_kept_sparse(kind: str, backend: str) -> None:
    given = getattr(sp, kind)(LABELS)
    a, b = (C(backend=backend).fit(X, labels, X_val=X, y_val=labels) for labels in (given, LABELS))
    assert_same_weights(a, b)
    assert a.validation_scores_ == b.validation_scores_
    assert a.score(X, given) == b.score(X, LABELS)


@pytest.mark.parametrize(
    "given", [t.tolist(), t.astype(object), t.astype("f4"), sp.csr_matrix(np.stack([t, t], 1))]
)
def test_a_form_of_numbers(given: Any, backend: str) -> None:
    dense = given.toarray() if sp.issparse(given) else np.array(given, float)
    a, b = (R(backend=backend).fit(X, numbers) for numbers in (given, dense))
    assert_same_weights(a, b)


def test_a_column_of_labels_is_warned_of(backend: str) -> None:
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        a = C(backend=backend).fit(X, y[:, None])
    assert_same_weights(a, C(backend=backend).fit(X, y))
    b, c = (C(backend=backend).fit(X, y, X_val=X, y_val=v) for v in (y[:, None], y))
    assert b.validation_scores_ == c.validation_scores_


def test_weights_of_any_kind(backend: str) -> None:
    ones = np.ones(24)
    plain = C(backend=backend).fit(X, y, ones * 2)
    for given in (
        (ones * 2).tolist(),
        (ones * 2).astype(int),
        np.stack([ones * 2] * 2, 1)[:, 0],
        2,
    ):
        assert_same_weights(C(backend=backend).fit(X, y, given), plain)


def test_a_class_that_a_part_of_the_data_lacks(backend: str) -> None:
    """Its weight is for later; classes that have none have 1."""
    part = y < 2
    a, b = (
        C(backend=backend, class_weight=given).partial_fit(X[part], y[part], classes=[0, 1, 2])
        for given in ({0: 2.0, 2: 3.0}, {0: 2.0, 1: 1.0, 2: 3.0})
    )
    assert_same_weights(a, b)
    c = C(backend=backend).partial_fit(
        X[part], y[part], np.where(y == 0, 2.0, 1.0)[part], [0, 1, 2]
    )
    assert_same_weights(a, c)


def test_from_l_bfgs_to_another_solver(backend: str) -> None:
    model = C(backend=backend, solver="lbfgs").fit(X, y)
    assert not hasattr(model, "loss_curve_")
    model.set_params(solver="adam").partial_fit(X, y)
    assert len(model.loss_curve_) == 1
    model.set_params(solver="lbfgs", warm_start=False).fit(X, y)
    model.set_params(solver="sgd", warm_start=True).fit(X, y)
    assert len(model.loss_curve_) == 2


# What training itself ends ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the way to infinity
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence(dtype: str, backend: str) -> None:
    """An error, as in scikit-learn; but what was fitted before remains."""
    model = R(backend=backend, warm_start=True).fit(X.astype(dtype), t)
    before = model.predict(X)
    model.set_params(solver="sgd", learning_rate_init=1e8, max_iter=40)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X.astype(dtype), t)
    np.testing.assert_array_equal(model.predict(X), before)
    assert len(model.loss_curve_) == 2


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_with_early_stopping_keeps_the_best(dtype: str, backend: str) -> None:
    how: Any = {"solver": "sgd", "learning_rate_init": 1e8, "early_stopping": True, "max_iter": 20}
    mine = R(backend=backend, **how).fit(X.astype(dtype), t)
    other = theirs.MLPRegressor("squared_error", (4,), random_state=0, **how).fit(
        X.astype(dtype), t
    )
    assert np.isfinite(mine.predict(X)).all()
    assert np.isfinite(other.predict(X)).all()
    assert np.isnan(mine.validation_scores_[-1])
    assert np.isnan(other.validation_scores_[-1])
    assert mine.best_validation_score_ == max(s for s in mine.validation_scores_ if s == s)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_out_of_time_in_the_first_epoch(kind: Any, backend: str) -> None:
    model = kind(batch_size=8, max_time=1e-9, backend=backend)
    with pytest.warns(ConvergenceWarning, match=r"max_time=1e-09 seconds are over after 0 epochs"):
        model.fit(X, y)
    assert (model.n_iter_, model.loss_curve_, model.t_) == (0, [], 0)
    assert model.predict(X).shape == (24,)
    assert len(model.set_params(max_time=None).partial_fit(X, y).loss_curve_) == 1
