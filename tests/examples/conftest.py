"""Fixtures for the tests of the experiments."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def experiment(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Run ``examples/plot_NAME.py`` for ``test_NAME.py``, once, and return its variables."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    name = request.path.stem.removeprefix("test_")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ACCELNN_BACKEND", raising=False)  # the scripts choose for themselves
        patch.setattr(plt, "show", lambda *args, **how: None)
        yield runpy.run_path(str(EXAMPLES / f"plot_{name}.py"))
    plt.close("all")
