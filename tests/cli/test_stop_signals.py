"""SIGINT, SIGTERM and SIGHUP: children and partial files go, what is left is said, the next build works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command_line import QUICK, QUICK_PLAN, contents, finish, pitome, start

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SLOW_CLEANING = """
import shutil, sys, time
from pathlib import Path
cleaning = Path(sys.argv.pop())
remove = shutil.rmtree
def slowly(path, *arguments, **options):
    if ".partial-" in str(path):
        cleaning.touch()
        time.sleep(120)
    remove(path, *arguments, **options)
shutil.rmtree = slowly
from pitome.cli.main import main
main()
"""
"""The command with time to signal again; the last argument is a file that it makes then."""
WHILE_STARTING = """
import os, sys
class StopAt:
    def find_spec(self, name, path, target=None):
        if name == package:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), number)
number, package = int(sys.argv.pop()), sys.argv.pop()
sys.meta_path.insert(0, StopAt())
from pitome.cli.main import main
main()
"""
"""The command; a signal, the last argument, comes as it starts to import a package, the one before."""
WHILE_LOADING = """
import _imp, os, sys
create, number = _imp.create_dynamic, int(sys.argv.pop())
def create_and_stop(spec, *more):
    _imp.create_dynamic = create
    os.kill(os.getpid(), number)
    module = create(spec, *more)
    sys.stderr.write(f"{spec.name} is loaded\\n")
    return module
from pitome.cli.main import main
_imp.create_dynamic = create_and_stop
main()
"""
"""The command; a signal, the last argument, comes while it loads an extension module."""
LOST = """
from pitome.cli.application import run
from pitome.cli.main import app
from pitome.cli.stop_signals import Stopped, catch_stop_signals
import os, signal, sys
def work(display):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except Stopped:
        if sys.argv[1] == "ImportError":
            raise ImportError("initialization failed")
    with display.step("goes on"):
        print("went on")
    return {}, print
catch_stop_signals()
@app.command()
def lost(how: str) -> None:
    run(work, as_json=False)
app(["lost", sys.argv[1]])
"""
"""A command whose exception gets lost on its way, as in C code."""


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline, f"no {path.name} after {seconds} s"
        time.sleep(0.05)


def wait_for_lines(count: int, path: Path, process: subprocess.Popen[str]) -> None:
    wait_for(path, process)
    while path.read_text().count("\n") < count:
        assert process.poll() is None, "it ended too early"
        time.sleep(0.02)


def children(process: int) -> list[int]:
    """The processes that it started; for a plan, the builder."""
    task = Path(f"/proc/{process}/task/{process}/children")
    return [int(each) for each in task.read_text().split()] if task.exists() else []


@pytest.mark.parametrize(
    "number",
    [pytest.param(each, marks=() if each is signal.SIGTERM else pytest.mark.full) for each in CODES],
)
def test_a_stopped_build(clip_folder: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "build"
    build = start("engine", clip_folder, "--out", out, *QUICK, *QUICK_PLAN)
    wait_for(out / f".clip-tiny.partial-{build.pid}" / "model.onnx", build)
    builders = children(build.pid)
    build.send_signal(number)
    stopped = finish(build)
    assert stopped.code == CODES[number]
    assert stopped.err.endswith(f"error: stopped by {number.name}; nothing was published\n")
    assert "Traceback" not in stopped.err
    assert stopped.out == ""
    assert contents(out) == {"clip-tiny.lock": b""}
    assert {path.name for path in out.iterdir()} == {"clip-tiny.lock"}
    assert not any(Path(f"/proc/{each}").exists() for each in builders)


@pytest.mark.full
def test_the_bundle_before_stays_and_the_lock_is_free(clip_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    first = pitome("export", clip_folder, "--out", out, "--precision", "fp32")
    assert first.code == 0
    bundle, before = out / "clip-tiny", contents(out)
    build = start("engine", clip_folder, "--out", out, "--ratio", "0.8", *QUICK, *QUICK_PLAN, "--json")
    wait_for(out / f".clip-tiny.partial-{build.pid}" / "model.onnx", build)
    build.terminate()
    stopped = finish(build)
    text = f"stopped by SIGTERM; nothing was published, {bundle} is as before"
    assert stopped.document == {"error": text, "exit_code": 143}
    assert contents(out) == before
    assert pitome("export", clip_folder, "--out", out, "--precision", "fp32").code == 0


def test_a_second_signal_ends_the_cleaning_up(clip_folder: Path, tmp_path: Path) -> None:
    out, cleaning = tmp_path / "build", tmp_path / "cleaning"
    build = start(*("export", clip_folder, "--out", out, "--precision", "fp32", cleaning), code=SLOW_CLEANING)
    wait_for(out / f".clip-tiny.partial-{build.pid}", build)
    build.terminate()
    wait_for(cleaning, build)
    build.terminate()
    assert finish(build).code == -signal.SIGTERM


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("package", ["pitome.cli.streams", "typer", "rich.console", "pitome.cli.validate"])
def test_a_command_that_is_stopped_while_it_starts(package: str, number: signal.Signals) -> None:
    outcome = finish(start("models", "--json", package, str(int(number)), code=WHILE_STARTING))
    assert outcome.err == f"error: stopped by {number.name}\n"
    assert outcome.code == CODES[number]
    assert outcome.document == {"error": f"stopped by {number.name}", "exit_code": CODES[number]}


@pytest.mark.parametrize("number", CODES)
def test_an_extension_module_is_loaded_whole(number: signal.Signals) -> None:
    """Stopped in between, onnx's ends the process by a segmentation fault, and nothing is cleaned up."""
    outcome = finish(start("models", "--json", str(int(number)), code=WHILE_LOADING))
    loaded, said = outcome.err.splitlines()
    assert loaded.endswith(" is loaded")
    assert said == f"error: stopped by {number.name}"
    assert outcome.code == CODES[number]


def test_a_stop_that_waits_and_is_found_comes_once() -> None:
    """An extension module that can't be loaded raises an ImportError, before the stop does."""
    code = (
        "import _imp, importlib, os, signal, sys, time; from pitome.cli import stop_signals;"
        "stop_signals.catch_stop_signals();"
        "_imp.create_dynamic = lambda *_: os.kill(os.getpid(), signal.SIGTERM) or 1 / 0\n"
        "try: importlib.import_module('pydantic_core')\n"
        "except ZeroDivisionError: print(stop_signals.stop_received())\n"
        "time.sleep(0.1); print('once')"
    )
    outcome = finish(start(code=code))
    assert (outcome.code, outcome.out, outcome.err) == (0, "stopped by SIGTERM\nonce\n", "")


def test_little_is_imported_before_signals_are_caught() -> None:
    """And nothing is caught by the import alone, which a test or a program of somebody else's may do."""
    code = (
        "import signal, sys; import pitome.cli.main; print(sorted({'rich', 'typer', 'pydantic', 'json'} & "
        "sys.modules.keys()), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
    )
    assert finish(start(code=code)).out == "[] True\n"


@pytest.mark.parametrize("how", ["ImportError", "dropped"])
def test_a_stop_that_gets_lost_is_found_again(how: str) -> None:
    """A library that was just being loaded made an ImportError of it."""
    outcome = finish(start(how, code=LOST))
    assert outcome.err == "error: stopped by SIGTERM; nothing was published\n"
    assert (outcome.code, outcome.out) == (143, "")


def test_an_ignored_signal_stays_ignored() -> None:
    """As after nohup, which ignores SIGHUP and then runs the command."""
    code = (
        "import os, signal; from pitome.cli.stop_signals import catch_stop_signals; catch_stop_signals();"
        "os.kill(os.getpid(), signal.SIGHUP); print('on')"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) and None,
        timeout=300,
    )
    assert (found.returncode, found.stdout) == (0, "on\n")


@pytest.mark.parametrize(
    ("command", "option"), [("sweep", "--out"), pytest.param("tune", "--records", marks=pytest.mark.full)]
)
def test_a_stopped_search_says_what_goes_on(
    clip_folder: Path, tmp_path: Path, command: str, option: str
) -> None:
    records = tmp_path / "records.jsonl"
    search = start(command, clip_folder, "--task", "photos", "--threads", "1", option, records)
    wait_for_lines(4, records, search)  # the configuration, the command, the unmerged model and a point
    search.terminate()
    stopped = finish(search)
    count = records.read_text().count("\n") - 1
    assert stopped.code == 143
    assert stopped.err.endswith(
        f"error: stopped by SIGTERM; {count} records are in {records}; the same command goes on with it\n"
    )
    assert "Traceback" not in stopped.err


@pytest.mark.full
def test_so_does_a_stopped_measurement(clip_folder: Path, tmp_path: Path) -> None:
    assert pitome("export", clip_folder, "--out", tmp_path, "--precision", "fp32").code == 0
    records = tmp_path / "bench.jsonl"
    options = ("--batch", "1", "--batch", "2", "--latency-seconds", "5", "--resume", records)
    bench = start("bench", tmp_path / "clip-tiny", *options)
    wait_for_lines(2, records, bench)
    bench.terminate()
    stopped = finish(bench)
    assert stopped.code == 143
    assert stopped.err.endswith(
        f"error: stopped by SIGTERM; 1 record is in {records}; the same command goes on with it\n"
    )
