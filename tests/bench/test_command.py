"""The command: parts become a run, a mistake is answered before anything runs, exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from click.testing import CliRunner, Result

from accelnn import backends
from accelnn.backends import cupy_probe
from accelnn.bench import command
from accelnn.bench.suites import PARTS
from tests.bench import fake_suites
from tests.bench.fake_suites import BAD, GOOD, OTHER, SKIPPED, ran
from tests.bench.made_runs import run_of

Run = Callable[..., Result]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[Any]]]:
    """Return the pages that were asked for, none of which is drawn."""
    asked: list[tuple[Path, list[Any]]] = []
    monkeypatch.setattr(command, "write_page", lambda path, runs: asked.append((path, runs)))
    return asked


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pages: Any) -> Run:
    """Return what runs the command on the fake suite, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "HERE", fake_suites.write(tmp_path / "suites"))
    monkeypatch.setattr(command, "SUITES", {"fake": "fake", "real": "matmul"})
    monkeypatch.setattr(command, "PARTS", (GOOD, SKIPPED))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(command.bench, arguments)

    return invoke


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_run_is_resumed_and_grows(
    run: Run, pages: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("--quick", "--backend", "numpy")
    assert result.exit_code == 0, result.output
    folder = Path("accelnn-bench")
    assert "fake/good: done" in result.output
    assert "fake/skipped: not run" in result.output
    assert "there is no torch for 2" in result.output
    merged = read(folder / "bench.json")
    assert pages == [(folder / "report.html", [merged])]
    assert [each["name"] for each in merged["benchmarks"]] == ["test_good"]
    assert merged["accelnn"]["settings"]["backends"] == ["numpy"]
    parts = merged["accelnn"]["parts"]
    assert [r["name"] for r in parts["fake/skipped"]["not_run"]] == [
        "test_skipped[1]",
        "test_skipped[2]",
    ]
    assert parts["fake/skipped"]["failed"] is False

    monkeypatch.setattr(command, "PARTS", (GOOD, OTHER))
    result = run("--quick", "--backend", "numpy", "--no-report")
    assert "fake/good: measured before, with these settings; not run again" in result.output
    assert (ran(tmp_path / "suites"), len(pages)) == (2, 1)
    names = [each["name"] for each in read(folder / "bench.json")["benchmarks"]]
    assert names == ["test_good", "test_other"]

    result = run("fake", "--quick", "--backend", "numpy", "--fresh")
    assert (result.exit_code, ran(tmp_path / "suites")) == (0, 4)


def test_a_part_that_fails_does_not_stop_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PARTS", (BAD, GOOD))
    result = run("--quick", "--out", "mine")
    assert result.exit_code == 1
    assert "AssertionError: not the same product" in result.output
    assert "Error: failed: fake/bad; their logs are in mine/parts" in result.output
    merged = read(tmp_path / "mine" / "bench.json")
    assert [each["name"] for each in merged["benchmarks"]] == ["test_good"]
    assert merged["accelnn"]["parts"]["fake/bad"]["failed"] is True
    (reason,) = merged["accelnn"]["parts"]["fake/bad"]["not_run"]
    assert "not the same product" in reason["reason"]


def test_nothing_measured_is_nothing_written(
    run: Run, pages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PARTS", (SKIPPED,))
    result = run("--quick")
    assert result.exit_code == 0
    assert "nothing was measured, so nothing is written" in result.output
    assert not Path("accelnn-bench/bench.json").exists()
    assert not pages


def test_a_suite_by_its_name_on_the_command_line() -> None:
    assert command.choose(()) == command.choose(("all",)) == list(PARTS)
    assert command.choose(("predict", "all")) == list(PARTS)
    chosen = command.choose(("mnist", "backprop"))
    assert [part.suite for part in chosen] == ["backprop_cost"] + ["mnist"] * (len(chosen) - 1)
    assert len(chosen) == sum(part.suite in ("mnist", "backprop_cost") for part in PARTS)


def test_backends_without_a_name_are_those_that_run() -> None:
    assert command.usable(())[:2] == ("numpy", "numba")
    assert command.usable(("numba", "numpy", "numba")) == ("numba", "numpy")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["matmull"], 2, "there is no suite 'matmull': expected one of fake, real, all"),
        (["--backend", "nunpy"], 1, "unknown backend 'nunpy'"),
        (["--backend", "cupy"], 1, "CuPy is not installed. Run: pip install 'accelnn[cuda12]'"),
        (["--shapes", "3x4"], 2, "expected shapes like 128x784x512 (n x k x m), got '3x4'"),
        (["--shapes", ""], 2, "expected shapes like 128x784x512 (n x k x m), got ''"),
        (["--network", "784"], 2, "expected widths like 784-512-10, got '784'"),
        (["--batch", "0"], 2, "expected whole numbers of at least 1, got '0'"),
        (["--out", "suites/conftest.py"], 1, "cannot write into suites/conftest.py: "),
        (["--out", "none/out"], 1, "cannot write into none/out: No such file or directory"),
        (["--compare", "--report"], 2, "--compare and --report exclude each other"),
        (["--compare", "a.json"], 2, "--compare takes two files or folders, not 1"),
        (["--compare", "a.json", "b.json"], 2, "cannot read a.json: No such file"),
        (["--report"], 2, "--report takes files or folders of runs"),
        (["--report", "suites/conftest.py"], 1, "suites/conftest.py is not JSON"),
    ],
)
def test_a_mistake_is_answered_before_anything_runs(
    arguments: list[str],
    code: int,
    said: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cupy_probe, "_is_installed", lambda: False)
    monkeypatch.setattr(backends, "_instances", {})
    result = run(*arguments)
    assert result.exit_code == code
    assert said in result.output
    assert ran(tmp_path / "suites") == 0
    assert not (tmp_path / "accelnn-bench").exists()


def test_compare_and_report(run: Run, pages: list[tuple[Path, list[Any]]], tmp_path: Path) -> None:
    runs = {"a.json": run_of(x=(1.0, 0.01)), "b.json": run_of(x=(2.0, 0.01))}
    for name, content in runs.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.json").rename(tmp_path / "folder" / "bench.json")

    result = run("--compare", "folder", "b.json")
    assert result.exit_code == 1
    assert "× 2.00" in result.output
    assert "1 cases in both: 1 slower, 0 faster, 0 unchanged" in result.output
    assert run("--compare", "b.json", "folder").exit_code == 0
    result = run("--compare", "folder", "folder")
    assert result.exit_code == 0
    assert "what changed" not in result.output

    assert run("--report", "folder", "b.json").exit_code == 0
    assert run("--report", "b.json", "--out", "folder").exit_code == 0
    assert run("--report", "b.json", "--out", "folder/x.html").exit_code == 0
    a, b = runs.values()
    assert pages == [
        (Path("report.html"), [a, b]),
        (Path("folder/report.html"), [b]),
        (Path("folder/x.html"), [b]),
    ]
    result = run("--report", "b.json", "--out", "none/x.html")
    assert result.exit_code == 1
    assert "cannot write none/x.html: its folder is missing" in result.output


def test_the_page_is_written_by_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.html"
    command.write_page(path, [run_of(x=(1.0, 0.0))])
    assert "</html>" in path.read_text()
    assert capsys.readouterr().out == f"page: {path}\n"

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("accelnn.bench.report.assembly.write", fail)
    with pytest.raises(ClickException, match=r"cannot make the page .*page.html: disk full"):
        command.write_page(path, [])
