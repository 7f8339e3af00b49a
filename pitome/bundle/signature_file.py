"""What a file ``model.sig`` says: the key that it names and the files that it is of. Nothing is believed yet.

The form is that of OpenSSF model signing: a bundle of Sigstore around an in-toto statement, in JSON. Whoever
wrote it may have written anything, so every part that is used is checked for its form here, before the
library that verifies it sees it. Needs the core only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pitome.bundle.record import SIGNATURE_NAME, Sha256
from pitome.errors import SignatureError, SignatureFault
from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.schema_errors import problems
from pitome.strict_json import read_strict_json

_LIMIT = 16 * 1024 * 1024
"""A file has about 150 bytes in it, and a bundle some tens of files."""
_MAY_BE_IGNORED = {SIGNATURE_NAME, ".git", ".gitattributes", ".github", ".gitignore"}
"""What the tool of model-signing leaves out by itself; ``pitome sign`` leaves out the signature alone."""
_SHOWN_NAMES = 10
_LONGEST_TEXT = 300
_LONGEST_NAME = 100
_REPLACE = "Get the bundle with its signature again, or sign it: `pitome sign BUNDLE --key PRIVATE_KEY_FILE`"


class _Part(BaseModel):
    """What others write may hold more than is read here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_Shape = TypeVar("_Shape", bound=_Part)


class _PublicKey(_Part):
    hint: Sha256


class _Material(_Part):
    publicKey: _PublicKey


class _Signature(_Part):
    sig: str


class _Envelope(_Part):
    payload: str
    payloadType: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[tuple[_Signature, ...], Field(min_length=1, max_length=1)]


class _File(_Part):
    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verificationMaterial: _Material
    dsseEnvelope: _Envelope


class _Serialization(_Part):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: Literal[False]
    ignore_paths: tuple[str, ...] = ()


class _Resource(_Part):
    name: Annotated[str, Field(min_length=1)]
    algorithm: Literal["sha256"]
    digest: Sha256


class _Predicate(_Part):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Digest(_Part):
    sha256: Sha256


class _Subject(_Part):
    name: str
    digest: _Digest


class _Statement(_Part):
    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: Annotated[tuple[_Subject, ...], Field(min_length=1, max_length=1)]
    predicateType: Literal["https://model_signing/signature/v1.0"]
    predicate: _Predicate


@dataclass(frozen=True)
class SignatureFile:
    """What a signature says of itself."""

    content: bytes
    """The bytes that this was read from."""
    signed: bytes
    """What the key signed, as DSSE puts it together."""
    signature: bytes
    """What it made of that."""
    key: str
    """Digest of the public key that it names."""
    files: Mapping[str, str]
    """Digest by name of every file that it is of."""
    ignored: tuple[str, ...]
    """Names that it leaves out."""


def read_signature(folder: Path) -> SignatureFile:
    """Read a bundle's ``model.sig``.

    Raises:
        SignatureError: there is none, or it is no signature that was made with a key.
    """
    path = Path(folder) / SIGNATURE_NAME
    try:
        if path.is_symlink():
            raise UnusableFileError("is a link")
        content = read_regular_file(path, _LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        raise fault(
            "missing",
            folder,
            f"it is not signed: there is no {SIGNATURE_NAME}",
            "Get the signed bundle, or sign it: `pitome sign BUNDLE --key PRIVATE_KEY_FILE`",
        ) from None
    except UnusableFileError as error:
        raise damaged(folder, f"it {error}") from None
    except OSError as error:
        raise damaged(folder, f"it can't be read ({error.strerror})") from None
    return _parsed(folder, content)


def check_files(folder: Path, signature: SignatureFile) -> None:
    """Compare the files of a bundle with those that a signature is of; whose signature it is, is not asked.

    Raises:
        SignatureError: a file was changed, added or removed since; the message names it.
    """
    root = Path(folder)
    try:
        there = {name for name in _names_in(root, root) if name.partition("/")[0] not in signature.ignored}
        both = sorted(signature.files.keys() & there)
        changed = [name for name in both if _digest(root, name) != signature.files[name]]
    except OSError as error:
        raise fault(
            "changed",
            folder,
            f"{error.filename} can't be read ({error.strerror})",
            "Make all files of the bundle readable",
        ) from None
    removed = sorted(signature.files.keys() - there)
    added = sorted(there - signature.files.keys())
    kinds: dict[SignatureFault, list[str]] = {"changed": changed, "added": added, "removed": removed}
    wrong = {kind: names for kind, names in kinds.items() if names}
    if wrong:
        found = "; ".join(f"{_TOLD[kind]}: {_listed(names)}" for kind, names in wrong.items())
        remedies = [_REMEDIES[kind] for kind in wrong]
        raise fault(next(iter(wrong)), folder, found, remedies[0] if len(remedies) == 1 else _REPLACE)


def damaged(folder: Path, found: str) -> SignatureError:
    """The error for a file that is no signature; what it holds may be of any length, a message not."""
    found = found if len(found) <= _LONGEST_TEXT else f"{found[:_LONGEST_TEXT]}..."
    return fault(
        "damaged", folder, f"{SIGNATURE_NAME} is damaged, or no signature with a key: {found}", _REPLACE
    )


def fault(kind: SignatureFault, folder: Path, found: str, remedy: str) -> SignatureError:
    """The error for anything else."""
    return SignatureError(kind, f"the signature of {folder}", found, remedy)


_TOLD: dict[SignatureFault, str] = {
    "changed": "changed since it was signed",
    "added": "added since it was signed",
    "removed": "removed since it was signed",
}
_REMEDIES: dict[SignatureFault, str] = {
    "changed": "Do not use it: get the signed bundle again",
    "added": f"Remove what does not belong to the bundle; only {SIGNATURE_NAME} lies in it unsigned",
    "removed": "Get the signed bundle again, with all of its files",
}


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in names]
    return ", ".join(shown[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _parsed(folder: Path, content: bytes) -> SignatureFile:
    try:
        file = _checked(_File, content)
        payload = base64.b64decode(file.dsseEnvelope.payload, validate=True)
        signature = base64.b64decode(file.dsseEnvelope.signatures[0].sig, validate=True)
        statement = _checked(_Statement, payload)
        predicate = statement.predicate
        files = {each.name: each.digest for each in predicate.resources}
        if len(files) < len(predicate.resources):
            raise ValueError("it names a file twice")
        whole = hashlib.sha256(b"".join(bytes.fromhex(each.digest) for each in predicate.resources))
        if whole.hexdigest() != statement.subject[0].digest.sha256:
            raise ValueError("the digest of its list is not that of the list")
        ignored = predicate.serialization.ignore_paths
        if foreign := sorted(set(ignored) - _MAY_BE_IGNORED):
            raise ValueError(f"it leaves out {', '.join(foreign)}")
    except (ValueError, binascii.Error) as error:
        raise damaged(folder, str(error)) from None
    kind = file.dsseEnvelope.payloadType.encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    key = file.verificationMaterial.publicKey.hint
    return SignatureFile(content, signed, signature, key, files, (SIGNATURE_NAME, *ignored))


def _checked(shape: type[_Shape], content: bytes) -> _Shape:
    document = read_strict_json(content)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        raise ValueError(
            "; ".join(problems(error, document, shape.model_json_schema(), whole="")[:3])
        ) from None


def _names_in(folder: Path, root: Path) -> Iterator[str]:
    """Every file below a folder, links and pipes too; a signature knows no empty folders."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _names_in(path, root)
        else:
            yield path.relative_to(root).as_posix()


def _digest(root: Path, name: str) -> str:
    """Of a file; of what is none a text that no digest equals."""
    path = root / name
    if not stat.S_ISREG(path.lstat().st_mode):
        return "no regular file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
