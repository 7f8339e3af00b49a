"""A bundle appears complete or not at all, whatever happens to the process that builds it."""

from __future__ import annotations

import ctypes
import os
import re
import signal
from pathlib import Path
from typing import NoReturn

import pytest

from pitome.bundle import publishing as publish
from pitome.bundle.publishing import build_folder
from pitome.errors import BundleError, InputError
from tests.pitome.bundle.publish_cases import (
    WAIT,
    beside,
    build,
    check_next_build,
    complete,
    start_child,
    text_of,
    wait_for_line,
)


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "build" / "clip-b16"


@pytest.fixture
def old(final: Path) -> Path:
    build(final, "old")
    return final


def test_a_build_appears_when_it_is_complete(final: Path) -> None:
    with build_folder(final) as folder:
        assert folder.parent == final.parent
        assert list(folder.iterdir()) == []
        complete(folder, "new")
        assert not final.exists()
    assert text_of(final) == "new"
    assert beside(final) == {"clip-b16.lock"}


def test_an_old_bundle_stays_until_the_new_one_replaces_it_whole(old: Path) -> None:
    (old / "stale.plan").write_text("of the old build")
    with build_folder(old) as folder:
        complete(folder, "new")
        assert text_of(old) == "old"
    assert text_of(old) == "new"
    assert not (old / "stale.plan").exists()
    assert beside(old) == {"clip-b16.lock"}


def test_a_link_to_the_bundle_keeps_pointing_to_it(old: Path) -> None:
    link = old.parent / "latest"
    link.symlink_to(old)
    with build_folder(link) as folder:
        complete(folder, "new")
    assert link.is_symlink()
    assert text_of(old) == "new"


def test_a_relative_name_means_the_folder_at_the_start(
    final: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final.parent.mkdir()
    monkeypatch.chdir(final.parent)
    with build_folder(Path(final.name)) as folder:
        complete(folder, "new")
        monkeypatch.chdir(tmp_path)
    assert text_of(final) == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_build_that_raises_leaves_everything_as_it_was(old: Path, error: type[BaseException]) -> None:
    def fail(folder: Path) -> NoReturn:
        raise error("in mid-build")

    with pytest.raises(error, match="in mid-build"):
        build(old, "new", fail)
    assert text_of(old) == "old"
    assert beside(old) == {"clip-b16.lock"}
    check_next_build(old)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sha256"])
def test_a_build_without_a_manifest_is_not_published(old: Path, name: str) -> None:
    with pytest.raises(BundleError) as caught:
        build(old, "new", lambda folder: (folder / name).unlink())
    assert str(caught.value) == f"publish {old}: the build wrote no {name}. Call write_manifest last"
    assert text_of(old) == "old"


# A build that is killed.


@pytest.mark.parametrize("exists", [True, False])
def test_kill_9_in_mid_build_leaves_the_old_bundle_and_blocks_nothing(
    final: Path, exists: bool, request: pytest.FixtureRequest
) -> None:
    if exists:
        request.getfixturevalue("old")
    with start_child(final, WAIT) as child:
        wait_for_line(child)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert beside(final) == {"clip-b16.lock", f".clip-b16.partial-{child.pid}"}
    assert final.exists() == exists
    if exists:
        assert text_of(final) == "old"
    check_next_build(final)


@pytest.mark.parametrize("renames", [1, 2])
def test_kill_9_between_the_renames_loses_no_bundle(old: Path, renames: int) -> None:
    """Where two names cannot be exchanged at once there is a moment without a bundle: it is mended."""
    before = (
        "publish._exchange = lambda one, other: False; rename = Path.rename; count = iter(range(9));"
        "Path.rename = lambda *names: (rename(*names),"
        f" next(count) == {renames - 1} and os.kill(os.getpid(), signal.SIGKILL))"
    )
    with start_child(old, "pass", before) as child:
        assert child.wait() == -signal.SIGKILL
    assert old.exists() == (renames == 2)
    with build_folder(old) as folder:
        assert text_of(old) == ("old" if renames == 1 else "new")
        assert beside(old) == {"clip-b16.lock", folder.name}
        complete(folder, "next")
    assert text_of(old) == "next"
    assert beside(old) == {"clip-b16.lock"}


def test_leftovers_of_other_bundles_are_not_touched(old: Path) -> None:
    others = (".clip-b16x.partial-1", ".clip-b16.partial-x", "clip-b16.partial-1")
    for name in others:
        (old.parent / name).mkdir()
    (old.parent / ".clip-b16.partial-1").mkdir()
    with build_folder(old) as folder:
        complete(folder, "new")
    assert beside(old) == {"clip-b16.lock", *others}


@pytest.mark.parametrize(("name", "other"), [("clip.b16", "clip_b16"), ("v1+", "v11"), ("[ab]", "a")])
def test_a_name_is_no_pattern_of_leftovers(tmp_path: Path, name: str, other: str) -> None:
    final = tmp_path / name
    build(final, "old")
    for left in (name, other):
        (tmp_path / f".{left}.partial-1").mkdir()
        (tmp_path / f".{left}.replaced-1").mkdir()
    build(final, "new")
    assert beside(final) == {f"{name}.lock", f".{other}.partial-1", f".{other}.replaced-1"}


# Replacing.


def exchanges_names(folder: Path) -> bool:
    """Ask the system itself: renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)."""
    probes = folder / "probe-1", folder / "probe-2"
    for probe in probes:
        probe.mkdir()
    try:
        return ctypes.CDLL(None).renameat2(-100, os.fsencode(probes[0]), -100, os.fsencode(probes[1]), 2) == 0
    except AttributeError:
        return False


def test_two_names_are_exchanged_at_once(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchanges_names(tmp_path):
        pytest.skip("this system or file system cannot exchange two names")
    assert publish._exchange(tmp_path / "one", tmp_path / "other")
    assert [(tmp_path / "one" / "other").exists(), (tmp_path / "other" / "one").exists()] == [True, True]


def test_names_that_cannot_be_exchanged_say_so(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert not publish._exchange(tmp_path / "one", tmp_path / "missing")


def test_without_an_exchange_the_bundle_is_replaced_in_two_steps(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_exchange", lambda one, other: False)
    check_next_build(old)


def test_the_old_bundle_comes_back_when_the_second_rename_fails(old: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish._replace_in_two_steps(old.parent / "missing", old)
    assert text_of(old) == "old"
    assert beside(old) == {"clip-b16.lock"}


# Two builds at once.


def test_a_second_build_at_once_is_told_who_builds(final: Path) -> None:
    with start_child(final, WAIT) as child:
        wait_for_line(child)
        with pytest.raises(InputError) as caught:
            build(final, "another")
        assert re.fullmatch(
            rf"build {re.escape(str(final))}: another build of it is running \(process {child.pid}, since "
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00\)\. "
            "Wait until it ends, or choose another folder with OUT=",
            str(caught.value),
        )
        build(final.with_name("deit-s16"), "another")  # which is not held up
        _, errors = child.communicate("")
        assert (child.returncode, errors) == (0, "")
    assert text_of(final) == "new"
    assert (final.parent / "clip-b16.lock").read_text() == ""


def test_builds_that_start_at_once_never_overlap(final: Path, tmp_path: Path) -> None:
    log = f"open({str(tmp_path / 'log')!r}, 'a').write"
    body = f"{log}('in '); time.sleep(0.3); {log}('out ')"
    before = "print('ready', flush=True); sys.stdin.readline()"
    children = [start_child(final, body, before) for _ in range(3)]
    for child in children:
        wait_for_line(child)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    errors = [child.communicate()[1] for child in children]
    built = sum(child.returncode == 0 for child in children)
    assert built >= 1
    assert (tmp_path / "log").read_text() == "in out " * built
    assert all("another build of it is running" in text for text in errors if text)
    assert sum(bool(text) for text in errors) == 3 - built
    assert text_of(final) == "new"
    assert beside(final) == {"clip-b16.lock"}


def test_a_build_inside_a_build_of_the_same_bundle_is_refused(final: Path) -> None:
    with build_folder(final) as folder:
        with pytest.raises(InputError, match=f"process {os.getpid()}, since"):
            build(final, "another")
        complete(folder, "new")
    assert text_of(final) == "new"


def test_a_signature_does_not_go_without_a_word(final: Path) -> None:
    with build_folder(final) as folder:
        complete(folder, "old")
    (final / "model.sig").touch()
    told = rf"{final} was signed, and is another one now: its model\.sig is gone\. Sign it again"
    with pytest.warns(UserWarning, match=told), build_folder(final) as folder:
        complete(folder, "new")
    assert not (final / "model.sig").exists()
