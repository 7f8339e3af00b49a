"""Neighbours found before and after merging, counted by hand, and what follows for an index."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pitome.validate.evaluate.tasks import neighbours
from pitome.validate.evaluate.tasks.neighbours import judge_index, neighbour_recall, recall_name

KEPT, RENEWED = recall_name(10, "unmerged index"), recall_name(10, "merged index")


def on_a_circle(degrees):
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def slow_recall(unmerged, merged, index, rank):
    """As the definition says it, one query at a time, without ties."""
    values = []
    for query in range(len(unmerged)):
        others = [row for row in range(len(unmerged)) if row != query]

        def nearest(vector, vectors, others=others):
            cosine = {row: float(torch.cosine_similarity(vector, vectors[row], dim=0)) for row in others}
            return set(sorted(others, key=cosine.get, reverse=True)[:rank])

        true = nearest(unmerged[query], unmerged)
        values.append(len(true & nearest(merged[query], index)) / rank)
    return values


def test_by_hand():
    # The nearest of 0, 10, 30, 60, 100 degrees are 10, 0, 10, 30, 60.
    unmerged = on_a_circle([0, 10, 30, 60, 100])
    # Merging turns the second to 40: its own nearest is then 30 in both indexes; 30's is 40 among merged
    # ones, which is the second, and 10 among unmerged ones, the second too; 60's nearest is 40 among merged.
    merged = on_a_circle([0, 40, 30, 60, 100])
    found = neighbour_recall(unmerged, merged)
    assert set(found) == {"recall@1, unmerged index", "recall@1, merged index"}
    assert found["recall@1, unmerged index"].tolist() == [1, 0, 1, 1, 1]
    assert found["recall@1, merged index"].tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("count", [21, 60])
def test_as_the_definition_says(count):
    generator = torch.Generator().manual_seed(count)
    unmerged = torch.randn(count, 6, generator=generator)
    merged = unmerged + 0.3 * torch.randn(count, 6, generator=generator)
    found = neighbour_recall(unmerged, merged)
    assert len(found) == 4
    for rank in (1, 10):
        for name, index in (("unmerged index", unmerged), ("merged index", merged)):
            expected = slow_recall(unmerged, merged, index, rank)
            assert found[recall_name(rank, name)].tolist() == pytest.approx(expected)


def test_equal_samples_stand_for_each_other():
    unmerged = on_a_circle([0, 0, 0, 90, 90, 90, 90])
    found = neighbour_recall(unmerged, unmerged + 1e-9 * torch.randn(7, 2, dtype=torch.float64))
    assert all((values == 1).all() for values in found.values())


def test_a_rank_needs_twice_as_many_others():
    vectors = torch.randn(20, 4)
    assert set(neighbour_recall(vectors, vectors)) == {"recall@1, unmerged index", "recall@1, merged index"}
    assert len(neighbour_recall(torch.randn(21, 4), torch.randn(21, 4))) == 4
    assert neighbour_recall(vectors[:2], vectors[:2]) == {}


def test_what_is_not_finite_finds_nothing():
    vectors = torch.randn(30, 4)
    merged = vectors.clone()
    merged[3], merged[7, 1] = torch.nan, torch.inf
    found = neighbour_recall(vectors, merged)
    for values in found.values():
        assert values[[3, 7]].tolist() == [0, 0]
        assert values.mean() > 0.8


def test_of_many_samples_some_search(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_QUERIES", 50)
    vectors = torch.randn(200, 4)
    first, again, other = (neighbour_recall(vectors, vectors + 1, seed) for seed in (0, 0, 1))
    assert all(len(values) == 50 for values in first.values())
    assert np.array_equal(first[KEPT], again[KEPT])
    assert not np.array_equal(first[KEPT], other[KEPT])


def spread(mean, count=400):
    """Values of this very mean."""
    return np.tile([mean - 0.03, mean + 0.03], count // 2)


@pytest.mark.parametrize(
    ("kept", "renewed", "answer", "told"),
    [
        (0.97, 0.97, "keep the index", "of the 10 nearest neighbours in an index of unmerged embeddings"),
        (0.97, 0.60, "keep the index", "90 % are wanted"),
        (0.60, 0.97, "re-index", "in one of merged ones; 90 % are wanted"),
        (0.60, 0.75, "re-index", "and merging less would find more"),
        (0.60, 0.60, "merge less", "and a new index would not find more"),
        (0.75, 0.60, "merge less", "and a new index would not find more"),
        (0.90, 0.97, "not judged", "which the interval does not decide"),
    ],
)
def test_what_follows_for_an_index(kept, renewed, answer, told):
    found = judge_index({KEPT: spread(kept), RENEWED: spread(renewed)}, 400)
    assert found.answer == answer
    assert told in found.reason


def test_what_is_wanted_decides():
    recall = {KEPT: spread(0.8), RENEWED: spread(0.95)}
    assert [judge_index(recall, 400, wanted).answer for wanted in (0.7, 0.9)] == [
        "keep the index",
        "re-index",
    ]


@pytest.mark.parametrize("count", [2, 20, 99])
def test_few_samples_are_not_judged(count):
    vectors = torch.randn(count, 4)
    found = judge_index(neighbour_recall(vectors, vectors), count)
    assert found.answer == "not judged"
    assert found.reason == f"{count} samples are too few to tell neighbours from chance, 100 are needed"
