"""What the commands take, as records: the make variables and command line options of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, get_args

from pitome.bundle.build_options import (
    COLUMN_HELP,
    DEFAULT_PLUGIN,
    INPUTS_HELP,
    LARGEST_BATCH,
    LONGEST_MEASUREMENT,
    MOST_INPUTS,
    MOST_THREADS,
    CheckOptions,
    ModelChoice,
    ModelOptions,
    PlanOptions,
)
from pitome.bundle.record import Precision
from pitome.option import Option
from pitome.runtime.backends import AUTO, RUN_BACKENDS
from pitome.runtime.devices import device_names
from pitome.settings import MergeSettings, ScheduleOptions

__all__ = [
    "COMPARISON_BATCHES",
    "BenchOptions",
    "CheckOptions",
    "EngineOptions",
    "ExportOptions",
    "MergeSettings",
    "ModelChoice",
    "ModelOptions",
    "PlaceOptions",
    "PlanOptions",
    "PlanPathOptions",
    "ScheduleOptions",
    "ValidationOptions",
]


def parse_parts(text: str) -> tuple[str, ...]:
    """``"accuracy,latency"`` as names of parts of a verdict; whether there are such is for who judges.

    Raises:
        ValueError: no name at all.
    """
    parts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not parts:
        raise ValueError("not the name of a part, such as accuracy")
    return parts


def _parts_text(parts: object) -> str:
    return ",".join(parts) if isinstance(parts, tuple) else str(parts)


COMPARISON_BATCHES = (1, 4, 8, 16, 32)
"""Batch sizes of a measurement of all contestants."""


@dataclass(frozen=True)
class PlaceOptions:
    """Where the bundle goes, and what lies there beside what everyone needs."""

    out: Annotated[Path, Option("Folder for bundles.")] = Path("build")
    name: Annotated[
        str | None,
        Option("Name of the bundle's folder there; the model's own by default, which a name may replace."),
    ] = None
    inlined: Annotated[
        bool,
        Option("Graphs as standard operators alone too, for OpenVINO and tools that take no functions."),
    ] = False


@dataclass(frozen=True)
class EngineOptions:
    """All options of a build: ``pitome engine``."""

    model: ModelOptions
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    merge: MergeSettings = field(default_factory=MergeSettings)
    plan: PlanOptions = field(default_factory=PlanOptions)
    check: CheckOptions = field(default_factory=CheckOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)


@dataclass(frozen=True)
class ExportOptions:
    """All options of ``pitome export``."""

    model: ModelOptions
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    merge: MergeSettings = field(default_factory=MergeSettings)
    precision: Annotated[
        Precision,
        Option("Of the plan; the fp32 ONNX file is always there too.", choices=get_args(Precision)),
    ] = "fp16"
    place: PlaceOptions = field(default_factory=PlaceOptions)


@dataclass(frozen=True)
class PlanPathOptions:
    """How ``pitome plans`` compares the merge paths."""

    rounds: Annotated[int, Option("How often each plan is built, in turn.", minimum=1)] = 3
    plugin: Annotated[
        Path | None,
        Option(f"The plugin library; what `make plugin` leaves in {DEFAULT_PLUGIN.parent} by default."),
    ] = None


@dataclass(frozen=True)
class BenchOptions:
    """How ``pitome bench`` measures. None and () stand for what the build had."""

    batches: Annotated[
        tuple[int, ...],
        Option(
            "Batch size to measure; may be repeated.",
            name="batch",
            minimum=1,
            maximum=LARGEST_BATCH,
            repeated=True,
        ),
    ] = ()
    threads: Annotated[
        int | None,
        Option("Threads of onnxruntime; as at the build by default.", minimum=1, maximum=MOST_THREADS),
    ] = None
    device: Annotated[
        str | None, Option("Where onnxruntime runs; as at the build by default.", choices=device_names)
    ] = None
    backend: Annotated[
        str,
        Option(
            "What runs it; auto: with --device cuda a plan of the bundle that this GPU takes, else "
            "onnxruntime.",
            choices=RUN_BACKENDS,
        ),
    ] = AUTO
    latency_seconds: Annotated[
        float | None,
        Option("Seconds to measure per batch size.", minimum=0.1, maximum=LONGEST_MEASUREMENT, hidden=True),
    ] = None
    everyone: Annotated[
        bool,
        Option("ToMe, random pairs, PyTorch and peak memory too, at batch 1, 4, 8, 16 and 32.", name="all"),
    ] = False
    native: Annotated[
        Path | None,
        Option("The operator library: measure the merges by it too. The bundle's own is measured anyway."),
    ] = None
    weights: Annotated[
        str | None,
        Option("Folder or hub id of the model's weights, where they are not where the build had them."),
    ] = None
    resume: Annotated[
        Path | None, Option("A file for every finished batch size; one that is there is gone on with.")
    ] = None
    record: Annotated[bool, Option("Write the result into the bundle too.")] = False


@dataclass(frozen=True)
class ValidationOptions:
    """What ``pitome validate`` checks beside the hashes."""

    parity_inputs: Annotated[
        int | None,
        Option(
            "Random images or texts; as at the build by default.",
            name="parity_images",
            minimum=1,
            maximum=MOST_INPUTS,
        ),
    ] = None
    device: Annotated[
        str | None, Option("Where onnxruntime runs; as at the build by default.", choices=device_names)
    ] = None
    backend: Annotated[
        str,
        Option(
            "What runs it; auto: with --device cuda a plan of the bundle that this GPU takes, beside "
            "onnxruntime.",
            choices=RUN_BACKENDS,
        ),
    ] = AUTO
    weights: Annotated[
        str | None,
        Option("Folder or hub id of the model's weights, where they are not where the build had them."),
    ] = None
    thresholds: Annotated[
        Path | None, Option("TOML file of limits; docs/thresholds.toml has the defaults.")
    ] = None
    require: Annotated[
        tuple[str, ...] | None,
        Option(
            "Parts that fail where they are not judged, commas between: parity (it always does), accuracy, "
            "latency.",
            parse=parse_parts,
            format=_parts_text,
        ),
    ] = None
    tasks: Annotated[
        tuple[str, ...],
        Option(
            "What accuracy is measured on; may be repeated; none: not at all.", name="task", repeated=True
        ),
    ] = ()
    """Empty: all that fit the model and need no data of the user's; ("none",): no accuracy."""
    limit: Annotated[int | None, Option("At most so many samples of each task.", minimum=2)] = None
    column: Annotated[str | None, Option(COLUMN_HELP)] = None
    inputs: Annotated[
        str | None, Option(f"{INPUTS_HELP}; those of scikit-image or this package by default.")
    ] = None
    data: Annotated[Path | None, Option("Folder of a data set that has files.")] = None
    sweep: Annotated[Path | None, Option("Records of `pitome sweep`, for the report's Pareto charts.")] = None
    """None = <model>.sweep.jsonl beside the bundle, if there and of this model."""
    report: Annotated[Path | None, Option("HTML page to write; <bundle>.validation.html by default.")] = None
    record: Annotated[bool, Option("Write the result into the bundle too.")] = False
    """Parity, where it passed."""
