"""A bundle's plan on this machine's GPU against PyTorch: what ``pitome validate --device cuda`` does with it.

A plan returns no decisions, so a plan of the same graph with the decisions as further outputs is built the
same way, in fp32 too, whose decisions are judged. The bundle's own plan is then held against that of its
precision: the rounding of two builds may differ, which is told and not judged; what is not finite fails.
No GPU has run it yet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pitome.export.debug_graph import write_debug_graph
from pitome.export.plans import PlanRequest, build_plan
from pitome.runtime.backends import TENSORRT, find_plan_backend
from pitome.runtime.plans import PlanOptions, PluginFile, open_plan
from pitome.validate.gpu.parity import EngineTarget, judge_engines
from pitome.validate.gpu.records import EngineParity
from pitome.validate.outputs import cosines
from pitome.validate.runs import run_samples

if TYPE_CHECKING:
    from pitome.bundle.graph_records import OnnxRecord
    from pitome.engine.options import CheckOptions
    from pitome.engine.plan_bench import PlanOnGpu
    from pitome.engine.prepare import Prepared
    from pitome.engine.progress import Progress
    from pitome.validate.parity.passes import Passes
    from pitome.validate.parity.targets import Target
    from pitome.validate.samples import CheckedInputs

    Build = Callable[[PlanRequest], object]

BATCH, NUM_EXACT = 8, 8


def check_plan_parity(
    place: PlanOnGpu,
    prepared: Prepared,
    check: CheckOptions,
    progress: Progress,
    build: Build = build_plan,
) -> EngineParity:
    """Decisions, arithmetic and outputs of a plan that runs here.

    Args:
        place: the plan.
        prepared: the model that the bundle's merged graph was made from.
        check: how many inputs there are.
        progress: is told how far it is.
        build: writes the plan of a request.

    Raises:
        InputError, BackendError, BundleError: a plan that returns decisions can't be built, or one does not
            run.
    """
    from pitome.models.answers import answer_kind
    from pitome.validate.checked_inputs import checked_inputs
    from pitome.validate.parity.passes import run_passes

    loaded, plan = prepared.loaded, place.plan
    outputs = loaded.family.outputs[loaded.task]
    inputs = checked_inputs(loaded, check.parity_images, own=prepared.own)
    batch = min(BATCH, plan.profile[2])
    with tempfile.TemporaryDirectory(prefix="pitome-plan-parity-") as folder:
        with progress.step(f"Build plans that return the decisions of {plan.file}") as report:
            targets: dict[str, Target] = {}
            for record in _wanted(place):
                report(record.precision, len(targets), 2)
                targets[record.precision] = _target(place, record, Path(folder), build)
        with progress.step(f"Check parity of {plan.file}") as report:
            passes = run_passes(
                prepared.compressed,
                loaded.model,
                targets,
                outputs,
                inputs,
                batch=batch,
                num_exact=NUM_EXACT,
                progress=report,
            )
            found = judge_engines(passes, answer_kind(getattr(loaded.model, "config", None)))
            return _with_the_plan_itself(found, place, passes, inputs, batch)


def unchecked(place: PlanOnGpu, reason: str) -> EngineParity:
    """The record of a plan that could not be checked."""
    return EngineParity(
        name=_runtime_name(place),
        verdict="not judged",
        reason=reason,
        images=0,
        decisions=None,
        reported_decisions=(),
        arithmetic=(),
        task=(),
    )


def _runtime_name(place: PlanOnGpu) -> str:
    return f"{find_plan_backend(place.plan.backend).label} {place.plan.merge_path}"


def _wanted(place: PlanOnGpu) -> list[OnnxRecord]:
    """The graphs of fp32, which parity is judged by, and of the plan's precision."""
    precisions = dict.fromkeys(("fp32", place.plan.precision))
    return [record for record in place.graph.own_files if record.precision in precisions]


def _target(place: PlanOnGpu, record: OnnxRecord, folder: Path, build: Build) -> EngineTarget:
    plan, graph = place.plan, folder / f"{record.precision}.whole.onnx"
    graph.symlink_to((place.bundle / record.file).resolve())
    for data in record.external_data:
        (folder / data.file).symlink_to((place.bundle / data.file).resolve())
    debug = folder / f"{record.precision}.onnx"
    assignments = write_debug_graph(graph, debug)
    library = place.manifest.plugin if plan.merge_path == "plugin" else None
    plugin = None if library is None else place.bundle / library.file
    request = PlanRequest(
        onnx=debug,
        plan=debug.with_suffix(".plan"),
        backend=plan.backend,
        # TensorRT builds for the machine's GPU without being told.
        targets=() if plan.backend == TENSORRT.name else plan.targets,
        profile=plan.profile,
        precision=record.precision,
        num_merges=place.graph.merges,
        merge_path="function" if plugin is None else "plugin",
        plugin=plugin,
    )
    build(request)
    limits = {tensor.name: tensor.below for tensor in place.graph.inputs if tensor.below is not None}
    load = partial(
        open_plan,
        plan.backend,
        request.plan,
        plugin=None if library is None else PluginFile(place.bundle / library.file, library),
        options=PlanOptions(record.precision, assignments, limits, contexts=1),
        machine=place.machine,
    )
    return EngineTarget(_runtime_name(place), request.plan.name, load)


def _with_the_plan_itself(
    found: EngineParity, place: PlanOnGpu, passes: Passes, inputs: CheckedInputs, batch: int
) -> EngineParity:
    """The verdict with what the bundle's plan gave: alike what the plan with decisions did, and finite."""
    precision = place.plan.precision
    samples = inputs.all if precision == "fp32" else inputs.all.rows(passes.exact)
    engine = place.open()
    try:
        own = run_samples(engine, samples, batch)
    finally:
        engine.close()
    broken = [name for name, value in own.outputs.items() if not bool(torch.isfinite(value.float()).all())]
    if broken:
        told = f"output {broken[0]} of {place.plan.file} is not finite"
        return found.model_copy(update={"verdict": "fail", "reason": told})
    lowest = min(
        float(cosines(value.flatten(1), passes.runtime[precision].outputs[name].flatten(1)).min())
        for name, value in own.outputs.items()
    )
    told = f"{found.reason}; {place.plan.file} itself: lowest cosine to it {lowest:.5f}"
    return found.model_copy(update={"reason": told})
