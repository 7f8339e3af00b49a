"""Write, read and verify a bundle: the folder that ``make engine`` leaves. The schema is in manifest.py.

Production reads bundles with this module, so it imports neither torch nor onnx. Nothing of a bundle is
parsed before its digest was checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pitome.bundle.manifest import SCHEMA_VERSION, Manifest
from pitome.bundle.record import (
    DIGEST_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    FileRecord,
    SizedFileRecord,
)
from pitome.errors import BundleError, InputError
from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.schema_errors import problems
from pitome.strict_json import read_strict_json

_REBUILD = "Run `make engine` for this model again"
_GIVE_A_BUNDLE = "Give the folder that `make engine` wrote, such as build/clip-b16"
# A manifest is some tens of kilobytes; a limit keeps a wrong file from filling the memory.
_MANIFEST_LIMIT = 64 * 1024 * 1024
_DIGEST_LIMIT = 1024
_SHOWN_NAMES = 10
_PIECE = 1024 * 1024


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """Return the sha256 of a JSON value, whatever the order of its keys; tuples count as lists.

    Raises:
        TypeError: the value is not made of dicts, lists, strings, numbers, booleans and None.
        ValueError: a number is not finite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder was written as a bundle, damaged or not."""
    folder = Path(folder)
    if (folder / DIGEST_NAME).is_file():
        return True
    # Other programs have a manifest.json too, so its name alone proves nothing.
    path = folder / MANIFEST_NAME
    try:
        return path.is_file() and b'"pitome_version"' in read_regular_file(path, _MANIFEST_LIMIT)
    except UnusableFileError:
        return False


def weights_named(folder: Path) -> str | None:
    """The digest of the weights that a manifest of any version names, None where it names none; unchecked."""
    try:
        document = json.loads(read_regular_file(folder / MANIFEST_NAME, _MANIFEST_LIMIT))
        found = document["model"]["weights"]["sha256"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` and ``manifest.json.sha256`` into a folder that :func:`build_folder` gave.

    The same manifest always gives the same bytes: keys sorted, two blanks of indentation.

    Raises:
        BundleError: the manifest breaks its schema (``model_copy`` does not validate). Nothing is written.
        OSError: the files cannot be written.
    """
    try:
        found = manifest.model_dump()
        checked = Manifest.model_validate(found)
        document = checked.model_dump(mode="json")
        data = (json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
        read_strict_json(data)  # what could not be read again
    except (ValueError, InputError) as error:  # a number that JSON has no word for is a ValueError
        told = _told(error, found) if isinstance(error, ValidationError) else str(error)
        raise BundleError(
            f"write {folder}/{MANIFEST_NAME}", told, "Correct the manifest before writing it"
        ) from None
    (Path(folder) / MANIFEST_NAME).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    (Path(folder) / DIGEST_NAME).write_bytes(f"{digest}  {MANIFEST_NAME}\n".encode())


def read_manifest(folder: Path, sha256: str | None = None) -> Manifest:
    """Read ``manifest.json``: its digest first, then its JSON, its schema_version, and its schema.

    The files that it lists are not looked at; that is :func:`verify_bundle`.

    Args:
        folder: of the bundle.
        sha256: the digest that it must have, where somebody signed it; None = the one that lies beside it.

    Raises:
        BundleError: no bundle is there, or its manifest is missing, damaged, or of another version.
    """
    folder = Path(folder)
    _check_folder(folder)
    data = _read_checked(folder)
    if sha256 is not None and (digest := hashlib.sha256(data).hexdigest()) != sha256:
        raise _error(folder, f"{MANIFEST_NAME} is not the signed one: {_digests(sha256, digest)}")
    try:
        document = read_strict_json(data)
    except ValueError as error:
        raise _error(folder, f"{MANIFEST_NAME} is not JSON ({error})") from None
    _check_schema_version(folder, document)
    try:
        return Manifest.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise _misfit(folder, _told(error, document)) from None
    except InputError as error:  # settings refuse values by themselves
        raise _misfit(folder, str(error)) from None


def verify_bundle(folder: Path) -> Manifest:
    """Check every file of a bundle against its digest, and return the manifest.

    Other files in the folder are no error: a warning names them.

    Raises:
        BundleError: what :func:`read_manifest` raises; or a listed file is missing, of another size, of
            another digest, or lies outside the folder.
    """
    manifest = read_manifest(folder)
    for record in manifest.files():
        check_file(Path(folder), record)
    warn_of_unknown(Path(folder), manifest)
    return manifest


def warn_of_unknown(folder: Path, manifest: Manifest) -> None:
    """Name what lies in the folder and is not listed, in a warning."""
    if unknown := unknown_files(Path(folder), manifest):
        more = len(unknown) - _SHOWN_NAMES
        told = ", ".join(unknown[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
        warnings.warn(
            f"the bundle {folder} holds what its manifest does not list: {told}. Nothing reads or checks it, "
            "and the next build removes it",
            stacklevel=3,
        )


def unknown_files(folder: Path, manifest: Manifest) -> list[str]:
    """What lies in a bundle's folder and is not in its manifest, by name; empty folders end in ``/``.

    The signature is no unknown file: it is of the manifest too, so no manifest can list it.
    """
    listed = {record.file for record in manifest.files()} | {MANIFEST_NAME, DIGEST_NAME, SIGNATURE_NAME}
    return sorted(name for name in _names_in(folder, folder) if name not in listed)


def _names_in(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.iterdir():
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not path.is_dir():
            yield name
        elif any(path.iterdir()):
            yield from _names_in(path, root)
        else:
            yield f"{name}/"


def valid_files(folder: Path) -> tuple[Manifest | None, frozenset[str]]:
    """Return what a new build can reuse: the manifest, and the names of the listed files that are intact.

    Never raises for a bundle in any state: without a valid manifest nothing is reusable, and the answer is
    ``(None, frozenset())``. Call it inside :func:`build_folder`, whose lock keeps the folder as it is.
    """
    try:
        manifest = read_manifest(folder)
    except BundleError:
        return None, frozenset()
    intact = set()
    for record in manifest.files():
        try:
            check_file(Path(folder), record)
        except BundleError:
            continue
        intact.add(record.file)
    return manifest, frozenset(intact)


def _error(folder: Path, found: str, remedy: str = _REBUILD) -> BundleError:
    return BundleError(f"bundle {folder}", found, remedy)


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise _error(folder, "there is no such folder", _GIVE_A_BUNDLE)
    if not folder.is_dir():
        raise _error(folder, "it is a file, not a folder", _GIVE_A_BUNDLE)
    present = {name for name in (MANIFEST_NAME, DIGEST_NAME) if os.path.lexists(folder / name)}
    if not present:
        raise _error(folder, f"it is not a bundle (it has no {MANIFEST_NAME})", _GIVE_A_BUNDLE)
    for name in {MANIFEST_NAME, DIGEST_NAME} - present:
        raise _error(folder, f"{name} is missing")


def _read_checked(folder: Path) -> bytes:
    """Return the bytes of the manifest, which are those that its digest is of."""
    data, line = (
        _read_own(folder, MANIFEST_NAME, _MANIFEST_LIMIT),
        _read_own(folder, DIGEST_NAME, _DIGEST_LIMIT),
    )
    # Stricter than sha256sum, so that no changed byte passes.
    match = re.fullmatch(rb"([0-9a-f]{64})  " + re.escape(MANIFEST_NAME.encode()) + rb"\n", line)
    if match is None:
        raise _error(folder, f"{DIGEST_NAME} is damaged: it is not the one line that sha256sum writes")
    expected, found = match[1].decode(), hashlib.sha256(data).hexdigest()
    if expected != found:
        raise _error(folder, f"{MANIFEST_NAME} or {DIGEST_NAME} is damaged: {_digests(expected, found)}")
    return data


def _read_own(folder: Path, name: str, limit: int) -> bytes:
    try:
        _refuse_leading_out(folder, name)
        return read_regular_file(folder / name, limit)
    except UnusableFileError as error:
        raise _error(folder, f"{name} {error}") from None
    except FileNotFoundError:  # a link to nothing
        raise _error(folder, f"{name} is missing") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise _error(folder, f"{name} cannot be read ({_reason(error)})") from None


def _refuse_leading_out(folder: Path, name: str) -> None:
    """A link may lead out of the bundle although its name does not."""
    if not (folder / name).resolve(strict=True).is_relative_to(folder.resolve()):
        raise _error(folder, f"{name} is a link that leads out of the bundle")


def _reason(error: OSError | RuntimeError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _check_schema_version(folder: Path, document: Any) -> None:
    """Refuse other versions before the schema is looked at, which would only report their symptoms."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is int and version == SCHEMA_VERSION:
        return
    if version is None:
        raise _error(folder, f"{MANIFEST_NAME} has no schema_version")
    found = f"its schema_version is {version!r}, and this pitome reads {SCHEMA_VERSION}"
    if type(version) is int and version > SCHEMA_VERSION:
        writer = document.get("pitome_version", "a newer version")
        raise _error(folder, found, f"Install the pitome that wrote it ({writer}), or build the bundle again")
    raise _error(folder, found)


def check_file(folder: Path, record: FileRecord, write: Callable[[memoryview], object] | None = None) -> None:
    """Check one listed file against its record, by one descriptor: what is hashed is what was opened.

    Args:
        folder: of the bundle.
        record: of the file.
        write: is given the same bytes, piece by piece; they are those of the record once this returns.

    Raises:
        BundleError: it is missing, of another size, of another digest, or lies outside the folder.
        OSError: ``write`` raised it.
    """
    try:
        descriptor = _opened(folder, record)
    except (FileNotFoundError, NotADirectoryError):
        raise _error(folder, f"{record.file} is missing") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise _error(folder, f"{record.file} cannot be read ({_reason(error)})") from None
    with open(descriptor, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if isinstance(record, SizedFileRecord) and size != record.bytes:
            raise _error(
                folder, f"{record.file} is damaged: expected {record.bytes:,} bytes, found {size:,} bytes"
            )
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_PIECE))
        while True:
            try:
                count = file.readinto(buffer)
            except OSError as error:
                raise _error(folder, f"{record.file} cannot be read ({_reason(error)})") from None
            if not count:
                break
            digest.update(buffer[:count])
            if write is not None:
                write(buffer[:count])
    if digest.hexdigest() != record.sha256:
        raise _error(folder, f"{record.file} is damaged: {_digests(record.sha256, digest.hexdigest())}")


def _opened(folder: Path, record: FileRecord) -> int:
    """A descriptor of a regular file, which lies in the folder."""
    _refuse_leading_out(folder, record.file)
    path = folder / record.file
    if path.is_file():  # opening a socket fails
        # Without O_NONBLOCK a pipe would be waited for until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    elif not os.path.lexists(path):
        raise FileNotFoundError
    raise _error(folder, f"{record.file} is not a regular file")


def _digests(expected: str, found: str) -> str:
    return f"expected sha256 {expected[:12]}, found {found[:12]}"


def _misfit(folder: Path, found: str) -> BundleError:
    return _error(folder, f"{MANIFEST_NAME} does not fit its schema: {found}")


def _told(error: ValidationError, document: Any) -> str:
    return "; ".join(problems(error, document, _schema(), whole=""))


@lru_cache
def _schema() -> dict[str, Any]:
    return Manifest.model_json_schema()
