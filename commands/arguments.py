"""The arguments of the commands: types, bounds and help texts, which are their specification."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commands.options import DEFAULT_PLUGIN, DEFAULT_TARGETS


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


Model = Annotated[str, typer.Argument(help="Preset (see `pitome models`), Hugging Face id or local folder.")]
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
