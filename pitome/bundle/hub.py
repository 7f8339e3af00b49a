"""A bundle from the Hugging Face hub, or from its local cache. Imports no torch.

What is fetched becomes a folder of plain files in the hub's cache, beside the links that the hub's library
keeps there: ``models--org--name/bundles/COMMIT``. Its files are hard links to the library's, where the file
system has them, so nothing is stored twice. A folder appears there only when every digest was right.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pitome.bundle.manifest import Manifest
from pitome.bundle.record import DIGEST_NAME, MANIFEST_NAME, SIGNATURE_NAME, SizedFileRecord
from pitome.bundle.verification import read_manifest, verify_bundle
from pitome.errors import BundleError, InputError
from pitome.hub_answers import (
    COMMIT,
    TIMEOUT_SECONDS,
    HubUnreachableError,
    first_line,
    model_info,
    refused,
)

_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*)(?:@(.+))?", re.ASCII | re.DOTALL)
_LIMITS = {MANIFEST_NAME: 64 * 1024 * 1024, DIGEST_NAME: 1024, SIGNATURE_NAME: 16 * 1024 * 1024}
_UNSIZED_LIMIT = 512 * 1024 * 1024
"""Of a file whose size the manifest does not say: a tokenizer, a report, a native library."""
_OWN = (DIGEST_NAME, MANIFEST_NAME)
_FORGOTTEN_SECONDS = 24 * 3600.0
_NO_BUNDLE = (
    "Give a repository that `pitome push` wrote. Of a checkpoint make a bundle first: `pitome engine {id}`"
)

Get = Callable[[str], Path]
"""Gives the library's file of a name in the repository."""


@dataclass(frozen=True)
class HubName:
    """Where a bundle lies on the hub."""

    id: str
    """``org/name``."""
    revision: str | None = None
    """Commit, tag or branch; None = the default branch."""

    def __str__(self) -> str:
        return f"the bundle {self.id}" + (f" at revision {self.revision}" if self.revision else "")


@dataclass(frozen=True)
class _Listing:
    """What the hub has at a commit."""

    commit: str
    sizes: Mapping[str, int | None]
    """Bytes by name, as the hub says."""


def parse_hub_name(text: str) -> HubName | None:
    """``org/name`` or ``org/name@revision``; None where a text is neither, such as a folder's path."""
    match = _NAME.fullmatch(text) if isinstance(text, str) else None
    if match is None or ".." in match[1] or "--" in match[1] or match[1].endswith((".git", ".", "-")):
        return None
    return HubName(match[1], match[2])


def fetch_bundle(
    name: str, offline: bool | None = None, progress: Callable[[str], None] | None = None
) -> Path:
    """The verified folder of a bundle on the hub; what a loader does with a folder comes after it.

    A pinned commit that is there already is taken without asking the hub. Where the hub can't be reached, the
    commit that the cache knows for the revision is taken, with a warning that names it.

    Args:
        name: ``org/name`` or ``org/name@revision``.
        offline: ask nobody, take what the cache has; None = as HF_HUB_OFFLINE says.
        progress: is called with a line of text before each download.

    Raises:
        HubUnreachableError: no connection, or offline, and the cache has not the bundle.
        InputError: no such repository or revision, no access, or it holds no bundle.
        BundleError: the bundle is incomplete or damaged.
    """
    found = parse_hub_name(name)
    if found is None:
        raise InputError(
            f"the bundle {name}", "it is no repository of the hub", "Give org/name or org/name@revision"
        )
    from huggingface_hub import constants

    if offline is None:
        offline = constants.is_offline_mode()
    if found.revision and COMMIT.fullmatch(found.revision) and _place(found, found.revision).is_dir():
        return _verified(found, _place(found, found.revision))
    if offline:
        return _from_cache(found, "the hub is not asked (HF_HUB_OFFLINE)")
    try:
        return _from_hub(found, progress)
    except HubUnreachableError as error:
        reason = error.found
    folder = _from_cache(found, reason)
    if folder.name != found.revision:
        warnings.warn(f"{found}: {reason}; commit {folder.name} of the local cache is taken", stacklevel=2)
    return folder


def _from_cache(name: HubName, why: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    def get(file: str, revision: str | None) -> Path | None:
        path = try_to_load_from_cache(name.id, file, revision=revision)
        return Path(path) if isinstance(path, str) else None  # else not there, or known not to exist

    manifest = get(MANIFEST_NAME, name.revision)
    if manifest is None:
        found, remedy = "this bundle", "Fetch it once with a connection: pitome.load, or `hf download`"
        if others := sorted(path.name for path in _place(name, "").glob("[0-9a-f]*")):
            found = f"this revision of it, but {', '.join(others[:3])}"
            remedy = f"Give {name.id}@{others[0]}, or fetch it once with a connection"
        raise HubUnreachableError(str(name), f"{why}, and the local cache has not {found}", remedy)
    commit = manifest.parent.name
    if (ready := _place(name, commit)).is_dir():
        return _verified(name, ready)

    def get_all(file: str) -> Path:
        path = get(file, commit)
        if path is None:
            raise HubUnreachableError(
                str(name), f"{why}, and the local cache lacks {file}", "Fetch it once more with a connection"
            )
        return path

    return _assemble(name, commit, get_all, lambda file: get(file, commit) is not None)


def _from_hub(name: HubName, progress: Callable[[str], None] | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils import httpx

    def get(file: str, revision: str | None) -> Path:
        _check_size(name, file, listing.sizes.get(file))
        if progress is not None:
            progress(f"fetching {file} of {name.id}")
        return Path(hf_hub_download(name.id, file, revision=revision, etag_timeout=TIMEOUT_SECONDS))

    try:
        listing = _listing(name, name.revision)
        _require_bundle(name, listing)
        # The first by branch or tag, so that the cache notes where it points; it may have moved just now.
        commit = get(DIGEST_NAME, name.revision).parent.name
        if commit != listing.commit:
            listing = _listing(name, commit)
            _require_bundle(name, listing)
        if (ready := _place(name, commit)).is_dir():
            return _verified(name, ready)
        return _assemble(name, commit, lambda file: get(file, commit), listing.sizes.__contains__, listing)
    except HfHubHTTPError as error:  # before OSError, of which it is a kind
        raise refused(str(name), name.id, error, "give a folder") from error
    except HFValidationError as error:
        raise InputError(str(name), f"{error}".rstrip("."), "Give an id of the form org/name") from error
    except (httpx.TransportError, ConnectionError, LocalEntryNotFoundError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):  # a file's request was answered, with an error
            raise refused(str(name), name.id, error.__cause__, "give a folder") from error
        raise HubUnreachableError(
            str(name),
            f"the hub can't be reached ({first_line(error)})",
            "Check the connection, or give the folder of a bundle",
        ) from error
    except OSError as error:
        if error.errno is not None:  # of the file system
            raise
        raise InputError(str(name), f"a file came incomplete ({first_line(error)})", "Try again") from error


def _listing(name: HubName, revision: str | None) -> _Listing:
    from huggingface_hub import HfApi

    info = model_info(HfApi(), str(name), name.id, revision)
    return _Listing(info.sha or "", {each.rfilename: each.size for each in info.siblings or []})


def _require_bundle(name: HubName, listing: _Listing) -> None:
    missing = [own for own in _OWN if own not in listing.sizes]
    if missing:
        raise InputError(
            str(name), f"it is no bundle of pitome: it has no {missing[-1]}", _NO_BUNDLE.format(id=name.id)
        )


def _check_size(name: HubName, file: str, size: int | None) -> None:
    """Before it is fetched: what is read whole has a limit."""
    limit = _LIMITS.get(file)
    if limit is not None and size is not None and size > limit:
        raise BundleError(
            str(name), f"{file} has {size:,} bytes, and {limit:,} is the limit", _NO_BUNDLE.format(id=name.id)
        )


def _assemble(
    name: HubName,
    commit: str,
    get: Get,
    there: Callable[[str], bool],
    listing: _Listing | None = None,
) -> Path:
    """Put the files of a bundle into a folder of their own, and verify it before it has its name.

    Args:
        name: of the bundle.
        commit: that is taken.
        get: gives a file.
        there: whether the repository has a file.
        listing: what the hub says of the files, where it was asked.
    """
    place = _place(name, commit)
    partial = _partial_folder(name, place.parent)
    try:
        for own in _OWN:
            _link(get(own), partial / own)
        with _told_of(name, partial):
            manifest = read_manifest(partial)
        if listing is not None:
            _check_listed(name, manifest, listing)
        for record in manifest.files():
            if not (partial / record.file).exists():  # weights that graphs share are listed by each of them
                _link(get(record.file), partial / record.file)
        if there(SIGNATURE_NAME):
            _link(get(SIGNATURE_NAME), partial / SIGNATURE_NAME)
        with _told_of(name, partial):
            verify_bundle(partial)
        _publish(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return place


def _partial_folder(name: HubName, bundles: Path) -> Path:
    try:
        bundles.mkdir(parents=True, exist_ok=True)
        _clear_forgotten(bundles)
        return Path(tempfile.mkdtemp(prefix=".partial-", dir=bundles))
    except OSError as error:
        raise InputError(
            str(name),
            f"the hub's cache {bundles} can't be written ({error.strerror})",
            "Name a folder that can be written with HF_HOME, or fetch it once where it can",
        ) from error


def _publish(partial: Path, place: Path) -> None:
    partial.chmod(0o755)  # a folder of tempfile is its owner's only
    try:
        partial.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was as quick, and its folder is as good
            raise


def _check_listed(name: HubName, manifest: Manifest, listing: _Listing) -> None:
    """Before anything large is fetched."""
    for record in manifest.files():
        if record.file not in listing.sizes:
            raise BundleError(
                str(name), f"its manifest lists {record.file}, which the repository lacks", _PUSH_AGAIN
            )
        size = listing.sizes[record.file]
        if not isinstance(record, SizedFileRecord) and (size or 0) > _UNSIZED_LIMIT:
            raise BundleError(
                str(name),
                f"{record.file} has {size:,} bytes, and {_UNSIZED_LIMIT:,} is the limit of such a file",
                _PUSH_AGAIN,
            )
        if isinstance(record, SizedFileRecord) and size is not None and size != record.bytes:
            raise BundleError(
                str(name),
                f"{record.file} is damaged: expected {record.bytes:,} bytes, the hub has {size:,} bytes",
                _PUSH_AGAIN,
            )


_PUSH_AGAIN = "Ask who pushed it to push it again, or give another revision"


@contextmanager
def _told_of(name: HubName, folder: Path) -> Iterator[None]:
    """Say of which bundle of the hub it is true what a folder in the cache was found to be."""
    try:
        yield
    except BundleError as error:
        remedy = f"{_PUSH_AGAIN}; where it is right on the hub, delete {folder.parent.parent}"
        if "schema_version" in error.found:
            remedy = error.remedy
        raise BundleError(str(name), error.found, remedy) from None


def _verified(name: HubName, folder: Path) -> Path:
    with _told_of(name, folder):
        verify_bundle(folder)
    return folder


def _place(name: HubName, commit: str) -> Path:
    from huggingface_hub import constants

    repository = f"models--{name.id.replace('/', '--')}"
    return Path(constants.HF_HUB_CACHE).expanduser() / repository / "bundles" / commit


def _link(source: Path, target: Path) -> None:
    """The library's file under another name; it has links to files whose names are digests."""
    target.parent.mkdir(parents=True, exist_ok=True)
    real = os.path.realpath(source)
    try:
        os.link(real, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(real, target)


def _clear_forgotten(bundles: Path) -> None:
    """Remove what a killed process left; what another one is just making is younger."""
    for path in bundles.glob(".partial-*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _FORGOTTEN_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
