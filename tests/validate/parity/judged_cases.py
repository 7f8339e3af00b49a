"""Random merges and small planted ones for the tests of the judge, and what to hold the judge to."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from pitome.energies import Energy
from pitome.merge import score_tokens
from pitome.parameters import MergeParameters
from pitome.validate.parity.decisions import Verdict, judge
from pitome.validate.parity.rounding import Tolerance
from tests.merge_parameters import merge_parameters
from tests.pitome.slow_checker import explains
from tests.pitome.slow_merge import decide, slots_of

_MARGINS: dict[Energy, list[float]] = {
    "elu": [0.0, 0.3, 0.9],
    "eq4": [0.0, 0.3, 0.9],
    # Functions so narrow that all energies of random rows are equal would leave nothing to judge.
    "sharp": [-0.1, 0.0],
    "gaussian": [-1.0, 0.0, 0.3],
}


@st.composite
def merges(draw: st.DrawFn, largest: int = 40) -> tuple[Tensor, Tensor, MergeParameters]:
    """Random metric [1, N, D] float32, sizes [1, N, 1] and fitting parameters."""
    prefix = draw(st.integers(0, 2))
    unprotected = draw(st.integers(2, largest))
    merged = draw(st.integers(1, unprotected // 2))
    energy: Energy = draw(st.sampled_from(("elu", "eq4", "sharp", "gaussian")))
    parameters = merge_parameters(
        merged,
        draw(st.integers(2 * merged, unprotected)),
        prefix,
        margin=draw(st.sampled_from(_MARGINS[energy])),
        size_penalty=draw(st.sampled_from([0.0, 0.05])),
        order=draw(st.sampled_from(["energy", "position"])),
        energy=energy,
        split=draw(st.sampled_from(["alternate", "alternate_second", "half"])),
    )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    metric = torch.randn(1, prefix + unprotected, 16, generator=generator)
    size = torch.randint(1, 4, (1, prefix + unprotected, 1), generator=generator).float()
    return metric, size, parameters


def judge_image(
    assignment: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, tolerance: Tolerance
) -> Verdict:
    return judge(assignment[0], metric[0].double(), size[0], parameters, tolerance)


def near_runs(metric: Tensor, size: Tensor, parameters: MergeParameters, noise: float) -> list[int]:
    """Lengths of runs of more than four energies that noise can put in another order."""
    prefix = parameters.num_protected
    _, energy = score_tokens(metric[:, prefix:], size[:, prefix:, 0].double(), parameters)
    close = energy[0].sort().values.diff() <= 10 * noise
    lengths, length = [], 1
    for is_close in [*close.tolist(), False]:
        length = length + 1 if is_close else 1
        if length > 4:
            lengths.append(length)
    return lengths


def checker_explains(
    decided: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, eps: float
) -> bool:
    """The slow checker also looks at slot numbers: let every member of a group be the one that receives."""
    groups = [np.flatnonzero(decided[0].numpy() == slot).tolist() for slot in decided[0].unique()]
    for receivers in itertools.product(*groups):
        goes_to = {
            token: receiver
            for group, receiver in zip(groups, receivers, strict=True)
            for token in group
            if token != receiver
        }
        if explains(slots_of(goes_to, decided.shape[1])[None], metric, size, parameters, eps):
            return True
    return False


def ring(*degrees: float) -> Tensor:
    """Metric [1, N, 2] float64: unit vectors at these angles."""
    angles = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], dim=-1)[None]


def near_tie() -> tuple[Tensor, MergeParameters, float]:
    """Token 0 merges with 1 or with 2, whose energies are nearly tied; and by how much."""
    metric, parameters = ring(0, 5, -5.0001, 180), merge_parameters(1, 2, 0, margin=0.0)
    _, margins = decide(metric[0].numpy(), np.ones(4), parameters)
    return metric, parameters, float(margins.order[1])
