"""The commands that make again what a report's sections show, for a POSIX shell."""

from __future__ import annotations

import shlex

from pitome.validate.report.inputs import ReportInput, named_model, parity_command
from pitome.validate.report.inputs import build_command as recorded_build_command


def no_command(report: ReportInput) -> str | None:
    """Of a section that only shows what the bundle is."""
    return None


def build_command(report: ReportInput) -> str | None:
    """The ``make engine`` line, as the build recorded it."""
    return recorded_build_command(report.manifest)


def validate_command(report: ReportInput) -> str:
    """The validation that the page is of, or the one that would be."""
    if report.validation is not None:
        return report.validation.command
    if report.bundle is not None:
        return shlex.join(["pitome", "validate", str(report.bundle)])
    return f"make validate {_model(report)}"


def parity_check_command(report: ReportInput) -> str:
    """As `validate_command`, but a bundle may hold parity that another command found."""
    recorded = parity_command(report.manifest)
    return validate_command(report) if report.validation or not recorded else recorded


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
        return shlex.join(["pitome", "sweep", named_model(report.manifest)])
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
    seconds = (latency.configuration or {}).get("min_seconds")
    return flags if seconds is None else [*flags, "--latency-seconds", f"{seconds:g}"]


def _model(report: ReportInput) -> str:
    return f"MODEL={shlex.quote(named_model(report.manifest))}"
