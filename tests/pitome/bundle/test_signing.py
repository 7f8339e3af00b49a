"""A signature holds for exactly the files that were signed; each way in which it doesn't has its error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pitome.bundle import verify_bundle
from pitome.bundle.signing import PASSWORD_VARIABLE, Signed, sign_bundle, verify_signature
from pitome.errors import BundleError, InputError
from tests.pitome.bundle.bundle_cases import CONTENTS, OWN, sha256
from tests.pitome.bundle.keys import make_keys
from tests.pitome.bundle.signed_bundle import (
    found,
    refusal,
    rewrite,
)


@pytest.fixture
def folder(signed_folder: Path) -> Path:
    return signed_folder


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


def test_a_folder_by_the_name_of_a_leftover_is_no_leftover(folder: Path, keys: tuple[Path, Path]) -> None:
    (folder / ".model.sig-1").mkdir()
    with pytest.raises(BundleError, match=r"holds what its manifest does not list: \.model\.sig-1"):
        sign_bundle(folder, keys[0])
