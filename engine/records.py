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
from pitome.models.loading import LoadedModel
from pitome.parameters import MergeParameters

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
    method, settings = compression.method, compression.settings
    first = next(filter(None, method.parameters(compression.schedule)), MergeParameters(0, 0))
    return MethodRecord(
        name=method.name,
        order=first.order,
        energy=settings.energy or first.energy,
        split=settings.split or first.split,
        metric=settings.metric or "hidden",
        margins=method.margins,
        alpha=first.alpha,
        size_penalty=settings.size_penalty or 0.0,
        num_protected=compression.shape.num_protected,
        proportional_attention=bool(settings.proportional_attention),
        seed=settings.seed if "seed" in method.takes else None,
    )


def schedule_record(compression: Compression) -> ScheduleRecord:
    """Tokens, merged tokens and candidates of each layer."""
    schedule = compression.schedule
    mergers = compression.method.mergers(schedule)
    return ScheduleRecord(
        tokens=schedule.tokens,
        num_merged=schedule.num_merged,
        num_candidates=tuple(0 if merger is None else merger.num_candidates for merger in mergers),
    )


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
