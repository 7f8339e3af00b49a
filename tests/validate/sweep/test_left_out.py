"""What a choice did not come from is said, with the reason."""

from __future__ import annotations

import pytest

from pitome.validate.sweep.left_out import not_chosen_from, not_tried
from pitome.validate.sweep.records import UNMERGED, AnyRecord, FailedPoint
from tests.validate.sweep.test_tune import record

pytestmark = pytest.mark.quick

RECORDS: list[AnyRecord] = [
    record(UNMERGED, 1.0, method="none"),
    record("x", method="pitome"),
    record("x", task="b", method="pitome"),
    record("y", method="pitome"),
    record("r", method="random"),
    record("s", method="random"),
    record("f", method="forest"),
    FailedPoint(key="z", label="tome at FLOPs 0.1", task=None, reason="FLOPs 0.1 are out of reach"),
]


def test_methods_and_settings_are_named_with_their_reasons() -> None:
    told = [each.told for each in not_chosen_from(RECORDS, ("a", "b"))]
    assert told[:4] == [
        "random, 2 settings: it is there to be compared with, not to be deployed",
        "forest, 1 setting: this version has no such method",
        "setting y, 1 setting: not judged on b",
        "tome at FLOPs 0.1, 1 setting: FLOPs 0.1 are out of reach",
    ]
    assert "authors: not tried: it is not among the methods of the grid" in told


def test_what_the_grid_does_not_name_was_not_tried() -> None:
    assert {each.what for each in not_tried(RECORDS)} == {"tome", "paper", "authors", "authors-2024"}
