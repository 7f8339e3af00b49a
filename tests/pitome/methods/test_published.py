"""What each METHOD means, against the tables of METHOD.md sections 2, 6 and 7."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.errors import InputError
from pitome.methods import Method, make_method
from pitome.models.families import all_families, family_of_type
from pitome.settings import USUAL_MARGIN, MergeSettings

VIT, DEIT, CLIP, BERT = (family_of_type(name) for name in ("vit", "deit", "clip", "bert"))
FALLING = (0.9, 0.675, 0.45, 0.225)
COMMON: dict[str, Any] = {
    "margin": USUAL_MARGIN,
    "energy": "elu",
    "split": "alternate",
    "proportional_attention": True,
}


def made(method: str, family: Any = VIT, **settings: Any) -> Method:
    return make_method(MergeSettings(method, **settings), family, 4)


def orders(method: Method) -> set[str]:
    mergers = (method.merger(layer, 37, 1, 3) for layer in range(4))
    return {merger.parameters.order for merger in mergers if merger and merger.parameters}


@pytest.mark.parametrize(
    ("family", "candidates", "size_penalty"), [(VIT, 0.1, 0.05), (CLIP, 0.1, 0.05), (BERT, 0.2, 0.1)]
)
def test_the_default_is_what_was_measured_for_each_modality(
    family: Any, candidates: float, size_penalty: float
) -> None:
    method = made("pitome", family)
    assert method.settings == MergeSettings(
        "pitome", metric="hidden", candidates=candidates, size_penalty=size_penalty, **COMMON
    )
    assert method.margins == pytest.approx(FALLING)
    assert orders(method) == {"energy"}
    assert method.metric_width(64, 16) == 64


def test_the_paper_takes_twice_as_many_candidates_as_it_merges() -> None:
    method = made("paper")
    assert method.settings == MergeSettings(
        "paper", metric="keys", candidates="paper", size_penalty=0.0, **COMMON
    )
    assert method.margins == pytest.approx(FALLING)
    assert method.metric_width(64, 16) == 16


def test_the_paper_has_a_variant_for_texts() -> None:
    text = made("paper", BERT).settings
    assert (text.metric, text.energy, text.split, text.candidates) == ("keys", "gaussian", "half", "paper")


def test_tome_keeps_the_order_of_positions() -> None:
    method = made("tome")
    assert method.settings == MergeSettings(
        "tome", metric="keys", candidates="all", size_penalty=0.0, **COMMON
    )
    assert orders(method) == {"position"}


def candidates_of(method: Method) -> tuple[int, ...]:
    """M of each layer of 36 unprotected tokens that merges 3."""
    mergers = (method.merger(layer, 37, 1, 3) for layer in range(4))
    return tuple(merger.num_candidates for merger in mergers if merger)


@pytest.mark.parametrize("family", [VIT, DEIT], ids=lambda family: family.name)
def test_authors_of_vit_and_deit(family: Any) -> None:
    method = made("authors", family)
    assert method.settings.metric == "keys"
    assert method.margins == pytest.approx((0.75, 0.5625, 0.375, 0.1875))
    assert candidates_of(method) == (36, 36, 6, 6)
    assert method.settings.candidates is None
    assert (method.settings.proportional_attention, method.settings.size_penalty) == (False, 0.0)
    assert method.default_layers is None


def test_authors_of_clip() -> None:
    method = made("authors", CLIP)
    assert method.settings.metric == "hidden"
    assert method.margins == pytest.approx((0.95, 0.7125, 0.475, 0.2375))
    assert (method.settings.candidates, candidates_of(method)) == ("paper", (6,) * 4)
    assert not method.settings.proportional_attention


def test_authors_of_bert_merge_in_the_first_three_layers() -> None:
    assert made("authors", BERT).default_layers == (0, 1, 2)


def test_only_dinov2_lacks_author_settings() -> None:
    (family,) = (family for family in all_families() if family.author_settings is None)
    assert family.name == "dinov2"
    with pytest.raises(InputError, match="METHOD=authors: the PiToMe authors published no settings for the"):
        made("authors", family)


def test_random_and_none_measure_no_similarity() -> None:
    for name in ("random", "none"):
        method = made(name)
        assert method.metric_width(64, 16) == 0
        assert method.settings == MergeSettings(name, proportional_attention=True)


def test_margin_energy_and_split_replace_the_methods_own() -> None:
    found = made("pitome", margin=(0.8, 0.4), energy="gaussian", split="half")
    assert found.margins == pytest.approx((0.8, 0.7, 0.6, 0.5))
    assert (found.settings.energy, found.settings.split) == ("gaussian", "half")
