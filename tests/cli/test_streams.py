"""Stdout and stderr that are closed, full, ASCII only, narrow, without colours or without a reader."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.checkout import ROOT
from tests.cli.command_line import START

COMMAND = [sys.executable, "-c", START]
NO_ROOM = (
    "error: print the result: stdout can't be written (No space left on device). "
    "Send the result to a file or a pipe that takes it; >/dev/null throws it away\n"
)


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def run(*arguments: str, before: Callable[[], None] | None = None, **changes: str) -> tuple[int, str, str]:
    found = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        env=environment(**changes),
        preexec_fn=before,
        timeout=300,
    )
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize("arguments", [("models",), ("models", "--json"), ("--help",), ("--version",)])
def test_a_reader_that_went_away_ends_it_quietly(arguments: tuple[str, ...]) -> None:
    """As `cat` ends: by SIGPIPE, which a shell shows as 141."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        found = subprocess.run(
            [*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, env=environment(), timeout=300
        )
    finally:
        os.close(writer)
    assert found.stderr == b""
    assert found.returncode == -13


def test_messages_without_a_reader_end_it_with_the_same_code(clip_folder: object) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        found = subprocess.run(
            [*COMMAND, "engine", str(clip_folder), "--dry-run"],
            stdout=subprocess.PIPE,
            stderr=writer,
            env=environment(),
            timeout=300,
        )
    finally:
        os.close(writer)
    assert (found.returncode, found.stdout) == (141, b"")


@pytest.mark.parametrize("arguments", [("models",), ("models", "--json"), ("--help",), ("--version",)])
def test_a_full_stdout(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        found = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=300,
        )
    assert (found.returncode, found.stderr) == (2, NO_ROOM)


@pytest.mark.parametrize("arguments", [("models",), ("--help",), ("--version",)])
def test_a_stdout_that_was_opened_for_reading(arguments: tuple[str, ...]) -> None:
    code, _, message = run(*arguments, before=lambda: os.dup2(os.open(os.devnull, os.O_RDONLY), 1) and None)
    assert (code, message) == (2, NO_ROOM.replace("No space left on device", "Bad file descriptor"))


def test_a_closed_stdout_is_refused_at_once() -> None:
    code, _, message = run("models", before=lambda: os.close(1))
    assert code == 2
    assert message.startswith("error: print the result: stdout is closed. ")


def test_a_stderr_that_is_closed_or_full_costs_only_the_messages() -> None:
    code, out, _ = run("models", before=lambda: os.close(2))
    assert code == 0
    assert "clip-b16" in out
    code, out, _ = run("inspect", "nowhere", before=lambda: os.close(2))
    assert (code, out) == (2, "")

    def fill() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)

    assert run("inspect", "nowhere", before=fill)[:2] == (2, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"PYTHONIOENCODING": "ascii"},
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, marks=pytest.mark.full),
    ],
)
def test_an_ascii_terminal(clip_folder: object, changes: dict[str, str]) -> None:
    code, out, _ = run("engine", str(clip_folder), "--dry-run", **changes)
    assert code == 0
    assert out.isascii()
    assert "+---" in out
    assert "the speed-up is bound by 1." in out
    code, _, message = run("inspect", "übel✓", **changes)
    assert code == 2
    assert message.isascii()


def test_piped_output_follows_columns() -> None:
    for columns in ("80", "100"):
        _, out, _ = run("models", COLUMNS=columns)
        assert max(map(len, out.splitlines())) <= int(columns)
    _, out, _ = run("models")
    assert 100 < max(map(len, out.splitlines())) <= 140
    for wrong in ("0", "-1", "wide", "²", "9" * 5000):
        assert run("models", COLUMNS=wrong)[1] == out
    assert run("models", COLUMNS="1")[0] == 0


def on_a_terminal(*arguments: str, **changes: str) -> tuple[int, str]:
    """Exit code and all that a pseudo-terminal was sent."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(**{"TERM": "xterm-256color", "COLUMNS": "80", **changes}),
    )
    os.close(slave)
    text = b""
    while select.select([master], [], [], 300)[0]:
        try:
            part = os.read(master, 65_536)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        text += part
    os.close(master)
    return process.wait(300), text.decode()


@pytest.mark.parametrize(
    "changes", [{"NO_COLOR": "1"}, pytest.param({"TERM": "dumb"}, marks=pytest.mark.full)]
)
def test_no_escape_codes_at_all(clip_folder: object, changes: dict[str, str]) -> None:
    for arguments in (("engine", str(clip_folder), "--dry-run"), ("inspect", "nowhere"), ("--help",)):
        code, text = on_a_terminal(*arguments, **changes)
        assert code == (2 if "nowhere" in arguments else 0)
        assert text
        assert "\x1b" not in text


def test_a_terminal_has_colours_otherwise() -> None:
    code, text = on_a_terminal("inspect", "nowhere")
    assert code == 2
    assert "\x1b[1;31m" in text


def test_no_color_wins_over_what_forces_colours() -> None:
    for arguments in (("models",), ("--help",), ("engine", "--help")):
        code, out, message = run(*arguments, NO_COLOR="1", FORCE_COLOR="1")
        assert code == 0
        assert "\x1b" not in out + message
