"""A part is one process and one checkpoint: kept, measured anew, skipped, failed, interrupted."""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from accelnn.bench.progress import Display, in_words, said, seconds_left
from accelnn.bench.running import Outcome, Runner, one_interrupt, stamp
from accelnn.bench.settings import Settings
from tests.bench import fake_suites
from tests.bench.fake_suites import BAD, GOOD, HANGING, OTHER, SKIPPED, ran

QUICK = Settings(scale="quick", backends=("numpy", "numba"), network=(3, 2))


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    return fake_suites.write(tmp_path / "suites")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_a_part_is_measured_once_for_its_settings(suites: Path, folder: Path) -> None:
    first = Runner(folder, QUICK, suites)
    outcome = first.run(GOOD)
    assert (outcome.state, ran(suites)) == ("done", 1)
    assert {file.name for file in folder.iterdir()} == {"fake-good.json", "fake-good.log"}
    written = json.loads((folder / "fake-good.json").read_text())
    assert written["accelnn"]["settings"] == stamp(QUICK)
    assert [each["name"] for each in written["benchmarks"]] == ["test_good"]
    part = written["accelnn"]["parts"]["fake/good"]
    backends = ["numpy", "numba"]
    asked = {"quick": True, "backend": backends, "shapes": None, "network": "3-2", "batch": None}
    assert part["asked"] == asked
    assert part["process_seconds"] == outcome.seconds > 0.05

    again = Runner(folder, QUICK, suites).run(GOOD)
    assert (again.state, again.seconds, ran(suites)) == ("kept", outcome.seconds, 1)

    wider = replace(QUICK, scale="full", shapes=((1, 2, 3), (4, 5, 6)), batches=(7, 8))
    other = Runner(folder, wider, suites)
    assert (other.run(GOOD).state, ran(suites)) == ("done", 2)
    found = other.kept(GOOD)
    assert found is not None
    part = found["accelnn"]["parts"]["fake/good"]
    shapes = {"quick": False, "shapes": "1x2x3,4x5x6", "batch": "7,8"}
    assert part["asked"] == asked | shapes
    assert first.kept(GOOD) is None
    other.forget(GOOD)
    assert other.kept(GOOD) is None


def test_a_checkpoint_is_for_this_version_and_machine(
    suites: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    runner = Runner(folder, QUICK, suites)
    file = runner.place(GOOD, "json")
    content = {"benchmarks": [], "accelnn": {"settings": stamp(QUICK)}}
    file.write_text(json.dumps(content))
    assert runner.kept(GOOD) == content
    for half in ("", json.dumps(content)[:-1], "[]", '{"benchmarks": []}'):
        file.write_text(half)
        assert runner.kept(GOOD) is None
    file.write_text(json.dumps(content))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Runner(folder, QUICK, suites).kept(GOOD) is None
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("accelnn.__version__", "0.0.0")
    assert Runner(folder, QUICK, suites).kept(GOOD) is None


def test_a_part_of_which_all_is_skipped_is_not_run(suites: Path, folder: Path) -> None:
    outcome = Runner(folder, QUICK, suites).run(SKIPPED)
    reasons = [
        {
            "name": f"test_skipped[{i}]",
            "reason": f"there is no torch for {i}: pip install 'accelnn[peers]'",
        }
        for i in (1, 2)
    ]
    assert (outcome.state, outcome.reasons) == ("not run", reasons)
    assert said(outcome)[1:] == [f"  {each['reason']}" for each in reasons]
    assert {file.name for file in folder.iterdir()} == {"fake-skipped.log"}


def test_a_part_that_fails_leaves_no_checkpoint(suites: Path, folder: Path) -> None:
    outcome = Runner(folder, QUICK, suites).run(BAD)
    assert (outcome.state, ran(suites)) == ("failed", 2)
    ((name, reason),) = [each.values() for each in outcome.reasons]
    assert name == "test_bad[2]"
    assert "not the same product" in reason
    assert "test_fake.py::test_bad[2]" in outcome.tail
    assert "  | E   AssertionError: not the same product" in said(outcome)
    assert {file.name for file in folder.iterdir()} == {"fake-bad.log"}


def test_nobody_elses_settings_of_pytest_have_a_say(
    suites: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path, suites):
        (place / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option-either")
    monkeypatch.chdir(tmp_path)
    assert Runner(folder, QUICK, suites).run(OTHER).state == "done"


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc who is alive")
def test_ctrl_c_ends_all_processes_and_keeps_what_is_done(suites: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = fake_suites.start(suites, "good,hanging", "--quick", "--out", str(out))
    deadline = time.monotonic() + 60
    while not (suites / "pids").exists() and time.monotonic() < deadline:
        assert command.poll() is None, command.communicate()[0]
        time.sleep(0.02)
    pids = [int(pid) for pid in (suites / "pids").read_text().split()]
    assert all(alive(pid) for pid in pids)
    command.send_signal(signal.SIGINT)
    command.send_signal(signal.SIGINT)  # a terminal's, and the one that `accelnn bench` passes on
    printed = command.communicate(timeout=30)[0]
    assert command.returncode == 130
    assert "stopped; 1 of 2 parts are kept, the same command goes on from there" in printed
    assert "Traceback" not in printed
    while any(map(alive, pids)) and time.monotonic() < deadline:  # they have been told
        time.sleep(0.02)
    assert not any(map(alive, pids))
    names = {file.name for file in (out / "parts").iterdir()}
    assert names == {"fake-good.json", "fake-good.log", "fake-hanging.log"}


@pytest.fixture
def signals() -> Iterator[list[int]]:
    """Return the signals of an interruption; what is done about them is as before afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield list(before)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_only_the_first_interrupt_is_heard(signals: list[int]) -> None:
    before = signal.getsignal(signal.SIGINT)
    for number in signals:
        with one_interrupt():
            pass
        assert signal.getsignal(signal.SIGINT) is before
        with pytest.raises(KeyboardInterrupt), one_interrupt():
            signal.raise_signal(number)
        assert [signal.getsignal(each) for each in signals] == [signal.SIG_IGN] * 2
        signal.signal(signal.SIGINT, before)


# What is shown ------------------------------------------------------------------------------------


def test_the_time_left_learns_from_what_is_done() -> None:
    assert seconds_left([], [10.0, 20.0], 0.0) == 30
    assert seconds_left([], [10.0, 20.0], 4.0) == 26
    assert seconds_left([], [10.0, 20.0], 15.0) == 20  # the one at work is about to end
    assert seconds_left([(10.0, 20.0), (10.0, 40.0)], [10.0, 20.0], 6.0) == 84
    assert seconds_left([(1.0, 1.0)], [], 3.0) == 0
    assert [in_words(s) for s in (0.4, 59.6, 95)] == ["0 s", "1 min 0 s", "1 min 35 s"]


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    with Display([GOOD, SKIPPED, HANGING], False, Console(width=20)) as display:
        display.start(GOOD)
        display.tick()
        display.finish(Outcome(GOOD, "done", 8.0))
        display.show(Outcome(OTHER, "kept", 4.0))
        display.start(SKIPPED)
        display.finish(Outcome(SKIPPED, "not run", 0.2, [{"name": "x", "reason": "no [torch]"}]))
        display.start(HANGING)
    assert capsys.readouterr().out.splitlines() == [
        "1/3 fake/good ... (about 6 s left)",
        "fake/good: done, 8 s",
        "fake/other: measured before, with these settings; not run again",
        "2/3 fake/skipped ... (about 12 s left)",
        "fake/skipped: not run, 0 s",
        "  no [torch]",
        "3/3 fake/hanging ... (about 6 s left)",
    ]
