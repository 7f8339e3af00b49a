"""A signature holds for exactly the files that were signed; each way in which it doesn't has its error."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pitome.bundle import verify_bundle
from pitome.bundle.signing import PASSWORD_VARIABLE, Signed, sign_bundle, verify_signature
from pitome.errors import BundleError, InputError, SignatureError
from tests.pitome.bundle.bundle_cases import CONTENTS, OWN, make_bundle, sha256
from tests.pitome.bundle.keys import make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("keys"), "own")


@pytest.fixture(scope="module")
def signed_once(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> Path:
    made = make_bundle(tmp_path_factory.mktemp("signed") / "clip-b16")
    sign_bundle(made, keys[0])
    return made


@pytest.fixture
def folder(tmp_path: Path, signed_once: Path) -> Path:
    """A bundle that is signed."""
    return Path(shutil.copytree(signed_once, tmp_path / "clip-b16"))


def refusal(folder: Path, key: Path) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        verify_signature(folder, key)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(f"the signature of {folder}: ")
    return caught.value


def found(error: SignatureError) -> tuple[str, str]:
    return error.kind, error.found


def test_a_signature_is_of_every_file_but_itself(folder: Path, keys: tuple[Path, Path]) -> None:
    signed = verify_signature(folder, keys[1])
    assert signed.files.keys() == {*CONTENTS, *OWN}
    assert signed.files["model.onnx"] == sha256(CONTENTS["model.onnx"])
    assert signed.files["manifest.json"] == sha256((folder / "manifest.json").read_bytes())
    assert len(signed.key) == 64


def test_the_signature_is_no_unknown_file(
    folder: Path, recwarn: pytest.WarningsRecorder, keys: tuple[Path, Path]
) -> None:
    verify_bundle(folder)
    assert not recwarn.list
    sign_bundle(folder, keys[0])  # once more, in place of the first
    assert {path.name for path in folder.iterdir()} >= {"model.sig"}
    assert not list(folder.glob(".*"))


def test_in_a_folder_it_is_an_unknown_file(folder: Path) -> None:
    (folder / "model.sig").rename(folder / "plans" / "model.sig")
    with pytest.warns(UserWarning, match=r"does not list: plans/model\.sig\. "):
        verify_bundle(folder)


def test_a_copy_under_another_name_has_the_same_signature(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder.parent / "latest").symlink_to(folder)
    assert verify_signature(folder.parent / "latest", keys[1]) == verify_signature(folder, keys[1])
    moved = folder.rename(folder.parent / "another")
    assert isinstance(verify_signature(moved, keys[1]), Signed)


def test_no_signature(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / "model.sig").unlink()
    error = refusal(folder, keys[1])
    assert found(error) == ("missing", "it is not signed: there is no model.sig")
    assert "pitome sign BUNDLE --key PRIVATE_KEY_FILE" in error.remedy


def test_another_key(folder: Path, tmp_path: Path) -> None:
    other = make_keys(tmp_path, "other")[1]
    error = refusal(folder, other)
    assert error.kind == "key"
    assert "it was made with another key (its public key has sha256 " in error.found
    assert f"{other} has " in error.found


def test_another_key_that_calls_itself_the_right_one(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    right = json.loads((folder / "model.sig").read_bytes())["verificationMaterial"]
    sign_bundle(folder, make_keys(tmp_path, "other")[0])
    rewrite(folder, lambda document: document.update(verificationMaterial=right))
    error = refusal(folder, keys[1])
    assert found(error) == (
        "damaged",
        "model.sig is damaged, or no signature with a key: its content is not what the key has signed",
    )


@pytest.mark.parametrize("name", ["model.onnx", "plans/model.fp16.sm80.plan", *OWN])
def test_a_changed_file(folder: Path, keys: tuple[Path, Path], name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[0] ^= 1
    (folder / name).write_bytes(data)
    assert found(refusal(folder, keys[1])) == ("changed", f"changed since it was signed: {name}")


@pytest.mark.parametrize("name", ["model.onnx", "labels.json", *OWN])
def test_a_removed_file(folder: Path, keys: tuple[Path, Path], name: str) -> None:
    (folder / name).unlink()
    assert found(refusal(folder, keys[1])) == ("removed", f"removed since it was signed: {name}")


@pytest.mark.parametrize(
    "name", ["extra.py", "plans/another.plan", ".hidden", ".gitattributes", "model.sig2"]
)
def test_an_added_file(folder: Path, keys: tuple[Path, Path], name: str) -> None:
    (folder / name).write_text("mine")
    error = refusal(folder, keys[1])
    assert found(error) == ("added", f"added since it was signed: {name}")
    assert error.remedy == "Remove what does not belong to the bundle; only model.sig lies in it unsigned"


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("model.onnx"), os.mkfifo])
def test_an_added_link_or_pipe(folder: Path, keys: tuple[Path, Path], make: Callable[[Path], None]) -> None:
    make(folder / "extra")
    assert found(refusal(folder, keys[1])) == ("added", "added since it was signed: extra")


def test_a_link_or_a_pipe_in_place_of_a_file(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / "model.onnx").rename(folder.parent / "elsewhere")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere")
    assert found(refusal(folder, keys[1])) == ("changed", "changed since it was signed: model.onnx")
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    assert found(refusal(folder, keys[1])) == ("changed", "changed since it was signed: model.onnx")


def test_all_that_differs_is_said(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / "model.onnx").write_bytes(b"")
    (folder / "labels.json").unlink()
    for number in range(12):
        (folder / f"x{number:02}").touch()
    error = refusal(folder, keys[1])
    assert error.kind == "changed"
    assert error.found.startswith(
        "changed since it was signed: model.onnx; added since it was signed: x00, x01"
    )
    assert error.found.endswith("x09 and 2 more; removed since it was signed: labels.json")


def test_a_rewritten_manifest_with_its_digest_is_a_change(folder: Path, keys: tuple[Path, Path]) -> None:
    """What the bundle's own digests can't tell."""
    text = (folder / OWN[0]).read_text().replace('"name": "clip-b16"', '"name": "clip-b32"')
    (folder / OWN[0]).write_text(text)
    (folder / OWN[1]).write_text(f"{sha256(text.encode())}  {OWN[0]}\n")
    assert verify_bundle(folder).model.name == "clip-b32"
    assert found(refusal(folder, keys[1]))[1] == f"changed since it was signed: {OWN[0]}, {OWN[1]}"


# --- files that call themselves signatures ----------------------------------------------------------------


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads((folder / "model.sig").read_bytes())
    change(document)
    (folder / "model.sig").write_text(json.dumps(document))


def rewrite_statement(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    def of_document(document: dict[str, Any]) -> None:
        envelope = document["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    rewrite(folder, of_document)


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


# --- signing ----------------------------------------------------------------------------------------------


def test_what_the_manifest_does_not_list_is_not_signed(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / "notes.txt").touch()
    with pytest.raises(BundleError, match=r"it holds what its manifest does not list: notes\.txt\. Remove"):
        sign_bundle(folder, keys[0])


def test_a_damaged_bundle_is_not_signed(folder: Path, keys: tuple[Path, Path]) -> None:
    before = (folder / "model.sig").read_bytes()
    (folder / "model.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"model\.onnx is damaged"):
        sign_bundle(folder, keys[0])
    assert (folder / "model.sig").read_bytes() == before


def test_what_a_killed_signing_left_is_not_signed(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / ".model.sig-123").touch()
    sign_bundle(folder, keys[0])
    assert ".model.sig-123" not in verify_signature(folder, keys[1]).files


def test_a_link_within_the_bundle_can_not_be_signed(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / "labels.json").unlink()
    (folder / "labels.json").symlink_to("plans/labels")
    (folder / "plans/labels").write_bytes(CONTENTS["labels.json"])
    with pytest.raises(BundleError, match=r"does not list: plans/labels"):
        sign_bundle(folder, keys[0])
    (folder / "labels.json").unlink()
    (folder / "plans/labels").unlink()
    (folder / "labels.json").write_bytes(CONTENTS["labels.json"])
    sign_bundle(folder, keys[0])


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_other_curves(folder: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    private, public = make_keys(tmp_path, "larger", curve)
    assert sign_bundle(folder, private) == verify_signature(folder, public)


def test_a_key_with_a_password(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = make_keys(tmp_path, "locked", password="ünlock".encode())
    with pytest.raises(InputError, match=f"it has a password. Set {PASSWORD_VARIABLE} to it"):
        sign_bundle(folder, private)
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    with pytest.raises(InputError, match=f"{PASSWORD_VARIABLE} is not its password"):
        sign_bundle(folder, private)
    monkeypatch.setenv(PASSWORD_VARIABLE, "ünlock")
    sign_bundle(folder, private)
    verify_signature(folder, public)


def test_a_password_for_a_key_without_one(
    folder: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "any")
    with pytest.raises(InputError, match=f"it has no password, and {PASSWORD_VARIABLE} is set"):
        sign_bundle(folder, keys[0])


@pytest.mark.parametrize("kind", ["private", "public"])
def test_what_is_no_key(folder: Path, tmp_path: Path, keys: tuple[Path, Path], kind: str) -> None:
    def told(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            (sign_bundle if kind == "private" else verify_signature)(folder, path)
        assert str(caught.value).startswith(f"the {kind} key {path}: ")
        return caught.value.found

    path = tmp_path / "key"
    assert told(path) == "it can't be read (No such file or directory)"
    assert told(tmp_path) == "it is not a regular file"
    assert told(Path("/dev/zero")) == "it is not a regular file"
    path.write_bytes(b"x" * 100_000)
    assert told(path) == "it is longer than 65,536 bytes"
    header = f"{kind.upper()} KEY-----"
    for content in ("", "\x00\x01", f"-----BEGIN {header}\nAAAA\n-----END {header}\n"):
        path.write_text(content)
        assert f"it is no {kind} key in PEM" in told(path)
    other = rsa.generate_private_key(65537, 2048)
    path.write_bytes(
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if kind == "private"
        else other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert "signatures are by secp256r1, secp384r1, secp521r1" in told(path)
    private, public = make_keys(tmp_path, "unusual", ec.SECP256K1())
    assert "it is a key of the curve secp256k1" in told(private if kind == "private" else public)
    swapped = keys[1] if kind == "private" else keys[0]
    assert told(swapped).startswith("it is a public key" if kind == "private" else "it is a private key")


# --- the library's own tool -------------------------------------------------------------------------------


@pytest.mark.slow
def test_its_own_tool_takes_our_signature_and_we_take_its(folder: Path, keys: tuple[Path, Path]) -> None:
    def tool(*words: str | Path) -> str:
        command = [sys.executable, "-m", "model_signing", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    signature = folder / "model.sig"
    told = tool("verify", "key", "--signature", signature, "--public_key", keys[1], folder)
    assert "Verification succeeded" in told
    signature.unlink()
    tool("sign", "key", "--signature", signature, "--private_key", keys[0], folder)
    assert verify_signature(folder, keys[1]).files.keys() == {*CONTENTS, *OWN}
    (folder / "added").touch()
    assert refusal(folder, keys[1]).kind == "added"
