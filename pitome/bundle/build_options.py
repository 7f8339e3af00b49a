"""What a bundle is built with beside its merges: the options of the build that the manifest keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from pitome.bundle.record import Precision
from pitome.errors import InputError
from pitome.option import Option
from pitome.runtime.devices import CPU, device_names
from pitome.settings import MAX_SEED, MIN_SEED, commas, parse_switch

Backend = Literal["tensorrt_rtx", "tensorrt"]
MergePath = Literal["function", "plugin"]
Profile = tuple[int, int, int]
"""Smallest, typical and largest batch."""
DEFAULT_TARGETS = ("sm80", "sm86", "sm89", "sm120")
"""Of TensorRT-RTX; TensorRT builds for the GPU in the machine."""
DEFAULT_PLUGIN = Path("build/plugin/libpitome_plugin.so")


def parse_profile(text: str) -> Profile:
    """``"1,8,32"`` as smallest, typical and largest batch."""
    try:
        smallest, typical, largest = (int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"PROFILE={text}", "not three batch sizes", "Give min,opt,max, such as PROFILE=1,8,32"
        ) from None
    return smallest, typical, largest


def parse_targets(text: str) -> tuple[str, ...]:
    """``"sm80,SM89"`` as names of GPU architectures in lower case."""
    return tuple(target.strip().lower() for target in text.split(",") if target.strip())


def _one_text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _switch_text(value: object) -> str:
    return str(int(bool(value)))


@dataclass(frozen=True)
class ModelChoice:
    """Which model, with which weights, for which images or texts."""

    model: Annotated[
        str,
        Option(
            "Preset (see `pitome models`), Hugging Face id, local folder, or a .toml file of `pitome tune`.",
            argument=True,
        ),
    ]
    weights: Annotated[
        str | None, Option("Hub id, folder, packaged or random; the model's own by default.")
    ] = None
    image_size: Annotated[
        int | None, Option("Pixels of the square input; the model's own by default.", minimum=1)
    ] = None
    seed: Annotated[
        int, Option("Of random weights and random pairs.", minimum=MIN_SEED, maximum=MAX_SEED)
    ] = 0
    sequence_length: Annotated[
        int | None, Option("Tokens of every text; the model's own by default.", minimum=1)
    ] = None


@dataclass(frozen=True)
class ModelOptions(ModelChoice):
    """Which model, with which weights, for which images or texts; a build may do with random weights."""

    strict: Annotated[
        bool,
        Option(
            "1: an unreachable hub is an error, not random weights.", parse=parse_switch, format=_switch_text
        ),
    ] = False


@dataclass(frozen=True)
class PlanOptions:
    """Which plan is built from the graph. None stands for what the backend usually gets."""

    precision: Annotated[
        Precision,
        Option("Of the plan; the fp32 ONNX file is always there too.", choices=get_args(Precision)),
    ] = "fp16"
    backend: Annotated[Backend, Option("Builder of the plan.", choices=get_args(Backend))] = "tensorrt_rtx"
    targets: Annotated[
        tuple[str, ...] | None,
        Option(
            f"GPU architectures of the plan; {','.join(DEFAULT_TARGETS)} by default.",
            parse=parse_targets,
            format=_one_text,
        ),
    ] = None
    profile: Annotated[
        Profile,
        Option("Smallest, typical and largest batch of the plan.", parse=parse_profile, format=commas),
    ] = (1, 8, 32)
    merge_path: Annotated[
        MergePath | None,
        Option(
            "What computes the merges of the plan; plugin by default for tensorrt, else function.",
            choices=get_args(MergePath),
        ),
    ] = None
    plugin: Annotated[
        Path | None,
        Option(f"The plugin library; what `make plugin` leaves in {DEFAULT_PLUGIN.parent} by default."),
    ] = None
    embed_plugin: Annotated[
        bool, Option("Put the plugin library into the plan: 1 or 0.", parse=parse_switch, format=_switch_text)
    ] = False

    def resolved(self) -> PlanOptions:
        """The same with the backend's usual values in place of None; ``plugin`` only where it is used."""
        targets, merge_path, plugin = self.targets, self.merge_path, self.plugin
        if targets is None:
            targets = DEFAULT_TARGETS if self.backend == "tensorrt_rtx" else ()
        if merge_path is None:
            merge_path = "plugin" if self.backend == "tensorrt" else "function"
        if plugin is None and merge_path == "plugin":
            plugin = DEFAULT_PLUGIN
        return replace(self, targets=targets, merge_path=merge_path, plugin=plugin)


@dataclass(frozen=True)
class CheckOptions:
    """How much is checked and measured."""

    parity_images: Annotated[
        int, Option("Random images that parity is checked on, beside the photos.", minimum=1)
    ] = 64
    batches: Annotated[
        tuple[int, ...],
        Option("Batch size to measure; may be repeated.", name="batch", minimum=1, repeated=True),
    ] = (1, 8)
    threads: Annotated[int, Option("Threads of onnxruntime.", minimum=1)] = 2
    device: Annotated[str, Option("Where onnxruntime runs.", choices=device_names)] = CPU.name
    native: Annotated[
        Path | None,
        Option("The operator library: the bundle gets it, and merges are checked and measured by it too."),
    ] = None
    latency_seconds: Annotated[
        float, Option("Seconds to measure per batch size.", minimum=0.1, hidden=True)
    ] = 10.0
