"""The file of a lock: made, or the reason why it can't be."""

from __future__ import annotations

import os
from pathlib import Path


def make_lock_file(path: Path) -> None:
    """Make the file that ``filelock`` is to lock; one that is there stays as it is.

    filelock takes a place where no file can be made, as in /proc, for a lock that another process holds: it
    says so, or waits for ever.

    Raises:
        OSError: it can't be made or opened.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o644)
    os.close(descriptor)
