"""Every example of the notes on every backend: value by value, by calls of the library.

What a file's functions return must hold all that an example expects. What its document prints must
agree with it too, and what is printed wrongly must not.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor
from accelnn.backends import Backend
from tests.golden import s0, s1, s2, s3, s4
from tests.golden.entries import COPY, ENTRIES, Compute, Golden, on_host, read

#: Example, or all of one number such as S0-G08-sigmoid and S0-G08-tanh -> what computes it.
COMPUTED: dict[str, Compute] = {}
for document in (s0, s1, s2, s3, s4):
    COMPUTED |= document.COMPUTED
PROGRAMS: dict[str, Compute] = s1.PROGRAMS | s2.PROGRAMS | s3.PROGRAMS | s4.PROGRAMS


def number(name: str) -> str:
    """Return S0-G08 of S0-G08-tanh, S4-G13 of S4-G13c."""
    return name[: len("S0-G08")]


def function(name: str) -> Compute:
    """Return what computes an example: its own function, or that of its number."""
    return COMPUTED.get(name) or COMPUTED[number(name)]


#: Examples that a program can run, too.
TRAINED = [name for name in ENTRIES if number(name) in PROGRAMS]

#: What is printed with fewer digits than it has: the decimals.
ROUNDED = {("S4-G02", "softmax"): 2}


def is_array(values: Any) -> bool:
    """Return whether all rows are of one length."""
    try:
        return bool(np.asarray(values).dtype.kind)
    except ValueError:
        return False


def agrees(golden: Golden, actual: Any, expected: Any) -> bool:
    """Return whether shape and values are the expected ones; lists of arrays go one by one."""
    if isinstance(expected, dict):
        return all(agrees(golden, actual[key], part) for key, part in expected.items())
    if isinstance(expected, bool) or expected is None:
        return actual is expected
    if isinstance(actual, list) and not is_array(expected):
        pairs = zip(actual, expected, strict=True)
        return all(agrees(golden, *pair) for pair in pairs)
    if isinstance(actual, list) and isinstance(actual[0], Tensor):
        actual = [part.numpy() for part in actual]
    actual = on_host(actual)
    expected = np.asarray(expected, "float64")
    if actual.shape != expected.shape:
        return False
    return np.allclose(actual, expected, **golden.tolerance)


def holds(golden: Golden, key: str, actual: Any) -> bool:
    """Return whether a value is what the example expects under this name."""
    expected = golden.expected[key]
    if isinstance(expected, float) and key.endswith("_above"):
        return bool(actual > expected)
    if isinstance(expected, float) and key.endswith("_below"):
        return bool(actual < expected)
    return agrees(golden, actual, expected)


def assert_random_start(golden: Golden, found: dict[str, Any]) -> None:
    """Another generator drew the printed numbers: ours share their shapes and their bound."""
    bound = golden.expected["bound"]
    assert found["bound"] == pytest.approx(bound, rel=1e-3)
    assert found["all_inside"] is True
    for key, printed in golden.printed.items():
        values = found[key].numpy()
        assert values.shape == np.shape(printed) == np.shape(golden.expected[key])
        assert str(values.dtype) == golden.dtype
        assert np.abs(values).max() <= bound
        assert np.abs(printed).max() <= bound
        np.testing.assert_allclose(printed, golden.expected[key], rtol=0, atol=5e-5)


def assert_golden(golden: Golden, found: dict[str, Any]) -> None:
    """Assert all that is expected, what is printed of it, and that misprints differ."""
    assert golden.expected.keys() <= found.keys(), "not everything that is expected was computed"
    if golden.kind == "torch-rng":
        return assert_random_start(golden, found)
    for key in golden.expected:
        assert holds(golden, key, found[key]), (key, found[key], golden.expected[key])
    for key, printed in golden.printed.items():
        decimals = ROUNDED.get((golden.id, key))
        value = found[key] if decimals is None else np.round(found[key].numpy(), decimals)
        assert agrees(golden, value, printed), (key, value, printed)
    for key, misprint in golden.misprinted.items():
        wrong = float(misprint) if isinstance(misprint, str) else misprint
        assert np.shape(wrong) == np.shape(golden.expected[key])
        assert not agrees(golden, found[key], wrong), (key, found[key], wrong)
    return None


@pytest.mark.parametrize("name", ENTRIES)
def test_golden(name: str, backend: Backend) -> None:
    golden = Golden(name)
    with accelnn.use_backend(backend):
        assert_golden(golden, function(name)(golden, backend))


@pytest.mark.parametrize("name", TRAINED)
def test_golden_program(name: str, backend: Backend) -> None:
    """The runs that a program can make, by one."""
    golden = Golden(name)
    with accelnn.use_backend(backend):
        assert_golden(golden, PROGRAMS[number(name)](golden, backend))


def test_every_example_is_computed() -> None:
    used = {function(name) for name in ENTRIES}
    assert used == set(COMPUTED.values())
    assert PROGRAMS.keys() <= COMPUTED.keys()


@pytest.mark.skipif("ACCELNN_GOLDEN" not in os.environ, reason="ACCELNN_GOLDEN names no file")
def test_the_copy_is_the_file() -> None:
    """Number by number; titles are our own."""
    given, ours = read(Path(os.environ["ACCELNN_GOLDEN"])), read(COPY)
    assert given.keys() == ours.keys()
    for name, entry in ours.items():
        for key in entry.keys() - {"title"}:
            assert repr(entry[key]) == repr(given[name][key]), (name, key)


@pytest.mark.parametrize("name", ["S0-G04", "S1-G24", "S2-G21-ce", "S3-G11"])
def test_one_number_changed_is_seen(name: str, backend: Backend) -> None:
    """Each expected value in turn, by more than the tolerance."""
    golden = Golden(name)
    found = function(name)(golden, backend)
    for key, value in golden.expected.items():
        if isinstance(value, list) and isinstance(value[0], list) and key == "final_params":
            continue  # of several shapes
        changed = (np.asarray(value) + 1e-6).tolist()
        assert agrees(golden, found[key], value)
        assert not agrees(golden, found[key], changed), key


def test_what_is_left_out_or_printed_wrongly_is_seen(backend: Backend) -> None:
    golden = Golden("S1-G24")
    found = function("S1-G24")(golden, backend)
    assert_golden(golden, found)
    with pytest.raises(AssertionError, match="not everything"):
        assert_golden(golden, {key: found[key] for key in found.keys() - {"db2"}})
    golden.misprinted = {"dz2": golden.expected["dz2"]}
    with pytest.raises(AssertionError, match="dz2"):
        assert_golden(golden, found)
    golden.misprinted, golden.printed = {}, {"dz2": [[0.25, 0.25]]}
    with pytest.raises(AssertionError, match="dz2"):
        assert_golden(golden, found)
    golden.printed, golden.expected = {}, {"dz2": [0.125, 0.125]}
    with pytest.raises(AssertionError, match="dz2"):  # another shape
        assert_golden(golden, found)
