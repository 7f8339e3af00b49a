"""Each METHOD on six tokens, against tables worked out by hand from METHOD.md sections 2 and 6.

Behind the prefix stand tokens 1 to 6, unit vectors of the plane at these angles, so that a similarity is the
cosine of a difference of angles; two merge in every case:

    token     1     2     3     4     5     6
    angle   170   140   160   130   175    50

    cos   0 1.000 |  5 .996 | 10 .985 | 15 .966 | 20 .940 | 25 .906 | 30 .866 | 35 .819 | 40 .766
         45 .707  | 80 .174 | 90 .000 | 110 -.342 | 120 -.500 | 125 -.574
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from pitome.merge import score_tokens
from pitome.methods import make_method
from pitome.methods.energy import EnergyMerger
from pitome.models.families import family_of_type
from pitome.settings import MergeSettings

ANGLES = (170, 140, 160, 130, 175, 50)


@dataclass(frozen=True)
class Case:
    """One layer of a method, and what it does."""

    method: str
    family: str
    layer: int
    num_layers: int
    energies: tuple[float, ...] | None
    """Of tokens 1 to 6; None where the order is by position."""
    merges: dict[int, int]
    """Source -> target."""
    settings: MergeSettings | None = None
    prefix: int = 1

    def merger(self) -> EnergyMerger:
        settings = self.settings or MergeSettings(self.method)
        method = make_method(settings, family_of_type(self.family), self.num_layers)
        merger = method.merger(self.layer, self.prefix + len(ANGLES), self.prefix, 2)
        assert isinstance(merger, EnergyMerger)
        return merger


CASES = {
    # Margin .9: f(s) = s from .9 up, exp(s - .9) - 1 below. Token 3 sees 1, 10, 20, 0, 15 ... degrees:
    # (.985 + .940 + 1 + .966 + (exp(.866 - .9) - 1) + (exp(-.342 - .9) - 1)) / 6 = .524.
    # Order 3 2 1 5 | 4 6 protected. A = 3 1, B = 2 5: 3 is nearer to 5 (15) than to 2 (20), 1 to 5 (5).
    "paper": Case("paper", "clip", 0, 4, (0.345, 0.370, 0.524, 0.189, 0.323, -0.391), {1: 5, 3: 5}),
    # The paper has one rule: texts merge as images do.
    "paper, texts": Case("paper", "bert", 0, 4, (0.345, 0.370, 0.524, 0.189, 0.323, -0.391), {1: 5, 3: 5}),
    # Margin .9 - .9 2/4 = .45: all but the pairs of token 6 are above it, so token 2 is
    # (.866 + 1 + .940 + .985 + .819 + (exp(0 - .45) - 1)) / 6 = .708.
    # Order 2 3 4 1 | 5 6. A = 2 4, B = 3 1: both are nearer to 3 (20, 30) than to 1 (30, 40).
    "paper, half-way": Case("paper", "clip", 2, 4, (0.667, 0.708, 0.702, 0.680, 0.641, -0.234), {2: 3, 4: 3}),
    # elu: f(s) = s - .9 from .9 up. Token 3: (.085 + .040 + .1 + .066 - .033 - .711) / 6 = -.076.
    # M = floor(.9 6 + .5) = 5. Order 3 2 1 4 5 | 6. A = 3 1 5, B = 2 4. Edges: 3 > 2 .940, 1 > 2 .866,
    # 5 > 2 .819; the two best are taken.
    "pitome": Case("pitome", "clip", 0, 4, (-0.105, -0.080, -0.076, -0.111, -0.127, -0.541), {3: 2, 1: 2}),
    # Margin .75, M = T = 6. Token 3: (.235 + .190 + .25 + .116 + .216 - .664) / 6 = .057.
    # Order 3 2 1 4 5 6. A = 3 1 5, B = 2 4 6, and the edges of the case above.
    "authors, ViT": Case("authors", "vit", 0, 4, (0.025, 0.055, 0.057, 0.023, 0.001, -0.471), {3: 2, 1: 2}),
    # Second half: margin .375, M = 2r = 4. Order 2 3 4 1 | 5 6. A = 2 4, B = 3 1.
    "authors, ViT, second half": Case(
        "authors", "vit", 2, 4, (0.359, 0.404, 0.395, 0.378, 0.333, -0.263), {2: 3, 4: 3}
    ),
    # Margin .95, M = 4. Order 3 2 1 4 | 5 6. A = 3 1, B = 2 4: 2 is nearer to both (20, 30).
    "authors, CLIP": Case(
        "authors", "clip", 0, 4, (-0.147, -0.124, -0.119, -0.153, -0.168, -0.563), {3: 2, 1: 2}
    ),
    # gaussian, margin .9: exp(-.5 ((1 - s) / .1)^2). Token 3: (.989 + .834 + .408 + 1 + .944 + 0) / 6 = .696.
    # Order 3 1 2 5 | 4 6, in halves: A = 3 1, B = 2 5. 3 > 5 (15, not 20), 1 > 5 (5).
    "authors, texts": Case("authors", "bert", 0, 4, (0.577, 0.571, 0.696, 0.412, 0.525, 0.167), {1: 5, 3: 5}),
    # Margin .9 - .25 2/6 = .817. Order 3 2 1 5 | 4 6: A = 3 2, B = 1 5. 3 > 1 (10), 2 > 1 (30, not 35).
    "authors, texts, third layer": Case(
        "authors", "bert", 2, 6, (0.701, 0.721, 0.782, 0.581, 0.646, 0.167), {2: 1, 3: 1}
    ),
    # Margin .75 >= .45: ToMe, whose class token is at place 0: even places 2 4 6 are A, 1 3 5 B.
    # Edges: 2 > 3 .940, 4 > 3 .866, 6 > 3 -.342.
    "authors-2024, ViT": Case("authors-2024", "vit", 0, 4, None, {2: 3, 4: 3}),
    # Margin .75 - .75 5/12 = .4375 < .45, first half: M = T = 6, f(s) = (s - .4375) / .01 from there up, -1
    # below. Token 3: (54.7 + 50.2 + 56.3 + 52.8 + 42.9 - 1) / 6 = 42.65.
    # Order 3 1 2 5 4 6. A = 3 2 4, B = 1 5 6. Edges: 3 > 1 .985, 2 > 1 .866, 4 > 1 .766.
    "authors-2024, ViT, sixth layer of twelve": Case(
        "authors-2024", "vit", 5, 12, (40.26, 40.20, 42.65, 35.44, 38.18, 8.54), {3: 1, 2: 1}
    ),
    # Margin .375, second half: M = 2r = 4. Order 3 1 2 5 | 4 6. A = 3 2, B = 1 5: 3 > 1 (10), 2 > 1 (30).
    "authors-2024, ViT, second half": Case(
        "authors-2024", "vit", 2, 4, (45.47, 45.41, 47.86, 40.65, 43.39, 9.58), {3: 1, 2: 1}
    ),
    # Margin .95 - .95 2/4 = .475 >= .45.
    "authors-2024, CLIP": Case("authors-2024", "clip", 2, 4, None, {2: 3, 4: 3}),
    # Margin .2375, M = 2r.
    "authors-2024, CLIP, last layer": Case(
        "authors-2024", "clip", 3, 4, (56.93, 56.87, 59.32, 52.11, 54.85, 11.88), {3: 1, 2: 1}
    ),
    # As the first layer of authors-2024 above.
    "tome": Case("tome", "vit", 0, 4, None, {2: 3, 4: 3}),
    # Two prefix tokens at places 0 and 1: even places are tokens 1 3 5. Edges: 3 > 2 .940, 1 > 2 .866,
    # 5 > 2 .819.
    "tome, distilled": Case("tome", "deit", 0, 4, None, {3: 2, 1: 2}, prefix=2),
    "authors-2024, distilled": Case("authors-2024", "deit", 0, 4, None, {3: 2, 1: 2}, prefix=2),
    # A split of the user's. A = 1 2 3, B = 4 5 6. Edges: 1 > 5 .996, 2 > 4 .985, 3 > 5 .966.
    "tome, half": Case("tome", "vit", 0, 4, None, {1: 5, 2: 4}, MergeSettings("tome", split="half")),
    # Of the order 3 2 1 5 | 4 6 the ranks 1 and 3: A = 2 5, B = 3 1. 2 > 3 (20), 5 > 1 (5).
    "paper, alternate_second": Case(
        "paper",
        "clip",
        0,
        4,
        (0.345, 0.370, 0.524, 0.189, 0.323, -0.391),
        {2: 3, 5: 1},
        MergeSettings("paper", split="alternate_second"),
    ),
    # ENERGY over the paper's rule, elu: order 3 2 1 4 | 5 6. A = 3 1, B = 2 4.
    "paper, elu": Case(
        "paper",
        "clip",
        0,
        4,
        (-0.105, -0.080, -0.076, -0.111, -0.127, -0.541),
        {3: 2, 1: 2},
        MergeSettings("paper", energy="elu"),
    ),
}


def tokens(prefix: int) -> torch.Tensor:
    """[1, N, 2]; the prefix points where none of the others does."""
    angles = torch.tensor([300.0 + 10 * place for place in range(prefix)] + [float(each) for each in ANGLES])
    radians = torch.deg2rad(angles)
    return torch.stack([radians.cos(), radians.sin()], dim=-1).unsqueeze(0)


def groups_of(assignment: torch.Tensor, prefix: int) -> set[frozenset[int]]:
    """Tokens that share a slot; prefix tokens are 0, -1, ..."""
    slots: dict[int, set[int]] = {}
    for place, slot in enumerate(assignment[0].tolist()):
        slots.setdefault(slot, set()).add(place - prefix + 1)
    return {frozenset(members) for members in slots.values() if len(members) > 1}


def expected_groups(merges: dict[int, int]) -> set[frozenset[int]]:
    targets = set(merges.values())
    return {frozenset({target, *(a for a, b in merges.items() if b == target)}) for target in targets}


@pytest.mark.parametrize("name", CASES)
def test_energies_and_merges(name: str) -> None:
    case = CASES[name]
    merger, metric = case.merger(), tokens(case.prefix)
    assert (merger.parameters.order == "position") == (case.energies is None)
    if case.energies is not None:
        sizes = torch.ones(1, len(ANGLES))
        _, energy = score_tokens(metric[:, case.prefix :], sizes, merger.parameters)
        assert energy[0].tolist() == pytest.approx(case.energies, rel=6e-4, abs=6e-4)
    decision = merger.decide(metric, torch.ones(1, metric.shape[1], 1))
    assert groups_of(decision.assignment, case.prefix) == expected_groups(case.merges)


@pytest.mark.parametrize("name", CASES)
def test_the_mean_is_weighted_by_size(name: str) -> None:
    """Each target's vector is its number; sizes are the tokens' numbers."""
    case = CASES[name]
    merger, metric = case.merger(), tokens(case.prefix)
    numbers = torch.arange(1.0 - case.prefix, 7).clamp(min=1).reshape(1, -1, 1)
    ones = torch.ones_like(numbers)
    decision = merger.decide(metric, ones)
    merged = merger.combine(numbers, numbers, decision)
    for group in expected_groups(case.merges):
        slot = int(decision.assignment[0, max(group) + case.prefix - 1])
        assert merged.size[0, slot].item() == sum(group)
        assert merged.x[0, slot].item() == pytest.approx(sum(each * each for each in group) / sum(group))


def test_a_large_token_resists_by_the_size_penalty() -> None:
    """pitome above: the edge of token 3 is .940 - .05 ln 16 = .801 then, below that of token 5, .819."""
    merger, metric = CASES["pitome"].merger(), tokens(1)
    size = torch.ones(1, 7, 1)
    size[0, 3] = 16
    assert 0.940 - 0.05 * math.log(16) == pytest.approx(0.801, abs=1e-3)
    assert groups_of(merger.decide(metric, size).assignment, 1) == {frozenset({1, 2, 5})}
    size[0, 3] = 8  # .940 - .05 ln 8 = .836
    assert groups_of(merger.decide(metric, size).assignment, 1) == {frozenset({1, 2, 3})}


def test_random_pairs_look_at_nothing() -> None:
    method: Any = make_method(MergeSettings("random"), family_of_type("clip"), 4)
    merger = method.merger(0, 7, 1, 2)
    one, other = (merger.decide(metric, torch.ones(1, 7, 1)) for metric in (tokens(1), -tokens(1).flip(1)))
    assert torch.equal(one.assignment, other.assignment)
    assert sorted(map(len, groups_of(one.assignment, 1))) == [2, 2]
