"""Splits that are made at their first use."""

import pytest

from pitome.validate.evaluate.datasets.late import LateSplits


def test_a_split_is_made_once_and_no_other():
    made = []
    splits = LateSplits(lambda split: made.append(split) or [split])
    assert (set(splits), len(splits), made) == ({"validation", "test"}, 2, [])
    assert splits["test"] is splits["test"]
    assert made == ["test"]
    with pytest.raises(KeyError):
        splits["train"]
