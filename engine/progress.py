"""How long work tells how far it is: a protocol that the command line's display and others implement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Report = Callable[[str, int, int], None]
"""Called with (detail, steps done, steps in all); 0 in all: not known."""


class Progress(Protocol):
    """Who is told of the work."""

    def step(self, title: str) -> AbstractContextManager[Report]:
        """A long step, which lasts as long as the ``with`` block; it gives what reports its progress."""

    def note(self, text: str) -> None:
        """A line that stays, such as what was reused."""


class Silent:
    """Tells nobody: what a library's user gets who asks for nothing else."""

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        """Nothing is shown."""
        yield lambda detail, done, total: None

    def note(self, text: str) -> None:
        """Nothing is shown."""
