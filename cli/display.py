"""What a person sees while a command works: progress on stderr, so that stdout stays for results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Report = Callable[[str, int, int], None]


class Display:
    """Progress bars on a terminal; a line for each step elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, markup=False)
        self._progress: Progress | None = None

    @contextmanager
    def running(self) -> Iterator[Display]:
        """Show steps, and warnings as lines of their own, within the ``with`` block."""
        previous = warnings.showwarning
        warnings.showwarning = self._show_warning
        try:
            if self.console.is_terminal:
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
        if self._progress is None:
            self.console.print(title, highlight=False)
            yield self._lines(title)
            return
        progress = self._progress
        task = progress.add_task(title, total=None)

        def report(detail: str, done: int, total: int) -> None:
            progress.update(task, description=f"{title}: {detail}"[:44], completed=done, total=total or None)

        yield report
        progress.update(task, description=title, completed=1, total=1)

    def note(self, text: str) -> None:
        """A line that stays, such as what was reused."""
        self.console.print(text, style="dim", highlight=False)

    def _lines(self, title: str) -> Report:
        shown: set[str] = set()  # a builder goes through the same phases hundreds of times

        def report(detail: str, done: int, total: int) -> None:
            if detail not in shown:
                shown.add(detail)
                self.console.print(f"  {title}: {detail}", highlight=False)

        return report

    def _show_warning(self, message: Warning | str, *_details: Any, **_more: Any) -> None:
        category = message.__class__ if isinstance(message, Warning) else UserWarning
        if issubclass(category, UserWarning) and not issubclass(
            category, (DeprecationWarning, FutureWarning)
        ):
            self.console.print(f"warning: {message}", style="bold yellow", highlight=False)
