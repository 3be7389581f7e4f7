"""Files fetched from the first mirror that has them, checked before anybody sees them."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from accelnn.datasets._files import unpacked
from accelnn.errors import DataError, DownloadError
from accelnn.paths import replace_file

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received and the bytes to come in all (None: unknown)."""

CONNECTION_SECONDS = 10.0  # for a server to answer, and for each pause between two pieces
TOTAL_SECONDS = 300.0  # for all files: 11 MB in the half that one mirror gets are 0.6 Mbit/s


def fetch(
    sums: Mapping[str, str],
    folder: Path,
    mirrors: Sequence[str],
    *,
    progress: Progress | None = None,
    connection_seconds: float = CONNECTION_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> None:
    """Put ``<name>.gz`` into ``folder`` for each name, from the mirrors in turn.

    A mirror that fails once is left for the next one, which is asked for the files still missing.
    Files appear whole and verified, or not at all.

    Parameters
    ----------
    sums : mapping
        Name of each file without ``.gz`` -> SHA-256 of its decompressed content, as hexadecimal.
    folder : Path
        Created if needed.
    mirrors : sequence of str
        Addresses that end in a slash.
    progress : Progress, optional
        Called after each piece that arrives; without it a progress bar shows on a terminal.
    connection_seconds, total_seconds : float
        How long a silent connection, and the whole, may take. Looking up a server's name is
        limited by the operating system alone.

    Raises
    ------
    DownloadError
        The folder cannot be written, or no mirror gave all files.
    """
    require_writable(folder)
    missing, answers = dict(sums), []
    end = time.monotonic() + total_seconds
    with nullcontext(progress) if progress else progress_bar() as report:
        for tried, mirror in enumerate(mirrors):
            now = time.monotonic()
            share = (end - now) / (len(mirrors) - tried)  # so that the last one gets its turn
            for name, expected in list(missing.items()):
                url = f"{mirror}{name}.gz"
                try:
                    content = _receive(url, partial(report, name), connection_seconds, now + share)
                    _check(content, expected)
                    replace_file(folder / f"{name}.gz", content)
                except (OSError, DataError) as error:
                    answers.append(f"{url}: {error}")
                    break
                del missing[name]
            if not missing:
                return
    raise DownloadError(
        f"no mirror gave {', '.join(missing)}:\n"
        + "".join(f"  {answer}\n" for answer in answers)
        + "On a machine with a network run: accelnn data mnist --to DIR. Then bring DIR here and "
        "set ACCELNN_DATA=DIR or use --data DIR."
    )


def require_writable(folder: Path) -> None:
    """Create ``folder`` if needed; raise DownloadError if nothing can be put there."""
    probe = folder / ".accelnn-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(probe, b"")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise DownloadError(
            f"cannot write into {folder}: {error.strerror}. Name a folder that can be written "
            "(accelnn data mnist --to DIR), or set ACCELNN_CACHE to one."
        ) from error


def _receive(
    url: str, report: Callable[[int, int | None], None], connection_seconds: float, deadline: float
) -> bytes:
    """Return what ``url`` answers before the ``deadline``; raise OSError for any failure."""
    from http.client import HTTPException  # here, because they are slow to import
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("not asked, the time was up")
    request = Request(url, headers={"User-Agent": "accelnn"})
    pieces, received = [], 0
    try:
        with urlopen(request, timeout=min(connection_seconds, left)) as response:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            while piece := response.read1(1 << 16):
                pieces.append(piece)
                received += len(piece)
                report(received, total)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"too slow, {received} bytes when the time was up")
    except HTTPError as error:
        error.close()  # from Python 3.13 on, leaving this to the collector is a warning
        raise
    except HTTPException as error:
        raise OSError(repr(error)) from error
    if total is not None and received < total:
        raise OSError(f"connection closed after {received} of {total} bytes")
    return b"".join(pieces)


def _check(content: bytes, expected: str) -> None:
    found = hashlib.sha256(unpacked(content, "the answer")).hexdigest()
    if found != expected:
        raise DataError(f"SHA-256 of the content is {found}, expected {expected}")


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show one bar per file on stderr, if that is a terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    tasks: dict[str, progress.TaskID] = {}
    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:

        def report(name: str, received: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=received, total=total)

        yield report
