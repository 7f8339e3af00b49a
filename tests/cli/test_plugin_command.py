"""``pitome plugin``: what it refuses, how it shows what it built, and the account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import Outcome, pitome
from tests.plugins.fake_installations import headers, script, toolkit


def refused(outcome: Outcome, message: str) -> None:
    assert outcome.code == 2
    assert message in outcome.message


def test_the_account_builds_nothing() -> None:
    refused(
        pitome("plugin", "--account", "--host"),
        "error: --account with --host, --native or --programs: the account builds nothing. Leave the others",
    )


def test_one_library_at_a_time() -> None:
    refused(
        pitome("plugin", "--native", "--host"),
        "error: --native with --host: they are two libraries. Build them with one command each",
    )


def test_a_folder_of_programs_that_is_not_there(tmp_path: Path) -> None:
    refused(
        pitome("plugin", "--programs", tmp_path / "absent"),
        f"error: --programs {tmp_path}/absent: there is no such folder. Name the folder tests/plugins",
    )


def test_a_toolkit_that_does_not_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDACXX", raising=False)
    monkeypatch.setenv("CUDA_HOME", "/no/such/folder")
    refused(
        pitome("plugin"), "error: CUDA_HOME=/no/such/folder: no file /no/such/folder/bin/nvcc. Correct or"
    )


def test_it_says_what_was_built_and_with_what(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CMake is a script that does nothing."""
    headers(tmp_path / "tensorrt/include")
    cmake = script(tmp_path / "bin/cmake", 'if [ "$1" = --version ]; then echo cmake version 4.0.0; fi')
    monkeypatch.setenv("PATH", f"{cmake.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CUDACXX", str(toolkit(tmp_path / "cuda")))
    monkeypatch.setenv("TENSORRT_ROOT", str(tmp_path / "tensorrt"))
    monkeypatch.chdir(tmp_path)
    assert pitome("plugin", "--json").document == {
        "libraries": ["build/plugin/libpitome_plugin.so", "build/plugin/libpitome_plugin_host.so"],
        "cuda": f"CUDA 13.0 from CUDACXX={tmp_path}/cuda/bin/nvcc",
        "tensorrt": f"TensorRT 10.14 headers from TENSORRT_ROOT={tmp_path}/tensorrt",
    }
    shown = pitome("plugin", "--host").out.splitlines()
    assert shown[0] == "build/plugin/libpitome_plugin_host.so"
    assert shown[1].startswith(f"with CUDA 13.0 from CUDACXX={tmp_path}/cuda/bin/nvcc and TensorRT 10.14")
