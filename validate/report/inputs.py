"""What a report is made of: records, and nothing that measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle import LatencyReport, Manifest, ParityReport
from pitome.validate.evaluate.records import MergeMaps, SpectrumReport, TaskAccuracy
from pitome.validate.sweep.records import SweepFile
from pitome.validate.unmeasured_limits import ACCURACY
from pitome.validate.validation_records import MERGE_MAPS, SPECTRUM, SWEEP, ValidationRecord

if TYPE_CHECKING:
    from pitome.flops import FlopsCount


@dataclass(frozen=True)
class ReportInput:
    """Everything that sections may show; of what is None or empty, the section says how to get it."""

    manifest: Manifest
    flops: FlopsCount | None = None
    """The count per layer, which the manifest only has as a sum."""
    parity: ParityReport | None = None
    """Of the merged graph."""
    other_parity: Mapping[str, ParityReport] = field(default_factory=dict)
    """Of the others, by name."""
    latency: LatencyReport | None = None
    accuracy: tuple[TaskAccuracy, ...] = ()
    sweep: SweepFile | None = None
    """Of this model."""
    spectrum: SpectrumReport | None = None
    merge_maps: MergeMaps | None = None
    pictures: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Task -> row of a sample -> small picture of it (a data URI), of the user's images."""
    validation: ValidationRecord | None = None
    """Without it the page is that of a build."""
    bundle: Path | None = None
    """Where the bundle lies, for the commands; None = where ``make engine`` puts it."""

    @classmethod
    def of_bundle(cls, manifest: Manifest, flops: FlopsCount | None = None) -> ReportInput:
        """What a build knows."""
        return cls(manifest, flops, manifest.parity, manifest.other_parity, manifest.latency)

    def parity_of(self, graph: str) -> ParityReport | None:
        """Of the graph of that name; None where it was not checked."""
        return self.parity if graph == self.manifest.merged_graph.name else self.other_parity.get(graph)

    def why_skipped(self, part: str) -> str | None:
        """Why a part was skipped, where it was: `ACCURACY` for all tasks together, `SWEEP` and the like."""
        skipped = () if self.validation is None else self.validation.skipped
        others = (MERGE_MAPS, SPECTRUM, SWEEP)
        if part != ACCURACY:
            return next((row.reason for row in skipped if row.what == part), None)
        told = [
            row.reason if row.what == ACCURACY else f"{row.what}: {row.reason}"
            for row in skipped
            if row.what not in others
        ]
        return "; ".join(told) or None
