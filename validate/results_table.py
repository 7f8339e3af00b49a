"""The records of finished sweeps as Markdown tables: one per task, settings down, FLOPs across."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pitome.errors import InputError
from validate.sweep_records import SweepRecord, measured, parse_record

POINTS = 100
"""Scores are shown times this."""


@dataclass(frozen=True)
class SweepFile:
    """A file that ``pitome sweep`` wrote."""

    configuration: dict[str, Any]
    records: tuple[SweepRecord, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """In the order of their first records."""
        return tuple(dict.fromkeys(record.task for record in self.records))


def read_sweep_file(path: Path) -> SweepFile:
    """Read a file of records; points that could not be run are left out.

    Raises:
        InputError: it can't be read, or is no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        header = json.loads(lines[0])["configuration"]
        records = [parse_record(json.loads(line)) for line in lines[1:]]
    except (OSError, ValueError, KeyError, IndexError, TypeError, ValidationError) as error:
        raise InputError(
            f"the results in {path}",
            f"it is no file of `pitome sweep` ({str(error).splitlines()[0] if str(error) else 'empty'})",
            "Give the .jsonl file that `pitome sweep` wrote",
        ) from error
    return SweepFile(header, tuple(measured(records)))


def results_markdown(files: Sequence[SweepFile]) -> str:
    """One table per model and task, in the order of the files, and a line that explains the cells."""
    blocks = [_table(file, task) for file in files for task in file.tasks]
    note = (
        "Cells: score in points, its paired difference to the unmerged model with a 95 % interval, FLOPs "
        "that are left, and measured speed-up (onnxruntime, CPU, interleaved). **+** significantly above and "
        "**-** significantly below plain ToMe of the same schedule and similarity (two-sided, 5 %)."
    )
    return "\n\n".join([*blocks, note]) + "\n"


def _table(file: SweepFile, task: str) -> str:
    records = [record for record in file.records if record.task == task]
    unmerged = next(record for record in records if record.is_unmerged)
    schedules = list(dict.fromkeys(record.schedule for record in records if not record.is_unmerged))
    schedules.sort(key=lambda name: -max(r.flops_ratio for r in records if r.schedule == name))
    settings = list(dict.fromkeys(_setting(record) for record in records if not record.is_unmerged))
    title = (
        f"**{file.configuration['model']}, {task}**: {unmerged.metric} over {unmerged.samples:,} samples "
        f"({unmerged.split}), unmerged {_points(unmerged.score)} "
        f"({_points(unmerged.low)} to {_points(unmerged.high)})"
    )
    lines = [title, "", f"| setting | {' | '.join(schedules)} |", f"|---|{'---|' * len(schedules)}"]
    for setting in settings:
        cells = []
        for schedule in schedules:
            found = [r for r in records if r.schedule == schedule and _setting(r) == setting]
            cells.append(_cell(found[0]) if found else "")
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _setting(record: SweepRecord) -> str:
    return record.label.removesuffix(f" at {record.schedule}")


def _cell(record: SweepRecord) -> str:
    parts = [_points(record.score)]
    if record.to_unmerged is not None:
        change = record.to_unmerged
        parts[0] += (
            f" ({_signed(change.mean)}, {_signed(change.low)} to {_signed(change.high)}){_mark(record)}"
        )
    parts.append(f"{record.flops_ratio:.2f}")
    if record.speed is not None:
        parts.append(f"{record.speed.speedup:.2f}x")
    return "; ".join(parts)


def _mark(record: SweepRecord) -> str:
    difference = record.to_tome
    if difference is None or difference.p_value >= 0.05:
        return ""
    return " **+**" if difference.mean > 0 else " **-**"


def _points(value: float) -> str:
    return f"{POINTS * value:.1f}"


def _signed(value: float) -> str:
    return f"{POINTS * value:+.1f}"
