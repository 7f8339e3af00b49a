"""compress() for tests that try many options: by their names, in the record that each belongs to."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch import nn

from pitome import compress
from pitome.settings import MergeSettings, ScheduleOptions


def compress_with(model: nn.Module, schedule: Any = None, **options: Any) -> Any:
    """``compress`` with fields of ScheduleOptions and MergeSettings among its own arguments."""
    chosen = {each.name: options.pop(each.name) for each in fields(MergeSettings) if each.name in options}
    counts = {each.name: options.pop(each.name) for each in fields(ScheduleOptions) if each.name in options}
    counts = {name: tuple(value) if isinstance(value, list) else value for name, value in counts.items()}
    if schedule is None:
        schedule = ScheduleOptions(**counts)
    elif counts:
        options |= counts
    return compress(model, schedule, MergeSettings(**chosen), **options)
