"""A full disk, a kill and a second build: no half bundle, and the next build works."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pitome.bundle import verify_bundle
from tests.cli.command_line import QUICK, QUICK_PLAN, contents, finish, pitome, start

# The largest file that is allowed, so that this is the first one that does not fit; and what is said then.
FULL = {
    "graph": (
        100_000,
        "a file grew over the largest size that is allowed",
        "Raise the limit (`ulimit -f`), or choose another folder with OUT=",
    ),
    "plan": (
        1_500_000,
        "File too large. Make room, or choose another OUT",
        "and run the same command again",
    ),
}


@pytest.mark.parametrize("file", ["graph", pytest.param("plan", marks=pytest.mark.full)])
def test_full_disk(clip_folder: Path, tmp_path: Path, file: str) -> None:
    """RLIMIT_FSIZE makes writing fail as a full disk does, without root."""
    out, (largest, found, remedy) = tmp_path / "build", FULL[file]
    failed = finish(
        start("engine", clip_folder, "--out", out, *QUICK, *QUICK_PLAN, before=_limit_files(largest))
    )
    assert failed.code == 2, failed.err
    assert found in failed.message
    assert remedy in failed.message
    assert "Traceback" not in failed.err
    assert contents(out) == {"clip-tiny.lock": b""}

    assert pitome("export", clip_folder, "--out", out, "--precision", "fp32").code == 0
    verify_bundle(out / "clip-tiny")


def test_kill_and_second_build(clip_folder: Path, copied: Path) -> None:
    out, before = copied.parent, contents(copied)
    arguments = (clip_folder, "--out", out, "--ratio", "0.8")
    first = start("engine", *arguments, *QUICK, *QUICK_PLAN)
    try:
        partial = out / f".clip-tiny.partial-{first.pid}"
        _wait_for(partial / "model.onnx", first)
        second = pitome("export", *arguments)
        assert second.code == 2
        assert f"another build of it is running (process {first.pid}, since " in second.message
        assert "Wait until it ends, or choose another folder with OUT=" in second.message
    finally:
        first.kill()
        first.communicate()
    assert first.returncode < 0, "it ended before the kill"
    assert contents(copied) == before
    assert partial.is_dir()

    again = pitome("export", *arguments, "--precision", "fp32")
    assert again.code == 0
    assert verify_bundle(copied).schedule.tokens == (17, 14, 12, 10)
    assert {path.name for path in out.iterdir()} == {"clip-tiny", "clip-tiny.lock"}


def _limit_files(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "the build ended too early"
        assert time.monotonic() < deadline, f"no {path.name} after {seconds} s"
        time.sleep(0.05)
