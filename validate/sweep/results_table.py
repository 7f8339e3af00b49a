"""The records of finished sweeps as Markdown tables: one per task, settings down, FLOPs across.

Tasks on texts get a second one: what padding has to do with the first, and documents that have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from pitome.errors import InputError
from pitome.methods import method_class
from pitome.models.task import Modality
from pitome.regular_file import read_regular_file
from pitome.settings import MergeSettings
from pitome.strict_json import read_strict_json
from pitome.validate.padding_records import BUCKET, FULL_LENGTH
from pitome.validate.sweep.labels import label_of_today
from pitome.validate.sweep.records import (
    FailedPoint,
    SweepFile,
    SweepRecord,
    SweepRun,
    measured,
    parse_line,
    records_of,
)

LONGEST_FILE = 1024**3
"""Bytes of a file of records."""
POINTS = 100
"""Scores are shown times this."""


def read_sweep_file(path: Path) -> SweepFile:
    """Read a file of records; points that could not be run stand apart from the others.

    Raises:
        InputError: it can't be read, or is no such file.
    """
    try:
        lines = [read_strict_json(line, portable=False) for line in _lines(path)]
        configuration = dict(lines[0]["configuration"])
        parsed = [parse_line(line) for line in lines[1:]]
    except (OSError, ValueError, KeyError, IndexError, TypeError, ValidationError) as error:
        raise InputError(
            f"the results in {path}",
            f"it is no file of `pitome sweep` ({_told(error)})",
            "Give the .jsonl file that `pitome sweep` wrote",
        ) from error
    records = records_of(parsed)
    failed = tuple(record for record in records if isinstance(record, FailedPoint))
    commands = tuple(dict.fromkeys(line.command for line in parsed if isinstance(line, SweepRun)))
    return SweepFile(configuration, tuple(map(_with_whole_label, measured(records))), failed, commands)


def _lines(path: Path) -> list[bytes]:
    return read_regular_file(path, LONGEST_FILE).removesuffix(b"\n").split(b"\n")


def _with_whole_label(record: SweepRecord) -> SweepRecord:
    label = label_of_today(record.label, record.schedule, record.settings, _modality(record))
    return record.model_copy(update={"label": label})


def _told(error: Exception) -> str:
    """What is wrong with a file, in a few words."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'a line'}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else "empty"


def results_markdown(files: Sequence[SweepFile]) -> str:
    """One table per model and task, in the order of the files, and a line that explains the cells."""
    blocks = [block for file in files for task in file.tasks for block in _blocks(file, task)]
    return "\n\n".join([*blocks, NOTE]) + "\n"


NOTE = (
    "Cells: score in points, its paired difference to the unmerged model with a 95 % interval, FLOPs that "
    "are left, and measured speed-up (onnxruntime, CPU, in rounds with the unmerged graph; ? = the machine "
    "was not known to be steady). **+** significantly above and **-** significantly below plain ToMe of the "
    "same schedule and similarity (two-sided, 5 %)."
)


def _blocks(file: SweepFile, task: str) -> list[str]:
    records = [record for record in file.records if record.task == task]
    unmerged = next(record for record in records if record.is_unmerged)
    name, digits = f"{file.configuration['model']}, {task}", _digits(unmerged)
    score, low, high = (_points(each, digits) for each in (unmerged.score, unmerged.low, unmerged.high))
    title = (
        f"**{name}**: {unmerged.metric} over {unmerged.samples:,} samples ({unmerged.split}), unmerged "
        f"{score} ({low} to {high})"
    )
    blocks = [f"{title}\n\n{_table(records, _cell)}"]
    if unmerged.padding is not None:
        blocks.append(f"**{name}, padding**: {_told_padding(unmerged)}\n\n{_table(records, _padding_cell)}")
    return blocks


def _table(records: Sequence[SweepRecord], cell: Callable[[SweepRecord], str]) -> str:
    merged = [record for record in records if not record.is_unmerged]
    schedules = list(dict.fromkeys(record.schedule for record in merged))
    schedules.sort(key=lambda name: -max(r.flops_ratio for r in merged if r.schedule == name))
    lines = [f"| setting | {' | '.join(schedules)} |", f"|---|{'---|' * len(schedules)}"]
    for setting in dict.fromkeys(map(_setting, merged)):
        cells = []
        for schedule in schedules:
            found = [r for r in merged if r.schedule == schedule and _setting(r) == setting]
            cells.append(cell(found[0]) if found else "")
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _told_padding(unmerged: SweepRecord) -> str:
    padding = unmerged.padding
    assert padding is not None
    full = (
        f" Unmerged {unmerged.metric} on those: {_points(unmerged.metrics[FULL_LENGTH])}."
        if FULL_LENGTH in unmerged.metrics
        else ""
    )
    return (
        f"{padding.share_of_inputs:.0%} of all positions are padding; {padding.full_length:,} of "
        f"{padding.texts:,} documents have none.{full} The same answers without merging cost "
        f"{padding.flops_unpadded:.2f} of the FLOPs one document at a time, and {padding.flops_bucketed:.2f} "
        f"where documents are padded to the next multiple of {BUCKET} tokens. Cells: the share of padding "
        f"among the tokens that merging removed, and the score on documents without padding."
    )


def _padding_cell(record: SweepRecord) -> str:
    parts = []
    if record.padding is not None and record.padding.share_of_removed is not None:
        parts.append(f"{record.padding.share_of_removed:.0%}")
    if FULL_LENGTH in record.metrics:
        parts.append(_points(record.metrics[FULL_LENGTH]))
    return "; ".join(parts)


def _setting(record: SweepRecord) -> str:
    name = record.label.removesuffix(f" at {record.schedule}")
    return f"**{name}** (default)" if _is_default(record) else name


def _is_default(record: SweepRecord) -> bool:
    """Whether these are what a user gets who chooses nothing, for texts or for images."""
    default = method_class(MergeSettings().method)
    return record.settings == default.own_settings(_modality(record))


def _modality(record: SweepRecord) -> Modality:
    return "image" if record.padding is None else "text"


def _cell(record: SweepRecord) -> str:
    digits = _digits(record)
    parts = [_points(record.score, digits)]
    if record.to_unmerged is not None:
        change = record.to_unmerged
        mean, low, high = (f"{POINTS * each:+.{digits}f}" for each in (change.mean, change.low, change.high))
        parts[0] += f" ({mean}, {low} to {high}){_mark(record)}"
    parts.append(f"{record.flops_ratio:.2f}")
    if record.speed is not None:
        parts.append(f"{record.speed.speedup:.2f}x{'' if record.speed.steady else '?'}")
    return "; ".join(parts)


def _mark(record: SweepRecord) -> str:
    difference = record.to_tome
    if difference is None or difference.p_value >= 0.05:
        return ""
    return " **+**" if difference.mean > 0 else " **-**"


def _digits(record: SweepRecord) -> int:
    """Cosines are closer to each other than shares of right answers are."""
    return 2 if record.metric == "cosine" else 1


def _points(value: float, digits: int = 1) -> str:
    return f"{POINTS * value:.{digits}f}"
