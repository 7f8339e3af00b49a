"""A file of finished work that a later run of the same command takes over: one JSON object a line.

The first line says what the work depends on; every later one is a record. A run with another configuration
is refused, because its records and those in the file could not stand in one table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from pitome.errors import InputError
from pitome.lock_file import make_lock_file
from pitome.strict_json import read_strict_json

SCHEMA_VERSION = 1
_HEADER_KEYS = {"schema_version", "configuration"}
_ABSENT = object()
_SHOWN_DIFFERENCES = 8


class ResumableLog:
    """An open file of records; nobody else writes to it until it is closed.

    Use it as a context manager::

        with ResumableLog.open(path, {"models": digests, "seed": 0}, note=display.note) as log:
            finished = {record["batch"]: record for record in log.finished}
            log.append({"batch": 8, "seconds": 0.1})
    """

    def __init__(self, path: Path, file: FileIO, lock: FileLock, finished: list[dict[str, Any]]) -> None:
        self.path = path
        self.finished = finished
        """The records in the file, in order; :meth:`append` adds to them."""
        self._file, self._lock = file, lock

    @classmethod
    def open(
        cls, path: Path, configuration: Mapping[str, Any], note: Callable[[str], None] | None = None
    ) -> ResumableLog:
        """Open a file of records, or begin it.

        Args:
            path: the file; folders on the way to it are made.
            configuration: everything that the records depend on, as JSON values (tuples count as lists).
            note: told when records are taken over, and when an unfinished last line is dropped.

        Raises:
            InputError: another process has the file open, it can't be read or written, it is no such file,
                it was written with another configuration or schema, or a line of it is malformed. Only a
                last line without its end, which a killed process leaves behind, is dropped.
            ValueError: ``configuration`` is not JSON, or holds a number that is not finite.
        """
        wanted = json.loads(_line(configuration))
        asked = f"resuming from {path}"
        try:
            lock = FileLock(_made_lock_file(path, asked), timeout=0)
            lock.acquire()
        except Timeout:
            raise InputError(
                asked, "another process is writing to it", "Wait for it to end, or name another file"
            ) from None
        except OSError as error:
            raise _no_access(asked, error) from error
        try:
            file, finished = _open_locked(path, asked, wanted, note or (lambda text: None))
        except BaseException:
            lock.release()
            raise
        return cls(path, file, lock, finished)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a finished record and wait until the disk has it.

        Raises:
            ValueError: it is not JSON, or holds a number that is not finite.
            InputError: the file can't be written to.
        """
        line = _line(record)
        end = self._file.tell()
        try:
            _write(self._file, line)
        except OSError as error:
            with suppress(OSError):  # half a line would make the next one malformed
                self._file.truncate(end)
                self._file.seek(end)
            raise _no_access(f"writing to {self.path}", error) from error
        self.finished.append(json.loads(line))

    def close(self) -> None:
        """Let others write to the file."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is not None:
            note_what_is_left(error, self.path)


def check_log_file(path: Path) -> None:
    """Refuse, before long work begins, a file that `ResumableLog.open` can't have; only its lock is made.

    Raises:
        InputError: with the reason.
    """
    asked = f"resuming from {path}"
    try:
        _made_lock_file(path, asked)
    except OSError as error:
        raise _no_access(asked, error) from error


def note_what_is_left(error: BaseException, path: Path) -> None:
    """Add to what a signal raises how many records the file has; an Exception has a reason of its own.

    They are counted in the file: a signal may come while the disk is waited for.
    """
    if isinstance(error, Exception):
        return
    with suppress(OSError):
        count = path.read_bytes().count(b"\n") - 1
        if count > 0:
            records = "1 record is" if count == 1 else f"{count} records are"
            error.add_note(f"{records} in {path}; the same command goes on with it")


def differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two JSON values differ: (name, value before, value now), names as ``models.merged``."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            inner = f"{name}.{key}" if name else str(key)
            yield from differences(before.get(key, _ABSENT), now.get(key, _ABSENT), inner)
    elif type(before) is not type(now) or before != now:
        yield name, _shown(before), _shown(now)


def _made_lock_file(path: Path, asked: str) -> Path:
    if path.exists() and not (path.is_file() or path.is_dir()):  # /dev/full has no end
        raise InputError(asked, "it is no regular file", "Name a file that can be written to")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = Path(f"{path.resolve()}.lock")
    make_lock_file(lock_file)
    return lock_file


def _open_locked(
    path: Path, asked: str, wanted: dict[str, Any], note: Callable[[str], None]
) -> tuple[FileIO, list[dict[str, Any]]]:
    """The file, open at its end, and the records in it."""
    header = _line({"schema_version": SCHEMA_VERSION, "configuration": wanted})
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise _no_access(asked, error) from error
    *lines, rest = content.split(b"\n")
    if lines:
        _check_header(path, asked, lines[0], wanted)
    elif not header.startswith(rest):  # somebody else's file must not be emptied
        raise _malformed(asked, 1, "it is not the start of such a file")
    finished = [_parse(asked, number, line) for number, line in enumerate(lines[1:], 2)]
    try:
        file = path.open("r+b" if content else "wb", buffering=0)
        if rest:
            note(f"{path}: dropped the last line, which a process left unfinished")
            file.truncate(len(content) - len(rest))
        file.seek(0, os.SEEK_END)
        if not lines:
            _write(file, header)
    except OSError as error:
        raise _no_access(asked, error) from error
    if finished:
        note(f"{path}: took over {len(finished)} finished record{'s' * (len(finished) > 1)}")
    return file, finished


def _check_header(path: Path, asked: str, line: bytes, wanted: dict[str, Any]) -> None:
    header = _parse(asked, 1, line)
    if set(header) != _HEADER_KEYS or not isinstance(header["configuration"], dict):
        raise _malformed(asked, 1, "it is not a configuration")
    if type(header["schema_version"]) is not int or header["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            asked,
            f"the file has schema version {header['schema_version']!r}, this pitome writes {SCHEMA_VERSION}",
            "Name another file",
        )
    found = [
        f"{name} is {old} in it and {new} now"
        for name, old, new in differences(header["configuration"], wanted)
    ]
    if found:
        more = len(found) - _SHOWN_DIFFERENCES
        tail = f"; and {more} more differences" if more > 0 else ""
        raise InputError(
            asked,
            f"the file was written with another configuration: {'; '.join(found[:_SHOWN_DIFFERENCES])}{tail}",
            f"Give what it was written with, name another file, or delete {path} to start again",
        )


def _parse(asked: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = read_strict_json(line, portable=False)
    except ValueError as error:
        raise _malformed(asked, number, str(error)) from error
    if not isinstance(value, dict):
        raise _malformed(asked, number, "it is no JSON object")
    return value


def _malformed(asked: str, number: int, why: str) -> InputError:
    return InputError(
        asked, f"line {number} is malformed ({why})", "Repair or delete the line, or name another file"
    )


def _no_access(asked: str, error: OSError) -> InputError:
    return InputError(
        asked, f"the file can't be used ({error.strerror or error})", "Name a file that can be written to"
    )


def _line(value: Mapping[str, Any]) -> bytes:
    """A value as one line; JSON escapes line ends inside of texts."""
    try:
        return (json.dumps(value, allow_nan=False) + "\n").encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a JSON value ({error})") from None


def _write(file: FileIO, line: bytes) -> None:
    rest = memoryview(line)
    while rest:  # unbuffered: what did not fit must not come out later
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value)
