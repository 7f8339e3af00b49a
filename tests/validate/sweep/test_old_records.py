"""The records in docs/results: every line is readable, and means to today's code what it meant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pitome.methods import method_names
from pitome.models.families import family_of_type
from pitome.models.family import ModelShape
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings
from pitome.validate.sweep.plan import PlannedSchedule, make_point
from pitome.validate.sweep.records import FailedPoint, SweepRecord, measured, parse_line
from pitome.validate.sweep.results_table import read_sweep_file, results_markdown
from tests.checkout import ROOT

FILES = sorted((ROOT / "docs" / "results").glob("**/*.jsonl"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "docs" / "results"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_points_are_told_apart_as_they_were(path: Path) -> None:
    """Keys are others since the operator's numbers are float32 and name no energy, but no two became one."""
    found = read_sweep_file(path)
    keys: set[tuple[str, str]] = set()
    graphs: set[tuple[str, str | None]] = set()
    for record in found.records:
        if record.is_unmerged or record.settings.method not in method_names():
            continue  # the pointer forest is gone
        family = family_of_type("vit" if record.padding is None else "bert")
        schedule = TokenSchedule(record.tokens[0], 1, record.num_merged)
        shape = ModelShape(len(record.num_merged), record.tokens[0], 1, 64, 4, 16, 2 * 64 * 256, 0, 0)
        planned = PlannedSchedule(record.schedule, "ratio", None, schedule)
        point = make_point(record.settings, planned, family, shape)
        keys.add((point.key, record.key))
        graphs.add((point.graph, record.graph))
        assert point.label == record.label
        assert (point.settings, point.num_candidates) == (record.settings, record.num_candidates)
        assert point.margins == () or point.margins == pytest.approx(record.margins)
    for pairs in (keys, graphs):
        assert len({today for today, _ in pairs}) == len({before for _, before in pairs}) == len(pairs)


def test_rows_of_the_paper_say_that_their_energy_was_elu() -> None:
    """METHOD=paper was with elu then, and is with equation (4) now."""
    (path,) = (path for path in FILES if name_of(path) == "fashion-vit.jsonl")
    labels = {record.label for record in read_sweep_file(path).records if record.settings.method == "paper"}
    assert "paper keys elu at FLOPs 0.6, ratio" in labels
    assert all(" elu at " in label for label in labels)


def test_rows_of_tome_say_that_they_were_split_otherwise() -> None:
    """METHOD=tome was with the split alternate then; today its own is that of the prefix, and not named."""
    for name, label in {
        "vit-s14-focus.jsonl": "tome hidden alternate penalty 0 at FLOPs 0.6, ratio",
        "rules-vit-s14-focus.jsonl": "tome hidden penalty 0 at FLOPs 0.6, ratio",
    }.items():
        (path,) = (path for path in FILES if name_of(path) == name)
        found = {record.label for record in read_sweep_file(path).records if record.settings.method == "tome"}
        assert label in found


def test_the_settings_of_older_files_are_upgraded() -> None:
    line: dict[str, Any] = json.loads(FILES[0].read_text(encoding="utf-8").splitlines()[2])
    assert {"margins", "num_candidates", "seed"} <= set(line["settings"])
    record = parse_line(line)
    assert isinstance(record, SweepRecord)
    assert record.margins == tuple(line["settings"]["margins"])
    assert record.num_candidates == tuple(line["settings"]["num_candidates"])
    assert record.settings.method == line["settings"]["method"]
    assert parse_line(record.model_dump(mode="json")) == record


def test_a_method_that_is_gone_can_still_be_read() -> None:
    forests = [
        record
        for path in FILES
        for record in read_sweep_file(path).records
        if record.settings.method == "forest"
    ]
    assert forests
    assert all(record.label.startswith("forest ") for record in forests)


def test_the_default_is_marked_in_the_tables() -> None:
    text = results_markdown([read_sweep_file(path) for path in FILES if path.parent.name == "results"])
    assert "| **pitome hidden protect 0.1 penalty 0.05** (default) |" in text
    assert "| **pitome hidden protect 0.2 penalty 0.1** (default) |" in text
    assert text.count("(default)") >= 4


def test_failed_points_stand_apart() -> None:
    failed = FailedPoint(key="a", label="b", task=None, reason="c")
    assert measured([failed]) == []
    assert replace(MergeSettings(), method="forest").method == "forest"
