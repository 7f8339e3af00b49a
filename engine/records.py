"""Manifest records from what the steps produced."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle import (
    EnvironmentRecord,
    FlopsRecord,
    GraphRecord,
    MethodRecord,
    ModelRecord,
    OnnxRecord,
    PlanRecord,
    ScheduleRecord,
    SizedFileRecord,
    TensorRecord,
    TextPreprocess,
    WeightsRecord,
    file_sha256,
)
from pitome.bundle.portable import seen_from
from pitome.compression import Compression
from pitome.engine.checkpoint_files import CheckpointFiles
from pitome.engine.sentence_record import sentence_record
from pitome.export.function import OPSET
from pitome.export.onnx import OnnxFile
from pitome.export.plans import PlanResult
from pitome.models.loading import LoadedModel
from pitome.runtime.installation import DISTRIBUTIONS

if TYPE_CHECKING:
    from pitome.engine.prepare import Prepared

_PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "tensorrt-rtx-cu13", "numpy")


def model_record(loaded: LoadedModel, kept: CheckpointFiles, bundle: Path) -> ModelRecord:
    """Which model, and what its input must look like.

    Args:
        loaded: the model.
        kept: what the bundle has of its checkpoint.
        bundle: the folder that paths are seen from.
    """
    weights = WeightsRecord(
        source=_source(loaded, bundle),
        sha256=loaded.sha256,
        random=loaded.random,
        revision=loaded.revision,
        seed=loaded.seed,
    )
    text = loaded.text
    return ModelRecord(
        name=loaded.name,
        family=loaded.family.name,
        system=None if text is None else "dual-encoder",
        text=None if text is None else TextPreprocess.model_validate(text.loaded.preprocess),
        logit_scale=None if text is None else text.logit_scale,
        logit_bias=None if text is None else text.logit_bias,
        task=loaded.task,
        weights=weights,
        preprocess=loaded.preprocess,
        normalised=_normalised(loaded),
        sentence=sentence_record(loaded),
        max_length=loaded.sequence_length if text is None else text.loaded.sequence_length,
        num_labels=len(kept.labels) or None,
        card=kept.card,
        notes=(*loaded.notes, *kept.notes),
    )


def _normalised(loaded: LoadedModel) -> bool | None:
    """Whether embeddings have length 1; None where there are none."""
    if loaded.sentence is not None:
        return loaded.sentence.normalised
    return False if loaded.task == "image-embedding" else None


def _source(loaded: LoadedModel, bundle: Path) -> str:
    """Where the weights came from; a folder as seen from the bundle, which may be moved with it."""
    source = Path(loaded.source).expanduser()
    local = not loaded.random and loaded.revision is None and source.is_dir()
    return seen_from(bundle, source) if local else loaded.source


def method_record(compression: Compression) -> MethodRecord:
    """Every setting of the method."""
    method = compression.method
    return MethodRecord(
        settings=method.settings,
        restore=method.restore,
        num_protected=compression.shape.num_protected,
        layers=method.parameters(compression.schedule),
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


@dataclass(frozen=True)
class Exported:
    """An ONNX file in the bundle's folder; what it takes and gives is the same in all precisions."""

    onnx: OnnxRecord
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    inlined: OnnxRecord | None = None
    """The same graph as standard operators alone, where that was asked for."""


def exported_record(file: OnnxFile, key: str) -> Exported:
    """An exported graph that lies in the bundle's folder."""
    texts = file.text_inputs
    inputs = tuple(
        TensorRecord(
            name=name,
            dtype=dtype,
            shape=shape,
            optional=name in texts.optional,
            below=texts.limits.get(name),
        )
        for name, dtype, shape in file.inputs
    )
    outputs = tuple(TensorRecord(name=name, dtype=dtype, shape=shape) for name, dtype, shape in file.outputs)
    return Exported(onnx_record(file, key), inputs, outputs)


def onnx_record(file: OnnxFile, key: str, *, inlined: bool = False) -> OnnxRecord:
    """The file itself."""
    return OnnxRecord(
        file=file.path.name,
        sha256=file_sha256(file.path),
        bytes=file.path.stat().st_size,
        precision=file.precision,
        opset=OPSET,
        ir_version=file.ir_version,
        inlined=inlined,
        external_data=tuple(_sized(path) for path in file.external_data),
        key=key,
    )


def exported_file(exported: Exported, folder: Path, num_merges: int) -> OnnxFile:
    """The graph that a record is of, which may have been taken over from the bundle before."""
    onnx = exported.onnx
    return OnnxFile(
        folder / onnx.file,
        onnx.precision,
        tuple(folder / data.file for data in onnx.external_data),
        tuple((value.name, value.dtype, value.shape) for value in exported.inputs),
        tuple((value.name, value.dtype, value.shape) for value in exported.outputs),
        num_merges,
        onnx.ir_version,
    )


def sum_of_flops(parts: Sequence[FlopsRecord]) -> FlopsRecord:
    """The work of all graphs."""
    base, merged = sum(part.base for part in parts), sum(part.merged for part in parts)
    return FlopsRecord(base=base, merged=merged, ratio=merged / base, bound=base / merged)


def graph_record(prepared: Prepared, exported: Sequence[Exported]) -> GraphRecord:
    """A graph, without plans.

    Args:
        prepared: what it was exported from.
        exported: its ONNX files, one for each precision.
    """
    return GraphRecord(
        name=prepared.name,
        role=prepared.role,
        inputs=exported[0].inputs,
        outputs=exported[0].outputs,
        merges=prepared.num_merges,
        flops=flops_record(prepared.compression),
        onnx=(
            *(each.onnx for each in exported),
            *(each.inlined for each in exported if each.inlined is not None),
        ),
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
        plugin_layers=plan.num_merges if plan.merge_path == "plugin" else 0,
        plugin_embedded=plan.plugin_embedded,
        executed=False,
        build_seconds=plan.build_seconds,
        key=key,
    )


def environment_record() -> EnvironmentRecord:
    """Versions and machine of this process."""
    from pitome.validate.bench.latency import cpu_model

    return EnvironmentRecord(
        packages={name: installed for name in _PACKAGES if (installed := installed_version(name))},
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=cpu_model(),
    )


def installed_version(package: str) -> str | None:
    """Version of an installed package, or None; of onnxruntime whichever of its distributions is there."""
    for distribution in DISTRIBUTIONS if package == "onnxruntime" else (package,):
        with suppress(PackageNotFoundError):
            return version(distribution)
    return None


def _sized(path: Path) -> SizedFileRecord:
    return SizedFileRecord(file=path.name, sha256=file_sha256(path), bytes=path.stat().st_size)
