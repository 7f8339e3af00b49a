from __future__ import annotations

from pathlib import Path

import pytest

from pitome.compression import compress
from pitome.validate.gpu.environment import machine_target, missing_gpu
from pitome.validate.gpu.plans import Workshop
from pitome.validate.gpu.report import MARKDOWN_NAME
from pitome.validate.gpu.work import load_random_model, outputs_of
from tests.device_library import DEVICE_LIBRARY
from tests.gpu.recording import BUILD, report_file


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the report is, where there is one."""
    if report_file.cache_info().currsize:
        terminalreporter.write_line(f"GPU report, to be attached to an issue: {BUILD / MARKDOWN_NAME}")


@pytest.fixture(scope="session")
def folder() -> Path:
    """Where graphs and plans stay, to be looked at."""
    place = BUILD / "gpu"
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture(scope="session")
def workshop(folder: Path) -> Workshop:
    """The report's model, exported and built when a test asks for it."""
    loaded = load_random_model()
    return Workshop(
        folder,
        compress(loaded.model),
        compress(loaded.model, method="none"),
        outputs_of(loaded),
        # Without a GPU every test is skipped before it asks for one.
        "" if missing_gpu() else machine_target(),
        DEVICE_LIBRARY,
        lambda engine: report_file().extend(engines=engine),
    )
