"""Open a plan: everything that can be known of it is checked before the library sees a byte of it."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import BackendError, BundleError, InputError
from pitome.runtime.backends import PlanBackend, find_plan_backend
from pitome.runtime.plans.fit import check_plan, other_version, same_version
from pitome.runtime.plans.machine import Machine, this_machine
from pitome.runtime.plans.plan_header import HEADER, plan_header
from pitome.runtime.plans.plugin_file import PluginFile, register_plugin

if TYPE_CHECKING:
    from pitome.bundle.graph_records import PlanRecord
    from pitome.runtime.plans.engine import PlanEngine

LOG = logging.getLogger("pitome.runtime")
CONTEXTS = 2
"""Execution contexts of one plan at most: while one copies, the other computes."""


@dataclass(frozen=True)
class PlanOptions:
    """How a plan is run. What its record says need not be said again."""

    precision: str = "fp32"
    """Of the graph that it was built from."""
    assignments: tuple[str, ...] = ()
    """Those of its outputs that are the decisions of merges, in their order."""
    limits: Mapping[str, int] | None = None
    """Of texts: input -> the first integer that it does not take, as the manifest has it; a plan does not
    say."""
    profile: tuple[int, int, int] | None = None
    """Smallest, typical and largest batch, as the manifest has it; the plan's own must be the same."""
    cuda_graphs: bool = False
    """Replay CUDA graphs: fewer launches. The first run of each batch size takes longer."""
    contexts: int = CONTEXTS
    """Execution contexts at most, each with memory for the largest batch: so many callers run at once."""
    host_code: bool = False
    """Let libraries inside the plan run, as an embedded plugin needs."""


def open_plan(
    backend: str,
    plan: bytes | Path,
    *,
    plugin: PluginFile | Path | None = None,
    record: PlanRecord | None = None,
    options: PlanOptions | None = None,
    machine: Machine | None = None,
) -> PlanEngine:
    """A plan on the first GPU, ready to run.

    Args:
        backend: "tensorrt" or "tensorrt_rtx".
        plan: its bytes, which the caller has verified, or its file.
        plugin: the plugin library, for a plan that was built with it and does not carry it.
        record: what the manifest says of the plan. Its precision, profile and embedded plugin are taken from
            there.
        options: how it is run.
        machine: where; ``this_machine()`` by default.

    Raises:
        InputError: no such file, or another plugin library is loaded in this process already.
        BackendError: the library, cuda-python, a driver or a GPU is missing, the file is no plan, or the
            library refuses it.
        BundleError: the plan is of another library or version, for other GPUs or with another profile, or
            its plugin library is missing, another one, or for another machine.
    """
    options = options or PlanOptions()
    found = find_plan_backend(backend)
    plugin = PluginFile(plugin) if isinstance(plugin, Path) else plugin
    name = record.file if record is not None else plan.name if isinstance(plan, Path) else "a plan"
    machine = machine or this_machine()
    asked = f"running {name} with {found.label} {machine.versions.get(found.name, '')}".rstrip()
    _check_machine(asked, found, machine)
    if record is not None:
        if record.backend != found.name:
            raise BundleError(asked, f"it is a plan of {record.backend}", f"Use BACKEND={record.backend}")
        check_plan(record, machine, None if plugin is None else plugin.record)
        options = _with_record(options, record)
    content = _content(asked, plan)
    _check_header(asked, found, machine, content)
    trt, log = _library(asked, found)
    if plugin is not None:
        register_plugin(trt, found, asked, plugin, log.errors)
    from pitome.runtime.plans.engine import PlanEngine

    return PlanEngine(trt, log, asked, found, content, options)


def _check_machine(asked: str, backend: PlanBackend, machine: Machine) -> None:
    if backend.name not in machine.versions:
        raise BackendError(asked, f"{backend.label} is not installed", f"Run {backend.install}")
    if machine.gpu is None:
        raise BackendError(asked, machine.why_no_gpu, machine.remedy)


def _with_record(options: PlanOptions, record: PlanRecord) -> PlanOptions:
    from dataclasses import replace

    return replace(
        options,
        precision=record.precision,
        profile=record.profile,
        host_code=options.host_code or record.plugin_embedded,
    )


def _content(asked: str, plan: bytes | Path) -> bytes:
    if not isinstance(plan, Path):
        return plan
    try:
        return plan.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(asked, "there is no such file", "Build the plan first") from error
        raise InputError(asked, f"it can't be read ({error.strerror})", "Get the bundle again") from error


def _check_header(asked: str, backend: PlanBackend, machine: Machine, content: bytes) -> None:
    """The plan's own word for which library wrote it, in which version."""
    header = plan_header(asked, content[: HEADER.size], len(content))
    writer = find_plan_backend("tensorrt_rtx" if header.by_rtx else "tensorrt")
    if writer != backend:
        raise BundleError(
            asked,
            f"the file was written by {writer.label}, not {backend.label}",
            f"Use BACKEND={writer.name}",
        )
    installed = machine.versions[backend.name]
    if not same_version(header.version, installed):
        misfit = other_version(backend, header.version, installed)
        raise BundleError(asked, misfit.found, misfit.remedy)


def _library(asked: str, backend: PlanBackend) -> tuple[Any, Any]:
    """The imported module, and a logger that keeps errors and passes warnings on to this process's log."""
    try:
        trt: Any = importlib.import_module(backend.module)
    except (ImportError, OSError) as error:
        raise BackendError(
            asked, f"{backend.label} does not load ({error})", f"Run {backend.install}"
        ) from error

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message.strip())
                LOG.error("%s: %s", backend.label, message.strip())
            elif severity <= trt.ILogger.WARNING:
                LOG.warning("%s: %s", backend.label, message.strip())

    return trt, Log()
