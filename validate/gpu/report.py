"""The report of one run on a GPU: build/gpu-report.json, and build/gpu-report.md made from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from pitome.bundle.record import Count, Record, UtcTime
from pitome.validate.bench.latency import Timing
from pitome.validate.gpu.environment import Environment
from pitome.validate.gpu.markdown import render
from pitome.validate.gpu.plans import BuiltEngine
from pitome.validate.gpu.records import EngineParity
from pitome.validate.gpu.timing import BatchSpeed

SCHEMA_VERSION: Final = 1
JSON_NAME, MARKDOWN_NAME = "gpu-report.json", "gpu-report.md"
LONGEST_REASON = 4000

Status = Literal["passed", "failed", "skipped", "not run"]

PARTS: Mapping[str, str] = {
    "kernels": "Merge kernels alone: every case of the operator's tables",
    "kernels-graph": "Merge kernels in a CUDA graph, and twice with the same bits",
    "kernels-speed": "Merge kernels alone: speed",
    "tensorrt-operator": "TensorRT: one merge through the plugin",
    "tensorrt-embedded": "TensorRT: plan with the plugin library inside",
    "tensorrt-plugin": "TensorRT with the plugin against PyTorch",
    "tensorrt-function": "TensorRT with the function body against PyTorch",
    "tensorrt-speed": "TensorRT: speed",
    "tensorrt_rtx-operator": "TensorRT-RTX: one merge through the plugin",
    "tensorrt_rtx-embedded": "TensorRT-RTX: plan with the plugin library inside",
    "tensorrt_rtx-plugin": "TensorRT-RTX with the plugin against PyTorch",
    "tensorrt_rtx-function": "TensorRT-RTX with the function body against PyTorch",
    "tensorrt_rtx-speed": "TensorRT-RTX: speed",
    "tensorrt-bundle": "TensorRT: a bundle loaded, measured and validated by its plan",
    "tensorrt_rtx-bundle": "TensorRT-RTX: a bundle loaded, measured and validated by its plan",
}
"""Everything that a report can hold, in the order in which it shows it."""


class Part(Record):
    """How far one part came."""

    status: Status = "not run"
    reason: str = ""


class KernelCheck(Record):
    """The kernels on the operator's cases."""

    cases: Count
    passed: Count
    failed: tuple[str, ...]
    """Names of the failing cases."""


class KernelTiming(Record):
    """All merges of one forward pass, the kernels alone, replayed from a CUDA graph."""

    model: str
    metric: str
    precision: str
    batch: int
    merges: int
    timing: Timing


class GpuReport(Record):
    """Everything that is known."""

    schema_version: Literal[1] = SCHEMA_VERSION
    created: UtcTime
    model: str
    environment: Environment
    parts: dict[str, Part] = Field(default_factory=lambda: {key: Part() for key in PARTS})
    kernels: KernelCheck | None = None
    kernel_timings: tuple[KernelTiming, ...] = ()
    engines: tuple[BuiltEngine, ...] = ()
    left_out: dict[str, str] = Field(default_factory=dict)
    """What a part was done without, and why."""
    parity: tuple[EngineParity, ...] = ()
    speed: dict[str, tuple[BatchSpeed, ...]] = Field(default_factory=dict)
    """By backend."""


class ReportFile:
    """A report that is written again after every change, so that a crash loses nothing.

    Args:
        folder: where the two files go.
        model: that the engines are made from.
        environment: of the run.
    """

    def __init__(self, folder: Path, model: str, environment: Environment) -> None:
        self.folder = folder
        created = datetime.now(UTC).isoformat(timespec="seconds")
        self.report = GpuReport(created=created, model=model, environment=environment)

    def change(self, **values: Any) -> None:
        """Set fields of the report and write it."""
        self.report = self.report.model_copy(update=values)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain_json(self.report.model_dump()), indent=2) + "\n"
        self._write(JSON_NAME, text)
        self._write(MARKDOWN_NAME, render(self.report, PARTS, text))

    def extend(self, **values: Any) -> None:
        """Append to fields that are lists."""
        self.change(**{name: (*getattr(self.report, name), value) for name, value in values.items()})

    def set_part(self, key: str, status: Status, reason: str = "") -> None:
        """Say how far a part came."""
        if key not in PARTS:
            raise KeyError(f"{key} is no part of the report: {', '.join(PARTS)}")
        part = Part(status=status, reason=anonymous(reason)[:LONGEST_REASON])
        self.change(parts={**self.report.parts, key: part})

    def leave_out(self, what: str, reason: str) -> None:
        """Say what a part is done without."""
        self.change(left_out={**self.report.left_out, what: anonymous(reason)})

    def _write(self, name: str, text: str) -> None:
        partial = self.folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.folder / name)


def read_report(path: Path) -> GpuReport:
    """A report from its JSON file; pydantic's ValidationError where it is none."""
    return GpuReport.model_validate_json(path.read_bytes())


def anonymous(text: str) -> str:
    """A message without where the project and the user's home lie, and without a terminal's colours."""
    project = str(Path.cwd())
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return text.replace(f"{project}/", "").replace(project, ".").replace(str(Path.home()), "~").strip()


def plain_json(value: Any) -> Any:
    """JSON has no words for infinity and not-a-number: they become strings, which read back as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(inner) for inner in value]
    return value
