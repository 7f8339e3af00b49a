"""The sections of a report: a new one is its file here, its template, and its name in the list."""

from __future__ import annotations

from importlib import import_module

from pitome.validate.report.sections.section import Section

ORDER = (
    "validation",
    "summary",
    "accuracy",
    "sweep",
    "maps",
    "tokens",
    "latency",
    "parity",
    "spectrum",
    "plans",
    "files",
    "environment",
)
"""The files of this package that have a ``SECTION``, as they stand on the page."""


def all_sections() -> tuple[Section, ...]:
    """The section of each file."""
    return tuple(import_module(f"{__name__}.{name}").SECTION for name in ORDER)
