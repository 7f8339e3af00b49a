"""Whether a plan can run on a machine, by what the manifest says of it: before anything is deserialised.

A plan is native code for one library in one version and for named GPUs. What TensorRT itself says of a plan
that is not for it is a number; here each reason has its own words and its own remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitome.errors import BackendError, BundleError
from pitome.runtime.backends import PlanBackend, find_plan_backend
from pitome.runtime.plans.machine import Machine
from pitome.runtime.shared_library import unlike_this_system
from pitome.runtime.tensorrt_plugin import knows_plugins

if TYPE_CHECKING:
    from pitome.bundle.graph_records import PlanRecord
    from pitome.bundle.record import NativeRecord


@dataclass(frozen=True)
class Misfit:
    """One reason against a plan."""

    found: str
    remedy: str
    of_machine: bool = False
    """Whether something is missing here, and nothing is wrong with the plan."""


def plan_reasons(plan: PlanRecord, machine: Machine, plugin: NativeRecord | None = None) -> str | None:
    """Why a plan can't run on a machine, all reasons in one text; None where it can.

    Args:
        plan: its record in the manifest.
        machine: such as ``this_machine()``.
        plugin: the bundle's record of the plugin library, ``manifest.plugin``.
    """
    return "; ".join(each.found for each in misfits(plan, machine, plugin)) or None


def check_plan(plan: PlanRecord, machine: Machine, plugin: NativeRecord | None = None) -> None:
    """Refuse a plan that can't run on a machine; arguments as of ``plan_reasons``.

    Raises:
        BackendError: the library, cuda-python, a driver or a GPU is missing.
        BundleError: the plan is for another version of the library or for other GPUs, or its plugin library
            is missing or for another machine. The first reason is told.
    """
    for each in misfits(plan, machine, plugin):
        kind = BackendError if each.of_machine else BundleError
        raise kind(f"load {plan.file}", each.found, each.remedy)


def ranked_plans(
    plans: Sequence[PlanRecord], machine: Machine, plugin: NativeRecord | None = None
) -> list[tuple[PlanRecord, str | None]]:
    """Plans with what speaks against each, the one to be preferred first.

    A plan whose merges are the plugin's goes before one of standard operators (5 launches a merge instead of
    80), TensorRT before TensorRT-RTX (it was tuned on that very GPU), a smaller type before a larger.
    """
    paths, backends = ("plugin", "function", "none"), ("tensorrt", "tensorrt_rtx")
    precisions = ("fp16", "bf16", "fp32")

    def rank(plan: PlanRecord) -> tuple[int, int, int]:
        return (
            paths.index(plan.merge_path),
            backends.index(plan.backend),
            precisions.index(plan.precision),
        )

    return [(plan, plan_reasons(plan, machine, plugin)) for plan in sorted(plans, key=rank)]


def misfits(plan: PlanRecord, machine: Machine, plugin: NativeRecord | None = None) -> Iterator[Misfit]:
    """Every reason against a plan, what is missing here before what is wrong with it."""
    backend = find_plan_backend(plan.backend)
    installed = machine.versions.get(backend.name)
    if installed is None:
        yield Misfit(f"{backend.label} is not installed", f"Run {backend.install}", of_machine=True)
    if machine.gpu is None:
        yield Misfit(machine.why_no_gpu, machine.remedy, of_machine=True)
    if installed is not None and not same_version(plan.backend_version, installed):
        yield other_version(backend, plan.backend_version, installed)
    if machine.gpu is not None and machine.gpu.target not in plan.targets:
        targets, gpu = ", ".join(plan.targets), machine.gpu
        yield Misfit(
            f"it is for {targets}, and this GPU ({gpu.name}) is {gpu.target}",
            f"Run on one of {targets}, or run `pitome build` for this GPU: {_how_to_build(gpu.target)}",
        )
    if plan.merge_path == "plugin":
        yield from _plugin_misfits(plan, backend, installed, plugin)


def same_version(built: str, installed: str) -> bool:
    """Whether major, minor, patch and build are the same: "10.14.1.48.post1" is 10.14.1.48."""
    return version_numbers(built) == version_numbers(installed)


def version_numbers(version: str) -> tuple[int, ...]:
    """Up to four numbers that a version begins with."""
    found = re.match(r"\d+(\.\d+){0,3}", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def other_version(backend: PlanBackend, built: str, installed: str) -> Misfit:
    """A plan runs only with the version that built it."""
    return Misfit(
        f"it was built by {backend.label} {built}, and {installed} is installed",
        f"Install {backend.label} {built}, or run `pitome build` again with the one that is installed",
    )


def _plugin_misfits(
    plan: PlanRecord, backend: PlanBackend, installed: str | None, plugin: NativeRecord | None
) -> Iterator[Misfit]:
    rebuild = "Get the bundle again, or use a plan with merge_path function"
    if installed is not None and not knows_plugins(backend, installed):
        oldest = ".".join(map(str, backend.oldest_with_plugin))
        yield Misfit(
            f"it needs the plugin, which {backend.label} {installed} is not known to take",
            f"Install {backend.label} {oldest} or newer, or use a plan with merge_path function",
        )
    if plan.plugin_embedded:
        return
    if plugin is None:
        yield Misfit("it needs the plugin library, and the bundle has none", rebuild)
    elif reason := unlike_this_system(plugin.arch, plugin.glibc):
        yield Misfit(f"its plugin library can't be loaded: {reason}", rebuild)


def _how_to_build(target: str) -> str:
    """The choice of builder for a GPU: TensorRT-RTX does not compile for those of data centres."""
    if target in RTX_TARGETS:
        return f"--backend tensorrt_rtx --targets {target}"
    return "--backend tensorrt, on this machine"


RTX_TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""What TensorRT-RTX 1.7 compiles for. Written down here so that a check needs no import of the library."""
