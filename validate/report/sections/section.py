"""What a section of the report is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import no_command


@dataclass(frozen=True)
class Section:
    """One part of the page: what it shows, how, and what makes its numbers again."""

    name: str
    """Its anchor."""
    title: str
    """In the navigation."""
    template: str
    """File in ``templates``; it gets ``view``, ``command`` and ``name``."""
    view: Callable[[ReportInput], object | None]
    """What the template shows, as a record; None: this page has no such section."""
    command: Callable[[ReportInput], str | None] = no_command
    """What makes its numbers, for a POSIX shell; None: nothing to run."""
