"""Samples of two kinds, and which of them a smaller check takes."""

from __future__ import annotations

import torch

from pitome.validate.samples import CheckedInputs, Samples, Skipped, joined


def samples(count: int, value: float = 0.0) -> Samples:
    return Samples({"x": torch.full((count, 1), value)})


def test_inputs_are_chosen_from_both_kinds() -> None:
    images = CheckedInputs(samples(6), samples(2, value=1.0))
    assert images.subset(4) == [0, 1, 2, 3]
    assert images.all.inputs["x"].flatten().tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert CheckedInputs(samples(9), samples(7)).subset(4) == [0, 6, 7, 8]
    assert CheckedInputs(samples(0), samples(7)).subset(4) == [0, 2, 4, 6]
    assert CheckedInputs(samples(9), samples(0)).subset(4) == [0, 1, 2, 3]
    assert CheckedInputs(samples(1), samples(1)).subset(8) == [0, 1]


def test_skipped_samples_are_joined_by_their_reason_and_told_with_the_first_names() -> None:
    parts = [
        Skipped(3, "damaged", ("a", "b", "c")),
        Skipped(1, "missing"),
        Skipped(4, "damaged", tuple("defg")),
    ]
    damaged, missing = joined(parts)
    assert str(damaged) == "7 samples: damaged (a; b; c; d; e; and 2 more)"
    assert str(missing) == "1 sample: missing"
    assert joined([]) == ()
