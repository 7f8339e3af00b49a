"""Files that call themselves signatures: each ends in our error."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle.signing import sign_bundle, verify_signature
from pitome.errors import BundleError, SignatureError
from tests.pitome.bundle.signed_bundle import (
    refusal,
    rewrite,
    rewrite_statement,
)


@pytest.fixture
def folder(signed_folder: Path) -> Path:
    return signed_folder


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "Expecting value"),
        (b"\x00" * 1000, "Expecting value"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"null", "it is no JSON object"),
        (b"[]", "it is no JSON object"),
        (b"[" * 100_000, "lie in each other more than 32 deep"),
        (b'{"a": ' * 100_000, "lie in each other more than 32 deep"),
        (b"{}", "mediaType"),
        (b'{"mediaType": 1, "mediaType": 2}', "the key stands there twice"),
        (b"-----BEGIN SIGNATURE-----", "line 1 column"),
        (b'{"x": 1e999}', "beyond every floating number"),
        (b" " * (16 * 1024 * 1024 + 1), "it is longer than 16,777,216 bytes"),
    ],
)
def test_no_signature_at_all(folder: Path, keys: tuple[Path, Path], content: bytes, text: str) -> None:
    (folder / "model.sig").write_bytes(content)
    error = refusal(folder, keys[1])
    assert error.kind == "damaged"
    assert error.found.startswith("model.sig is damaged, or no signature with a key: ")
    assert text in error.found


def set_at(*path: str | int) -> Callable[[dict[str, Any], Any], None]:
    def change(document: Any, value: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        if value is None:
            del document[path[-1]]
        else:
            document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "path",
    [
        ("mediaType",),
        ("verificationMaterial",),
        ("verificationMaterial", "publicKey"),
        ("verificationMaterial", "publicKey", "hint"),
        ("dsseEnvelope",),
        ("dsseEnvelope", "payload"),
        ("dsseEnvelope", "payloadType"),
        ("dsseEnvelope", "signatures"),
        ("dsseEnvelope", "signatures", 0),
        ("dsseEnvelope", "signatures", 0, "sig"),
    ],
)
def test_a_part_that_is_another_thing(
    folder: Path, keys: tuple[Path, Path], path: tuple[str | int, ...]
) -> None:
    good = (folder / "model.sig").read_bytes()
    for value in (None, 1, [], {}, "x", True, [{}], [[[]]], "é", "=" * 5):
        (folder / "model.sig").write_bytes(good)
        rewrite(folder, lambda document, value=value: set_at(*path)(document, value))
        assert refusal(folder, keys[1]).kind == "damaged", value


@pytest.mark.parametrize(
    "path",
    [
        ("_type",),
        ("subject",),
        ("subject", 0, "digest"),
        ("subject", 0, "digest", "sha256"),
        ("predicateType",),
        ("predicate",),
        ("predicate", "serialization"),
        ("predicate", "serialization", "method"),
        ("predicate", "serialization", "hash_type"),
        ("predicate", "serialization", "ignore_paths"),
        ("predicate", "resources"),
        ("predicate", "resources", 0),
        ("predicate", "resources", 0, "digest"),
        ("predicate", "resources", 0, "name"),
    ],
)
def test_a_part_of_the_statement_that_is_another_thing(
    folder: Path, keys: tuple[Path, Path], path: tuple[str | int, ...]
) -> None:
    good = (folder / "model.sig").read_bytes()
    for value in (None, 1, [], {}, "x", True, [{}], "../../etc/passwd"):
        (folder / "model.sig").write_bytes(good)
        rewrite_statement(folder, lambda statement, value=value: set_at(*path)(statement, value))
        assert refusal(folder, keys[1]).kind == "damaged", value


def test_one_that_leaves_out_the_graph(folder: Path, keys: tuple[Path, Path]) -> None:
    ignore = set_at("predicate", "serialization", "ignore_paths")
    rewrite_statement(folder, lambda statement: ignore(statement, ["model.sig", "model.onnx"]))
    assert "it leaves out model.onnx" in refusal(folder, keys[1]).found


def test_one_byte_less_and_every_twentieth_byte_changed(folder: Path, keys: tuple[Path, Path]) -> None:
    good = (folder / "model.sig").read_bytes()
    accepted = []
    for position in range(0, len(good), 20):
        (folder / "model.sig").write_bytes(
            good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        )
        with suppress(SignatureError):
            verify_signature(folder, keys[1])
            accepted.append(position)
    # What is left is what no signature is of: names of keys that nobody reads, or blanks.
    assert len(accepted) <= 3, [good[at - 10 : at + 10] for at in accepted]
    (folder / "model.sig").write_bytes(good[:-1])
    assert refusal(folder, keys[1]).kind == "damaged"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.symlink_to("manifest.json"), "it is a link"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a link"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.mkdir(), "it is not a regular file"),
    ],
)
def test_what_is_no_file(
    folder: Path, keys: tuple[Path, Path], make: Callable[[Path], None], text: str
) -> None:
    (folder / "model.sig").unlink()
    make(folder / "model.sig")
    assert text in refusal(folder, keys[1]).found


def test_no_folder(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match="there is no such folder"):
        verify_signature(tmp_path / "nowhere", keys[1])
    with pytest.raises(BundleError, match="there is no such folder"):
        sign_bundle(tmp_path / "nowhere", keys[0])
