"""What was found, as JSON and as Markdown."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tests.checkout import ROOT
from tests.plugins.gpu_kernels.block import Layer
from tests.plugins.gpu_kernels.speed import COPIES, ROUNDS, KernelTime, Speed
from tests.plugins.gpu_kernels.table import TableResult

JSON_NAME = "report.json"
MARKDOWN_NAME = "report.md"
EARLY_LAUNCH = "PITOME_EARLY_LAUNCH"
"""The kernels' switch for programmatic dependent launch (plugins/kernels/early_launch.cpp)."""


@dataclass(frozen=True)
class Setting:
    """What the numbers depend on. Nothing in it tells whose machine it is."""

    created: str
    commit: str
    """Of the checkout, with "-dirty" where it was changed; empty where git does not say."""
    ran_on: str
    """The GPU's name and compute capability, or the CPU execution of the kernels."""
    python: str
    torch: str
    cuda: str | None
    """That PyTorch is built for."""
    library: str
    library_sha256: str
    early_launch: bool
    """Whether programmatic dependent launch was asked for."""


def describe_setting(ran_on: str, library: Path) -> Setting:
    """Of this run."""
    return Setting(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        ran_on=ran_on,
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=torch.version.cuda,
        library=library.name,
        library_sha256=hashlib.sha256(library.read_bytes()).hexdigest(),
        early_launch=os.environ.get(EARLY_LAUNCH) == "1",
    )


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


@dataclass(frozen=True)
class Report:
    """Everything that is known."""

    setting: Setting
    table: TableResult
    layer: Layer
    speed: tuple[Speed, ...]
    without_speed: str
    """Why nothing was measured; empty where it was."""

    def write(self, folder: Path) -> None:
        """Both files, each complete or as it was."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((JSON_NAME, self.to_json()), (MARKDOWN_NAME, self.to_markdown())):
            partial = folder / f".{name}.partial"
            partial.write_text(text, encoding="utf-8")
            partial.replace(folder / name)

    def to_json(self) -> str:
        """Every number; seconds."""
        document: dict[str, Any] = asdict(self)
        for entry, speed in zip(document["speed"], self.speed, strict=True):
            entry["share"] = speed.share
        return json.dumps(document, indent=2) + "\n"

    def to_markdown(self) -> str:
        """For an issue; microseconds."""
        return "\n".join(
            ["# The merge's kernels", "", *self._setting(), "", *self._table(), "", *self._speed(), ""]
        )

    def _setting(self) -> Iterator[str]:
        setting = self.setting
        built = f"built for CUDA {setting.cuda}" if setting.cuda else "built without CUDA"
        yield f"Ran on {setting.ran_on}, {setting.created}."
        yield ""
        yield f"- checkout: {setting.commit or 'unknown'}"
        yield f"- Python {setting.python}, PyTorch {setting.torch}, {built}"
        yield f"- library: {setting.library}, SHA-256 {setting.library_sha256}"
        yield f"- programmatic dependent launch: {'asked for' if setting.early_launch else 'off'}"

    def _table(self) -> Iterator[str]:
        table = self.table
        yield "## Cases"
        yield ""
        yield (
            f"{table.run - len(table.wrong)} of {table.run} cases are right, each run twice. "
            f"{table.chosen} of {table.of} were to run."
        )
        if table.wrong:
            yield ""
            yield from (f"- `{case.name}`: {case.reason}" for case in table.wrong)

    def _speed(self) -> Iterator[str]:
        yield "## Time"
        yield ""
        if self.without_speed:
            yield f"Not measured: {self.without_speed}."
            return
        layer, merge = self.layer, self.layer.parameters
        yield (
            f"One float16 merge of {layer.name}: {layer.num_tokens} tokens of {layer.width}, "
            f"r = {merge.num_merged}, M = {merge.num_candidates}; in PyTorch, {COPIES} of a kind in one "
            f"CUDA graph, medians of {ROUNDS} rounds. The share is of the block's time without a merge; with "
            f"it, the block's MLP has {layer.num_tokens - merge.num_merged} tokens."
        )
        yield ""
        yield from _lines(
            ["metric", "batch", "block", "merge", "share", "block with merge"],
            [
                [
                    speed.metric,
                    str(speed.batch),
                    _microseconds(speed.block_seconds),
                    _microseconds(speed.merge_seconds),
                    f"{100 * speed.share:.1f} %",
                    _microseconds(speed.merging_block_seconds),
                ]
                for speed in self.speed
            ],
        )
        yield ""
        yield from self._kernels()

    def _kernels(self) -> Iterator[str]:
        yield "Each kernel by PyTorch's profiler, in one merge:"
        yield ""
        rows = [
            [speed.metric, str(speed.batch), *_kernel_cells(kernel)]
            for speed in self.speed
            for kernel in speed.kernels
        ]
        if rows:
            yield from _lines(["metric", "batch", "kernel", "launches", "time"], rows)
        else:
            yield "none: the profiler saw no kernel, which some drivers allow to administrators only."


def _kernel_cells(kernel: KernelTime) -> list[str]:
    return [f"`{kernel.name}`", f"{kernel.launches:g}", _microseconds(kernel.seconds)]


def _lines(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def _microseconds(seconds: float) -> str:
    return f"{1e6 * seconds:.1f} µs"
