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
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pitome.bundle.manifest import Manifest
from pitome.bundle.record import FileRecord, NativeRecord
from pitome.bundle.verification import check_file, warn_of_unknown
from pitome.errors import BackendError, BundleError

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
                self._copy_to_folder(record)
            else:
                self._copy_to_memory(record)
        except OSError as error:
            raise BackendError(
                f"a private copy of {record.file}",
                f"there is no room for it ({error.strerror})",
                "Free memory, or room in the folder of temporary files (TMPDIR)",
            ) from error

    def _copy_to_folder(self, record: FileRecord) -> None:
        target = self.folder / record.file
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            check_file(self._bundle, record, lambda piece: self._count(piece) or file.write(piece))
        self._copies[record.file] = target

    def _copy_to_memory(self, record: FileRecord) -> None:
        descriptor = os.memfd_create(record.file[-200:], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._descriptors.append(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            check_file(self._bundle, record, lambda piece: self._count(piece) or file.write(piece))
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        self._copies[record.file] = Path(f"/proc/self/fd/{descriptor}")

    def _count(self, piece: memoryview) -> None:
        self._size += len(piece)


_libraries: dict[str, tempfile.TemporaryDirectory[str]] = {}
_libraries_lock = threading.Lock()


def private_library(folder: Path, record: NativeRecord) -> Path:
    """A copy of a native library, one for each content and process, until the process ends.

    A library stays loaded under its path, and the loader takes an equal path for an equal library: so the
    path has the digest in it, and a second bundle with the same library shares it.

    Raises:
        BundleError: it is missing or damaged.
        BackendError: there is no room for a copy.
    """
    with _libraries_lock:
        if record.sha256 not in _libraries:
            holder = tempfile.TemporaryDirectory(prefix="pitome-native-")
            path = _library_path(holder, record)
            try:
                path.parent.mkdir()
                with path.open("xb") as file:
                    check_file(folder, record, file.write)
            except OSError as error:
                holder.cleanup()
                raise BackendError(
                    f"a private copy of {record.file}",
                    f"there is no room for it ({error.strerror})",
                    "Free room in the folder of temporary files (TMPDIR)",
                ) from error
            except BundleError:
                holder.cleanup()
                raise
            _libraries[record.sha256] = holder
        return _library_path(_libraries[record.sha256], record)


def _library_path(holder: tempfile.TemporaryDirectory[str], record: NativeRecord) -> Path:
    return Path(holder.name) / record.sha256[:16] / Path(record.file).name
