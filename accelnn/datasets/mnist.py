"""MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0): found on the machine or downloaded, and verified."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelnn.datasets import _files
from accelnn.datasets.dataset import Dataset
from accelnn.datasets.download import Progress, fetch, require_writable
from accelnn.datasets.idx import parse_idx
from accelnn.errors import DataError, DownloadError
from accelnn.paths import replace_file, user_cache

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Name of each file -> SHA-256 of its decompressed content, in the order of Dataset's fields."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def load_mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits.

    Taken from the first of: ``folder`` (and then nowhere else), the folder in the environment
    variable ``ACCELNN_DATA``, the user's cache, the known mirrors by way of the cache. The files
    may be named with or without ``.gz``. Wherever they come from, their SHA-256 is checked: that
    takes 0.04 s, unpacking them 0.3 s.

    Parameters
    ----------
    folder : path, optional
        Folder with the four files.
    download : bool
        Whether the mirrors may be asked; 11 MB.
    progress : Progress, optional
        Called as ``progress(name, received, total)`` while downloading, sizes in bytes; without it
        a progress bar shows on a terminal.

    Returns
    -------
    Dataset
        ``X_*`` uint8 (n, 28, 28), ``y_*`` int64 (n,); ``features()`` gives float32 (n, 784).

    Raises
    ------
    DataError
        A file in ``folder`` is missing; one there or in ``ACCELNN_DATA`` is not the MNIST file;
        or MNIST is not on this machine and ``download`` is False.
    DownloadError
        No mirror gave the files, or the cache cannot be written; the message says what to do.

    Examples
    --------
    >>> data = load_mnist()  # doctest: +SKIP
    >>> X_train, X_test = data.features()  # doctest: +SKIP
    """
    if folder is not None:
        return _load(Path(folder))
    named, cache = _named_folder(), _cache()
    if named and not _lack(named):
        return _load(named)
    aside = f"(ACCELNN_DATA: {_lack(named) if named else 'not set'}.)"
    try:
        return _load(cache)
    except DataError as error:
        if not download:
            raise DataError(f"MNIST is not on this machine: {error} {aside}") from None
    try:
        _fetch([name for name in SHA256 if not _sound(cache, name)], cache, progress)
    except DownloadError as error:
        raise DownloadError(f"{error} {aside}") from None
    return _load(cache)


def prepare_mnist(
    to: str | os.PathLike[str], *, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Put the four files of MNIST into a folder, to be carried to machines without a network.

    A file already there and right is left alone, a broken one replaced. What ``ACCELNN_DATA`` or
    the cache hold is copied, the rest downloaded.

    Parameters
    ----------
    to : path
        The folder, created if needed.
    progress : Progress, optional
        As for `load_mnist`.

    Returns
    -------
    tuple of Path
        The four files, gzip, verified.

    Raises
    ------
    DownloadError
        The folder cannot be written, or no mirror gave the files.

    Examples
    --------
    >>> files = prepare_mnist("mnist-for-the-room")  # doctest: +SKIP
    """
    folder = Path(to)
    targets = {name: folder / f"{name}.gz" for name in SHA256}
    needed = [name for name in SHA256 if _sound(folder, name) != targets[name]]
    if needed:
        require_writable(folder)
    for name in needed.copy():
        places = (_sound(place, name) for place in (folder, _named_folder(), _cache()) if place)
        if source := next(filter(None, places), None):
            replace_file(targets[name], _files.packed(source.read_bytes()))
            needed.remove(name)
    if needed:
        _fetch(needed, folder, progress)
    return tuple(targets.values())


def _named_folder() -> Path | None:
    return Path(given) if (given := os.environ.get("ACCELNN_DATA")) else None


def _cache() -> Path:
    return user_cache() / "mnist"


def _fetch(names: Iterable[str], folder: Path, progress: Progress | None) -> None:
    fetch({name: SHA256[name] for name in names}, folder, MIRRORS, progress=progress)


def _find(folder: Path, name: str) -> Path | None:
    """Return the file, gzip first: a download writes that, and so replaces what was broken."""
    paths = (folder / f"{name}.gz", folder / name)
    return next((path for path in paths if os.path.exists(path)), None)


def _lack(folder: Path) -> str:
    """Return what is missing in a folder, for a message; nothing if all four files are there."""
    if not os.path.isdir(folder):
        return f"{folder} is not a folder"
    missing = [name for name in SHA256 if not _find(folder, name)]
    return f"{folder} lacks {', '.join(missing)}" if missing else ""


def _sound(folder: Path, name: str) -> Path | None:
    """Return the file if it is there and what it should be."""
    path = _find(folder, name)
    try:
        return path if path and len(_read(path, name)) else None
    except DataError:
        return None


def _read(path: Path, name: str) -> NDArray[Any]:
    """Return the array in a file of MNIST, or raise DataError if it is not that file."""
    content = _files.read_unpacked(path)
    array = parse_idx(content, path)  # first, because its errors say more than a wrong sum
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise DataError(
            f"{path}: not the MNIST file of this name: SHA-256 of the content is {found}, expected "
            f"{SHA256[name]}. Other data sets use the same names; remove this file, or get MNIST "
            "with: accelnn data mnist --to DIR."
        )
    return array


def _load(folder: Path) -> Dataset:
    """Return what a folder holds, or raise DataError."""
    if lack := _lack(folder):
        raise DataError(
            f"{lack}; expected a folder with the four MNIST files, each with or without .gz. "
            "To get them: accelnn data mnist --to DIR."
        )
    arrays = (_read(path, name) for name in SHA256 if (path := _find(folder, name)))
    X_train, y_train, X_test, y_test = arrays
    return Dataset(
        "MNIST", X_train, y_train.astype(np.int64), X_test, y_test.astype(np.int64), pixel_max=255
    )
