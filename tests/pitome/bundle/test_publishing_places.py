"""What the place of a bundle is told about: before long work begins, while it is written, and afterwards."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from pitome.bundle import publishing as publish
from pitome.bundle.publishing import check_place
from pitome.errors import InputError
from tests.pitome.bundle.publish_cases import beside, build, text_of

CHOOSE = "choose another folder with OUT="
WRITABLE = "Choose a folder that you can write with OUT="


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "build" / "clip-b16"


@pytest.fixture
def old(final: Path) -> Path:
    build(final, "old")
    return final


def refused(final: Path) -> str:
    with pytest.raises(InputError) as caught:
        check_place(final)
    return str(caught.value)


def test_a_good_place_is_left_as_it_is(final: Path, tmp_path: Path) -> None:
    check_place(final)
    check_place(final / "deeper" / "still")
    assert list(tmp_path.iterdir()) == []
    build(final, "old")
    check_place(final)
    assert text_of(final) == "old"
    assert beside(final) == {"clip-b16.lock"}


def test_bytes_that_are_no_text(final: Path) -> None:
    name = os.fsdecode(b"clip-\xff")
    assert refused(final.with_name(name)) == (
        f"write {final.with_name(name)}: its name holds bytes that are no UTF-8. Rename it, or {CHOOSE}"
    )


def test_a_circle_of_links(final: Path) -> None:
    final.parent.mkdir()
    final.symlink_to(final)
    try:
        final.resolve()
    except RuntimeError:
        assert refused(final) == (
            f"write {final}: a link on the way to it leads back to itself. Remove it, or {CHOOSE}"
        )
    else:  # Python 3.13 resolves it to itself
        assert "cannot be written (Too many levels of symbolic links)" in refused(final)


@pytest.mark.parametrize("below", [(), ("deeper",), ("deeper", "still")])
def test_a_file_on_the_way(final: Path, below: tuple[str, ...]) -> None:
    final.parent.write_text("a file")
    assert refused(final.joinpath(*below)) == (
        f"write {final.joinpath(*below)}: {final.parent} cannot be written (Not a directory). {WRITABLE}"
    )


def longest_name(folder: Path) -> int:
    return os.pathconf(folder, "PC_NAME_MAX")


def test_a_name_so_long_that_the_partial_folder_has_none(tmp_path: Path) -> None:
    added = len(f"..partial-{os.getpid()}")
    fits, too_long = (tmp_path / ("x" * (longest_name(tmp_path) - added + more)) for more in (0, 1))
    check_place(fits)
    build(fits, "new")
    partial = f".{too_long.name}.partial-{os.getpid()}"
    assert refused(too_long) == (
        f"write {too_long}: {tmp_path / partial} cannot be written (File name too long). {WRITABLE}"
    )


def test_a_foreign_folder(final: Path) -> None:
    (final / "thesis").mkdir(parents=True)
    assert refused(final) == (
        f"build {final}: the folder holds something other than a bundle. Delete it, or {CHOOSE}"
    )


def test_a_folder_with_the_name_of_the_lock(final: Path) -> None:
    lock = final.with_name("clip-b16.lock")
    lock.mkdir(parents=True)
    assert refused(final) == (
        f"write {final}: {lock} cannot be written (a folder has the lock's name). {WRITABLE}"
    )


@pytest.mark.parametrize("missing", [os.W_OK, os.X_OK])
def test_a_folder_without_a_permission(final: Path, monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    """Root has them all, so the answer is made up."""
    monkeypatch.setattr(os, "access", lambda folder, wanted: not wanted & missing)
    there = final.parent.parent
    assert refused(final) == (
        f"write {final}: {there} cannot be written ({os.strerror(errno.EACCES)}). {WRITABLE}"
    )


# Errors while the bundle is written.


@pytest.mark.parametrize("encode", [str, os.fsencode])
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
def test_an_error_about_the_bundle_s_own_files_names_its_folder(old: Path, encode: type, number: int) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(number, os.strerror(number), encode(folder / "model.onnx"))

    with pytest.raises(InputError) as caught:
        build(old, "new", fail)
    assert str(caught.value) == (
        f"write {old}: {old.parent} cannot be written ({os.strerror(number)}). {WRITABLE}"
    )
    assert (text_of(old), beside(old)) == ("old", {"clip-b16.lock"})


def test_an_error_about_the_final_folder_names_its_folder(old: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "no", str(old))

    with pytest.raises(InputError, match=rf"{old.parent} cannot be written \(no\)"):
        build(old, "new", fail)


def test_an_error_of_another_kind_stays_as_it_is(old: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(errno.EBADF, "bad", str(folder / "model.onnx"))

    with pytest.raises(OSError, match="bad") as caught:
        build(old, "new", fail)
    assert not isinstance(caught.value, InputError)


def test_a_disk_that_is_full_elsewhere_is_named(old: Path, tmp_path: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "full", str(tmp_path / "cache" / "weights"))

    with pytest.raises(InputError) as caught:
        build(old, "new", fail)
    # The folder is not there, so nothing is known of its space.
    assert str(caught.value) == (
        f"write {old}: the disk is full in {tmp_path / 'cache'} (free space not known). "
        f"Free space there, or {CHOOSE}"
    )


def test_a_file_beyond_the_limit_of_sizes_has_a_remedy_of_its_own(old: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(errno.EFBIG, "large", str(folder / "model.onnx"))

    with pytest.raises(InputError) as caught:
        build(old, "new", fail)
    assert caught.value.asked == f"write {old}"
    assert caught.value.found.startswith(
        f"a file grew over the largest size that is allowed in {old.parent} ("
    )
    assert caught.value.remedy == f"Raise the limit (`ulimit -f`), or {CHOOSE}"


def test_a_disk_that_is_full_under_the_partial_folder_is_that_of_the_bundle(old: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "full", str(folder / "plans" / "model.plan"))

    with pytest.raises(InputError, match=rf": the disk is full in {old.parent} \([\d,]+ bytes free\)\. "):
        build(old, "new", fail)


def test_the_free_bytes_are_counted_before_the_partial_folder_is_removed(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[set[str]] = []
    usage = shutil.disk_usage

    def count(folder: Path) -> object:
        found.append(beside(old))
        return usage(folder)

    def fail(folder: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "full", str(folder / "model.onnx"))

    monkeypatch.setattr(shutil, "disk_usage", count)
    with pytest.raises(InputError):
        build(old, "new", fail)
    assert found == [{"clip-b16.lock", f".clip-b16.partial-{os.getpid()}"}]


# What a stopped program says.


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_is_told_what_is_left(old: Path, stop: type[BaseException]) -> None:
    def fail(folder: Path) -> NoReturn:
        raise stop

    with pytest.raises(stop) as caught:
        build(old, "new", fail)
    assert caught.value.__notes__ == [f"nothing was published, {old} is as before"]
    with pytest.raises(stop) as caught:
        build(old.with_name("other"), "new", fail)
    assert caught.value.__notes__ == ["nothing was published"]


@pytest.mark.parametrize("before", [False, True])
def test_a_stop_after_the_last_rename_is_told_so(
    final: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    if before:
        build(final, "old")
    put_in_place = publish._put_in_place

    def stopped(partial: Path, place: Path) -> NoReturn:
        put_in_place(partial, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "_put_in_place", stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        build(final, "new")
    assert caught.value.__notes__ == [f"the new bundle was complete already: {final}"]
    assert text_of(final) == "new"


def test_an_error_has_no_note(old: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        raise ValueError("in mid-build")

    with pytest.raises(ValueError, match="in mid-build") as caught:
        build(old, "new", fail)
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x", "since": 1}', '{"pid": 1}', "\x00"])
def test_a_lock_that_says_nothing_has_no_known_holder(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert publish._holder(tmp_path / "lock") == "its process is not known"
    assert publish._holder(tmp_path / "missing") == "its process is not known"


def test_the_lock_of_a_running_build_names_it(final: Path) -> None:
    def look(folder: Path) -> None:
        assert publish._holder(final.with_name("clip-b16.lock")).startswith(f"process {os.getpid()}, since 2")

    build(final, "new", look)


def test_a_file_system_without_locks(final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(lock: object, **options: object) -> NoReturn:
        raise NotImplementedError("no flock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(InputError) as caught:
        build(final, "new")
    assert str(caught.value) == (
        f"build {final}: its file system has no locks (no flock). Choose a folder on another one with OUT="
    )


def test_a_system_without_an_exchange_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not publish._exchange(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("exchange", [True, False])
def test_what_can_not_be_removed_does_not_stop_a_build(
    old: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    """Of the old bundle, and of a killed build."""
    left = old.with_name(".clip-b16.partial-1")
    left.mkdir()
    (left / "model.onnx").touch()
    if not exchange:
        monkeypatch.setattr(publish, "_exchange", lambda one, other: False)

    def refuse(*names: object, **options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "not removed")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        build(old, "new")
    assert text_of(old) == "new"
    assert left.exists()
