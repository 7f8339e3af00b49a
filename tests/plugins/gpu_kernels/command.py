"""The command: what it takes, what it runs, how it ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from pitome.errors import BackendError, InputError, PitomeError
from pitome.plugins.tools.merge_library import HOST_LIBRARY, HostLibrary, MergeLibrary
from tests.plugins.gpu_kernels.block import CLIP_B16, Layer
from tests.plugins.gpu_kernels.checks import Call, line_of
from tests.plugins.gpu_kernels.device import HostDevice, TimedDevice
from tests.plugins.gpu_kernels.gpu import Gpu, missing_gpu
from tests.plugins.gpu_kernels.library import build_kernels
from tests.plugins.gpu_kernels.report import MARKDOWN_NAME, Report, Setting, describe_setting
from tests.plugins.gpu_kernels.speed import measure_speed
from tests.plugins.gpu_kernels.table import CALLS, choose, run_table

OUTPUT = Path("build/gpu-kernels")
RIGHT, WRONG, NOT_RUN = 0, 1, 2
"""Exit codes."""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    cpu: bool
    plugin: Path | None
    only: str
    jobs: int
    out: Path


def main(arguments: Sequence[str]) -> int:
    """Run it; the Markdown goes to stdout, all else that is said to stderr. The exit code."""
    try:
        options = _parse(arguments)
        report = _run(options)
    except (PitomeError, OSError) as error:
        # In one line, also where it lists the places that were looked at.
        _say(f"error: {' '.join(str(error).split())}")
        return NOT_RUN
    sys.stdout.write(report.to_markdown())
    return exit_code(report, measured=not options.cpu)


def exit_code(report: Report, measured: bool) -> int:
    """Of a report that should have times where ``measured``."""
    if report.table.wrong:
        return WRONG
    return NOT_RUN if measured and not report.speed else RIGHT


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError("the options of gpu_kernels", message, "See --help")


def _parse(arguments: Sequence[str]) -> Options:
    parser = _Parser(
        prog="python -m tests.plugins.gpu_kernels",
        description="Hold the CUDA kernels to the operator's table of cases on a GPU, and measure them.",
    )
    parser.add_argument(
        "--cpu", action="store_true", help="run the kernels' CPU execution (`make plugin-host`); no times"
    )
    parser.add_argument(
        "--plugin", type=Path, metavar="FILE", help="a library that is built [compiled by nvcc for this GPU]"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="only cases with this in their name [all]")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="NUMBER",
        default=len(os.sched_getaffinity(0)),
        help="of processes that check results [one for each CPU]",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", default=OUTPUT, help=f"of library and report [{OUTPUT}]"
    )
    found = parser.parse_args(arguments)
    if found.jobs < 1:
        raise InputError(
            f"--jobs {found.jobs}", "results are checked by one process or more", "Give 1 or more"
        )
    return Options(found.cpu, found.plugin, found.only, found.jobs, found.out)


def _run(options: Options) -> Report:
    calls = choose(options.only)
    if not calls:
        raise InputError(
            f"--only {options.only}",
            f"none of the {len(CALLS)} cases has it in its name",
            f"Give a part of a name such as {CALLS[0][0].name}",
        )
    options.out.mkdir(parents=True, exist_ok=True)  # before minutes of work, not behind them
    report = _on_host(options, calls) if options.cpu else _on_gpu(options, calls)
    report.write(options.out)
    _say(f"{'wrong' if report.table.wrong else 'right'}: {options.out / MARKDOWN_NAME}")
    return report


def _on_host(options: Options, calls: Sequence[Call]) -> Report:
    path = options.plugin or HOST_LIBRARY
    if not path.is_file():
        raise BackendError(
            f"the kernels' CPU execution {path}", "there is no such file", "Run `make plugin-host`"
        )
    if not _is_of_the_cpu(path):
        raise InputError(
            f"--cpu with {path}", "its kernels are for GPUs", f"Give {HOST_LIBRARY.name}, or no --cpu"
        )
    library = HostLibrary(path)
    table = run_table(HostDevice(library), calls, _say, options.jobs)
    setting = describe_setting("the CPU execution of the kernels", library.path)
    return Report(setting, table, CLIP_B16, (), "the CPU execution says nothing of time")


def _on_gpu(options: Options, calls: Sequence[Call]) -> Report:
    if reason := missing_gpu():
        remedy = "Run it where PyTorch has an NVIDIA GPU, name such a Python as PYTHON=, or give --cpu"
        raise BackendError("the kernels on a GPU", reason, remedy)
    major, minor = torch.cuda.get_device_capability()
    if options.plugin and _is_of_the_cpu(options.plugin):
        raise InputError(f"the library {options.plugin}", "its kernels are for the CPU", "Give --cpu with it")
    built = options.plugin or build_kernels((major, minor), options.out, _say, os.environ)
    ran_on = f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}"
    return check_and_measure(
        Gpu(MergeLibrary(built)), CLIP_B16, calls, describe_setting(ran_on, built), options.jobs
    )


def check_and_measure(
    device: TimedDevice, layer: Layer, calls: Sequence[Call], setting: Setting, jobs: int = 1
) -> Report:
    """A device that merges wrongly, or not at all any more, has no time worth knowing."""
    table = run_table(device, calls, _say, jobs)
    if table.wrong:
        return Report(setting, table, layer, (), "a case is wrong")
    try:
        return Report(setting, table, layer, measure_speed(device, layer), "")
    except RuntimeError as error:  # as PyTorch has it: what is known of the cases is not lost with it
        _say(f"error: measuring failed: {line_of(error)}. Report this as a bug; the cases are right")
        return Report(setting, table, layer, (), f"it failed: {line_of(error)}")


def _is_of_the_cpu(path: Path) -> bool:
    """Raises InputError where it is no library of the kernels at all."""
    try:
        handle = MergeLibrary(path).handle
    except (OSError, AttributeError) as error:
        raise InputError(
            f"the library {path}", str(error), "Give one that `make plugin` or `make plugin-host` built"
        ) from error
    return hasattr(handle, "pitome_host_set_seed")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
