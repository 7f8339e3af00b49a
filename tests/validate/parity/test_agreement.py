"""Level 1 of parity over many inputs: what is counted, and where free runs part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pitome.observe import MergeRecord
from pitome.validate.parity.agreement import first_differences, judge_decisions
from pitome.validate.parity.decisions import same_groups
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.rounding import Rounding
from pitome.validate.runs import Run
from pitome.validate.thresholds import Thresholds
from tests.validate.parity.planted_pairs import SIZE, PlantedPair, plant_pair, ulp

pytestmark = pytest.mark.quick
LAYER = 3


def passes_of(case: PlantedPair, decided: list[Tensor]) -> Passes:
    """One merge of the same input, once for each decision [1, N] of a runtime; PyTorch decides rightly."""
    one_ulp = ulp(case.parameters.margin)
    runtime = Run({}, (torch.cat(decided),))
    plain = Run({}, (case.right.expand(len(decided), -1),))
    record = MergeRecord(LAYER, case.metric, SIZE, case.right)
    return Passes(
        layers={LAYER: case.parameters},
        exact=[0],
        num_real=0,
        runtime_name="stand-in",
        runtime={"fp32": runtime},
        forced={"fp32": plain},
        forced_exact={},
        free=plain,
        unmerged=plain,
        rounding={LAYER: Rounding(one_ulp, one_ulp, one_ulp)},
        exact_records={row: [record] for row in range(len(decided))},
    )


def test_jumps_are_counted_by_themselves() -> None:
    """Within one unit of the margin a pair's jump is excused and counted; another decision is wrong."""
    case = plant_pair(0.5)
    wrong = torch.tensor([[0, 0, 0, 0, 1, 2, 3, 4, 5, 6]])
    assert not same_groups(wrong, case.right)
    assert not same_groups(wrong, case.jumped)
    decisions = judge_decisions(passes_of(case, [case.right] * 5 + [case.jumped, wrong]))
    assert decisions is not None
    (layer,) = decisions.layers
    assert (layer.compared, layer.agreed, layer.unexplained) == (7, 5, 1)
    assert (layer.excused, layer.excused_by_jumps) == (1, 1)
    assert layer.largest_excused_margin <= layer.tolerance
    assert decisions.verdict == "fail"


def test_the_share_of_jumps_has_a_limit() -> None:
    case = plant_pair(0.5)
    passes = passes_of(case, [case.right] * 3 + [case.jumped])
    for limit, verdict in ((0.25, "pass"), (0.2, "not judged")):
        decisions = judge_decisions(passes, Thresholds(max_share_excused_by_jumps=limit))
        assert decisions is not None
        assert (decisions.share_excused_by_jumps, decisions.verdict) == (0.25, verdict)


def test_a_pair_outside_of_the_rounding_is_wrong() -> None:
    case = plant_pair(3.0)
    decisions = judge_decisions(passes_of(case, [case.right, case.jumped]))
    assert decisions is not None
    assert (decisions.agreed, decisions.excused, decisions.unexplained) == (1, 0, 1)
    assert decisions.verdict == "fail"


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
