"""A plugin library tells its version, and every other file is refused by what is wrong with it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import pitome
from pitome.errors import InputError
from pitome.export.plans import read_plugin_version
from tests.export.plans.plugin_files import (
    BUILT_HOST_PLUGIN,
    BUILT_PLUGIN,
    CANARY,
    NO_CREATORS,
    WITH_CANARY,
    built,
    compile_library,
)

REMEDY = "Run `make plugin` or `pitome plugin`, name another one with PLUGIN=, or use MERGE_PATH=function"


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_plugin_version(path)
    assert error.value.asked == f"the plugin library {path}"
    assert error.value.remedy == REMEDY
    return error.value.found


@pytest.mark.full
def test_the_built_library_has_the_packages_version() -> None:
    assert read_plugin_version(built(BUILT_PLUGIN)) == pitome.__version__


def test_the_library_is_not_loaded_into_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = compile_library(tmp_path, WITH_CANARY)
    monkeypatch.setenv(CANARY, str(tmp_path / "canary"))
    assert read_plugin_version(library) == "9.8.7"
    assert (tmp_path / "canary").exists()
    assert str(library) not in Path("/proc/self/maps").read_text()


def test_a_relative_path_is_not_looked_for_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = compile_library(tmp_path, NO_CREATORS)
    monkeypatch.chdir(tmp_path)
    assert read_plugin_version(Path(library.name)) == "9.8.7"


def test_what_is_no_shared_library(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.so") == "there is no such file"
    assert refusal(tmp_path) == "Is a directory"
    for content in (b"", b"text", b"\x7fELF", b"\x7fELF" + bytes(60)):
        (tmp_path / "file.so").write_bytes(content)
        assert refusal(tmp_path / "file.so") == "it is not a shared library"


@pytest.mark.parametrize(
    ("offset", "value"),
    [(4, b"\x01"), (5, b"\x02"), (18, struct.pack("<H", 243))],
    ids=["32", "big", "RISC-V"],
)
def test_a_library_for_another_machine(tmp_path: Path, offset: int, value: bytes) -> None:
    library = compile_library(tmp_path, NO_CREATORS)
    data = library.read_bytes()
    library.write_bytes(data[:offset] + value + data[offset + len(value) :])
    assert refusal(library) == "it is for another kind of machine"


@pytest.mark.parametrize("missing", ["getCreators", "pitome_merge_version"])
def test_another_library(tmp_path: Path, missing: str) -> None:
    library = compile_library(tmp_path, NO_CREATORS.replace(missing, "another_function"))
    assert refusal(library) == f"{library}: undefined symbol: {missing}"


def test_a_library_that_was_cut_short(tmp_path: Path) -> None:
    library = compile_library(tmp_path, NO_CREATORS)
    whole = library.read_bytes()
    library.write_bytes(whole[:48])
    assert refusal(library) == f"{library}: file too short"
    library.write_bytes(whole[:4096])
    # Where the loader stumbles depends on the linker's layout.
    assert refusal(library).startswith((f"{library}: ", "a process that loaded it ended with SIG"))


def test_a_library_that_crashes(tmp_path: Path) -> None:
    crash = "#include <stdlib.h>\n__attribute__((constructor)) static void crash(void) { abort(); }"
    library = compile_library(tmp_path, crash + NO_CREATORS)
    assert refusal(library) == "a process that loaded it ended with SIGABRT"


def test_the_build_for_the_cpu() -> None:
    assert refusal(built(BUILT_HOST_PLUGIN)) == "it is the build for the CPU, which only tests use"
