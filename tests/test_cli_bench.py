"""``accelnn bench`` looks for its libraries, and passes on all that it is told."""

import signal

import pytest
from click.testing import CliRunner

from accelnn import cli
from tests.backends.fresh import python


@pytest.mark.parametrize("missing", ["pytest", "pytest_benchmark", "matplotlib", "jinja2"])
def test_bench_without_its_libraries(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == missing else object())
    monkeypatch.setattr("subprocess.Popen", lambda *_: pytest.fail("started before it looked"))
    result = CliRunner().invoke(cli.main, ["bench", "--help"])
    assert result.exit_code == 1
    said = f"Error: the bench needs {missing}: python -m pip install 'accelnn[bench]'"
    assert said in result.output


class Bench:
    """Stands for the process of the bench; Ctrl-C comes while it is waited for."""

    def __init__(self, command: list[str], code: int) -> None:
        self.command, self.code = command, code
        self.signals: list[int] = []

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def wait(self) -> int:
        if not self.signals:
            raise KeyboardInterrupt
        return self.code

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


@pytest.mark.parametrize(("ended", "code"), [(0, 0), (3, 3), (-9, 137)])
def test_bench_passes_on_arguments_interrupts_and_the_exit_code(
    ended: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Bench] = []

    def start(command: list[str]) -> Bench:
        started.append(Bench(command, ended))
        return started[-1]

    monkeypatch.setattr(cli, "find_spec", lambda name: object())
    monkeypatch.setattr("subprocess.Popen", start)
    given = ["matmul", "--quick", "--help", "--out", "x", "-h", "--anything=1"]
    result = CliRunner().invoke(cli.main, ["bench", *given])
    assert (result.exit_code, result.output) == (code, "")
    (bench,) = started
    assert bench.command[1:3] == ["-m", "accelnn.bench"]
    assert bench.command[3:] == given
    assert bench.signals == [signal.SIGINT]


def test_bench_has_one_place_for_its_options() -> None:
    done = python("-m", "accelnn", "bench", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: accelnn bench [OPTIONS]")
    for option in ("--quick", "--backend", "--out", "--shapes", "--network", "--batch", "--fresh"):
        assert f"  {option} " in done.stdout
    done = python("-m", "accelnn", "bench", "matmull")
    assert done.returncode == 2
    assert "there is no suite 'matmull'" in done.stderr
