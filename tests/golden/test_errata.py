"""Every printed error of the notes: what is printed is not what the library gives."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn.backends import Backend
from tests.golden.entries import on_host
from tests.golden.misprints import LISTED, PAIRS, REFUSED

#: How many each document has.
COUNTS = {0: 10, 1: 16, 2: 9, 3: 12, 4: 10}
ERRATA = [f"E{document}-{n + 1}" for document, count in COUNTS.items() for n in range(count)]


@pytest.mark.parametrize("erratum", PAIRS)
def test_printed_differs(erratum: str, backend: Backend) -> None:
    """Both sides are of one shape; somewhere they are apart by more than a hundredth."""
    with accelnn.use_backend(backend):
        right, printed = (np.asarray(on_host(side), "float64") for side in PAIRS[erratum]())
    assert right.shape == printed.shape
    assert np.isfinite(right).all()
    close: Any = np.isclose(printed, right, rtol=0.01, atol=1e-3)
    assert not close.all(), (right, printed)


@pytest.mark.parametrize("erratum", REFUSED)
def test_printed_is_refused(erratum: str, backend: Backend) -> None:
    error, compute = REFUSED[erratum]
    with accelnn.use_backend(backend), pytest.raises(error):
        compute()


def test_all_57_are_here_once() -> None:
    assert len(ERRATA) == 57
    assert sorted([*PAIRS, *REFUSED, *LISTED]) == sorted(ERRATA)
    assert all(len(reason) > 20 for reason in LISTED.values())
