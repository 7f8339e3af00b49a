"""The arguments of the commands: types, bounds and help texts, which are their specification."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pitome.engine.options import DEFAULT_PLUGIN, DEFAULT_TARGETS


class MethodName(StrEnum):
    """Values of METHOD."""

    pitome = "pitome"
    paper = "paper"
    authors = "authors"
    tome = "tome"
    random = "random"
    none = "none"


class MetricName(StrEnum):
    """Values of METRIC."""

    hidden = "hidden"
    keys = "keys"


class EnergyName(StrEnum):
    """Values of ENERGY."""

    elu = "elu"
    gaussian = "gaussian"


class SplitName(StrEnum):
    """Values of SPLIT."""

    alternate = "alternate"
    half = "half"


class ShapeName(StrEnum):
    """Values of SHAPE."""

    ratio = "ratio"
    constant = "constant"
    decreasing = "decreasing"
    increasing = "increasing"


class PrecisionName(StrEnum):
    """Values of PRECISION."""

    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


class BackendName(StrEnum):
    """Values of BACKEND."""

    tensorrt_rtx = "tensorrt_rtx"
    tensorrt = "tensorrt"


class MergePathName(StrEnum):
    """Values of MERGE_PATH."""

    function = "function"
    plugin = "plugin"


class GridName(StrEnum):
    """Values of GRID."""

    quick = "quick"
    full = "full"


class DataSplit(StrEnum):
    """Which samples of a task."""

    validation = "validation"
    test = "test"


Model = Annotated[
    str,
    typer.Argument(
        help="Preset (see `pitome models`), Hugging Face id, local folder, or a .toml file of `pitome tune`."
    ),
]
Bundle = Annotated[Path, typer.Argument(help="Folder that `pitome engine` wrote.")]
Ratio = Annotated[float | None, typer.Option(help="Keep ratio per layer, in (0, 1]; 0.9 by default.")]
Merged = Annotated[
    str | None, typer.Option("--r", help="Tokens merged per layer: a number, or one per layer.")
]
Flops = Annotated[float | None, typer.Option(help="Wanted fraction of the FLOPs, in (0, 1].")]
Layers = Annotated[str | None, typer.Option(help="Merge only in these layers, counted from 0: 0,1,2.")]
Method = Annotated[MethodName, typer.Option(help="Which tokens merge.")]
Metric = Annotated[
    MetricName | None, typer.Option(help="What similarity is measured on; the method's own by default.")
]
Protect = Annotated[
    float | None, typer.Option(help="Fraction of tokens with the lowest energy that never merge.")
]
Candidates = Annotated[str | None, typer.Option(help="Tokens that may merge: all, paper (2r) or a number.")]
SizePenalty = Annotated[float | None, typer.Option(help="How much large tokens resist merging.")]
Margin = Annotated[
    str | None,
    typer.Option(help="start,slope: layer i of L has start - slope i/L; one number: the same in all layers."),
]
Energy = Annotated[EnergyName | None, typer.Option(help="What redundancy is measured by.")]
Split = Annotated[SplitName | None, typer.Option(help="How candidates are divided into sources and targets.")]
Shape = Annotated[
    ShapeName | None, typer.Option(help="How --flops is spread over the layers; ratio by default.")
]
PropAttn = Annotated[int | None, typer.Option(min=0, max=1, help="Proportional attention: 1 or 0.")]
Precision = Annotated[
    PrecisionName, typer.Option(help="Of the plan; the fp32 ONNX file is always there too.")
]
Backend = Annotated[BackendName, typer.Option(help="Builder of the plan.")]
Targets = Annotated[
    str | None, typer.Option(help=f"GPU architectures of the plan; {DEFAULT_TARGETS} by default.")
]
Profile = Annotated[str, typer.Option(help="Smallest, typical and largest batch of the plan.")]
MergePath = Annotated[
    MergePathName | None,
    typer.Option(help="What computes the merges of the plan; plugin by default for tensorrt, else function."),
]
Plugin = Annotated[
    Path | None, typer.Option(help=f"The plugin library; {DEFAULT_PLUGIN} by default, from `make plugin`.")
]
EmbedPlugin = Annotated[int, typer.Option(min=0, max=1, help="Put the plugin library into the plan: 1 or 0.")]
ImageSize = Annotated[
    int | None, typer.Option(min=1, help="Pixels of the square input; the model's own by default.")
]
SequenceLength = Annotated[
    int | None, typer.Option(min=1, help="Tokens of every text; the model's own by default.")
]
Weights = Annotated[
    str | None, typer.Option(help="Hub id, folder, packaged or random; the model's own by default.")
]
Out = Annotated[Path, typer.Option(help="Folder for bundles.")]
Strict = Annotated[
    int, typer.Option(min=0, max=1, help="1: an unreachable hub is an error, not random weights.")
]
Seed = Annotated[int, typer.Option(help="Of random weights and random pairs.")]
Batch = Annotated[list[int] | None, typer.Option(min=1, help="Batch size to measure; may be repeated.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of onnxruntime.")]
Images = Annotated[
    int, typer.Option(min=1, help="Random images that parity is checked on, beside the photos.")
]
LatencySeconds = Annotated[
    float, typer.Option(min=0.1, hidden=True, help="Seconds to measure per batch size.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Record = Annotated[bool, typer.Option("--record", help="Write the result into the bundle too.")]

Task = Annotated[
    list[str] | None, typer.Option(help="What is judged; may be repeated. All that fit the model by default.")
]
GridOption = Annotated[
    GridName,
    typer.Option(
        help="quick: one setting changed at a time; full: two, over longer lists. The lists below replace "
        "the grid's, and the first value of each is the one that the others are a change of."
    ),
]
Changes = Annotated[
    int | None,
    typer.Option(min=0, help="How many settings a point may change at once; the grid's by default."),
]
Methods = Annotated[str | None, typer.Option(help="pitome,tome,paper,random,authors")]
SweepRatios = Annotated[str | None, typer.Option(help="Keep ratios per layer, such as 0.95,0.9.")]
SweepFlops = Annotated[str | None, typer.Option(help="Wanted fractions of the FLOPs, such as 0.6,0.8.")]
Shapes = Annotated[
    str | None, typer.Option(help="ratio,constant,decreasing,increasing: how FLOPs are spread over layers.")
]
LayerSets = Annotated[
    list[str] | None,
    typer.Option("--layers", help="all, or the layers that may merge, such as 0,1,2; may be repeated."),
]
Metrics = Annotated[str | None, typer.Option(help="hidden,keys")]
CandidateLists = Annotated[
    str | None,
    typer.Option("--candidates", help="0.1 protects a tenth, 40 is M, all, paper (2r); commas between them."),
]
Margins = Annotated[
    str | None,
    typer.Option(
        help="start:slope (layer i of L: start - slope i/L), a number, or own; commas between them."
    ),
]
Energies = Annotated[str | None, typer.Option(help="own,elu,gaussian")]
Splits = Annotated[str | None, typer.Option(help="own,alternate,half: how candidates are divided.")]
SizePenalties = Annotated[str | None, typer.Option(help="Numbers from 0 up, such as 0,0.05.")]
Limit = Annotated[int | None, typer.Option(min=2, help="At most so many samples of each task.")]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Folder of a data set that has files.")]
TorchThreads = Annotated[int, typer.Option("--threads", min=1, help="Threads of PyTorch and onnxruntime.")]
SpeedBatch = Annotated[int, typer.Option("--batch", min=1, help="Batch size that speed is measured at.")]
SpeedSeconds = Annotated[
    float, typer.Option("--latency-seconds", min=0.1, hidden=True, help="Seconds to measure per setting.")
]
