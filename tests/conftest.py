"""For all tests: a quiet, offline-safe environment, the tiers, and no GPU tests where there is no driver."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

# Set before anything imports the libraries that read them.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
# The models are tiny: two threads that wait for each other make them many times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# pytest-xdist sets it in its workers, where nobody asked for so narrow tables.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COLUMNS", None)

_DRIVER = "libcuda.so.1"
_TESTS = Path(__file__).parent
_SLOW = (
    "cli",
    "engine",
    "export",
    "pitome/models/test_conformance.py",
    "plugins",
    "test_packaging.py",
    "test_typing.py",
    "validate/bench",
    "validate/gpu/test_parity.py",
    "validate/gpu/test_plans.py",
    "validate/gpu/test_session.py",
    "validate/parity",
    "validate/report/test_report_in_a_browser.py",
    "validate/report/test_validation.py",
    "validate/sweep",
)
"""Most tests there build, export, compile or measure something; those that do not are marked ``quick``."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-quick` leaves out, and skip ``gpu`` where no NVIDIA driver can be loaded."""
    slow = {_TESTS / path for path in _SLOW}
    for item in items:
        if slow & {item.path, *item.path.parents} and not item.get_closest_marker("quick"):
            item.add_marker(pytest.mark.slow)
    _skip_without_driver(items)


def _skip_without_driver(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked or _has_driver():
        return
    skip = pytest.mark.skip(reason=f"no NVIDIA driver: {_DRIVER} not found")
    for item in marked:
        item.add_marker(skip)


def _has_driver() -> bool:
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True
