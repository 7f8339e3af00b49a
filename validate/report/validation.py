"""What a report shows of a validation: the verdict, its limits, what was skipped, and where it ran."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pitome.validate.thresholds import Thresholds

Json = Mapping[str, Any]
DASH = "\N{EN DASH}"
OTHER_PARTS = ("merge maps", "spectrum", "sweep")
"""What is skipped beside tasks."""


def validation_view(document: Json, build_environment: Json) -> dict[str, Any]:
    """The parts of a page on what ``pitome validate`` found.

    Args:
        document: its JSON object.
        build_environment: of the bundle's manifest.

    Returns:
        ``passed``, ``reason``, ``sections`` (name, passed, reason), ``limits`` (key, value, "default" or
        "set"), ``file`` of the limits or None, ``skipped`` (what, reason), and ``environment`` (what, at the
        build, at the validation, whether they are the same).
    """
    return {
        "passed": document["verdict"] == "pass",
        "reason": document["reason"],
        "sections": [
            {
                "name": row["name"].capitalize(),
                "passed": row["verdict"] == "pass",
                "verdict": row["verdict"],
                "reason": row["reason"],
            }
            for row in document["sections"]
        ],
        "limits": limit_rows(document["thresholds"]),
        "file": document.get("thresholds_file"),
        "skipped": list(document.get("skipped") or ()),
        "environment": _both(build_environment, document.get("environment") or {}),
    }


def skipped_reasons(skipped: Sequence[Json]) -> dict[str, str]:
    """Why a part of the page is missing, by the part: accuracy for all tasks together, and `OTHER_PARTS`."""
    found = {row["what"]: str(row["reason"]) for row in skipped if row["what"] in OTHER_PARTS}
    tasks = [row for row in skipped if row["what"] not in OTHER_PARTS]
    if tasks:
        told = [
            row["reason"] if row["what"] == "accuracy" else f"{row['what']}: {row['reason']}" for row in tasks
        ]
        found["accuracy"] = "; ".join(told)
    return found


def limit_rows(thresholds: Json) -> list[tuple[str, str, str]]:
    """(key as in the file, value, "default" or "set") of `pitome.validate.thresholds.Thresholds` as JSON."""
    usual = dict(_flat(Thresholds().model_dump(mode="json")))
    rows = []
    for key, value in _flat(thresholds):
        if key == "max_accuracy_drop":  # none is set
            rows.append((key, "no limit", "default"))
            continue
        shown = (
            "no limit" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
        )
        if value is not None:
            shown += (" point" if value == 1 else " points") if key.startswith("max_accuracy_drop.") else ""
        rows.append((key, shown, "default" if key in usual and usual[key] == value else "set"))
    return rows


def flat_rows(value: Json) -> list[tuple[str, str]]:
    """(dotted name, text) of a nested JSON object, sorted by name."""
    return sorted(
        (name, inner if isinstance(inner, str) else json.dumps(inner)) for name, inner in _flat(value)
    )


def _both(build: Json, run: Json) -> list[dict[str, Any]]:
    """What the build and the validation both know of, or only the validation."""
    before, now = dict(flat_rows(build)), dict(flat_rows(run))
    return [
        {
            "name": name,
            "build": before.get(name, DASH),
            "run": now[name],
            "same": before.get(name) == now[name],
        }
        for name in now
    ]


def _flat(value: Json, prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted name, value); an empty object is a value."""
    rows: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            rows += _flat(inner, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", inner))
    return rows
