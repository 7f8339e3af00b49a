"""What all commands share: python -m, --version, --quiet, usage errors as JSON, completion, help."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pitome import __version__
from tests.checkout import ROOT
from tests.cli.command_line import Outcome, finish, pitome, start


def module(name: str, *arguments: str, **environment: str) -> Outcome:
    """``python -m NAME ARGUMENTS``."""
    found = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=300,
    )
    return Outcome(found.returncode, found.stdout, found.stderr)


@pytest.mark.parametrize("name", ["pitome", "pitome.cli.main"])
def test_modules_run_the_command_line(name: str) -> None:
    assert module(name, "--version") == Outcome(0, f"pitome {__version__}\n", "")
    refused = module(name, "inspect", "nowhere")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: bundle nowhere: there is no such folder")


def test_help_calls_the_program_pitome() -> None:
    assert "Usage: pitome [OPTIONS] COMMAND" in module("pitome", "--help").out
    assert "Usage: pitome engine [OPTIONS]" in module("pitome.cli.main", "engine", "--help").out


def test_no_command_is_help() -> None:
    outcome = finish(start())
    assert outcome.code == 2
    assert "Usage: pitome [OPTIONS] COMMAND" in outcome.out
    assert outcome.err == ""


@pytest.mark.full
def test_quiet_leaves_results_and_errors(clip_folder: Path) -> None:
    loud = finish(start("engine", clip_folder, "--dry-run"))
    assert loud.code == 0
    assert "Load " in loud.err
    quiet = finish(start("--quiet", "engine", clip_folder, "--dry-run"))
    assert (quiet.code, quiet.err, quiet.out) == (0, "", loud.out)
    for arguments in (
        ("engine", clip_folder, "--dry-run", "--quiet"),
        ("engine", "-q", clip_folder, "--dry-run"),
    ):
        quiet = pitome(*arguments)
        assert (quiet.code, quiet.err) == (0, "")
        assert "of the FLOPs are left" in quiet.out
    refused = pitome("-q", "engine", clip_folder, "--ratio", "1.5")
    assert refused.code == 2
    assert refused.err.startswith("error: ")


def test_quiet_is_forgotten_by_the_next_command(clip_folder: Path) -> None:
    assert pitome("-q", "engine", clip_folder, "--dry-run").err == ""
    assert "Load " in pitome("engine", clip_folder, "--dry-run").err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("engine", "x", "--json", "--nonsense"), "No such option: --nonsense"),
        (("engine", "--json"), "Missing argument 'MODEL'"),
        (("engine", "x", "--json", "--seed", "one"), "Invalid value for '--seed': "),
        (("nonsense", "--json"), "No such command 'nonsense'"),
    ],
)
def test_wrong_usage_is_told_as_other_errors_are(arguments: tuple[str, ...], error: str) -> None:
    outcome = finish(start(*arguments))
    assert outcome.code == 2
    assert outcome.document["exit_code"] == 2
    assert outcome.document["error"].lower().startswith(error.lower())
    assert outcome.err.lower().startswith(f"error: {error}".lower())
    assert "--help` lists what there is" in outcome.err
    assert outcome.err.count("\n") == 1


def complete(line: str) -> list[str]:
    words = line.split(" ")
    outcome = module(
        "pitome", _PITOME_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1)
    )
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out.split()


def test_completion() -> None:
    assert "engine" in complete("pitome eng")
    assert complete("pitome engine fashion-") == ["fashion-vit", "fashion-clip"]
    assert complete("pitome engine x --size-p") == ["--size-penalty"]
    assert complete("pitome engine x --metric k") == ["keys"]
    assert complete("pitome models --q") == ["--quiet"]


def test_completion_can_be_installed(tmp_path: Path) -> None:
    script = module("pitome", "--show-completion", "bash")
    assert (script.code, script.err) == (0, "")
    assert "_PITOME_COMPLETE=complete_bash" in script.out
    installed = module("pitome", "--install-completion", "bash", HOME=str(tmp_path))
    assert installed.code == 0
    assert installed.out.startswith("bash completion installed in ")
    assert "_PITOME_COMPLETE=complete_bash" in (tmp_path / ".bash_completions" / "pitome.sh").read_text()


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell", "pwsh"])
def test_every_shell_can_be_named(shell: str) -> None:
    script = module("pitome", "-q", "--show-completion", shell)
    assert (script.code, script.err) == (0, "")
    assert "_PITOME_COMPLETE" in script.out


def run_by(shell: str, command: str, **environment: str) -> Outcome:
    """What a shell runs; the second command keeps it from becoming the first one's process."""
    found = subprocess.run(
        [shell, "-c", f"{shlex.quote(sys.executable)} -m {command}; code=$?; exit $code"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=300,
    )
    return Outcome(found.returncode, found.stdout, found.stderr)


def test_the_shell_that_runs_it_is_found() -> None:
    assert "_PITOME_COMPLETE=complete_bash" in run_by("bash", "pitome --show-completion").out


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_a_shell_without_completion(option: str, tmp_path: Path) -> None:
    refused = run_by("sh", f"pitome {option}", HOME=str(tmp_path))
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: pitome {option}: the shell that runs it is ")
    assert f"Name the shell that it is for: pitome {option} bash | zsh | fish" in refused.err
    named = module("pitome", option, "tcsh", HOME=str(tmp_path))
    assert (named.code, named.out) == (2, "")
    assert named.err == (
        f"error: pitome {option} tcsh: there is no completion for that shell. "
        "Name one of bash, zsh, fish, powershell, pwsh\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_an_option_behind_is_no_shell(option: str) -> None:
    shown = run_by("bash", f"pitome --show-completion {option}")
    assert (shown.code, shown.err) == (0, "")
    assert "_PITOME_COMPLETE=complete_bash" in shown.out


def test_a_start_up_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_bytes(b"\xff\xfe\n")
    refused = module("pitome", "--install-completion", "bash", HOME=str(tmp_path))
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(
        "error: pitome --install-completion: the start-up file of bash can't be used (it is not UTF-8). Set"
    )
    assert (tmp_path / ".bashrc").read_bytes() == b"\xff\xfe\n"


def test_a_user_without_a_home() -> None:
    """No HOME, and none in the list of users: containers run as such numbers."""
    refused = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_HOME],
        capture_output=True,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if name != "HOME"},
            "PYTHONPATH": str(ROOT),
        },
        timeout=300,
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the home folder can't be used (Could not determine home directory). Set HOME" in refused.stderr


@pytest.mark.parametrize(
    ("ends", "reason"), [("exit 3", "it does not name its profile"), ("echo", "Is a directory")]
)
def test_a_powershell_that_does_not_work(tmp_path: Path, ends: str, reason: str) -> None:
    program = tmp_path / "pwsh"
    program.write_text(f"#!/bin/sh\n{ends}\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    refused = module("pitome", "--install-completion", "pwsh", HOME=str(tmp_path), PATH=path)
    assert (refused.code, refused.out.strip()) == (2, "")
    assert refused.err.startswith("error: pitome --install-completion: ")
    assert f"can't be used ({reason}" in refused.err
    assert refused.err.count("\n") == 1


WITHOUT_A_HOME = """
import pwd, sys
def getpwuid(number):
    raise KeyError(number)
pwd.getpwuid = getpwuid
sys.argv = ["pitome", "--install-completion", "bash"]
from pitome.cli.main import main
main()
"""


def test_no_shell_at_all(tmp_path: Path) -> None:
    """A process that no shell started, as a service manager does it."""
    refused = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_SHELL],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""},
        timeout=300,
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the shell that runs it can't be found out" in refused.stderr


WITHOUT_A_SHELL = """
import sys
import shellingham
def detect_shell():
    raise shellingham.ShellDetectionFailure
shellingham.detect_shell = detect_shell
sys.argv = ["pitome", "--show-completion"]
from pitome.cli.main import main
main()
"""


@pytest.mark.parametrize("method", ["random", "none"])
def test_a_dry_run_of_a_method_without_margins(clip_folder: Path, method: str) -> None:
    outcome = pitome("engine", clip_folder, "--method", method, "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "margin" in outcome.out


@pytest.mark.parametrize(
    ("home", "place", "reason"),
    [("/proc", "/proc/", "No such file or directory"), ("/dev/null", "/dev/null", "")],
)
def test_completion_where_home_takes_no_file(home: str, place: str, reason: str) -> None:
    refused = module("pitome", "--install-completion", "bash", HOME=home)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: pitome --install-completion: {place}")
    assert f"can't be used ({reason}" in refused.err
    assert (
        "Set HOME to a folder that can be written, or add what `pitome --show-completion bash`" in refused.err
    )
    assert refused.err.count("\n") == 1
