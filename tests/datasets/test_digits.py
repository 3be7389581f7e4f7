"""The digits of scikit-learn, and what every Dataset can do."""

import dataclasses
import doctest
import importlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from accelnn.datasets import Dataset, load_digits


def test_every_digit_is_in_one_part() -> None:
    data, original = load_digits(), sklearn_datasets.load_digits()
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    images = np.concatenate([data.X_train, data.X_test]).reshape(-1, 64)
    both = np.column_stack([images, np.concatenate([data.y_train, data.y_test])])
    expected = np.column_stack([original.data, original.target])
    assert sorted(both.tolist()) == sorted(expected.tolist())


def test_split_is_stratified_and_always_the_same() -> None:
    data, again = load_digits(), load_digits()
    share = np.bincount(data.y_test) / np.bincount(np.concatenate([data.y_train, data.y_test]))
    assert share.min() > 0.19
    assert share.max() <= 0.2
    np.testing.assert_array_equal(data.X_test, again.X_test)

    original, seen, test = sklearn_datasets.load_digits(), [0] * 10, []
    for image, digit in zip(original.images, original.target, strict=True):
        seen[digit] += 1
        if seen[digit] % 5 == 0:
            test.append(image)
    np.testing.assert_array_equal(data.X_test, test)


def test_digits_are_never_called_mnist() -> None:
    data = load_digits()
    assert data.name == "digits (scikit-learn, 8x8)"
    assert "MNIST" not in f"{data!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features(dtype: type[np.floating]) -> None:
    data = load_digits()
    before = data.X_train.copy()
    X_train, X_test = data.features(dtype)
    assert X_train.shape == (len(data.X_train), 64)
    assert X_test.shape == (len(data.X_test), 64)
    for X in X_train, X_test:
        assert X.dtype == dtype
        assert X.flags.c_contiguous
        assert (X.min(), X.max()) == (0, 1)
    np.testing.assert_array_equal(X_train * 16, before.reshape(-1, 64))
    X_train[:] = -1
    np.testing.assert_array_equal(data.X_train, before)


def test_features_of_other_layouts_and_of_nothing() -> None:
    images = np.asfortranarray(np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4))
    labels = np.zeros(2, np.int64)
    data = Dataset("test", images, labels, images[:0], labels[:0], pixel_max=255)
    X_train, X_test = data.features()
    expected = np.arange(24, dtype=np.float32).reshape(2, 12) / np.float32(255)
    np.testing.assert_array_equal(X_train, expected, strict=True)
    assert X_train.flags.c_contiguous
    assert X_test.shape == (0, 12)


def test_dataset_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_digits().name = "MNIST"  # type: ignore[misc]


def test_import_is_light() -> None:
    code = (
        "import sys, accelnn.datasets; "
        "print([name for name in ('sklearn', 'rich', 'urllib.request', 'numba') "
        "if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("module", ["dataset", "digits", "idx"])
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"accelnn.datasets.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
