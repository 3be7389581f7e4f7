"""The downloader against mirrors on this machine that do everything wrong."""

import gzip
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from accelnn.datasets.download import Progress, fetch, progress_bar, require_writable
from accelnn.errors import DownloadError

Serve = Callable[[Mapping[str, Any]], str]

CONTENT = {"one": bytes(300_000), "two": b"second"}
PACKED = {f"{name}.gz": gzip.compress(content, 0) for name, content in CONTENT.items()}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


def quiet(*_: object) -> None:
    pass


def broken(answer: Any) -> dict[str, Any]:
    return {**PACKED, "one.gz": answer}


def check(folder: Path) -> None:
    assert sorted(os.listdir(folder)) == ["one.gz", "two.gz"]
    for name, content in CONTENT.items():
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == content


def test_first_mirror_gives_all(serve: Serve, tmp_path: Path) -> None:
    fetch(SUMS, tmp_path / "new" / "folder", [serve(PACKED), serve({})], progress=quiet)
    check(tmp_path / "new" / "folder")


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Answer later than anybody waits here."""
    time.sleep(5)


def half(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PACKED["one.gz"])))
    handler.end_headers()
    handler.wfile.write(PACKED["one.gz"][:100_000])


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"not HTTP\r\n\r\n")


FAILURES: dict[str, tuple[Any, str]] = {
    "absent": (404, "HTTP Error 404"),
    "server error": (503, "HTTP Error 503"),
    "silent": (silent, "timed out"),
    "half": (half, f"connection closed after 100000 of {len(PACKED['one.gz'])} bytes"),
    "garbage": (garbage, "BadStatusLine"),
    "a web page": (b"<html>Log in first", "not a gzip file, it begins with b'<html>Log in"),
    "cut": (PACKED["one.gz"][:-9], "gzip data ends early"),
    "other content": (gzip.compress(b"other"), f"expected {SUMS['one']}"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_second_mirror_serves_where_the_first_fails(
    serve: Serve, tmp_path: Path, case: str
) -> None:
    mirrors = [serve(broken(FAILURES[case][0])), serve(PACKED)]
    fetch(SUMS, tmp_path, mirrors, progress=quiet, connection_seconds=1)
    check(tmp_path)


@pytest.mark.parametrize("case", FAILURES)
def test_all_failing_lists_what_each_answered(serve: Serve, tmp_path: Path, case: str) -> None:
    answer, message = FAILURES[case]
    first, second = serve(broken(answer)), serve({})
    with pytest.raises(DownloadError) as caught:
        fetch(SUMS, tmp_path, [first, second], progress=quiet, connection_seconds=1)
    headline, of_first, of_second, remedy = str(caught.value).splitlines()
    assert headline == "no mirror gave one, two:"
    assert of_first.startswith(f"  {first}one.gz: ")
    assert message in of_first
    assert of_second == f"  {second}one.gz: HTTP Error 404: Not Found"
    assert "accelnn data mnist --to DIR" in remedy
    assert "ACCELNN_DATA=DIR" in remedy
    assert os.listdir(tmp_path) == []


def test_nobody_listens(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused"):
        fetch(SUMS, tmp_path, ["http://127.0.0.1:1/"], progress=quiet)


def test_second_mirror_is_asked_only_for_what_is_missing(serve: Serve, tmp_path: Path) -> None:
    fetch(
        SUMS, tmp_path, [serve({"one.gz": PACKED["one.gz"]}), serve({"two.gz": PACKED["two.gz"]})]
    )
    check(tmp_path)


def test_time_limit(serve: Serve, tmp_path: Path) -> None:
    """A mirror that always sends something must not hold a download for ever."""
    enough = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not enough.wait(0.01):
            handler.wfile.write(b"x")

    mirrors = [serve(broken(trickle)), serve(broken(trickle))]
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"(?s)too slow, \d+ bytes.*too slow, \d+ bytes"):
        fetch(SUMS, tmp_path, mirrors, progress=quiet, total_seconds=1)
    assert 0.9 < time.monotonic() - start < 5
    fetch(SUMS, tmp_path, [mirrors[0], serve(PACKED)], progress=quiet, total_seconds=3)
    enough.set()
    check(tmp_path)


def test_no_time_at_all(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not asked, the time was up"):
        fetch(SUMS, tmp_path, [serve(PACKED)], progress=quiet, total_seconds=0)


def test_interrupt_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    def interrupt(name: str, received: int, total: int | None) -> None:
        assert 0 < received < len(PACKED["one.gz"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(SUMS, tmp_path, [serve(PACKED)], progress=interrupt)
    assert os.listdir(tmp_path) == []


def test_interrupt_while_writing_leaves_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def interrupt(source: Path, target: Path) -> None:
        if target.name == "one.gz":
            assert source.parent == target.parent
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(SUMS, tmp_path, [serve(PACKED)], progress=quiet)
    assert os.listdir(tmp_path) == []


def test_full_disk_is_an_answer(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == "one.gz":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DownloadError, match="No space left on device"):
        fetch(SUMS, tmp_path, [serve(PACKED)], progress=quiet)
    assert os.listdir(tmp_path) == []


def test_progress_is_told_sizes_in_order(serve: Serve, tmp_path: Path) -> None:
    calls = []
    fetch(SUMS, tmp_path, [serve(PACKED)], progress=lambda *call: calls.append(call))
    sizes = [received for name, received, _ in calls if name == "one"]
    assert len(sizes) > 1
    assert sizes == sorted(set(sizes))
    assert calls[-1] == ("two", len(PACKED["two.gz"]), len(PACKED["two.gz"]))
    assert {total for name, _, total in calls if name == "one"} == {len(PACKED["one.gz"])}


def test_user_agent(serve: Serve, tmp_path: Path) -> None:
    agents = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        agents.append(handler.headers["User-Agent"])
        handler.send_error(404)

    with pytest.raises(DownloadError):
        fetch(SUMS, tmp_path, [serve(broken(note))], progress=quiet)
    assert agents == ["accelnn"]


def test_folder_that_cannot_be_written(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in tmp_path / "file", tmp_path / "file" / "below":
        with pytest.raises(DownloadError, match=r"cannot write into .*file.*ACCELNN_CACHE"):
            fetch(SUMS, folder, [serve(PACKED)])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DownloadError, match="Permission denied"):
        require_writable(tmp_path)
    tmp_path.chmod(0o700)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_bar_shows_on_a_terminal_only(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE":
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = stream()
    monkeypatch.setattr("sys.stderr", shown)
    with progress_bar() as report:
        call: Progress = report
        call("digits-file", 10, None)
        call("digits-file", 1000, 2000)
    if stream is Terminal:
        assert "digits-file" in shown.getvalue()
        assert "1.0/2.0 kB" in shown.getvalue()
    else:
        assert shown.getvalue() == ""
