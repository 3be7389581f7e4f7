"""Listings run on each backend, as if it had been chosen for the whole program."""

from collections.abc import Iterator

import pytest

import accelnn as torch
from accelnn.backends import Backend


@pytest.fixture(autouse=True)
def _on_backend(backend: Backend) -> Iterator[None]:
    with torch.use_backend(backend):
        yield
