"""``build_plugin``: what CMake is asked for, and what becomes of a failure. CMake is a script here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pitome.errors import BackendError, InputError
from pitome.plugins.tools.build import PluginOptions, build_plugin
from tests.checkout import ROOT
from tests.plugins.fake_installations import headers, script, toolkit

VERSION = 'if [ "$1" = --version ]; then echo cmake version 4.0.0; exit; fi'


def environment(folder: Path, cmake: str) -> dict[str, str]:
    """One in which all that a build needs lies in the folder."""
    headers(folder / "tensorrt/include")
    return {
        "PATH": f"{script(folder / 'bin/cmake', cmake).parent}:/usr/bin:/bin",
        "CUDACXX": str(toolkit(folder / "cuda")),
        "TENSORRT_ROOT": str(folder / "tensorrt"),
        "MAKEFLAGS": "-n",
    }


def writes_down(file: Path) -> str:
    return f'{VERSION}\necho "$MAKEFLAGS" "$@" >> {file}'


def commands(folder: Path, options: PluginOptions) -> list[list[str]]:
    found = build_plugin(options, pytest.fail, environment(folder, writes_down(folder / "commands")))
    assert found.cuda == f"CUDA 13.0 from CUDACXX={folder}/cuda/bin/nvcc"
    assert found.tensorrt == f"TensorRT 10.14 headers from TENSORRT_ROOT={folder}/tensorrt"
    return [line.split() for line in (folder / "commands").read_text().splitlines()]


def test_both_libraries(tmp_path: Path) -> None:
    output = tmp_path / "output"
    configure, build = commands(tmp_path, PluginOptions(output))
    settings = f"{output}/toolchain.cmake"
    assert configure == ["-C", settings, "-S", str(ROOT / "plugins"), "-B", f"{output}/cmake"]
    assert f"[==[{tmp_path}/cuda/bin/nvcc]==]" in Path(settings).read_text()
    assert build[:3] == ["--build", f"{output}/cmake", "--parallel"]
    assert build[4:] == ["--target", "pitome_plugin", "pitome_plugin_host"]


def test_only_for_the_cpu(tmp_path: Path) -> None:
    assert commands(tmp_path, PluginOptions(tmp_path, host=True))[1][4:] == ["--target", "pitome_plugin_host"]


def test_with_the_test_programs(tmp_path: Path) -> None:
    options = PluginOptions(tmp_path / "output", host=True, programs=tmp_path)
    assert commands(tmp_path, options)[1][5:] == ["pitome_plugin_host", "host"]
    sanitized = replace(options, sanitize=True)
    assert commands(tmp_path, sanitized)[-1][5:] == ["pitome_plugin_host", "host", "host_sanitized"]
    assert f"PITOME_PROGRAMS [==[{tmp_path}]==]" in (tmp_path / "output/toolchain.cmake").read_text()


@pytest.mark.parametrize("kept", [True, False])
def test_the_folder_of_another_source_is_made_anew(tmp_path: Path, kept: bool) -> None:
    folder = tmp_path / "cmake"
    folder.mkdir()
    source = ROOT / "plugins" if kept else "/another/place"
    lines = (f"CMAKE_CACHEFILE_DIR:INTERNAL={folder}", f"CMAKE_HOME_DIRECTORY:INTERNAL={source}")
    (folder / "CMakeCache.txt").write_text("\n".join(lines))
    commands(tmp_path, PluginOptions(tmp_path))
    assert (folder / "CMakeCache.txt").exists() == kept


def test_a_tool_that_the_user_named_must_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        build_plugin(PluginOptions(tmp_path / "output"), pytest.fail, {"CUDA_HOME": "/no/such/folder"})
    assert str(caught.value) == (
        "CUDA_HOME=/no/such/folder: no file /no/such/folder/bin/nvcc. "
        "Correct or unset the variable, or set PITOME_CUDA=wheels to use the compiler from PyPI"
    )
    assert not (tmp_path / "output").exists()


def test_cmake_that_cannot_configure_is_quoted(tmp_path: Path) -> None:
    refuses = f"{VERSION}\necho what is wrong >&2\nexit 1"
    with pytest.raises(BackendError) as caught:
        build_plugin(PluginOptions(tmp_path / "output"), pytest.fail, environment(tmp_path, refuses))
    assert str(caught.value) == (
        f"building the plugin: {tmp_path}/bin/cmake ended with exit code 1; it says:\n  | what is wrong. "
        "Correct what it names; PITOME_CUDA=wheels builds with the toolkit from PyPI instead of an own one"
    )


def test_a_compilers_words_are_shown_as_they_come(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fails = f'{VERSION}\nif [ "$1" = --build ]; then echo a line of the compiler; exit 3; fi'
    with pytest.raises(BackendError, match="ended with exit code 3, its words are above"):
        build_plugin(PluginOptions(tmp_path / "output"), pytest.fail, environment(tmp_path, fails))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "a line of the compiler\n")
