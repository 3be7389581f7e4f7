"""Fixtures for all tests."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import backends
from accelnn.backends import Backend
from tests.device import DeviceBackend


@pytest.fixture
def rng() -> Any:
    """Return a random generator that starts the same in every test."""
    return np.random.default_rng(2026)


@pytest.fixture(params=["numpy", "numba", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend with arrays of its own; one that cannot run here is a skip with its reason."""
    status = next(s for s in accelnn.list_backends() if s.name == request.param)
    if not status.usable:
        pytest.skip(f"{status.reason}. {status.remedy}")
    return accelnn.get_backend(request.param)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> DeviceBackend:
    """Return a backend with arrays of its own class, which stands for CuPy in this test."""
    monkeypatch.setattr(backends, "_REGISTRY", {**backends._REGISTRY, "cupy": DeviceBackend})
    monkeypatch.setattr(backends, "_instances", {})
    held = accelnn.get_backend("cupy")
    assert isinstance(held, DeviceBackend)
    return held
