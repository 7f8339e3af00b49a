"""What a person sees while a command works: progress on stderr, so that stdout stays for results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pitome.cli.command_group import as_user_typed
from pitome.cli.console import PlainConsole, shown
from pitome.cli.stop_signals import raise_if_stopped

Report = Callable[[str, int, int], None]


class Display:
    """Progress bars on a terminal; a line for each step elsewhere; with ``quiet`` only warnings."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = PlainConsole(stderr=True)
        self._quiet = quiet
        self._progress: Progress | None = None

    @contextmanager
    def running(self) -> Iterator[Display]:
        """Show steps, and warnings as lines of their own, within the ``with`` block."""
        previous = warnings.showwarning
        warnings.showwarning = self._show_warning
        try:
            if self.console.is_live and not self._quiet:
                columns = (
                    SpinnerColumn(),
                    TextColumn("{task.description:<44}", markup=False),
                    BarColumn(24),
                    TimeElapsedColumn(),
                )
                with Progress(*columns, console=self.console, transient=False) as progress:
                    self._progress = progress
                    yield self
            else:
                yield self
        finally:
            self._progress = None
            warnings.showwarning = previous

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        """A long step; the yielded callable takes (detail, done, total)."""
        raise_if_stopped()
        title = shown(title)
        if self._progress is None:
            self._line(title)
            yield self._lines(title)
            return
        progress = self._progress
        task = progress.add_task(title, total=None)

        def report(detail: str, done: int, total: int) -> None:
            raise_if_stopped()
            text = f"{title}: {shown(detail)}"[:44]
            progress.update(task, description=text, completed=done, total=total or None)

        yield report
        progress.update(task, description=title, completed=1, total=1)

    def note(self, text: str) -> None:
        """A line that stays, such as what was reused."""
        self._line(as_user_typed(text), style="dim")

    def _lines(self, title: str) -> Report:
        shown_before: set[str] = set()  # a builder goes through the same phases hundreds of times

        def report(detail: str, done: int, total: int) -> None:
            raise_if_stopped()
            if detail not in shown_before:
                shown_before.add(detail)
                self._line(f"  {title}: {detail}")

        return report

    def _line(self, text: str, style: str | None = None) -> None:
        if not self._quiet:
            self.console.print(text, style=style, soft_wrap=True)

    def _show_warning(self, message: Warning | str, *_details: Any, **_more: Any) -> None:
        category = message.__class__ if isinstance(message, Warning) else UserWarning
        if issubclass(category, UserWarning) and not issubclass(
            category, (DeprecationWarning, FutureWarning)
        ):
            text = as_user_typed(f"warning: {message}")
            self.console.print(text, style="bold yellow", soft_wrap=True)
