"""Bad data in ``train``: what was passed, what was expected; and the model stays as it was."""

import re
from typing import Any

import numpy as np
import pytest

from accelnn import get_backend, nn, optim, train
from accelnn.checking import check_count, check_features, check_finite, check_targets
from tests.tolerances import assert_close

GOOD = np.linspace(-1, 1, 12).reshape(4, 3)
CLASSES = np.array([0, 1, 1, 0])
HOLE = GOOD.copy()
HOLE[2, 1] = np.nan
ENDLESS = GOOD.copy()
ENDLESS[3, 0], ENDLESS[3, 1] = np.inf, -np.inf

#: (X, message, error); the network reads 3 features.
FEATURES: dict[str, tuple[Any, type[Exception], str]] = {
    "NaN": (HOLE, ValueError, r"X holds 1 values that are NaN or infinite in float32.*\(2, 1\)"),
    "infinite": (ENDLESS, ValueError, r"X holds 2 values .* the first at \(3, 0\); remove, impute"),
    "too large": (GOOD * 1e300, ValueError, r"X holds 12 values .* infinite in float32.* scale"),
    "empty": (GOOD[:0], ValueError, r"X has no rows \(shape \(0, 3\)\); expected at least one"),
    "1-D": (GOOD[0], ValueError, r"row per sample.*got shape \(3,\).*X.reshape\(1, -1\)"),
    "a number": (3.0, ValueError, r"X must have a row per sample.* got shape \(\)"),
    "too narrow": (
        GOOD[:, :2],
        ValueError,
        r"X has 2 features per row \(shape \(4, 2\)\), the first layer expects 3",
    ),
    "images": (
        np.zeros((4, 2, 2)),
        ValueError,
        r"X has 4 features per row \(shape \(4, 2, 2\)\), the first layer expects 3",
    ),
    "strings": (np.full((4, 3), "a"), TypeError, "X must hold real numbers, got dtype <U1"),
    "objects": (GOOD.astype(object), TypeError, "X must hold real numbers, got dtype object"),
    "complex": (GOOD + 1j, TypeError, "X must hold real numbers, got dtype complex128"),
    "nothing": (None, TypeError, "X must hold real numbers, got dtype object"),
    "ragged": ([[1, 2, 3], [4, 5]], ValueError, "X is no array, its rows differ in length"),
}

TARGETS: dict[str, tuple[Any, type[Exception], str]] = {
    "too few": (CLASSES[:3], ValueError, r"y must have a row for each of the 4 of X.*\(3,\)"),
    "a number": (1, ValueError, r"y must have a row for each of the 4 of X, got shape \(\)"),
    "nothing": (None, ValueError, r"y must have a row for each of the 4 of X, got shape \(\)"),
    "floats": (
        CLASSES * 1.0,
        TypeError,
        r"y must hold integer classes 0 ... 1 .*got dtype float64; y.astype\('int64'\)",
    ),
    "booleans": (CLASSES == 1, TypeError, r"got dtype bool; y.astype\('int64'\)"),
    "strings": (np.array(list("abba")), TypeError, "y must hold integer classes.*got dtype <U1"),
    "columns": (
        np.eye(2, dtype=int)[CLASSES],
        ValueError,
        r"y must hold one class per row of X, shape \(4,\), got \(4, 2\)",
    ),
    "too large": (CLASSES + 1, ValueError, r"classes 0 ... 1, as many .* outputs, got 1 ... 2"),
    "negative": (CLASSES - 1, ValueError, r"classes 0 ... 1, as many .* outputs, got -1 ... 0"),
    "ragged": ([[0], [1], [0, 1], [1]], ValueError, "y is no array, its rows differ in length"),
}

VALUES: dict[str, tuple[Any, type[Exception], str]] = {
    "too few": (GOOD[:3, :2], ValueError, r"y must have a row for each of the 4 of X.*\(3, 2\)"),
    "too wide": (
        GOOD,
        ValueError,
        r"y must have shape \(4, 2\), a row for each of X and a value per output, got \(4, 3\)",
    ),
    "1-D": (GOOD[:, 0], ValueError, r"y must have shape \(4, 2\).*got \(4,\)"),
    "NaN": (HOLE[:, :2], ValueError, r"y holds 1 values that are NaN .* the first at \(2, 1\)"),
    "infinite": (ENDLESS[:, :2], ValueError, r"y holds 2 values .* the first at \(3, 0\)"),
    "strings": (np.full((4, 2), "1"), TypeError, "y must hold real numbers, got dtype <U1"),
    "complex": (GOOD[:, :2] * 1j, TypeError, "y must hold real numbers, got dtype complex128"),
}


def attempt(error: type[Exception], said: str, X: Any, y: Any, **arguments: Any) -> None:
    """Assert that ``train`` refuses, and that model and optimizer are as before."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    rule = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    before = model.state_dict()
    arrays = [p.array for p in model.parameters()]
    loss = arguments.pop("loss", None) or nn.CrossEntropyLoss()
    with pytest.raises(error, match=said):
        train(model, loss, rule, X, y, **{"backend": "numba", **arguments})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert all(p.array is a for p, a in zip(model.parameters(), arrays, strict=True))
    assert {p.backend.name for p in model.parameters()} == {"numpy"}
    assert not model.training
    assert rule.t == 0


@pytest.mark.parametrize("case", FEATURES)
def test_bad_features(case: str) -> None:
    X, error, said = FEATURES[case]
    attempt(error, said, X, CLASSES)


@pytest.mark.parametrize("case", FEATURES)
def test_bad_validation_features(case: str) -> None:
    X, error, said = FEATURES[case]
    if X is None:  # means that there are none
        attempt(ValueError, "X_val and y_val go together", GOOD, CLASSES, X_val=X, y_val=CLASSES)
    else:
        said = re.sub(r"^X|X(?=\.reshape)", "X_val", said)
        attempt(error, said, GOOD, CLASSES, X_val=X, y_val=CLASSES)


@pytest.mark.parametrize("case", TARGETS)
def test_bad_classes(case: str) -> None:
    y, error, said = TARGETS[case]
    attempt(error, said, GOOD, y)


@pytest.mark.parametrize("case", [case for case in TARGETS if case != "nothing"])
def test_bad_validation_classes(case: str) -> None:
    y, error, said = TARGETS[case]
    said = re.sub(r"^y|y(?=\.astype)", "y_val", said)
    attempt(error, said, GOOD, CLASSES, X_val=GOOD, y_val=y)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.BCEWithLogitsLoss()])
@pytest.mark.parametrize("case", VALUES)
def test_bad_values(case: str, loss: nn.Loss) -> None:
    y, error, said = VALUES[case]
    attempt(error, said, GOOD, y, loss=loss)


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "2", None, True])
def test_bad_counts(name: str, value: Any) -> None:
    said = f"{name} must be an integer of at least 1, got {value!r}"
    attempt(ValueError, said, GOOD, CLASSES, **{name: value})


@pytest.mark.parametrize("given", [{"X_val": GOOD}, {"y_val": CLASSES}])
def test_validation_data_come_in_pairs(given: dict[str, Any]) -> None:
    said = "X_val and y_val go together; only one of them was given"
    attempt(ValueError, said, GOOD, CLASSES, **given)


def test_an_unknown_backend() -> None:
    said = r"unknown backend 'nunba'.*did you mean 'numba'\?"
    attempt(ValueError, said, GOOD, CLASSES, backend="nunba")


def test_counts_of_numpy() -> None:
    assert check_count("epochs", np.int32(3)) == 3
    assert type(check_count("epochs", np.int32(3))) is int


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_good_features_are_not_copied(dtype: str) -> None:
    X = GOOD.astype(dtype)
    assert check_features(X, 3, dtype, get_backend("numpy")) is X


@pytest.mark.parametrize("given", ["int8", "uint8", "int64", "bool", "float16", "float32"])
def test_numbers_of_any_kind_are_converted(given: str) -> None:
    X = np.array([[0, 1, 1], [1, 0, 1]]).astype(given)
    held = check_features(X, 3, "float64", get_backend("numpy"))
    assert_close(held, np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]))


def test_images_become_rows_and_lists_arrays() -> None:
    numpy = get_backend("numpy")
    images = np.arange(12).reshape(2, 2, 3)
    assert_close(check_features(images, 6, "float32", numpy), images.reshape(2, 6).astype("f4"))
    assert_close(
        check_features([[1, 2], [3, 4]], 2, "float64", numpy), np.array([[1.0, 2], [3, 4]])
    )
    strided = np.asfortranarray(GOOD)
    held = check_features(strided, 3, "float64", numpy)
    assert held.flags.c_contiguous
    assert_close(held, GOOD)


def test_targets_take_the_form_that_kernels_want() -> None:
    numpy = get_backend("numpy")
    held = check_targets([1, 0], 2, 2, True, "float32", numpy)
    assert_close(held, np.array([1, 0], np.int64))
    held = check_targets(np.array([1, 0], np.uint8), 2, 2, True, "float32", numpy)
    assert_close(held, np.array([1, 0], np.int64))
    held = check_targets([1, 0], 2, 1, False, "float32", numpy)
    assert_close(held, np.array([[1.0], [0.0]], np.float32))
    own_code = check_targets(np.array([1.5, 2.5]), 2, None, False, "float32", numpy)
    assert_close(own_code, np.array([1.5, 2.5]))  # as it is: only the model knows


def test_large_numbers_are_finite() -> None:
    """Their sum overflows, which is no reason to refuse them and none to warn."""
    check_finite(np.full((2, 2), 3e38, np.float32), get_backend("numpy"), "X")
