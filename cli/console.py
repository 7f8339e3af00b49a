"""Consoles whose text is text: what a user or a file named is never markup, an emoji or a control code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from pitome.cli.streams import leave_without_reader, terminal_size

WIDE = 140
"""Columns of results that go to a file or a pipe, where COLUMNS doesn't say otherwise."""
NARROWEST = 20
"""Columns below which no layout works."""


_LIST_OR_LOG = re.compile(r"(\n(?=  [-|] ))")
"""The line breaks of our own messages: what follows is an indented list, or the end of a log."""


def shown(text: object) -> str:
    """A text as it may be shown: what can't be printed is escaped as Python does it, such as ``\\x1b``.

    Escape sequences, line breaks, marks that turn the direction of writing and bytes of a file name that are
    no UTF-8 would each let a name say something other than its letters.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text)
    )


def message_text(text: object) -> str:
    """A message in one line, but for the lists and logs that it may end with."""
    return "".join(part if part == "\n" else shown(part) for part in _LIST_OR_LOG.split(str(text)))


class PlainConsole(Console):
    """A console that shows every string as it is; only the styles that the code names are styles.

    Rich turns strings into texts in one place, for messages as for the titles, headings and cells of tables.
    """

    def __init__(self, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(
            stderr=stderr,
            quiet=quiet,
            markup=False,
            emoji=False,
            highlight=False,
            color_system=None if is_plain() else "auto",
            width=_width(sys.stderr if stderr else sys.stdout),
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """A text in one line, without markup and control codes."""
        return super().render_str(shown(text), **options)

    def on_broken_pipe(self) -> None:
        """End as other programs do whose reader went away."""
        leave_without_reader(self.file)

    @property
    def is_live(self) -> bool:
        """Whether lines can be drawn over: a terminal that takes control codes."""
        return self.is_terminal and not is_plain() and bool(self.file.isatty())


class HelpConsole(Console):
    """Where typer prints the help: a word that is wider than its column goes on below, and is not cut."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it, but for cells that would end in an ellipsis."""
        options = options or self.options
        if options.overflow == "ellipsis":
            options = options.update(overflow="fold")
        return super().render(renderable, options)


def output_console() -> PlainConsole:
    """Stdout."""
    return PlainConsole()


def is_plain() -> bool:
    """Whether no escape code at all is wanted: NO_COLOR (no-color.org), or a terminal that has none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def _width(stream: TextIO | None) -> int | None:
    """COLUMNS, else None for a terminal, which is asked, and a constant for what is none."""
    if (columns := terminal_size("COLUMNS")) is not None:
        return max(columns, NARROWEST)
    return None if stream is not None and stream.isatty() else WIDE
