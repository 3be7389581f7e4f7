"""Fixtures for all tests."""

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def rng() -> Any:
    """Return a random generator that starts the same in every test."""
    return np.random.default_rng(2026)
