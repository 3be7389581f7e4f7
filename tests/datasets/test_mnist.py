"""Where MNIST is looked for, in which order, and that nothing unverified gets through."""

import gzip
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from accelnn.datasets import Dataset, load_default, load_mnist, mnist, prepare_mnist, read_idx
from accelnn.errors import DataError, DownloadError

Serve = Callable[[Mapping[str, Any]], str]
Files = dict[str, bytes]

REAL = os.environ.get("ACCELNN_DATA")
IMAGES = "train-images-idx3-ubyte"


def fill(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def unzipped(files: Files) -> Files:
    return {name.removesuffix(".gz"): gzip.decompress(files[name]) for name in files}


def wrong(files: Files) -> Files:
    """Change one label in a way that only a checksum notices."""
    name = "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(files[name]))
    content[-1] ^= 1
    return {**files, name: gzip.compress(content)}


def part(files: Files) -> Files:
    return dict(list(files.items())[:2])


def forbid(*_: object, **__: object) -> None:
    raise AssertionError("asked the mirrors")


@pytest.fixture
def places(fake: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Return the folders ``given``, ``named`` (by ACCELNN_DATA) and ``cache``; none exists."""
    monkeypatch.setenv("ACCELNN_DATA", str(tmp_path / "named"))
    return {
        "given": tmp_path / "given",
        "named": tmp_path / "named",
        "cache": tmp_path / "cache" / "mnist",
    }


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the folders of the files that are read, in order, each once."""
    folders: list[Path] = []
    read = mnist._read

    def note(path: Path, name: str) -> Any:
        if path.parent not in folders:
            folders.append(path.parent)
        return read(path, name)

    monkeypatch.setattr(mnist, "_read", note)
    return folders


def check(data: Dataset, files: Files) -> None:
    assert (data.name, data.note, data.pixel_max) == ("MNIST", "", 255)
    arrays: list[NDArray[Any]] = [data.X_train, data.y_train, data.X_test, data.y_test]
    shapes = [(5, 28, 28), (5,), (3, 28, 28), (3,)]
    for array, shape, content in zip(arrays, shapes, unzipped(files).values(), strict=True):
        assert array.shape == shape
        assert array.dtype == (np.uint8 if len(shape) == 3 else np.int64)
        assert array.ravel().tolist() == list(content[-array.size :])


@pytest.mark.parametrize("kind", ["gzip", "plain", "mixed"])
def test_folder_given(fake: Files, tmp_path: Path, kind: str) -> None:
    plain = unzipped(fake)
    files = {"gzip": fake, "plain": plain, "mixed": {**part(fake), **dict([*plain.items()][2:])}}
    check(load_mnist(fill(tmp_path / "given", files[kind])), fake)
    check(load_mnist(str(tmp_path / "given")), fake)


@pytest.mark.parametrize("first", ["given", "named", "cache"])
def test_search_order(
    fake: Files, places: dict[str, Path], seen: list[Path], first: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(mnist, "fetch", forbid)
    order = ["given", "named", "cache"]
    for name in order[order.index(first) :]:
        fill(places[name], fake)
    check(load_mnist(places["given"] if first == "given" else None), fake)
    assert seen == [places[first]]


def test_download_comes_last_and_stays(
    fake: Files, places: dict[str, Path], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", [serve(fake)])
    calls: list[Any] = []
    check(load_mnist(progress=lambda *call: calls.append(call)), fake)
    assert {name for name, _, _ in calls} == set(mnist.SHA256)
    assert sorted(os.listdir(places["cache"])) == sorted(fake)
    monkeypatch.setattr(mnist, "fetch", forbid)
    check(load_mnist(), fake)


def test_given_folder_is_the_only_one(
    fake: Files, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "fetch", forbid)
    fill(places["named"], fake)
    fill(places["cache"], fake)
    for load in load_mnist, load_default:
        with pytest.raises(DataError, match=r"given is not a folder; expected a folder with"):
            load(places["given"])
    fill(places["given"], part(fake))
    for load in load_mnist, load_default:
        with pytest.raises(DataError, match=r"given lacks t10k-images-idx3-ubyte, t10k-labels"):
            load(places["given"])


@pytest.mark.parametrize("place", ["given", "named"])
def test_wrong_sum_where_a_person_put_the_files(
    fake: Files, places: dict[str, Path], place: str
) -> None:
    fill(places[place], wrong(fake))
    fill(places["cache"], fake)
    for load in load_mnist, load_default:
        with pytest.raises(DataError, match="not the MNIST file of this name: SHA-256") as caught:
            load(places["given"] if place == "given" else None)
        assert str(places[place] / "train-labels-idx1-ubyte.gz") in str(caught.value)
        assert mnist.SHA256["train-labels-idx1-ubyte"] in str(caught.value)


def test_broken_file_says_more_than_a_wrong_sum(fake: Files, tmp_path: Path) -> None:
    files = unzipped(fake)
    files[IMAGES] = files[IMAGES][:-10]
    with pytest.raises(DataError, match="10 bytes too short"):
        load_mnist(fill(tmp_path / "given", files))


@pytest.mark.parametrize("damage", ["wrong", "plain wrong", "part"])
def test_cache_heals_itself(
    fake: Files, places: dict[str, Path], serve: Serve, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"wrong": wrong(fake), "plain wrong": unzipped(wrong(fake)), "part": part(fake)}
    fill(places["cache"], found[damage])
    calls: set[str] = set()
    monkeypatch.setattr(mnist, "MIRRORS", [serve(fake)])
    check(load_mnist(progress=lambda name, *_: calls.add(name)), fake)
    bad = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}
    assert calls == (bad if damage == "part" else {"train-labels-idx1-ubyte"})


def test_without_download(
    fake: Files, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "fetch", forbid)
    with pytest.raises(
        DataError, match=r"not on this machine: .*cache.* is not a folder"
    ) as caught:
        load_mnist(download=False)
    assert f"(ACCELNN_DATA: {places['named']} is not a folder.)" in str(caught.value)
    monkeypatch.delenv("ACCELNN_DATA")
    fill(places["cache"], wrong(fake))
    with pytest.raises(DataError, match=r"not the MNIST file.*\(ACCELNN_DATA: not set\.\)"):
        load_mnist(download=False)


def test_default_is_mnist_where_it_can_be_had(
    fake: Files, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", [serve(fake)])
    check(load_default(), fake)


@pytest.mark.parametrize("obstacle", ["no network", "bad mirror", "no cache", "broken cache"])
def test_default_without_mnist(
    fake: Files, places: dict[str, Path], serve: Serve, obstacle: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    mirror = serve(wrong(fake) if obstacle == "bad mirror" else {})
    monkeypatch.setattr(mnist, "MIRRORS", [mirror])
    if obstacle == "no cache":
        (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    if obstacle == "broken cache":
        fill(places["cache"], wrong(fake))
    with pytest.raises(DownloadError):
        load_mnist()
    data = load_default()
    assert data.name == "digits (scikit-learn, 8x8)"
    assert data.note.startswith("This is not MNIST.")
    assert "accelnn data mnist --to DIR" in data.note
    assert f"(ACCELNN_DATA: {places['named']} is not a folder.)" in data.note
    assert (mirror in data.note) == (obstacle != "no cache")


@pytest.mark.parametrize("source", ["named", "cache", "mirror", "plain cache", "both halves"])
def test_prepare(
    fake: Files, places: dict[str, Path], serve: Serve, source: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if source == "mirror":
        monkeypatch.setattr(mnist, "MIRRORS", [serve(fake)])
    else:
        monkeypatch.setattr(mnist, "fetch", forbid)
    if source == "both halves":
        fill(places["named"], part(fake))
        fill(places["cache"], wrong(fake))
        fill(places["cache"], dict([*fake.items()][2:]))
    elif source != "mirror":
        files = unzipped(fake) if source == "plain cache" else fake
        fill(places[source.removeprefix("plain ")], files)
    folder = tmp_path / "for" / "the room"
    paths = prepare_mnist(folder)
    assert [path.name for path in paths] == list(fake)
    assert sorted(os.listdir(folder)) == sorted(fake)
    for path in paths:
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(fake[path.name])
    monkeypatch.setattr(mnist, "fetch", forbid)
    check(load_mnist(folder), fake)


def test_prepare_leaves_what_is_right_and_replaces_what_is_not(
    fake: Files, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "fetch", forbid)
    fill(places["cache"], fake)
    folder = fill(tmp_path / "to", wrong(fake))
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    prepare_mnist(folder)
    changed = {
        path.name for path in folder.iterdir() if times[path.name] != path.stat().st_mtime_ns
    }
    assert changed == {"train-labels-idx1-ubyte.gz"}
    check(load_mnist(folder), fake)


def test_prepare_packs_what_lies_there_unpacked(
    fake: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "fetch", forbid)
    folder = fill(tmp_path / "to", unzipped(fake))
    assert all(path.is_file() for path in prepare_mnist(folder))
    check(load_mnist(folder), fake)


def test_prepared_files_are_for_everybody_the_umask_allows(
    fake: Files, places: dict[str, Path], tmp_path: Path
) -> None:
    fill(places["cache"], fake)
    old = os.umask(0o022)
    try:
        modes = {stat.S_IMODE(path.stat().st_mode) for path in prepare_mnist(tmp_path / "to")}
    finally:
        os.umask(old)
    assert modes == {0o644} or os.name == "nt"


def test_prepare_where_nothing_can_be_written(fake: Files, tmp_path: Path) -> None:
    (tmp_path / "to").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"cannot write into .*to"):
        prepare_mnist(tmp_path / "to")


def test_the_known_sums_are_whole() -> None:
    assert [len(bytes.fromhex(digest)) for digest in mnist.SHA256.values()] == [32] * 4


@pytest.mark.skipif(not REAL, reason="ACCELNN_DATA does not name a folder with MNIST")
def test_real_mnist() -> None:
    data = load_mnist(download=False)
    assert data.X_train.shape == (60_000, 28, 28)
    assert data.X_test.shape == (10_000, 28, 28)
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert data.y_train.shape == (60_000,)
    assert data.y_test.shape == (10_000,)
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    X_train, X_test = data.features()
    assert X_train.mean(dtype=np.float64) == pytest.approx(0.13066, abs=5e-6)
    assert X_train.std(dtype=np.float64) == pytest.approx(0.30811, abs=5e-6)
    assert X_test.shape == (10_000, 784)


@pytest.mark.skipif(not REAL, reason="ACCELNN_DATA does not name a folder with MNIST")
def test_read_real_file() -> None:
    labels = read_idx(Path(REAL or "") / "t10k-labels-idx1-ubyte.gz")
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
