"""The command in a Python that has PyTorch, numpy and nothing else, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pitome.plugins.tools.merge_library import HOST_LIBRARY, HostLibrary
from tests.checkout import ROOT
from tests.environments import Environment, make_environment, with_dependencies
from tests.plugins.gpu_kernels import __main__, command
from tests.plugins.gpu_kernels.block import CLIP_B16
from tests.plugins.gpu_kernels.command import NOT_RUN, RIGHT, WRONG, check_and_measure, exit_code, main
from tests.plugins.gpu_kernels.counted_device import CountedDevice
from tests.plugins.gpu_kernels.table import choose
from tests.plugins.gpu_kernels.test_report import SETTING
from tests.plugins.gpu_kernels.test_speed import LAYER
from tests.plugins.gpu_kernels.test_table import FaultyDevice, one_bit_off

PART = "N17-B1-D4-"
"""In the names of few cases."""
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """PyTorch and numpy with what they need themselves, and packages of others with the names of ours."""
    found = make_environment(tmp_path_factory.mktemp("bare"), with_dependencies(["torch", "numpy"]))
    for name in ("tests", "pitome"):
        (found.site_packages / name).mkdir()
        (found.site_packages / name / "__init__.py").write_text("raise ImportError('of others')\n")
    return found


def run(environment: Environment, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [environment.python, "-m", "tests.plugins.gpu_kernels", *words],
        cwd=ROOT,
        env=inherited | NO_GPU | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], found: str, remedy: str) -> None:
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert found in done.stderr
    assert done.stderr.endswith(f"{remedy}\n")


def test_cases_run_with_pytorch_and_numpy_alone(bare: Environment, tmp_path: Path) -> None:
    missing = subprocess.run([bare.python, "-c", "import pydantic"], capture_output=True, check=False)
    assert missing.returncode == 1
    done = run(bare, "--cpu", "--jobs", "2", "--only", PART, "--out", str(tmp_path))
    assert done.returncode == RIGHT, done.stderr
    assert done.stdout == (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Not measured: the CPU execution says nothing of time." in done.stdout
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    cases = len(choose(PART))
    assert cases >= 3
    assert (found["table"]["chosen"], found["table"]["run"], found["table"]["wrong"]) == (cases, cases, [])
    assert found["setting"]["library"] == HOST_LIBRARY.name
    assert found["speed"] == []


def test_no_gpu(bare: Environment, tmp_path: Path) -> None:
    done = run(bare, "--out", str(tmp_path))
    remedy = "Run it where PyTorch has an NVIDIA GPU, name such a Python as PYTHON=, or give --cpu"
    assert_refused(done, "sees no NVIDIA GPU", remedy)


def test_no_pytorch(tmp_path: Path) -> None:
    done = run(make_environment(tmp_path / "none", with_dependencies(["numpy"])))
    remedy = "Name a Python 3.11 or newer with PyTorch and numpy, as in make test-gpu-kernels PYTHON=python3"
    assert_refused(done, "import torch: No module named 'torch'", remedy)


def test_checks_that_an_option_takes_away(bare: Environment) -> None:
    done = run(bare, PYTHONOPTIMIZE="1")
    assert done.returncode == 2
    assert "the checks are assertions, which -O and PYTHONOPTIMIZE take away" in done.stderr


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert __main__.missing_in_this_python() == ""
    monkeypatch.setattr("sys.version_info", (3, 9, 1))
    assert __main__.missing_in_this_python() == "Python 3.11 or newer is needed, this is 3.9"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--only", "nothing"],
            r"error: --only nothing: none of the \d+ cases has it in its name\. Give a part of",
        ),
        (["--jobs", "0"], r"error: --jobs 0: .* Give 1 or more"),
        (["--fast"], r"error: the options of gpu_kernels: unrecognized arguments: --fast\. See --help"),
        (["--cpu", "--plugin", "no.so"], r"error: .* no\.so: there is no such file\. Run `make plugin-host`"),
        (
            ["--cpu", "--plugin", "README.md"],
            r"error: the library README\.md: .*\. Give one that `make plugin`",
        ),
        (["--cpu", "--out", "README.md/in"], r"error: .*Not a directory"),
    ],
)
def test_what_can_t_be_run(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(words) == NOT_RUN
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert re.match(line, said.err), said.err


def test_a_wrong_case_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "HostDevice", lambda library: FaultyDevice(one_bit_off))
    assert main(["--cpu", "--jobs", "1", "--only", PART, "--out", str(tmp_path)]) == WRONG
    said = capsys.readouterr()
    assert f"wrong: {tmp_path / 'report.md'}" in said.err
    assert "0 of" in said.out


def test_what_is_right_is_measured() -> None:
    report = check_and_measure(CountedDevice(HostLibrary()), LAYER, choose(PART), SETTING)
    assert [(speed.metric, speed.batch) for speed in report.speed][::2] == [("hidden", b) for b in (1, 8, 64)]
    assert exit_code(report, measured=True) == RIGHT
    assert exit_code(replace(report, speed=()), measured=True) == NOT_RUN


def test_what_is_wrong_is_not() -> None:
    report = check_and_measure(FaultyDevice(one_bit_off), CLIP_B16, choose(PART), SETTING)
    assert (report.speed, report.without_speed) == ((), "a case is wrong")
    assert exit_code(report, measured=True) == WRONG


def test_an_error_while_measuring_keeps_the_cases(capsys: pytest.CaptureFixture[str]) -> None:
    class WithoutGraphs(CountedDevice):
        def capture(self, run):  # type: ignore[no-untyped-def]
            raise RuntimeError("operation not permitted when stream is capturing")

    report = check_and_measure(WithoutGraphs(HostLibrary()), LAYER, choose(PART), SETTING)
    assert report.table.run == len(choose(PART))
    reason = "RuntimeError: operation not permitted when stream is capturing"
    assert report.without_speed == f"it failed: {reason}"
    assert (
        capsys.readouterr().err
        == f"error: measuring failed: {reason}. Report this as a bug; the cases are right\n"
    )
    assert exit_code(report, measured=True) == NOT_RUN
