"""Every file of the bundle with its digest."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle import SizedFileRecord
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.numbers import DASH
from pitome.validate.report.sections.section import Section
from pitome.validate.report.summary import megabytes


@dataclass(frozen=True)
class File:
    """One of them."""

    name: str
    size: str
    sha256: str


@dataclass(frozen=True)
class FilesView:
    """By name."""

    files: tuple[File, ...]


def files_view(report: ReportInput) -> FilesView:
    """Always there."""
    records = sorted(report.manifest.files(), key=lambda record: record.file)
    return FilesView(
        tuple(
            File(
                record.file,
                megabytes(record.bytes) if isinstance(record, SizedFileRecord) else DASH,
                record.sha256,
            )
            for record in records
        )
    )


SECTION = Section("files", "Files", "section_files.html.j2", files_view)
