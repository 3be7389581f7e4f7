"""The main job on the real MNIST: ``accelnn train``, its accuracies and its equal weights."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from accelnn import datasets, nn, optim
from accelnn.backends import get_backend
from accelnn.cli import main
from accelnn.program import lower
from tests.tolerances import tolerance

pytestmark = pytest.mark.skipif(
    "ACCELNN_DATA" not in os.environ, reason="ACCELNN_DATA does not name a folder with MNIST"
)


def run(tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    out = tmp_path / "out.json"
    arguments = ["train", "--data", os.environ["ACCELNN_DATA"], "--json", str(out), *options]
    result = CliRunner().invoke(main, [*arguments, "--backend", "numpy", "--backend", "numba"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(out.read_text())
    assert [r["backend"] for r in found] == ["numpy", "numba"]
    assert {r["data"] for r in found} == {"MNIST"}
    return found


def test_adam_five_epochs(tmp_path: Path) -> None:
    for result in run(tmp_path, "--epochs", "5", "--optimizer", "adam"):
        assert 0.975 <= result["best_test_accuracy"] <= 1
        assert 0.96 <= result["test_accuracy"] <= result["best_test_accuracy"]


def test_sgd_four_epochs(tmp_path: Path) -> None:
    for result in run(tmp_path, "--epochs", "4", "--optimizer", "sgd"):
        assert 0.955 <= result["test_accuracy"] <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_same_weights_after_20_steps(optimizer: str, dtype: str) -> None:
    data = datasets.load_mnist()
    X = data.features(np.dtype(dtype).type)[0][:2560]
    ends = []
    for name in ("numpy", "numba"):
        backend, rng = get_backend(name), np.random.default_rng(0)
        layers: list[nn.Module] = []
        for n_in, n_out in ((784, 512), (512, 512), (512, 10)):
            k = n_in**-0.5
            w, b = rng.uniform(-k, k, (n_in, n_out)), rng.uniform(-k, k, n_out)
            layers += [nn.Linear.from_storage(w.astype(dtype), b.astype(dtype), backend), nn.ReLU()]
        model = nn.Sequential(*layers[:-1])
        rule = (
            optim.SGD(model.parameters(), lr=0.1)
            if optimizer == "sgd"
            else optim.Adam(model.parameters())
        )
        program = lower(model, nn.CrossEntropyLoss(), rule, backend, 128)
        program.bind(X, data.y_train[:2560])
        program.start_epoch(rng.permutation(2560))
        start = program.plan.params.copy()
        program.run(0, 20, [rule.lr] * 20)
        assert np.abs(program.plan.params - start).max() > 1e-3
        ends.append(program.plan.params)
    if dtype == "float64":
        np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_allclose(ends[0], ends[1], **tolerance(dtype, 784 * 20))
