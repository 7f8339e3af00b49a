"""Write a bundle beside its final place, under a lock, and rename it into place when it is complete.

A build that fails or is killed leaves the old bundle as it was. What a killed build leaves (a hidden partial
folder, a lock file that nobody holds) blocks nothing, and the next build of the same bundle clears it away.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pitome.bundle import DIGEST_NAME, MANIFEST_NAME, is_bundle
from pitome.bundle.record import SIGNATURE_NAME
from pitome.errors import BundleError, InputError
from pitome.lock_file import make_lock_file

_CHOOSE_ANOTHER = "choose another folder with OUT="
_NO_SPACE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file grew over the largest size that is allowed",
}
_NO_WRITING = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO)
# A file where a folder is needed, or the reverse; or, as in /proc, a place where no folder can be made.
_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOENT)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>


@contextmanager
def build_folder(final: Path) -> Iterator[Path]:
    """Give a fresh folder to build a bundle in, and make it ``final`` when the block ends well.

    The folder lies beside ``final``, so that a rename publishes it, and must hold a manifest at the end. An
    existing bundle is replaced in one step and stays until then; one build at a time holds ``<final>.lock``.
    Whatever the block raises, the folder is removed and ``final`` is as before; what stops the whole program
    (Ctrl-C, a signal) is given a note that says so.

    Raises:
        InputError: another build of this bundle runs; ``final`` is something other than a bundle; the disk
            is full, or cannot be written.
        BundleError: the block wrote no manifest.
    """
    final = _resolved(final)
    with ExitStack() as held:
        held.enter_context(_note_of_what_is_left(final))
        with _disk_errors(final):
            with suppress(FileNotFoundError):  # a build that is just replacing it may hide it for a moment
                _refuse_foreign(final)
            held.enter_context(_lock(final))
            _clear_leftovers(final)
            partial = final.with_name(f".{final.name}.partial-{os.getpid()}")
            partial.mkdir()
        try:
            # Inside the try, so that the free bytes are counted before the folder is removed.
            with _disk_errors(final, partial):
                yield partial
                _require_manifest(partial, final)
                _flush(partial)
                was_signed = os.path.lexists(final / SIGNATURE_NAME)
                _put_in_place(partial, final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        if was_signed and not os.path.lexists(final / SIGNATURE_NAME):
            warnings.warn(
                f"the bundle {final} was signed, and is another one now: its {SIGNATURE_NAME} is gone. Sign "
                "it again with `pitome sign`",
                stacklevel=3,
            )


def check_place(final: Path) -> None:
    """Refuse, before long work begins and without writing anything, a place that no bundle can have.

    Raises:
        InputError: a folder that can't be written, a name that is too long, or something other than a bundle.
    """
    final = _resolved(final)
    try:
        str(final).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"write {final}", "its name holds bytes that are no UTF-8", f"Rename it, or {_CHOOSE_ANOTHER}"
        ) from None
    names = (final.name, f".{final.name}.partial-{os.getpid()}", f"{final.name}.lock")
    with _disk_errors(final):
        there = next(folder for folder in final.parents if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        for name in names:
            with suppress(FileNotFoundError):
                os.lstat(there / name)  # says whether the name is too long
        _refuse_foreign(final)
        if final.with_name(names[2]).is_dir():
            lock = str(final.with_name(names[2]))
            raise IsADirectoryError(errno.EEXIST, "a folder has the lock's name", lock)
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def _resolved(final: Path) -> Path:
    try:
        return Path(final).resolve()
    except RuntimeError:
        raise InputError(
            f"write {final}",
            "a link on the way to it leads back to itself",
            f"Remove it, or {_CHOOSE_ANOTHER}",
        ) from None


@contextmanager
def _note_of_what_is_left(final: Path) -> Iterator[None]:
    before = _identity(final)
    try:
        yield
    except BaseException as stop:
        if not isinstance(stop, Exception):
            now = _identity(final)
            if now != before:
                stop.add_note(f"the new bundle was complete already: {final}")
            else:
                stop.add_note("nothing was published" + (f", {final} is as before" if now else ""))
        raise


def _identity(final: Path) -> tuple[int, int] | None:
    try:
        found = final.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _lock(final: Path) -> Iterator[None]:
    """Hold ``<final>.lock``. The kernel drops the lock with the process, however that ends."""
    final.parent.mkdir(parents=True, exist_ok=True)
    path = final.with_name(f"{final.name}.lock")
    make_lock_file(path)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except NotImplementedError as error:
        raise InputError(
            f"build {final}",
            f"its file system has no locks ({error})",
            "Choose a folder on another one with OUT=",
        ) from None
    except Timeout:
        raise InputError(
            f"build {final}",
            f"another build of it is running ({_holder(path)})",
            "Wait until it ends, or choose another folder with OUT=",
        ) from None
    try:
        started = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        path.write_text(json.dumps({"pid": os.getpid(), "since": started}))
        yield
    finally:
        with suppress(OSError):
            path.write_text("")
        # The file stays: unlinking it would let two builds lock two files of one name.
        lock.release()


def _holder(lock: Path) -> str:
    try:
        holder = json.loads(lock.read_text())
        return f"process {int(holder['pid'])}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its process is not known"


def _clear_leftovers(final: Path) -> None:
    """Undo what killed builds left. Under the lock every such folder is one of a process that is gone."""
    name = re.escape(final.name)
    for path in sorted(final.parent.iterdir()):
        if re.fullmatch(rf"\.{name}\.replaced-\d+", path.name) and not os.path.lexists(final):
            path.rename(final)  # killed between the two renames of _put_in_place
        elif re.fullmatch(rf"\.{name}\.(replaced|partial)-\d+", path.name):
            shutil.rmtree(path, ignore_errors=True)


def _refuse_foreign(final: Path) -> None:
    """Refuse to replace what no build wrote: ``OUT=$HOME`` must not cost a home."""
    if not final.exists():
        return
    if not final.is_dir():
        raise InputError(f"build {final}", "it is a file", f"Delete it, or {_CHOOSE_ANOTHER}")
    if os.path.ismount(final):
        raise InputError(
            f"build {final}",
            "it is a mount point, which cannot be replaced",
            "Choose a folder inside it with OUT=",
        )
    if any(final.iterdir()) and not is_bundle(final):
        raise InputError(
            f"build {final}",
            "the folder holds something other than a bundle",
            f"Delete it, or {_CHOOSE_ANOTHER}",
        )


def _require_manifest(partial: Path, final: Path) -> None:
    for name in (MANIFEST_NAME, DIGEST_NAME):
        if not (partial / name).is_file():
            raise BundleError(f"publish {final}", f"the build wrote no {name}", "Call write_manifest last")


def _flush(folder: Path) -> None:
    """Have the disk hold every file before the name points to them."""
    for parent, _, files in os.walk(folder):
        for name in (*files, "."):
            _fsync(Path(parent, name))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(partial: Path, final: Path) -> None:
    _refuse_foreign(final)  # it may have appeared during the build
    if not final.exists():
        partial.rename(final)
    elif _exchange(partial, final):
        shutil.rmtree(partial, ignore_errors=True)
    else:
        _replace_in_two_steps(partial, final)
    _fsync(final.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, so that the bundle is never missing; False where that can't be done."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # Linux with glibc 2.28 or later
    if renameat2 is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    # Any failure (a file system without it, say) is met again, with its reason, by the two renames.
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _replace_in_two_steps(partial: Path, final: Path) -> None:
    aside = final.with_name(f".{final.name}.replaced-{os.getpid()}")
    final.rename(aside)
    try:
        partial.rename(final)  # killed before this: _clear_leftovers brings the old bundle back
    except BaseException:
        aside.rename(final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _disk_errors(final: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn the operating system's refusals to write into an InputError with the place and the remedy."""
    try:
        yield
    except OSError as error:
        readable = _readable(error, final, partial)
        if readable is None:
            raise
        raise readable from error


def _readable(error: OSError, final: Path, partial: Path | None) -> InputError | None:
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else final
    refused: tuple[int, ...]
    if partial is None:
        refused, shown = (*_NO_WRITING, *_NO_FOLDER), place
    else:
        # What the block meets elsewhere (weights that it may not read) is not about the bundle.
        own = place == final or place.is_relative_to(partial)
        refused, shown = _NO_WRITING if own else (), final.parent
    if error.errno in refused:
        return InputError(
            f"write {final}",
            f"{shown} cannot be written ({error.strerror})",
            "Choose a folder that you can write with OUT=",
        )
    if error.errno not in _NO_SPACE:
        return None
    folder = final.parent if place.is_relative_to(final.parent) else place.parent
    reason = f"{_NO_SPACE[error.errno]} in {folder} ({_free_bytes(folder)})"
    if error.errno == errno.EFBIG:
        return InputError(f"write {final}", reason, f"Raise the limit (`ulimit -f`), or {_CHOOSE_ANOTHER}")
    return InputError(f"write {final}", reason, f"Free space there, or {_CHOOSE_ANOTHER}")


def _free_bytes(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free:,} bytes free"
    except OSError:
        return "free space not known"
