"""Reading a file that may be anything: a pipe blocks for ever, a device has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class UnusableFileError(ValueError):
    """What a name leads to is no file that can be read whole. The message begins with a verb: "is ..."."""


def read_regular_file(path: Path, limit: int) -> bytes:
    """The bytes of a file.

    Args:
        path: it is not waited for.
        limit: bytes that it may have at most; not more are read.

    Raises:
        UnusableFileError: it is a folder, a pipe or a device, or longer.
        OSError: it is not there, or can't be read.
    """
    # Without O_NONBLOCK a pipe would be waited for until somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableFileError("is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise UnusableFileError(f"is longer than {limit:,} bytes")
    return data
