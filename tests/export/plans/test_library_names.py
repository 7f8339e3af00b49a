"""Links for libraries that are looked for by other names than their files have."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pitome.export.plans import BACKENDS
from pitome.export.plans.library_names import SEARCH_PATH, linked_libraries, searching_in
from tests.export.plans.plugin_files import NO_CREATORS, compile_library

NAME = "libpitome_test_name.so"
LOAD = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).getCreators"


def test_only_the_process_that_is_told_finds_a_library_by_its_name(tmp_path: Path) -> None:
    library = compile_library(tmp_path, NO_CREATORS)
    before = set(tmp_path.iterdir())
    with linked_libraries({NAME: library}) as folder:
        assert folder is not None
        assert os.listdir(folder) == [NAME]
        environment = searching_in(folder, os.environ)
        subprocess.run([sys.executable, "-c", LOAD, NAME], env=environment, check=True)
        with pytest.raises(OSError, match=NAME):
            ctypes.CDLL(NAME)
    assert not folder.exists()
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_its_process_removed(tmp_path: Path) -> None:
    with linked_libraries({NAME: tmp_path / "library.so"}) as folder:
        assert folder is not None
        (folder / NAME).unlink()
        folder.rmdir()


def test_no_libraries_need_no_folder() -> None:
    with linked_libraries({}) as folder:
        assert folder is None
    assert searching_in(folder, {"A": "b"}) == {"A": "b"}


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "/links"), ("", "/links"), ("/own:/other", "/links:/own:/other"), (":/own:", "/links:/own")],
)
def test_the_users_own_search_path_stays(before: str | None, after: str) -> None:
    """Without the empty entries, each of which is the working folder."""
    given = {} if before is None else {SEARCH_PATH: before}
    assert searching_in(Path("/links"), given) == {SEARCH_PATH: after}


def test_tensorrt_rtx_is_found_without_its_version() -> None:
    pytest.importorskip("tensorrt_rtx")
    ((name, library),) = BACKENDS["tensorrt_rtx"].named_libraries().items()
    assert name == "libtensorrt_rtx.so"
    assert library.is_file()
    assert library.name.startswith(f"{name}.")
    assert BACKENDS["tensorrt"].named_libraries() == {}
