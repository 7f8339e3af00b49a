"""Level 1 of parity over many inputs: what is counted, and where free runs part."""

from __future__ import annotations

import pytest
import torch

from pitome.validate.parity.agreement import first_differences

pytestmark = pytest.mark.quick


def test_runs_first_differ_in_one_layer_each() -> None:
    same, other = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
    ours = [torch.stack([same] * 4), torch.stack([same] * 4), torch.stack([same] * 4)]
    theirs = [
        torch.stack([same, same, other, same]),
        torch.stack([other, same, other, same]),
        torch.stack([other, other, same, same]),
    ]
    assert first_differences(ours, theirs) == ([1, 1, 1], 1)
    assert first_differences(ours, ours) == ([0, 0, 0], 4)
