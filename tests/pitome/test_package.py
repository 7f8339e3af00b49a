"""The names that ``pitome`` offers."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import pitome


def test_a_name_of_the_package_is_never_a_module() -> None:
    modules = {module.name for module in pkgutil.iter_modules(pitome.__path__)}
    assert not modules & set(pitome.__all__)


@pytest.mark.parametrize("name", pitome.__all__)
def test_every_name_is_there(name: str) -> None:
    importlib.import_module("pitome.compression")
    assert getattr(pitome, name) is not None


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = pitome.nonsense


def test_settings_import_no_torch() -> None:
    names = "MergeParameters, MergeSettings, ScheduleOptions, TokenSchedule"
    code = f"from pitome import {names}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_package_imports_no_torch() -> None:
    code = "import pitome, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
