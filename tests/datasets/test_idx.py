"""IDX files: what is written comes back, and a broken file is named with what is wrong."""

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelnn.datasets import idx, read_idx, write_idx
from accelnn.errors import DataError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
SHAPES = [(1,), (7,), (0,), (2, 3), (3, 0, 2), (2, 3, 4, 5)]
HEADER = bytes([0, 0, 8, 2]) + struct.pack(">II", 2, 3)  # uint8 (2, 3)


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path: Path, dtype: str, shape: tuple[int, ...], name: str) -> None:
    array = np.random.default_rng(0).integers(-128, 128, shape).astype(dtype)
    write_idx(tmp_path / name, array)
    result = read_idx(tmp_path / name)
    np.testing.assert_array_equal(result, array, strict=True)
    assert result.dtype.isnative
    assert result.flags.writeable
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("code", "numbers", "expected"),
    [
        (0x08, "0102ff", np.array([1, 2, 255], "uint8")),
        (0x09, "0102ff", np.array([1, 2, -1], "int8")),
        (0x0B, "01020003ffff", np.array([258, 3, -1], "int16")),
        (0x0C, "0102030400000000ffffffff", np.array([16909060, 0, -1], "int32")),
        (0x0D, "3f800000c0000000ff800000", np.array([1, -2, -np.inf], "float32")),
        (0x0E, "3ff0000000000000c0000000000000007ff0000000000000", np.array([1, -2, np.inf])),
    ],
)
def test_bytes_of_each_type(
    tmp_path: Path, code: int, numbers: str, expected: np.ndarray[Any, Any]
) -> None:
    """The reader against bytes written by hand, not against the writer."""
    content = bytes([0, 0, code, 1, 0, 0, 0, 3]) + bytes.fromhex(numbers)
    (tmp_path / "a").write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), expected, strict=True)
    write_idx(tmp_path / "b", expected)
    assert (tmp_path / "b").read_bytes() == content


def test_compression_is_told_from_the_content(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(HEADER + b"abcdef")
    (tmp_path / "packed").write_bytes(gzip.compress(HEADER + b"abcdef"))
    expected = np.frombuffer(b"abcdef", np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz"), expected)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "packed")), expected)


PACKED = gzip.compress(HEADER + b"abcdef", mtime=0)
BROKEN = {
    "empty": (b"", "truncated header: 0 bytes, expected 4"),
    "half a magic number": (b"\0\0\x08", "truncated header: 3 bytes, expected 4"),
    "half the dimensions": (HEADER[:9], "truncated header: 9 bytes, expected 12 for 2 dimensions"),
    "magic": (b"PNG!", "wrong magic number 0x504e4721, expected 0x0000"),
    "magic, second byte": (b"\0\1\x08\1", "wrong magic number 0x00010801"),
    "type": (b"\0\0\x0a\1", "unknown type code 0x0a in the magic number, expected one of 0x08 "),
    "no dimension": (b"\0\0\x08\0", "0 dimensions in the magic number, expected 1 to 64"),
    "65 dimensions": (b"\0\0\x08\x41", "65 dimensions in the magic number, expected 1 to 64"),
    "short": (HEADER + b"abcd", r"2 bytes too short: 4 bytes of data, .* \(2, 3\) of uint8, 6 b"),
    "long": (HEADER + b"abcdefg", r"1 bytes too long: 7 bytes of data, .* \(2, 3\) of uint8, 6 b"),
    "huge": (b"\0\0\x0e\3" + b"\xff" * 12, "bytes too short: 0 bytes of data"),
    "gzip cut": (PACKED[:-9], f"the gzip data ends early, after {len(PACKED) - 9} bytes"),
    "gzip cut in its header": (PACKED[:5], "the gzip data ends early, after 5 bytes"),
    "gzip sum": (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], r"gzip data is damaged \(CRC"),
    "gzip bits": (PACKED[:10] + b"\xff" + PACKED[11:], r"gzip data is damaged \(Error -3"),
    "gzip tail": (PACKED + b"tail", r"gzip data is damaged \(Not a gzipped file"),
    "gzip of something else": (gzip.compress(b"text"), "wrong magic number 0x74657874"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "broken.idx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(("download the file again.", "IDX file.", "damaged one."))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.idx: not found. Check the path"):
        read_idx(tmp_path / "missing.idx")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        read_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(HEADER + b"abcdef")
    (tmp_path / "a").chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        read_idx(tmp_path / "a")


def test_writer_takes_any_layout_and_byte_order(tmp_path: Path) -> None:
    array = np.arange(12, dtype=">i4").reshape(3, 4).T[::-1]
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array.astype("=i4"), strict=True)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "U3", "O", "uint16"])
def test_writer_refuses_other_types(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(TypeError, match=r"cannot hold .*, only uint8, int8, .*astype"):
        write_idx(tmp_path / "a", np.zeros(3, dtype))
    assert os.listdir(tmp_path) == []


def test_writer_refuses_a_scalar(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(\): it takes one dimension or more"):
        write_idx(tmp_path / "a", np.uint8(1))  # type: ignore[arg-type]


def test_interrupted_writer_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "a", np.zeros(3, np.uint8))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_idx(tmp_path / "a", np.ones(3, np.uint8))
    assert os.listdir(tmp_path) == ["a"]
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), [0, 0, 0])


def test_the_type_table_is_that_of_the_format() -> None:
    assert {code: dtype.str for code, dtype in idx.TYPES.items()} == {
        0x08: "|u1", 0x09: "|i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8",
    }  # fmt: skip
