"""Samples of two kinds, and which of them a smaller check takes."""

from __future__ import annotations

import torch

from pitome.validate.samples import CheckedInputs, Samples


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
