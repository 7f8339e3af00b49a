"""Records of a graph: its inputs and outputs, its ONNX files, and the plans that were built from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pitome.bundle.merge_records import FlopsRecord
from pitome.bundle.record import (
    Count,
    FileName,
    FileRecord,
    Positive,
    Precision,
    Record,
    Sha256,
    SizedFileRecord,
    Text,
)

Role = Literal["encoder", "image-encoder", "text-encoder"]


class TensorRecord(Record):
    """An input or output of a graph."""

    name: Text = Field(description="Name in the graph")
    dtype: Literal["float32", "float16", "bfloat16", "int64", "int32", "bool"] = Field(
        description="Element type"
    )
    shape: tuple[Positive | Text, ...] = Field(
        min_length=1, description="Static sizes as numbers, dynamic ones as names"
    )
    optional: bool = Field(
        False,
        description="True: where it is not given, zeros stand for it. pitome's runtimes fill them in; the "
        "file itself wants every input",
    )
    below: Positive | None = Field(
        None, description="Of integers: the values are from 0 to one less; pitome's runtimes refuse others"
    )


class OnnxRecord(SizedFileRecord):
    """An ONNX file."""

    precision: Precision = Field(description="The precision of the graph")
    opset: Positive = Field(description="Version of the standard operator set")
    ir_version: Positive = Field(description="Version of the file format")
    inlined: bool = Field(
        False, description="True: merges are standard operators in the graph, with no function beside it"
    )
    external_data: tuple[SizedFileRecord, ...] = Field((), description="Files that hold weights, over 2 GB")
    key: Sha256 = Field(description="Digest of everything it was made from; equal: it is reused")


class PlanRecord(SizedFileRecord):
    """A compiled plan."""

    backend: Literal["tensorrt_rtx", "tensorrt"] = Field(description="The runtime that it is for")
    backend_version: Text = Field(description="The version that built it, and that must run it")
    targets: tuple[Annotated[str, Field(pattern=r"^sm[0-9]+$")], ...] = Field(
        min_length=1, description="The GPUs that it is for, such as `sm89`"
    )
    profile: tuple[Positive, Positive, Positive] = Field(description="Batch sizes: min, opt, max")
    precision: Precision = Field(description="The precision of the graph it was built from")
    merge_path: Literal["function", "plugin", "none"] = Field(
        description="What computes the merge: standard operators, the plugin, or nothing is merged"
    )
    plugin_layers: Count = Field(0, description="Layers of the plugin that the parser was seen to make")
    plugin_embedded: bool = Field(
        False,
        description="True: the plan holds the plugin library too, and a runtime with "
        "`engine_host_code_allowed = True` loads it from there; False: load the bundle's plugin first",
    )
    executed: bool = Field(description="False: built from a checked ONNX file, but never run (no GPU)")
    build_seconds: float = Field(ge=0, description="Seconds that the build took")
    key: Sha256 = Field(description="Digest of everything it was made from; equal: it is reused")

    @model_validator(mode="after")
    def _profile_rises(self) -> Self:
        if list(self.profile) != sorted(self.profile):
            raise ValueError(f"profile {self.profile} is not min <= opt <= max")
        return self

    @model_validator(mode="after")
    def _only_a_plugin_can_be_embedded(self) -> Self:
        if self.plugin_embedded and self.merge_path != "plugin":
            raise ValueError(f"plugin_embedded, but merge_path is {self.merge_path}")
        if (self.plugin_layers > 0) != (self.merge_path == "plugin"):
            raise ValueError(f"{self.plugin_layers} plugin_layers, but merge_path is {self.merge_path}")
        return self


class GraphRecord(Record):
    """One graph of the model, in every precision and compiled form."""

    name: Text = Field(description="Name of the graph, unique in the bundle")
    role: Role = Field(
        description="What it is in the model: `encoder` of a model of one graph, `image-encoder` and "
        "`text-encoder` of a dual encoder"
    )
    speed: Text | None = Field(None, description="Name of its schedule, where the bundle has several")
    length: Positive | None = Field(None, description="Tokens of its texts, where there are several lengths")
    weights_file: FileName | None = Field(None, description="File of the weights that it shares with others")
    inputs: tuple[TensorRecord, ...] = Field(min_length=1, description="Inputs of the graph, in order")
    outputs: tuple[TensorRecord, ...] = Field(min_length=1, description="Outputs of the graph, in order")
    merges: Count = Field(description="EnergyMerge operators in it")
    feeds: dict[Text, Text] = Field({}, description="Inputs from other graphs: input -> `graph.output`")
    flops: FlopsRecord = Field(description="Work per input, before and after")
    onnx: tuple[OnnxRecord, ...] = Field(min_length=1, description="Its ONNX files")
    plans: tuple[PlanRecord, ...] = Field((), description="The plans that were built from them")

    @property
    def own_files(self) -> tuple[OnnxRecord, ...]:
        """Its ONNX files but for those that hold the same once more as standard operators, fp32 first."""
        return tuple(onnx for onnx in self.onnx if not onnx.inlined)

    def files(self) -> Iterator[FileRecord]:
        """Yield the record of every file of the graph."""
        for onnx in self.onnx:
            yield onnx
            yield from onnx.external_data
        yield from self.plans
