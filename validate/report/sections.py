"""What the report's optional sections show, made from the JSON of the commands that measured it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pitome.validate.evaluate.padding import BUCKET
from pitome.validate.report.charts import pareto_chart
from pitome.validate.report.summary import times
from pitome.validate.sweep.pareto import pareto_front
from pitome.validate.sweep.records import UNMERGED

Json = Mapping[str, Any]
DASH = "\N{EN DASH}"
MOST_ROWS = 16
"""Settings in a table of a sweep; its JSON has them all."""


def accuracy_tasks(reports: Sequence[Json]) -> list[dict[str, Any]]:
    """One table per task: a row for each model and metric, with the paired difference to the unmerged model.

    Args:
        reports: `AccuracyReport` as JSON; tasks on texts with a ``padding`` beside.
    """
    return [
        {
            "title": f"{report['task']}, {report['split']}",
            "rows": [
                row
                for model in report["models"]
                for row in _accuracy_rows(model, report["models"][0]["model"])
            ],
            "notes": _accuracy_notes(report),
            "padding": _padding_rows(report.get("padding")),
            "details": _detail_rows(report["models"]),
            "models": [_model_name(model) for model in report["models"]],
        }
        for report in reports
    ]


def _model_name(model: Json) -> str:
    return f"{model['model']}, head fitted anew" if model.get("refit") else str(model["model"])


def _accuracy_rows(model: Json, unmerged: str) -> list[dict[str, Any]]:
    return [
        _accuracy_row(
            _model_name(model),
            name,
            found,
            next((d for d in model["differences"] if (d["against"], d["metric"]) == (unmerged, name)), None),
        )
        for name, found in model["metrics"].items()
    ]


def _accuracy_row(model: str, metric: str, found: Json, difference: Json | None) -> dict[str, Any]:
    unit = _Unit.of(metric)
    tone = "plain"
    if difference is not None:
        tone = "bad" if difference["high"] < 0 else "good" if difference["low"] > 0 else "plain"
    return {
        "model": model,
        "metric": metric,
        "samples": found["samples"],
        "value": _Cell(unit.value(found["mean"]), unit.range(found["low"], found["high"])),
        "difference": _paired(unit, difference),
        "tone": tone,
        "p_value": p_value(None if difference is None else difference["p_value"]),
    }


def _accuracy_notes(report: Json) -> list[str]:
    notes = [f"Skipped {part['count']:,} samples: {part['reason']}." for part in report.get("skipped") or ()]
    unavailable: Json = report.get("unavailable") or {}
    return notes + [f"{name} did not run: {reason}." for name, reason in unavailable.items()]


def _padding_rows(padding: Json | None) -> list[tuple[str, str]]:
    """(what, number) of a `PaddingRecord`: what merging saves only by padded texts."""
    if not padding:
        return []
    removed = padding["share_of_removed"]
    return [
        ("Padding among all positions of the inputs", f"{100 * padding['share_of_inputs']:.1f} %"),
        (
            "Padding among the tokens that merging removed",
            "nothing was removed" if removed is None else f"{100 * removed:.1f} %",
        ),
        (
            "Texts of full length, which have no padding",
            f"{padding['full_length']:,} of {padding['texts']:,}",
        ),
        ("FLOPs, merged", f"{padding['flops_merged']:.3f}"),
        ("FLOPs, unmerged, every text by itself", f"{padding['flops_unpadded']:.3f}"),
        (f"FLOPs, unmerged, padded to multiples of {BUCKET} tokens", f"{padding['flops_bucketed']:.3f}"),
    ]


def _detail_rows(models: Sequence[Json]) -> list[tuple[str, list[str]]]:
    """(what, one value per model) of all details that are single values."""
    found = [dict(_flat(model.get("details") or {})) for model in models]
    names = dict.fromkeys(name for each in found for name in each)
    return [(name, [each.get(name, DASH) for each in found]) for name in names]


def _flat(value: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{name}: ")
        elif inner is not None and not isinstance(inner, list):
            yield f"{prefix}{name}", f"{inner:.6g}" if isinstance(inner, float) else str(inner)


def sweep_tasks(records: Sequence[Json] | None) -> list[dict[str, Any]]:
    """Per task and split the charts, and the settings that no other one beats.

    Args:
        records: `pitome.validate.sweep.records.AnyRecord` as JSON.
    """
    measured = [record for record in records or () if record.get("kind") != "failed"]
    failed = [record for record in records or () if record.get("kind") == "failed"]
    groups: dict[tuple[str, str], list[Json]] = {}
    for record in measured:
        groups.setdefault((record["task"], record["split"]), []).append(record)
    return [
        _sweep_task(place, task, split, group, [r for r in failed if r.get("task") in (None, task)])
        for place, ((task, split), group) in enumerate(groups.items())
    ]


def _sweep_task(
    place: int, task: str, split: str, records: Sequence[Json], failed: Sequence[Json]
) -> dict[str, Any]:
    metric, samples = str(records[0]["metric"]), records[0]["samples"]
    settings = [record for record in records if record["key"] != UNMERGED]
    front = pareto_front([(record["flops_ratio"], record["score"]) for record in settings])
    chosen = [record for record in records if record["key"] == UNMERGED]
    chosen += [settings[at] for at in front[-MOST_ROWS:]]
    name = f"pareto-{place}"
    note = f"The settings that no other one beats in FLOPs and {metric}, of {len(settings)} that were tried."
    if failed:
        reasons = Counter(str(record["reason"]) for record in failed)
        told = "; ".join(f"{count} times: {reason}" for reason, count in reasons.items())
        note += f" {len(failed)} could not be run ({told})."
    return {
        "title": f"{task}, {split}, {samples:,} samples",
        "metric": metric,
        "flops": pareto_chart(records, "flops", metric, name),
        "latency": pareto_chart(records, "latency", metric, name),
        "speed_note": _speed_note(records),
        "rows": [_sweep_row(record, metric) for record in chosen],
        "note": note,
    }


def _speed_note(records: Sequence[Json]) -> str:
    conditions = {
        (speed["cpu"], speed["batch"], speed["threads"])
        for record in records
        if (speed := record.get("speed")) is not None
    }
    return "; ".join(f"{cpu}, batch {batch}, {threads} threads" for cpu, batch, threads in sorted(conditions))


def _sweep_row(record: Json, metric: str) -> dict[str, Any]:
    unit = _Unit.of(metric)
    speed: Json | None = record.get("speed")
    cells = [
        _Cell(unit.value(record["score"]), unit.range(record["low"], record["high"])),
        _paired(unit, record.get("to_unmerged")),
        _paired(unit, record.get("to_tome")),
        _Cell()
        if speed is None
        else _Cell(times(speed["speedup"]), f"{speed['low']:.2f} to {speed['high']:.2f}"),
    ]
    return {"label": str(record["label"]), "flops": f"{record['flops_ratio']:.3f}", "cells": cells}


@dataclass(frozen=True)
class _Cell:
    value: str = DASH
    interval: str = ""


def _paired(unit: _Unit, difference: Json | None) -> _Cell:
    if difference is None:
        return _Cell()
    return _Cell(unit.difference(difference["mean"]), unit.differences(difference["low"], difference["high"]))


def text_maps(texts: Iterable[Json]) -> list[dict[str, Any]]:
    """Texts of merge maps; of each word the text, number and hue, and whether it joins the one before."""
    return [
        {"layers": [{**layer, "words": _words(text["words"], layer["groups"])} for layer in text["layers"]]}
        for text in texts
    ]


def _words(words: Sequence[str], groups: Sequence[int]) -> list[dict[str, Any]]:
    members = Counter(groups)
    shown = []
    for word, group in zip(words, groups, strict=True):
        shared = members[group] > 1
        shown.append(
            {
                "text": word.removeprefix("##") or word,
                "joined": word.startswith("##"),
                "number": group + 1 if shared else None,
                "hue": group * 7 % 12,  # 7 and 12 share no factor: twelve neighbours get twelve hues
            }
        )
    return shown


def p_value(value: float | None) -> str:
    """Such as ``0.031`` or ``< 0.001``."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


class _Unit:
    """How a metric is written: shares in percent and their differences in points, cosines as they are."""

    def __init__(self, factor: float, digits: int, suffix: str, points: str) -> None:
        self.factor, self.digits, self.suffix, self.points = factor, digits, suffix, points

    @classmethod
    def of(cls, metric: str) -> _Unit:
        """By the metric's name."""
        return cls(1, 4, "", "") if "cosine" in metric else cls(100, 2, " %", " points")

    def value(self, value: float) -> str:
        """Such as ``95.30 %``."""
        return f"{self.factor * value:.{self.digits}f}{self.suffix}"

    def range(self, low: float, high: float) -> str:
        """Such as ``94.10 to 96.20``."""
        return f"{self.factor * low:.{self.digits}f} to {self.factor * high:.{self.digits}f}"

    def difference(self, value: float) -> str:
        """Such as ``-0.31 points``."""
        return f"{self.factor * value:+.{self.digits}f}{self.points}"

    def differences(self, low: float, high: float) -> str:
        """Such as ``-0.60 to +0.10``."""
        return f"{self.factor * low:+.{self.digits}f} to {self.factor * high:+.{self.digits}f}"
