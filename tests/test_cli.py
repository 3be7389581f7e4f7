"""The command line: tables, JSON, exit codes, and that a mistake is answered in words."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import accelnn
from accelnn import BackendUnavailable, backends, cli, mnist_job
from accelnn.backends import cupy_probe
from accelnn.datasets import Dataset, load_digits, mnist
from accelnn.errors import DownloadError
from accelnn.training import train
from tests.backends.fresh import python

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, no MNIST, no backend of the environment's choice; wide tables."""
    for name in ("ACCELNN_DATA", "ACCELNN_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setattr(mnist, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run() -> Run:
    """Return a function that runs the command and returns what became of it."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli.main, arguments)

    return invoke


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> str:
    """Take CuPy away; return the reason that is to be given."""
    monkeypatch.setattr(cupy_probe, "_is_installed", lambda: False)
    monkeypatch.setattr(backends, "_instances", {})
    return "CuPy is not installed"


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Train on 200 of scikit-learn's digits, under their own name."""
    whole = load_digits()
    few = Dataset(
        whole.name,
        whole.X_train[:200],
        whole.y_train[:200],
        whole.X_test[:50],
        whole.y_test[:50],
        whole.pixel_max,
        note="[these] are not MNIST",
    )
    monkeypatch.setattr(mnist_job, "load_default", lambda folder: few)
    return few


def words(result: Result) -> str:
    """Return all that was printed, as one line."""
    return " ".join(result.output.split())


# backends ----------------------------------------------------------------------------------------


def test_backends_are_listed(run: Run, no_cupy: str) -> None:
    result = run("backends")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    for status in accelnn.list_backends():
        line = next(line for line in lines if f" {status.name} " in line)
        if status.usable:
            assert " yes " in line
            assert f"{status.library} {status.version}" in line
            assert status.device in line
        else:
            assert " no " in line
    assert no_cupy in words(result)
    assert "'accelnn[cuda12]'" in words(result)  # the brackets are no markup


def test_backends_as_json(run: Run, no_cupy: str, tmp_path: Path) -> None:
    result = run("backends", "--json", str(tmp_path / "b.json"))
    assert result.exit_code == 0
    found = json.loads((tmp_path / "b.json").read_text())
    assert found == [vars(status) for status in accelnn.list_backends()]
    assert [b["name"] for b in found] == ["numpy", "numba", "cupy"]
    assert found[2]["reason"] == no_cupy


def test_backends_in_a_narrow_terminal(
    run: Run, no_cupy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that installs what is missing stays in one piece, to be copied."""
    monkeypatch.setenv("COLUMNS", "40")
    result = run("backends")
    assert result.exit_code == 0
    assert f"cupy: {no_cupy}. Run: pip install 'accelnn[cuda12]'" in result.output


# train -------------------------------------------------------------------------------------------

KEYS = {
    "backend",
    "device",
    "data",
    "seconds_per_epoch",
    "samples_per_second",
    "test_accuracy",
    "best_test_accuracy",
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_train_on_every_backend(
    optimizer: str, run: Run, digits: Dataset, no_cupy: str, tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    arguments = ["--epochs", "2", "--batch-size", "20", "--optimizer", optimizer]
    result = run("train", *arguments, "--json", str(path))
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert [r["backend"] for r in found] == ["numpy", "numba", "cupy"]
    devices = {s.name: s.device for s in accelnn.list_backends()}
    for r in found[:2]:
        assert set(r) == KEYS
        assert r["device"] == devices[r["backend"]]
        assert r["data"] == "digits (scikit-learn, 8x8)"
        assert 0 < r["seconds_per_epoch"] < 60
        assert r["samples_per_second"] == pytest.approx(200 / r["seconds_per_epoch"])
        assert 0.3 < r["test_accuracy"] <= r["best_test_accuracy"] <= 1
    assert found[0]["test_accuracy"] == pytest.approx(found[1]["test_accuracy"], abs=0.06)
    assert set(found[2]) == {"backend", "reason"}
    assert found[2]["reason"].startswith(f"{no_cupy}. Run: pip install 'accelnn[cuda12]'")
    said = words(result)
    rate = {"sgd": "0.1", "adam": "0.001"}[optimizer]
    assert f"64-512-512-10, {optimizer} {rate}, batch 20, 2 epochs, float32" in said
    assert "[these] are not MNIST" in said
    assert no_cupy in said
    assert f"{found[0]['test_accuracy']:.4f}" in said


def test_a_seed_repeats_a_run(run: Run, digits: Dataset, tmp_path: Path) -> None:
    accuracies = []
    for i, seed in enumerate(("7", "7")):
        path = tmp_path / f"{i}.json"
        run("train", "--epochs", "1", "--backend", "numpy", "--seed", seed, "--json", str(path))
        accuracies.append(json.loads(path.read_text())[0]["test_accuracy"])
    assert accuracies[0] == accuracies[1]


def test_a_backend_is_trained_once_in_the_order_given(
    run: Run, digits: Dataset, tmp_path: Path
) -> None:
    names = ["--backend", "numba", "--backend", "numpy", "--backend", "numba"]
    result = run("train", "--epochs", "1", *names, "--json", str(tmp_path / "r.json"))
    assert result.exit_code == 0
    found = json.loads((tmp_path / "r.json").read_text())
    assert [r["backend"] for r in found] == ["numba", "numpy"]


def test_the_learning_rate_is_the_one_given(run: Run, digits: Dataset) -> None:
    result = run("train", "--epochs", "1", "--backend", "numpy", "--lr", "0.025")
    assert "adam 0.025," in words(result)


def test_a_backend_named_must_run(run: Run, digits: Dataset, no_cupy: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    result = run("train", "--epochs", "1", "--backend", "cupy", "--json", str(path))
    assert result.exit_code == 1
    assert f"{no_cupy}. Run: pip install 'accelnn[cuda12]'" in words(result)
    (found,) = json.loads(path.read_text())
    assert found["backend"] == "cupy"
    assert found["reason"].startswith(no_cupy)


def test_a_backend_that_fails_when_it_starts(
    run: Run, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so in its row, and the others' results are not lost."""

    def fail(*arguments: Any, **named: Any) -> Any:
        if named["backend"] == "numba":
            raise BackendUnavailable("numba", "it is too old", "Buy a new one.")
        return train(*arguments, **named)

    path = tmp_path / "r.json"
    monkeypatch.setattr(mnist_job, "train", fail)
    both = ["--backend", "numba", "--backend", "numpy"]
    result = run("train", "--epochs", "1", *both, "--json", str(path))
    assert result.exit_code == 1
    assert "it is too old. Buy a new one." in words(result)
    found = json.loads(path.read_text())
    assert found[0] == {"backend": "numba", "reason": "it is too old. Buy a new one."}
    assert found[1]["test_accuracy"] > 0.1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--precision", "half"], 2, "'half' is not one of 'float32', 'tf32', 'bf16'"),
        (["--backend", "nunpy"], 1, "unknown backend 'nunpy': .* did you mean 'numpy'?"),
        (["--backend", "auto"], 1, "unknown backend 'auto': expected one of 'numpy'"),
        (["--epoch", "3"], 2, "No such option.*--epoch.*--epochs"),
        (["--epochs", "0"], 2, "0 is not in the range"),
        (["--epochs", "many"], 2, "'many' is not a valid integer"),
        (["--batch-size", "0"], 2, "0 is not in the range"),
        (["--optimizer", "rmsprop"], 2, "'rmsprop' is not one of 'sgd', 'adam'"),
        (["--lr", "0"], 2, "0.* is not in the range"),
        (["--seed", "-1"], 2, "-1 is not in the range"),
        (["more"], 2, "unexpected extra argument"),
    ],
)
def test_a_mistake_is_answered(
    arguments: list[str], code: int, said: str, run: Run, digits: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    result = run("train", *arguments, "--json", str(path))
    assert result.exit_code == code
    assert re.search(said, words(result)), result.output
    assert "Traceback" not in result.output
    assert not path.exists()


def test_an_unknown_command(run: Run) -> None:
    result = run("tran")
    assert result.exit_code == 2
    assert "No such command 'tran'" in result.output


def test_an_empty_folder_is_no_data(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    path = tmp_path / "r.json"
    result = run("train", "--data", str(tmp_path / "empty"), "--json", str(path))
    assert result.exit_code == 1
    assert "empty lacks train-images-idx3-ubyte, train-labels-idx1-ubyte" in words(result)
    assert "accelnn data mnist --to DIR" in words(result)
    assert not path.exists()
    result = run("train", "--data", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert "none is not a folder" in words(result)


def test_training_that_diverges(run: Run, digits: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    arguments = ["--optimizer", "sgd", "--lr", "1e20", "--backend", "numba", "--json", str(path)]
    result = run("train", *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "the training loss became nan in epoch 1; lower the learning rate" in words(result)
    assert not path.exists()


@pytest.mark.parametrize("command", ["backends", "train"])
def test_json_into_a_folder_that_is_not_there(
    command: str, run: Run, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_job, "run", lambda *_: pytest.fail("trained before it looked"))
    result = run(command, "--json", str(tmp_path / "none" / "r.json"))
    assert result.exit_code == 1
    assert f"cannot write {tmp_path / 'none' / 'r.json'}" in words(result)
    result = run(command, "--json", str(tmp_path))
    assert result.exit_code == 2
    assert "is a directory" in words(result)


def test_json_that_cannot_be_replaced(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.json"
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    result = run("backends", "--json", str(path))
    assert result.exit_code == 1
    assert "disk full" in words(result)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_no_half_written_json(
    run: Run, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")

    def interrupted(self: Any, epoch: int, rows_done: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist_job._Bar, "on_progress", interrupted)
    result = run("train", "--backend", "numpy", "--json", str(path))
    assert result.exit_code in (1, 130)
    assert "Aborted!" in result.output
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_train_offline_says_that_it_is_not_mnist(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The way a user without a network goes: no data anywhere, no mirror answers."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise DownloadError("no mirror answered")

    monkeypatch.setattr(mnist, "fetch", unreachable)
    path = tmp_path / "r.json"
    result = run("train", "--epochs", "1", "--backend", "numpy", "--json", str(path))
    assert result.exit_code == 0
    assert "This is not MNIST." in words(result)
    assert "no mirror answered" in words(result)
    assert json.loads(path.read_text())[0]["data"] == "digits (scikit-learn, 8x8)"


def test_all_backends_start_from_the_same_weights(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    starts, seeds = [], []

    def noted(model: Any, *_: Any, **named: Any) -> None:
        starts.append(model.state_dict())
        seeds.append(named["seed"])
        raise ValueError("enough")

    monkeypatch.setattr(mnist_job, "train", noted)
    for name in ("numpy", "numba"):
        assert "enough" in run("train", "--backend", name, "--seed", "5").output
    assert seeds == [5, 5]
    for key, array in starts[0].items():
        np.testing.assert_array_equal(array, starts[1][key])


# data, help ------------------------------------------------------------------------------------


def test_data_mnist_fills_a_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tmp_path / "prepared"

    def prepare(to: str) -> tuple[Path, ...]:
        folder = Path(to)
        folder.mkdir()
        files = tuple(folder / f"{name}.gz" for name in mnist.SHA256)
        for file in files:
            file.write_bytes(b"")
        return files

    monkeypatch.setattr("accelnn.datasets.prepare_mnist", prepare)
    result = run("data", "mnist", "--to", str(prepared))
    assert result.exit_code == 0
    assert result.output.splitlines() == [str(prepared / f"{name}.gz") for name in mnist.SHA256]
    assert all(Path(line).exists() for line in result.output.splitlines())


def test_data_mnist_without_a_network(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(to: str) -> None:
        raise DownloadError("no mirror answered")

    monkeypatch.setattr("accelnn.datasets.prepare_mnist", prepare)
    result = run("data", "mnist", "--to", str(tmp_path / "x"))
    assert result.exit_code == 1
    assert "Error: no mirror answered" in result.output
    assert run("data", "mnist").exit_code == 2
    assert "Missing option '--to'" in run("data", "mnist").output


def test_help_and_version(run: Run) -> None:
    for option in ("-h", "--help"):
        result = run(option)
        assert result.exit_code == 0
        for command in ("backends", "train", "warmup", "bench", "data"):
            assert f"\n  {command} " in result.output
    assert run("--version").output == f"accelnn, version {accelnn.__version__}\n"
    for option in ("data", "epochs", "optimizer", "batch-size", "backend", "seed", "precision"):
        assert f"--{option}" in run("train", "-h").output


def test_python_m_accelnn(tmp_path: Path) -> None:
    done = python("-m", "accelnn", "backends", "--json", str(tmp_path / "b.json"), COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "numba" in done.stdout
    assert len(json.loads((tmp_path / "b.json").read_text())) == 3
    done = python("-m", "accelnn", "train", "--backend", "nunpy")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: unknown backend 'nunpy'")
    assert done.stdout == ""
    assert "Usage: accelnn [OPTIONS]" in python("-m", "accelnn", "-h").stdout
