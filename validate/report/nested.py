"""A nested JSON object as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def leaves(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted name, value) in order; an empty object is a value."""
    rows: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            rows += leaves(inner, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", inner))
    return rows


def text_rows(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(dotted name, text), sorted by name."""
    return sorted(
        (name, inner if isinstance(inner, str) else json.dumps(inner)) for name, inner in leaves(value)
    )
