"""Manifest records from what the steps produced."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pitome.bundle import (
    FlopsRecord,
    MethodRecord,
    ModelRecord,
    OnnxRecord,
    PlanRecord,
    ScheduleRecord,
    SizedFileRecord,
    TensorRecord,
    WeightsRecord,
    file_sha256,
)
from pitome.compression import Compression
from pitome.export.function import OPSET
from pitome.export.onnx import OnnxFile
from pitome.export.plans import PlanResult
from pitome.methods import EnergyMerger, build_merger
from pitome.models.loading import LoadedModel
from pitome.schedule import choose_candidates

_PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "tensorrt-rtx-cu13", "numpy")


def model_record(loaded: LoadedModel) -> ModelRecord:
    """Which model, and what its input must look like."""
    weights = WeightsRecord(
        source=loaded.source,
        sha256=loaded.sha256,
        random=loaded.random,
        revision=loaded.revision,
        seed=loaded.seed,
    )
    return ModelRecord(
        name=loaded.name,
        family=loaded.family.name,
        task=loaded.task,
        weights=weights,
        preprocess=dict(loaded.preprocess),
    )


def method_record(compression: Compression) -> MethodRecord:
    """Every setting of the method."""
    settings = compression.settings
    return MethodRecord(
        name=settings.name,
        order=settings.order,
        energy=settings.energy,
        split=settings.split,
        metric=settings.metric,
        margins=settings.margins,
        alpha=settings.alpha,
        size_penalty=settings.size_penalty,
        num_protected=compression.shape.num_protected,
        proportional_attention=settings.proportional_attention,
        seed=settings.seed,
    )


def schedule_record(compression: Compression) -> ScheduleRecord:
    """Tokens, merged tokens and candidates of each layer."""
    schedule = compression.schedule
    return ScheduleRecord(
        tokens=schedule.tokens,
        num_merged=schedule.num_merged,
        num_candidates=tuple(
            _num_candidates(compression, layer) for layer in range(len(schedule.num_merged))
        ),
    )


def _num_candidates(compression: Compression, layer: int) -> int:
    schedule, settings = compression.schedule, compression.settings
    tokens, merged = schedule.tokens[layer], schedule.num_merged[layer]
    merger = build_merger(settings, layer, tokens, schedule.num_protected, merged)
    if merger is None:
        return 0
    if isinstance(merger, EnergyMerger):
        return merger.parameters.num_candidates
    return choose_candidates("paper", tokens - schedule.num_protected, merged)


def flops_record(compression: Compression) -> FlopsRecord:
    """FLOPs before and after."""
    flops = compression.flops
    return FlopsRecord(base=flops.base, merged=flops.merged, ratio=flops.ratio, bound=flops.bound)


def onnx_record(file: OnnxFile, key: str) -> OnnxRecord:
    """An exported graph that lies in the bundle's folder."""
    return OnnxRecord(
        file=file.path.name,
        sha256=file_sha256(file.path),
        bytes=file.path.stat().st_size,
        precision=file.precision,
        opset=OPSET,
        external_data=tuple(_sized(path) for path in file.external_data),
        inputs=tuple(TensorRecord(name=name, dtype=dtype, shape=shape) for name, dtype, shape in file.inputs),
        outputs=tuple(
            TensorRecord(name=name, dtype=dtype, shape=shape) for name, dtype, shape in file.outputs
        ),
        key=key,
    )


def plan_record(plan: PlanResult, key: str) -> PlanRecord:
    """A built plan; where there is no GPU it was not executed."""
    return PlanRecord(
        file=plan.plan.name,
        sha256=plan.sha256,
        bytes=plan.bytes,
        backend=plan.backend,
        backend_version=plan.backend_version,
        targets=plan.targets,
        profile=plan.profile,
        precision=plan.precision,
        merge_path=plan.merge_path,
        plugin_embedded=plan.plugin_embedded,
        executed=False,
        build_seconds=plan.build_seconds,
        key=key,
    )


def environment_record(command: str, options: dict[str, Any]) -> dict[str, Any]:
    """Versions and machine of the build, and the options that lead to it again."""
    from pitome.validate.bench.latency import cpu_model

    return {
        "command": command,
        "options": options,
        "packages": {name: installed for name in _PACKAGES if (installed := installed_version(name))},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
    }


def installed_version(package: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sized(path: Path) -> SizedFileRecord:
    return SizedFileRecord(file=path.name, sha256=file_sha256(path), bytes=path.stat().st_size)
