"""The files of a bundle that a load uses, as they were while their digests were taken.

A file that is checked and then opened again by its name may be another one by then. So every file that is
loaded is copied while it is hashed, to where nobody writes: a sealed file in memory, or, where its name or
its neighbours matter, a folder of this user's own. What is loaded is that copy.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pitome.bundle.manifest import Manifest
from pitome.bundle.record import FileRecord, NativeRecord
from pitome.bundle.verification import check_file, warn_of_unknown
from pitome.errors import BackendError

_LOG = logging.getLogger("pitome.runtime")
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclass(frozen=True)
class Verification:
    """What was checked, and how long that took."""

    files: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.files} files, {self.bytes / 1e6:.1f} MB, in {self.seconds:.2f} s"


class PrivateFiles:
    """Copies of files of a bundle, until `close`.

    Args:
        folder: of the bundle.
        manifest: of the bundle.
        wanted: names of the files to copy at once; the others are only checked, until `path` asks for one.

    Raises:
        BundleError: any file of the bundle is missing, damaged, or lies outside the folder.
        BackendError: there is no room for a copy.
    """

    def __init__(self, folder: Path, manifest: Manifest, wanted: Collection[str]) -> None:
        self._bundle = folder
        self._records = {record.file: record for record in manifest.files()}
        self._data = {
            onnx.file: [data.file for data in onnx.external_data]
            for onnx in manifest.onnx
            if onnx.external_data
        }
        assets = [asset.file for asset in manifest.assets]
        self._in_folder = {*assets, *self._data, *(name for names in self._data.values() for name in names)}
        self._holder: tempfile.TemporaryDirectory[str] | None = None
        self._copies: dict[str, Path] = {}
        self._descriptors: list[int] = []
        copied = {*wanted, *(name for file in wanted for name in self._data.get(file, ()))}
        started, self._size = time.perf_counter(), 0
        try:
            for name, record in self._records.items():
                if name in copied:
                    self._copy(record)
                else:
                    check_file(folder, record, self._count)
        except BaseException:
            self.close()
            raise
        self.verification = Verification(len(self._records), self._size, time.perf_counter() - started)
        _LOG.info("verified the bundle %s: %s", folder, self.verification)
        warn_of_unknown(folder, manifest)

    @property
    def folder(self) -> Path:
        """Where copies lie that need their names or neighbours: assets, and graphs with external data."""
        if self._holder is None:
            self._holder = tempfile.TemporaryDirectory(prefix="pitome-")
        return Path(self._holder.name)

    def path(self, name: str) -> Path:
        """A path of a file's copy, good until `close`. Errors are those of the class."""
        for each in (*self._data.get(name, ()), name):
            if each not in self._copies:
                self._copy(self._records[each])
        return self._copies[name]

    def library(self, record: NativeRecord) -> Path:
        """A path of the copy of a native library, good until the process ends. Errors as of `path`."""
        return private_library(self._bundle, record)

    def close(self) -> None:
        """Remove the copies; what was loaded from them stays loaded."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        self._copies.clear()
        if self._holder is not None:
            self._holder.cleanup()
            self._holder = None

    def _copy(self, record: FileRecord) -> None:
        try:
            if record.file in self._in_folder:
                target = self.folder / record.file
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    _check_into(self._bundle, record, file, self._count)
            else:
                self._descriptors.append(_sealed_copy(self._bundle, record, self._count))
                target = Path(f"/proc/self/fd/{self._descriptors[-1]}")
        except OSError as error:
            raise _no_room(record, error) from error
        self._copies[record.file] = target

    def _count(self, piece: memoryview) -> None:
        self._size += len(piece)


_libraries: dict[str, int] = {}
_libraries_lock = threading.Lock()


def private_library(folder: Path, record: NativeRecord) -> Path:
    """A copy of a native library, one for each content, which stays until the process ends.

    The loader knows libraries by their paths, and an equal path for the library that it has: so no
    descriptor of one is closed, and a second bundle with the same library shares it.

    Raises:
        BundleError: it is missing or damaged.
        BackendError: there is no room for a copy.
    """
    with _libraries_lock:
        if record.sha256 not in _libraries:
            try:
                _libraries[record.sha256] = _sealed_copy(folder, record)
            except OSError as error:
                raise _no_room(record, error) from error
        return Path(f"/proc/self/fd/{_libraries[record.sha256]}")


def _sealed_copy(folder: Path, record: FileRecord, count: Callable[[memoryview], None] | None = None) -> int:
    """The descriptor of a file in memory with the bytes of the record, which nobody can change."""
    descriptor = os.memfd_create(record.file[-200:], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            _check_into(folder, record, file, count)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_into(
    folder: Path, record: FileRecord, file: IO[bytes], count: Callable[[memoryview], None] | None
) -> None:
    def write(piece: memoryview) -> None:
        file.write(piece)
        if count is not None:
            count(piece)

    check_file(folder, record, write)


def _no_room(record: FileRecord, error: OSError) -> BackendError:
    return BackendError(
        f"a private copy of {record.file}",
        f"there is no room for it ({error.strerror})",
        "Free memory, or room in the folder of temporary files (TMPDIR)",
    )
