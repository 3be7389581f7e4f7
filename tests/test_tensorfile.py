"""The safetensors format: read and written as the safetensors library does, checked before use."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn.errors import DataError
from accelnn.tensorfile import read_tensors, write_tensors

ARRAYS: dict[str, Any] = {
    "f8": np.arange(6.0).reshape(2, 3),
    "f4": np.array([[-1.5, np.inf]], np.float32),
    "i8": np.array([-(2**40), 3]),
    "i4": np.array([7], np.int32),
    "u1": np.arange(5, dtype=np.uint8),
    "bool": np.array([True, False]),
    "empty": np.empty((0, 4), np.float32),
    "scalar": np.array(2.5),
}


def raw(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(dtype: str = "F32", shape: Any = (2,), first: Any = 0, last: Any = 8) -> Any:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_round_trip(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", ARRAYS, {"note": "ä"})
    arrays, metadata = read_tensors(tmp_path / "a")
    assert metadata == {"note": "ä"}
    assert_same(arrays, ARRAYS)
    arrays["f8"][0, 0] = 9.0  # it can be written to


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).T, np.arange(12.0)[::2], np.arange(3.0).astype(">f8")],
    ids=["transposed", "strided", "big-endian"],
)
def test_any_layout(array: Any, tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"x": array}, {})
    found = read_tensors(tmp_path / "a")[0]["x"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, array)


def test_the_safetensors_library_reads_it(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    write_tensors(tmp_path / "a", ARRAYS, {"accelnn": "{}"})
    loaded = numpy.load_file(tmp_path / "a")
    assert_same({name: loaded[name] for name in ARRAYS}, ARRAYS)
    with library.safe_open(tmp_path / "a", framework="numpy") as file:
        assert file.metadata() == {"accelnn": "{}"}


def test_a_file_of_the_safetensors_library_is_read(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(ARRAYS, tmp_path / "a", metadata={"who": "they"})
    arrays, metadata = read_tensors(tmp_path / "a")
    assert metadata == {"who": "they"}
    assert_same({name: arrays[name] for name in ARRAYS}, ARRAYS)


def test_data_are_aligned(tmp_path: Path) -> None:
    for length in range(9):
        write_tensors(tmp_path / "a", {"x" * (length + 1): np.ones(1)}, {})
        size = int.from_bytes((tmp_path / "a").read_bytes()[:8], "little")
        assert size % 8 == 0


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_a_type_the_format_lacks_is_refused(array: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"x has dtype .*, which is not one of"):
        write_tensors(tmp_path / "a", {"x": array}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["write", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file(
    stage: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_tensors(path, {"x": np.ones(3)}, {})
    before = path.read_bytes()

    def fail(*arguments: Any) -> None:
        raise error

    def half(self: Path, content: bytes) -> int:
        with open(self, "wb") as file:
            file.write(content[: len(content) // 2])
        raise error

    if stage == "write":
        monkeypatch.setattr(Path, "write_bytes", half)
    else:
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(error)):
        write_tensors(path, {"x": np.zeros(3)}, {})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


BODY = np.ones(2, np.float32).tobytes()
GOOD = raw(entry(), BODY)
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it has 0 bytes, a header length alone takes 8"),
    "seven bytes": (b"1234567", "it has 7 bytes"),
    "header cut": (GOOD[:20], "its header should take .* bytes of the 12 that follow"),
    "data cut": (GOOD[:-1], "an entry of its header does not fit the data"),
    "a length beyond all": (b"\xff" * 8 + GOOD, "its header should take 18446744073709551615"),
    "no header": (raw(b""), "its header is not JSON"),
    "not JSON": (raw(b"{'a': 1}"), "its header is not JSON"),
    "not text": (raw(b"\xff\xfe{}"), "its header is not JSON"),
    "too deep": (raw(b"[" * 100_000), "its header is not JSON"),
    "a list": (raw([1, 2]), "its header is not a JSON object"),
    "a pickle": (b"\x80\x04\x95\x10" + b"\x00" * 30, "its header should take"),
    "entry is a number": (raw({"a": 1}), "does not fit the data"),
    "no dtype": (raw({"a": {"shape": [2], "data_offsets": [0, 8]}}, BODY), "'dtype'"),
    "unknown dtype": (raw(entry("F8_E4M3"), BODY), "F8_E4M3"),
    "dtype of code": (raw(entry("O"), BODY), "does not fit the data"),
    "wrong dtype": (raw(entry("F64"), BODY), r"shape \(2,\) of F64 does not take bytes 0:8"),
    "offsets beyond": (raw(entry(first=0, last=8), BODY[:4]), "does not take bytes 0:8"),
    "offsets behind": (raw(entry(first=8, last=16), BODY), "does not take bytes 8:16"),
    "offsets negative": (raw(entry(first=-8, last=0), BODY), "not a number of at least 0"),
    "offsets reversed": (raw(entry(first=8, last=0), BODY), "does not take bytes 8:0"),
    "offsets of text": (raw(entry(first="0"), BODY), "not a number of at least 0"),
    "offsets of fractions": (raw(entry(last=8.0), BODY), "not a number of at least 0"),
    "three offsets": (
        raw({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]}}, BODY),
        "does not fit the data",
    ),
    "wrong shape": (raw(entry(shape=[3]), BODY), r"shape \(3,\) of F32 does not take bytes 0:8"),
    "negative shape": (raw(entry(shape=[-1, -2]), BODY), "not a number of at least 0"),
    "endless shape": (raw(entry(shape=[0, 10**30], last=0), BODY), "does not fit the data"),
    "shape a number": (raw(entry(shape=2), BODY), "does not fit the data"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_says_what_is_wrong(case: str, tmp_path: Path) -> None:
    content, said = BROKEN[case]
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"{path} is not a safetensors file: ")


def test_the_whole_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(GOOD)
    assert_same(read_tensors(tmp_path / "good")[0], {"a": np.ones(2, np.float32)})


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for size in range(len(GOOD)):
        path.write_bytes(GOOD[:size])
        with pytest.raises(DataError):
            read_tensors(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "none")
    with pytest.raises(OSError, match="none"):
        write_tensors(tmp_path / "none" / "a", {}, {})
