"""``pitome plugin``: what it refuses, how it shows what it built, and the account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import Outcome, pitome
from tests.plugins.fake_installations import headers, script, toolkit
from tests.plugins.tools.test_native_build import VERSION, environment


def refused(outcome: Outcome, message: str) -> None:
    assert outcome.code == 2
    assert message in outcome.message


def test_the_account_builds_nothing() -> None:
    refused(
        pitome("plugin", "--account", "--host"),
        "error: --account with --host, --native or --programs: the account builds nothing. Leave the others",
    )


def test_options_that_belong_together() -> None:
    refused(
        pitome("plugin", "--native", "--host"),
        "error: --native with --host: the operator for the CPU is all that is built. Leave --host",
    )
    refused(
        pitome("plugin", "--cuda"),
        "error: --cuda without --native: the plugin is for CUDA anyway. Add --native for the operator for",
    )


@pytest.mark.parametrize(
    ("options", "folder"), [((), "tests/plugins"), (("--native",), "tests/plugins/cpu")], ids=str
)
def test_a_folder_of_programs(options: tuple[str, ...], folder: str, tmp_path: Path) -> None:
    absent = pitome("plugin", *options, "--programs", tmp_path / "absent")
    refused(absent, f"error: --programs {tmp_path}/absent: there is no such folder. ")
    assert absent.message.endswith(f"Name the folder {folder}")
    without = pitome("plugin", *options, "--sanitize")
    refused(without, "error: --sanitize without --programs: only the test programs are built with sanit")
    assert without.message.endswith(f"Add --programs {folder}")


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


def test_the_operator_for_onnxruntime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in environment(tmp_path, VERSION).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    origins = {
        "highway": f"Highway 1.2.0 from HIGHWAY_ROOT={tmp_path}/highway",
        "onnxruntime": f"onnxruntime 1.21 headers from ONNXRUNTIME_ROOT={tmp_path}/onnxruntime",
    }
    cuda = f"CUDA 13.0 from CUDACXX={tmp_path}/cuda/bin/nvcc"
    assert pitome("plugin", "--native", "--json").document == {
        "libraries": ["build/native/libpitome_onnxruntime.so"],
        **origins,
    }
    assert pitome("plugin", "--native", "--cuda", "--json").document == {
        "libraries": [
            "build/native-cuda/libpitome_onnxruntime.so",
            "build/native-cuda/libpitome_onnxruntime_host.so",
        ],
        **origins,
        "cuda": cuda,
    }
    assert pitome("plugin", "--native", "--cuda", "--host").out.splitlines() == [
        "build/native-cuda/libpitome_onnxruntime_host.so",
        f"with {origins['highway']}, {origins['onnxruntime']} and {cuda}",
    ]
