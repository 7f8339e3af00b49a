"""The schema of a bundle's ``manifest.json``, version 2. ``docs/bundle.md`` is generated from it.

Every record is frozen and refuses unknown keys, so a manifest that validates can be trusted to mean what
its field descriptions say. What no build fills yet is null or empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from pitome.bundle import consistency, measured_consistency
from pitome.bundle.build_record import AccuracyRecord, BuildRecord, EnvironmentRecord
from pitome.bundle.graph_records import GraphRecord, OnnxRecord, PlanRecord, Role
from pitome.bundle.latency_records import LatencyReport
from pitome.bundle.merge_records import FlopsRecord, MethodRecord, ScheduleRecord
from pitome.bundle.model_records import ModelRecord
from pitome.bundle.parity_records import ParityReport
from pitome.bundle.record import (
    AssetRecord,
    FileRecord,
    NativeRecord,
    Precision,
    Record,
    Sha256,
    Text,
    UtcTime,
)

SCHEMA_VERSION: Final = 2
PLUGIN_NAME = "libpitome_plugin.so"


class Manifest(Record):
    """The whole of `manifest.json`."""

    schema_version: Literal[2] = Field(SCHEMA_VERSION, description="Version of this schema")
    pitome_version: Text = Field(description="Version of pitome that wrote the bundle")
    created: UtcTime = Field(description="UTC time of the build, ISO 8601; no other file has a time in it")
    model: ModelRecord = Field(description="Which model")
    method: MethodRecord = Field(description="How the merged graph merges tokens")
    schedule: ScheduleRecord = Field(description="How many tokens each layer of the merged graph has")
    flops: FlopsRecord = Field(description="Work per input of all graphs, before and after")
    graphs: tuple[GraphRecord, ...] = Field(min_length=1, description="The graphs of the model")
    assets: tuple[AssetRecord, ...] = Field((), description="Files that belong to the model")
    native: tuple[NativeRecord, ...] = Field((), description="Native libraries of the operator")
    native_left_out: Text | None = Field(
        None,
        description="Why there is no library for onnxruntime, where one was to be built if possible",
    )
    build: BuildRecord = Field(description="The options it was built with")
    accuracy: tuple[AccuracyRecord, ...] = Field((), description="What tasks said of it")
    parity: ParityReport | None = Field(None, description="What the parity check found of the merged graph")
    other_parity: dict[Text, ParityReport] = Field(
        {}, description="What it found of the other graphs, by name: they merge nothing, so decide nothing"
    )
    parity_key: Sha256 | None = Field(None, description="Digest of what parity was checked on")
    latency: LatencyReport | None = Field(None, description="What the latency measurement found")
    latency_key: Sha256 | None = Field(None, description="Digest of what latency was measured on")
    environment: EnvironmentRecord = Field(description="Versions and machine of the build")
    report: FileRecord | None = Field(None, description="The HTML report")

    @model_validator(mode="after")
    def _records_fit_each_other(self) -> Self:
        consistency.check_method(self.method, self.schedule)
        consistency.check_graphs(self.graphs, self.model)
        consistency.check_files(self.graphs, [*self.native, *filter(None, [self.report])], self.assets)
        consistency.check_native(self.native, self.native_left_out, self.plans)
        consistency.check_merges(self.graphs, self.method, self.flops)
        consistency.check_build(self.build, self.graphs)
        consistency.check_model(self.model, self.assets, self.build)
        consistency.check_inputs(self.graphs, self.model)
        consistency.check_accuracy(self.accuracy, self.model)
        return self

    @model_validator(mode="after")
    def _what_was_measured_fits(self) -> Self:
        if self.parity is not None:
            measured_consistency.check_parity(self.parity, self.schedule)
        others = [graph.name for graph in self.graphs if graph != self.merged_graph]
        measured_consistency.check_other_parity(self.parity, self.other_parity, others)
        if self.latency is not None:
            measured_consistency.check_latency(self.latency, self.merged_graph.flops)
            measured_consistency.check_measured_graph(self.latency, self.merged_graph.name, others)
        return self

    def graph(self, role: Role) -> GraphRecord | None:
        """The graph of that role; None where the bundle has none."""
        return next((graph for graph in self.graphs if graph.role == role), None)

    @property
    def merged_graph(self) -> GraphRecord:
        """The graph that method, schedule, parity and latency are of; its schedule may merge nothing."""
        return next(graph for graph in self.graphs if graph.role != "text-encoder")

    @property
    def image_graph(self) -> GraphRecord | None:
        """The graph that takes images, if there is one."""
        plain = self.graph("encoder") if self.model.preprocess.kind == "image" else None
        return plain or self.graph("image-encoder")

    @property
    def text_graph(self) -> GraphRecord | None:
        """The graph that takes texts, if there is one."""
        plain = self.graph("encoder") if self.model.preprocess.kind == "text" else None
        return plain or self.graph("text-encoder")

    @property
    def onnx(self) -> tuple[OnnxRecord, ...]:
        """The ONNX files of all graphs, but for those that hold the same once more as standard operators."""
        return tuple(onnx for graph in self.graphs for onnx in graph.own_files)

    @property
    def plans(self) -> tuple[PlanRecord, ...]:
        """The plans of all graphs."""
        return tuple(plan for graph in self.graphs for plan in graph.plans)

    @property
    def plugin(self) -> NativeRecord | None:
        """The TensorRT plugin, where a plan has one."""
        return next((library for library in self.native if library.kind == "tensorrt"), None)

    @property
    def precision(self) -> Precision:
        """The precision that was asked for."""
        return self.build.precision

    def files(self) -> Iterator[FileRecord]:
        """Yield the record of every file of the bundle but the manifest and its digest."""
        for graph in self.graphs:
            yield from graph.files()
        yield from self.assets
        yield from self.native
        if self.report is not None:
            yield self.report
