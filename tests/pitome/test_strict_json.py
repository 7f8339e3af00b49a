"""What no file of ours holds is refused with its place, and everything else is read as Python reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.strict_json import DEEPEST, read_strict_json

TEXTS = some.text(some.characters(codec="utf-8"))
VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**63) + 1, 2**63 - 1)
    | TEXTS
    | some.floats(allow_nan=False, allow_infinity=False),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_python_writes_is_read_back(value: object) -> None:
    assert read_strict_json(json.dumps(value).encode()) == value
    assert read_strict_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"a": {"b": [1, {"c": 1, "c": 2}]}}', r"^a\.b\[1\]\.c: the key stands there twice$"),
        (b'{"a": 1, "a": 1}', r"^a: the key stands there twice$"),
        (b'{"a": NaN}', "^a: NaN is no number in JSON$"),
        (b"[-Infinity]", r"^\[0\]: -Infinity is no number in JSON$"),
        (b'{"a": [1e999]}', r"^a\[0\]: 1e999 is beyond every floating number$"),
        (b'{"a": 9223372036854775808}', "^a: 9223372036854775808 is beyond a whole number of 64 bits$"),
        (b"1" * 5000, r"^11111111111111111111\.\.\. is beyond a whole number of 64 bits$"),
        (b'\xef\xbb\xbf{"a": 1}', "^it begins with a byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "^it is not UTF-8"),
        (b'{"a": "\xff"}', r"^it is not UTF-8 \(byte 7\)$"),
        (rb'{"a": "\ud800"}', "^a: a text holds half a character"),
        (rb'{"a\ud800": 1}', "^a text holds half a character"),
        (b"[" * 100_000, "lie in each other more than 32 deep"),
        (b"[" * 40 + b"]" * 40, "lie in each other more than 32 deep"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "lie in each other more than 32 deep"),
        (b"", "Expecting value"),
        (b"{'a': 1}", "property name"),
        (b'{"a": 1} {}', "Extra data"),
        (b'{"a": 1,}', ""),
        (b'{"a": 01}', ""),
        (b'{"a": "\n"}', "control character"),
    ],
)  # fmt: skip
def test_what_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_strict_json(data)


def test_what_only_python_has_a_type_for_is_taken_where_only_python_reads() -> None:
    value = {"a\ud800": [2**70, "\udcff"]}
    assert read_strict_json(json.dumps(value).encode(), portable=False) == value
    with pytest.raises(ValueError, match=r"^11111111111111111111\.\.\. has too many digits$"):
        read_strict_json(b"1" * 5000, portable=False)


def test_as_deep_as_is_allowed() -> None:
    data = b"[" * DEEPEST + b"]" * DEEPEST
    assert read_strict_json(data) == json.loads(data)


def test_no_file_is_waited_for_or_read_without_an_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"12345")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(UnusableFileError, match=r"^is not a regular file$"):
            read_regular_file(path, 10)
    with pytest.raises(UnusableFileError, match=r"^is longer than 4 bytes$"):
        read_regular_file(tmp_path / "file", 4)
    assert read_regular_file(tmp_path / "file", 5) == b"12345"
    with pytest.raises(FileNotFoundError):
        read_regular_file(tmp_path / "none", 5)
