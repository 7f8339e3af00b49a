"""What a bundle is built with beside its merges: the options of the build that the manifest keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

from pitome.bundle.record import Precision
from pitome.errors import InputError
from pitome.models.task import Tower
from pitome.option import Option, named
from pitome.runtime.devices import CPU, device_names
from pitome.settings import MAX_SEED, MIN_SEED, commas, parse_switch

LARGEST_BATCH, MOST_THREADS, MOST_INPUTS = 65_536, 1024, 1_000_000
LONGEST_MEASUREMENT = 86_400.0
"""Seconds; these bounds are beyond what any machine is used for, and keep a typing error from filling it."""

Backend = Literal["tensorrt_rtx", "tensorrt"]
MergePath = Literal["function", "plugin"]
Profile = tuple[int, int, int]
"""Smallest, typical and largest batch."""
DEFAULT_TARGETS = ("sm80", "sm86", "sm89", "sm120")
"""Of TensorRT-RTX; TensorRT builds for the GPU in the machine."""
OLDEST_TARGET = "sm75"
"""Also by default where it can be: it multiplies float16 only, and the function's body has float32."""
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


def parse_merge_paths(text: str) -> tuple[MergePath, ...]:
    """``"function,plugin"`` as the ways that merges are built, a plan for each.

    Raises:
        InputError: a name that is none, one that is given twice, or no name at all.
    """
    return ordered_merge_paths(tuple(path.strip().lower() for path in text.split(",")))


def ordered_merge_paths(paths: tuple[str, ...]) -> tuple[MergePath, ...]:
    """The same paths in one order, whichever they were named in.

    Raises:
        InputError: a name that is none, one that is given twice, or no name at all.
    """
    asked, known = f"MERGE_PATH={','.join(paths)}", get_args(MergePath)
    remedy = f"Choose {', '.join(known)} or {','.join(known)}"
    unknown = [path for path in paths if path not in known]
    if unknown or not paths:
        found = f"there is no merge path {unknown[0]!r}" if any(unknown) else "no merge path is named"
        raise InputError(asked, found, remedy)
    repeated = [path for path in known if paths.count(path) > 1]
    if repeated:
        raise InputError(asked, f"{named(repeated)} stands there more than once", remedy)
    return cast("tuple[MergePath, ...]", tuple(path for path in known if path in paths))


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
    tower: Annotated[
        Tower | None,
        Option(
            "Of a whole CLIP: image for its image graph alone, both for its text graph too; both by default.",
            choices=get_args(Tower),
        ),
    ] = None


@dataclass(frozen=True)
class PlanOptions:
    """Which plans are built from the graph. None stands for what the backend usually gets."""

    precision: Annotated[
        Precision,
        Option("Of the plan; the fp32 ONNX file is always there too.", choices=get_args(Precision)),
    ] = "fp16"
    backend: Annotated[Backend, Option("Builder of the plan.", choices=get_args(Backend))] = "tensorrt_rtx"
    targets: Annotated[
        tuple[str, ...] | None,
        Option(
            f"GPU architectures of the plan; {','.join(DEFAULT_TARGETS)} by default, by the plugin in fp16 "
            f"{OLDEST_TARGET} too.",
            parse=parse_targets,
            format=_one_text,
        ),
    ] = None
    profile: Annotated[
        Profile,
        Option("Smallest, typical and largest batch of the plan.", parse=parse_profile, format=commas),
    ] = (1, 8, 32)
    merge_path: Annotated[
        tuple[MergePath, ...] | None,
        Option(
            "What computes the merges: function, plugin, or function,plugin for two plans; plugin by default "
            "for tensorrt, else function.",
            parse=parse_merge_paths,
            format=_one_text,
        ),
    ] = None
    plugin: Annotated[
        Path | None,
        Option(f"The plugin library; what `make plugin` leaves in {DEFAULT_PLUGIN.parent} by default."),
    ] = None
    embed_plugin: Annotated[
        bool, Option("Put the plugin library into the plan: 1 or 0.", parse=parse_switch, format=_switch_text)
    ] = False

    @property
    def chosen_paths(self) -> tuple[MergePath, ...]:
        """The ways that merges are built, the backend's usual one in place of None.

        Raises:
            InputError: as `ordered_merge_paths`.
        """
        usual: MergePath = "plugin" if self.backend == "tensorrt" else "function"
        return (usual,) if self.merge_path is None else ordered_merge_paths(self.merge_path)

    def targets_of(self, merge_path: MergePath) -> tuple[str, ...]:
        """The GPUs of the plan whose merges are built that way; empty stands for the one in the machine."""
        if self.targets is not None:
            return self.targets
        if self.backend == "tensorrt":
            return ()
        oldest = (OLDEST_TARGET,) if merge_path == "plugin" and self.precision == "fp16" else ()
        return (*oldest, *DEFAULT_TARGETS)


NATIVE_AUTO = Path("auto")
"""In place of a library's file: build it, where that can be done."""


COLUMN_HELP = "Column that the texts of texts:FILE stand in; text by default."
INPUTS_HELP = "Photos or texts of yours that parity is checked on, images:FOLDER or texts:FILE"


@dataclass(frozen=True)
class CheckOptions:
    """How much is checked and measured."""

    parity_images: Annotated[
        int,
        Option("Random images that parity is checked on, beside the photos.", minimum=1, maximum=MOST_INPUTS),
    ] = 64
    inputs: Annotated[
        str | None, Option(f"{INPUTS_HELP}; those of scikit-image or this package by default.")
    ] = None
    column: Annotated[str | None, Option(COLUMN_HELP)] = None
    batches: Annotated[
        tuple[int, ...],
        Option(
            "Batch size to measure; may be repeated.",
            name="batch",
            minimum=1,
            maximum=LARGEST_BATCH,
            repeated=True,
        ),
    ] = (1, 8)
    threads: Annotated[int, Option("Threads of onnxruntime.", minimum=1, maximum=MOST_THREADS)] = 2
    device: Annotated[str, Option("Where onnxruntime runs.", choices=device_names)] = CPU.name
    native: Annotated[
        Path | None,
        Option(
            "The operator library for onnxruntime, a file, or auto: one that is built here if that can be "
            "done. The bundle gets it, and merges are checked and measured by it too."
        ),
    ] = None
    latency_seconds: Annotated[
        float,
        Option("Seconds to measure per batch size.", minimum=0.1, maximum=LONGEST_MEASUREMENT, hidden=True),
    ] = 10.0
