"""What every test on a GPU writes into: build/gpu-report.md, which can be attached to an issue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from pitome.validate.gpu.environment import describe_environment, missing_gpu
from pitome.validate.gpu.report import ReportFile
from pitome.validate.gpu.work import MODEL
from tests.checkout import ROOT

BUILD = ROOT / "build"


@cache
def report_file() -> ReportFile:
    """The report of this run of pytest."""
    return ReportFile(BUILD, MODEL, describe_environment())


@contextmanager
def recorded(key: str) -> Iterator[ReportFile]:
    """Write down how far one part of the report came; skip it where PyTorch has no GPU."""
    report = report_file()
    try:
        reason = missing_gpu()
        if reason:
            pytest.skip(reason)
        yield report
    except pytest.skip.Exception as skipped:
        report.set_part(key, "skipped", str(skipped))
        raise
    except BaseException as error:
        report.set_part(key, "failed", f"{type(error).__name__}: {str(error).strip()}")
        raise
    report.set_part(key, "passed")
