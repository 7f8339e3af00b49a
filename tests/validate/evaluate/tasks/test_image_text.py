"""Zero-shot classification and retrieval: recall by hand, and against a slow reference."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from pitome.validate.evaluate.tasks.image_text import (
    Captions,
    Retrieval,
    ZeroShotClassification,
    recall_ranks,
)
from tests.validate.evaluate.tasks.small_images import image_set, looks_up

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def slow_rank(similarity, right):
    """Sort everything with right items last among equals, and look for the first right one."""
    order = sorted(range(len(similarity)), key=lambda item: (-similarity[item], right[item]))
    hits = [place for place, item in enumerate(order) if right[item]]
    return hits[0] if hits else len(similarity)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_ranks_match_sorting_with_ties_counted_against_the_model(seed):
    generator = np.random.default_rng(seed)
    queries, items = (generator.integers(-1, 2, (count, 3)).astype(np.float32) for count in (5, 9))
    query_groups, item_groups = generator.integers(0, 4, 5), generator.integers(0, 4, 9)
    ranks = recall_ranks(torch.from_numpy(queries), torch.from_numpy(items), query_groups, item_groups)
    expected = [
        slow_rank(queries[row] @ items.T, item_groups == query_groups[row]) for row in range(len(queries))
    ]
    assert ranks.tolist() == expected


def test_vectors_that_are_all_equal_or_nan_find_nothing():
    groups = np.array([0, 1, 2])
    for vectors in (torch.ones(3, 2), torch.full((3, 2), torch.nan)):
        assert recall_ranks(vectors, torch.ones(3, 2), groups, groups).min() >= 2


def test_zero_shot_by_the_most_similar_class():
    task = ZeroShotClassification(
        "made up", {"test": image_set([0, 1, 2])}, torch.tensor([EAST, NORTH, WEST])
    )
    score = task.score(looks_up("image_embeds", [[5.0, 1.0], [2.0, 1.0], [-3.0, 0.1]]), "test")
    assert score.metrics["accuracy"].tolist() == [1, 0, 1]
    assert score.details["per_class"]["b"] == {"count": 1, "accuracy": 0.0}


def test_recall_by_hand():
    """Two classes with two captions each; images at 10, 80 and 100 degrees of classes 0, 0 and 1."""
    angles = torch.deg2rad(torch.tensor([10.0, 80.0, 100.0]))
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    captions = Captions(torch.tensor([EAST, [0.8, 0.6], NORTH, WEST]), np.array([0, 0, 1, 1]))
    task = Retrieval("made up", {"test": image_set([0, 0, 1])}, {"test": captions}, first=(1, 2))
    score = task.score(looks_up("image_embeds", (3 * vectors).tolist()), "test")
    # Image 1 (80 degrees) is nearest to the caption at 90, of the other class, then to the one at 37.
    assert score.metrics["image to caption recall@1"].tolist() == [1, 0, 1]
    assert score.metrics["image to caption recall@2"].tolist() == [1, 1, 1]
    # Captions at 0 and 37 degrees find image 0; those at 90 (a tie of 80 and 100) and 180 want image 2.
    assert score.metrics["caption to image recall@2"].tolist() == [1, 1, 1, 1]
    assert score.metrics["caption to image recall@1"].tolist()[:2] == [1, 1]
    assert score.metrics["caption to image recall@1"].tolist()[3] == 1
    assert score.main == "image to caption recall@1"
    assert score.groups["caption to image recall@1"].tolist() == [0, 0, 1, 1]
    assert score.details["rsum"] == pytest.approx(100 * sum(score.mean(name) for name in score.metrics))
    assert (score.details["images"], score.details["captions"]) == (3, 4)


def test_recall_grows_with_k():
    generator = torch.Generator().manual_seed(0)
    vectors, texts = torch.randn(30, 6, generator=generator), torch.randn(12, 6, generator=generator)
    captions = Captions(normalize(texts, dim=-1), np.arange(12) % 3)
    task = Retrieval("made up", {"test": image_set(np.arange(30) % 3)}, {"test": captions}, first=(1, 5, 10))
    score = task.score(looks_up("image_embeds", vectors.tolist()), "test")
    for way in ("image to caption", "caption to image"):
        means = [score.mean(f"{way} recall@{k}") for k in (1, 5, 10)]
        assert means == sorted(means)
