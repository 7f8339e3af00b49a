"""The commands that make again what a report's sections show, for a POSIX shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from pitome.bundle.portable import is_path, places_of
from pitome.validate.report.inputs import ReportInput


def no_command(report: ReportInput) -> str | None:
    """Of a section that only shows what the bundle is."""
    return None


def build_command(report: ReportInput) -> str:
    """The line that built the bundle, as the build recorded it."""
    return report.manifest.build.command


def validate_command(report: ReportInput) -> str:
    """The validation that the page is of, or the one that would be."""
    if report.validation is not None:
        return report.validation.command
    if report.bundle is not None:
        return shlex.join(["pitome", "validate", str(report.bundle)])
    return f"make validate {_model(report)}"


def parity_check_command(report: ReportInput) -> str:
    """As `validate_command`, but a bundle may hold parity that another command found."""
    held = report.manifest.parity
    recorded = None if held is None or report.validation is not None else held.command
    return recorded or validate_command(report)


def bench_command(report: ReportInput) -> str:
    """What measures the same contestants at the same batch sizes, or a latency where there is none."""
    flags = bench_flags(report)
    if report.bundle is not None:
        return shlex.join(["pitome", "bench", str(report.bundle), *flags])
    return f"make bench {_model(report)} BENCH_FLAGS={shlex.quote(shlex.join(flags))}"


def sweep_command(report: ReportInput) -> str | None:
    """What wrote the file of the sweep, one command after the other; None where the file does not say."""
    if report.sweep is not None:
        return " && ".join(report.sweep.commands) or None
    if report.bundle is not None:
        return shlex.join(["pitome", "sweep", _named(report)])
    return f"make sweep {_model(report)}"


def bench_flags(report: ReportInput) -> list[str]:
    """Options of ``pitome bench`` that lead to a latency report again, or to one where there is none."""
    latency = report.latency
    if latency is None:
        return ["--record"]
    flags = ["--all"] if latency.comparison else []
    for result in latency.results:
        flags += ["--batch", str(result.batch)]
    flags += ["--threads", str(latency.threads)]
    if latency.plan is not None:
        flags += ["--device", "cuda", "--backend", latency.plan.backend]
    if latency.configuration is not None:
        flags += ["--latency-seconds", f"{latency.configuration.min_seconds:g}"]
    return flags


def _model(report: ReportInput) -> str:
    return f"MODEL={shlex.quote(_named(report))}"


def _named(report: ReportInput) -> str:
    """MODEL as the user gave it; a folder as seen from the bundle, where that is known, else its name."""
    named = report.manifest.build.model.model
    if not is_path(named):
        return named
    if report.bundle is None:
        return f"./{Path(named).name}"
    return next((str(each) for each in places_of(report.bundle, named) if each.exists()), named)
