"""Stdout and stderr as they may be: closed, full, ASCII only, or with a reader that went away."""

from __future__ import annotations

import codecs
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Literal, NoReturn, TextIO

from pitome.errors import InputError

NO_READER = 128 + signal.SIGPIPE
"""The exit code that a shell shows for a program whose reader went away."""
_DIGITS = 5
"""Of a terminal's size: the kernel keeps it in 16 bits."""
_READABLE = "pitome.readable"
_ASCII = {"\N{MULTIPLICATION SIGN}": "x", "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{MINUS SIGN}": "-"}
_NO_OUTPUT = "Send the result to a file or a pipe that takes it; >/dev/null throws it away"


def prepare_streams() -> None:
    """Make every standard stream usable, and let no letter of a result be an error.

    Raises:
        InputError: stdout is closed.
    """
    for name in ("COLUMNS", "LINES"):  # rich takes every digit of Unicode, and 0, for a number
        if name in os.environ and terminal_size(name) is None:
            del os.environ[name]
    stdout_is_closed = sys.stdout is None
    # In the order of their numbers: a file that is opened in the place of a closed stream is written to.
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_READABLE)
    if stdout_is_closed:
        raise InputError("print the result", "stdout is closed", _NO_OUTPUT)


def terminal_size(name: str) -> int | None:
    """What an environment variable says, in letters; None where that is no size that a terminal can have."""
    size = os.environ.get(name, "")
    if not (size.isascii() and size.isdecimal() and len(size) <= _DIGITS):
        return None
    return int(size) or None


def _opened(descriptor: int, mode: Literal["r", "w"]) -> TextIO:
    null = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
    with suppress(OSError):
        os.fstat(descriptor)
        return open(null, mode, encoding="utf-8")  # its number is this one, or has been taken by another file
    os.dup2(null, descriptor)
    os.close(null)
    return open(descriptor, mode, encoding="utf-8")


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Letters that a stream can't write: by another letter of the same meaning, else escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    text = "".join(_ASCII.get(letter) or letter.encode("unicode_escape").decode() for letter in letters)
    return text, error.end


codecs.register_error(_READABLE, _readable)


@contextmanager
def printing() -> Iterator[None]:
    """Print a result: all of it has left when the block ends.

    Raises:
        InputError: stdout can't be written, because a disk is full for instance.
        SystemExit: nobody reads it any more.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        leave_without_reader(sys.stdout)
    except OSError as error:
        raise output_error(error) from None


def output_error(error: OSError) -> InputError:
    """What could not be printed; nothing more is tried on stdout."""
    _silence(sys.stdout)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return InputError("print the result", f"stdout can't be written ({reason})", _NO_OUTPUT)


def leave_without_reader(stream: IO[Any]) -> NoReturn:
    """End quietly with the exit code of a program that SIGPIPE ends, cleaning up on the way."""
    _silence(stream)
    raise SystemExit(NO_READER)


def is_about_output(error: OSError) -> bool:
    """Whether writing to a stream that was open already failed, not opening or reading a file."""
    # EBADF is what a stream says that was opened for reading only.
    refusals = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF)
    return error.filename is None and error.errno in refusals


def _silence(stream: IO[Any]) -> None:
    """Have what is still buffered go nowhere; Python would print an error of its own at the end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


@contextmanager
def broken_pipes_are_errors() -> Iterator[None]:
    """While a command works, a pipe without reader is an exception, so that it can clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, previous)
