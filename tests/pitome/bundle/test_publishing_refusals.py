"""A place that cannot take a bundle is refused in words, and stays as it was."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from pitome.errors import InputError
from tests.pitome.bundle.publish_cases import (
    beside,
    build,
    check_next_build,
    start_child,
    text_of,
)


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "build" / "clip-b16"


@pytest.fixture
def old(final: Path) -> Path:
    build(final, "old")
    return final


# Places that cannot be written.


def refusal(final: Path) -> str:
    with pytest.raises(InputError) as caught:
        build(final, "new", lambda folder: pytest.fail("this folder cannot be built"))
    return str(caught.value)


def test_a_folder_that_is_not_a_bundle_is_never_replaced(final: Path) -> None:
    (final / "thesis").mkdir(parents=True)
    (final / "manifest.json").write_text('{"manifest_version": 3}')  # some other program's
    assert refusal(final) == (
        f"build {final}: the folder holds something other than a bundle. "
        "Delete it, or choose another folder with OUT="
    )
    assert {path.name for path in final.iterdir()} == {"thesis", "manifest.json"}


def test_what_appears_during_the_build_is_not_replaced_either(final: Path) -> None:
    with pytest.raises(InputError, match="holds something other than a bundle"):
        build(final, "new", lambda folder: (final / "thesis").mkdir(parents=True))
    assert {path.name for path in final.iterdir()} == {"thesis"}
    assert beside(final) == {"clip-b16.lock"}


def test_an_empty_folder_and_a_damaged_bundle_are_replaced(old: Path) -> None:
    (old / "manifest.json").write_text("damaged")
    check_next_build(old)
    (old / "manifest.json.sha256").unlink()
    check_next_build(old)
    shutil.rmtree(old)
    old.mkdir()
    check_next_build(old)


def test_a_file_in_the_way(final: Path) -> None:
    final.parent.mkdir()
    final.write_text("a file")
    assert refusal(final) == f"build {final}: it is a file. Delete it, or choose another folder with OUT="
    assert "cannot be written (File exists)" in refusal(final.parent / "clip-b16" / "x")
    assert "cannot be written (Not a directory)" in refusal(final.parent / "clip-b16" / "x" / "y")
    assert final.read_text() == "a file"


def test_a_mount_point_and_a_home_are_refused_before_anything_is_written_beside_them(final: Path) -> None:
    assert "it is a mount point, which cannot be replaced. Choose a folder inside it" in refusal(Path("/"))
    (final / "thesis").mkdir(parents=True)
    assert "something other than a bundle" in refusal(final)
    assert beside(final) == set()


def test_a_name_that_is_too_long(final: Path) -> None:
    assert "cannot be written (File name too long)" in refusal(final.with_name("x" * 256))


def test_a_folder_that_may_not_be_written(final: Path) -> None:
    """Root may write everywhere, so the child becomes somebody else."""
    final.parent.mkdir()
    final.parent.chmod(0o555)
    before = "os.geteuid() == 0 and os.setuid(65534)"
    with start_child(final, "pass", before) as child:
        _, errors = child.communicate()
    assert child.returncode == 1
    assert re.match(r"write .*: .* cannot be written \(Permission denied\)\. ", errors), errors
    assert errors.endswith("Choose a folder that you can write with OUT=\n")
    assert list(final.parent.iterdir()) == []


def test_a_full_disk_leaves_the_old_bundle(old: Path) -> None:
    """RLIMIT_FSIZE stands in for a full disk: writes beyond it fail in the same place, with EFBIG."""
    body = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "(folder / 'model.onnx').write_bytes(bytes(100_000))"
    )
    with start_child(old, body) as child:
        _, errors = child.communicate()
    assert child.returncode == 1
    assert re.fullmatch(
        rf"write {re.escape(str(old))}: a file grew over the largest size that is allowed in "
        rf"{re.escape(str(old.parent))} \([\d,]+ bytes free\)\. "
        r"Raise the limit \(`ulimit -f`\), or choose another folder with OUT=\n",
        errors,
    ), errors
    assert text_of(old) == "old"
    assert beside(old) == {"clip-b16.lock"}
    check_next_build(old)


@pytest.mark.parametrize(
    ("number", "text"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk quota is used up")]
)
def test_a_disk_error_names_the_place_and_what_is_free(old: Path, number: int, text: str) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(number, os.strerror(number))

    with pytest.raises(InputError) as caught:
        build(old, "new", fail)
    assert f"{text} in {old.parent} (" in str(caught.value)
    assert str(caught.value).endswith("bytes free). Free space there, or choose another folder with OUT=")
    assert text_of(old) == "old"


def test_a_real_full_device(old: Path) -> None:
    def fill(folder: Path) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(InputError, match="the disk is full in"):
        build(old, "new", fill)
    assert text_of(old) == "old"


def test_an_error_about_other_files_stays_as_it_is(old: Path, tmp_path: Path) -> None:
    """Weights that may not be read say nothing about the bundle's folder."""
    weights = str(tmp_path / "elsewhere" / "model.safetensors")
    for number in (errno.EACCES, errno.ENOENT):

        def fail(folder: Path, number: int = number) -> NoReturn:
            raise OSError(number, os.strerror(number), weights)

        with pytest.raises(OSError, match="safetensors") as caught:
            build(old, "new", fail)
        assert caught.value.errno == number
    assert text_of(old) == "old"
