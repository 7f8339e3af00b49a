"""Whether something is open, with threads that use it: closing waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pitome.errors import InputError


class Usage:
    """Open until it is closed.

    Args:
        asked: what it is, as an error says it.
    """

    def __init__(self, asked: str) -> None:
        self._asked, self._users, self._closed = asked, 0, False
        self._changed = threading.Condition()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """In it, it stays open.

        Raises:
            InputError: it is closed.
        """
        with self._changed:
            if self._closed:
                raise InputError(self._asked, "it is closed", "Load it again")
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    def close(self) -> bool:
        """Let nobody in any more, and wait until all are out; False: somebody else has closed it."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._changed.wait_for(lambda: self._users == 0)
        return first
