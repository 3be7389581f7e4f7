"""``accelnn train`` on a device that offers what the CPU does not: bytes, and less precision."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import BackendUnavailable, checking, mnist_job, nn, optim, register_backend
from accelnn.datasets import Dataset
from accelnn.errors import DeviceMemoryError
from accelnn.program import lower
from tests.device import DeviceArray, DeviceBackend
from tests.test_cli import KEYS, Run, words
from tests.test_cli import digits as digits
from tests.test_cli import isolated as isolated
from tests.test_cli import run as run


def test_precision_where_it_is_offered(
    run: Run, digits: Dataset, device: DeviceBackend, tmp_path: Path
) -> None:
    """Of all backends, those without it say so below the table."""
    path = tmp_path / "r.json"
    arguments = ["--epochs", "1", "--precision", "tf32", "--json", str(path)]
    result = run("train", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    for r in found[:2]:
        said = f"backend '{r['backend']}' does not offer precision 'tf32'; it offers 'float32'."
        assert r["reason"].startswith(said)
        assert f"{r['backend']}: {said}" in words(result)
    assert set(found[2]) == KEYS
    assert found[2]["test_accuracy"] > 0.1
    assert device.precisions_seen == {"tf32"}
    assert "1 epochs, tf32" in words(result)
    assert run("train", *arguments, "--backend", "cupy").exit_code == 0


def test_a_precision_that_a_backend_named_does_not_offer(
    run: Run, digits: Dataset, device: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_job, "run", lambda *_: pytest.fail("trained before it looked"))
    both = ["--backend", "cupy", "--backend", "numpy"]
    result = run("train", "--precision", "tf32", *both)
    assert result.exit_code == 1
    said = "Error: backend 'numpy' does not offer precision 'tf32'; it offers 'float32'"
    assert said in words(result)


def test_a_backend_that_fails_when_asked_for_its_precisions(
    run: Run, digits: Dataset, device: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out when it starts, and says so in its row."""

    class Broken(DeviceBackend):
        def __init__(self) -> None:
            raise BackendUnavailable("cupy", "it broke", "Mend it.")

    register_backend("cupy", Broken)
    result = run("train", "--epochs", "1", "--precision", "tf32")
    assert result.exit_code == 0
    assert "cupy: it broke. Mend it." in words(result)


def test_the_images_go_in_as_bytes(run: Run, digits: Dataset, device: DeviceBackend) -> None:
    result = run("train", "--epochs", "1", "--backend", "cupy")
    assert result.exit_code == 0, result.output
    assert set(device.seen) == {(DeviceArray, "uint8")}


@pytest.mark.parametrize("way", ["train", "program"])
def test_lack_of_memory_anywhere_is_told_as_such(
    way: str, device: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a temporary does not fit, which no method of the backend has made."""

    class Guard:
        def __enter__(self) -> None: ...

        def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
            if isinstance(error, MemoryError):
                raise DeviceMemoryError("cupy", 8, 1, 2, 1, 1) from error

    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(device, "memory_guard", Guard)
    model = nn.Sequential(nn.Linear(3, 2)).to(device)
    sgd, loss = optim.SGD(model.parameters()), nn.CrossEntropyLoss()
    program = lower(model, loss, sgd, device, 2)
    X, y = np.eye(3, dtype="float32"), np.array([0, 1, 0])
    monkeypatch.setattr(checking, "_converted", full)
    fits: dict[str, Callable[[], Any]] = {
        "train": lambda: accelnn.train(model, loss, sgd, 2 * X, y, input_scale=0.5, backend=device),
        "program": lambda: program.bind(X, y, 0.5),
    }
    with pytest.raises(DeviceMemoryError, match="8"):
        fits[way]()
