"""What a report is made of: records, and nothing that measures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle.manifest import Manifest
from pitome.validate.bench.records import LatencyReport
from pitome.validate.evaluate.records import MergeMaps, SpectrumReport, TaskAccuracy
from pitome.validate.parity.records import ParityReport
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
    latency: LatencyReport | None = None
    accuracy: tuple[TaskAccuracy, ...] = ()
    sweep: SweepFile | None = None
    """Of this model."""
    spectrum: SpectrumReport | None = None
    merge_maps: MergeMaps | None = None
    validation: ValidationRecord | None = None
    """Without it the page is that of a build."""
    bundle: Path | None = None
    """Where the bundle lies, for the commands; None = where ``make engine`` puts it."""

    @classmethod
    def of_bundle(cls, manifest: Manifest, flops: FlopsCount | None = None) -> ReportInput:
        """What a build knows."""
        return cls(manifest, flops, parity_of(manifest), latency_of(manifest))

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


# The manifest's fields that need more than their name are read here and nowhere else.


def parity_of(manifest: Manifest) -> ParityReport | None:
    """The parity that a manifest holds."""
    if manifest.parity is None:
        return None
    return ParityReport.model_validate({k: v for k, v in manifest.parity.items() if k != "command"})


def parity_command(manifest: Manifest) -> str | None:
    """What found that parity, where it was not the build."""
    found = None if manifest.parity is None else manifest.parity.get("command")
    return None if found is None else str(found)


def latency_of(manifest: Manifest) -> LatencyReport | None:
    """The latency that a manifest holds."""
    return None if manifest.latency is None else LatencyReport.model_validate(manifest.latency)


def build_command(manifest: Manifest) -> str | None:
    """The line that built the bundle, for a POSIX shell."""
    found = manifest.environment.get("command")
    return None if found is None else str(found)


def named_model(manifest: Manifest) -> str:
    """MODEL as the user gave it: the name of a bundle has no slashes."""
    options: Any = manifest.environment.get("options") or {}
    named = (options.get("model") or {}).get("model")
    return str(named or manifest.model.name)
