"""What each METHOD means, against the tables of METHOD.md sections 2, 6 and 7."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.errors import InputError
from pitome.methods import METHOD_NAMES, resolve_settings
from pitome.models.families import all_families, family_of_type

VIT, DEIT, CLIP, BERT = (family_of_type(name) for name in ("vit", "deit", "clip", "bert"))
FALLING = (0.9, 0.675, 0.45, 0.225)


def test_the_default_is_energy_order_with_a_tenth_protected() -> None:
    settings = resolve_settings("pitome", VIT, 4)
    assert settings.metric == "hidden"
    assert settings.candidates == (0.1,) * 4
    assert settings.size_penalty == 0.05
    assert (settings.order, settings.energy, settings.split) == ("energy", "elu", "alternate")
    assert settings.proportional_attention
    assert settings.alpha == 1
    assert settings.margins == pytest.approx(FALLING)


def test_the_paper_takes_twice_as_many_candidates_as_it_merges() -> None:
    settings = resolve_settings("paper", VIT, 4)
    assert (settings.metric, settings.candidates, settings.size_penalty) == ("keys", ("paper",) * 4, 0.0)
    assert (settings.order, settings.energy, settings.split) == ("energy", "elu", "alternate")
    assert settings.proportional_attention
    assert settings.margins == pytest.approx(FALLING)


def test_tome_keeps_the_order_of_positions() -> None:
    settings = resolve_settings("tome", VIT, 4)
    assert (settings.metric, settings.candidates, settings.size_penalty) == ("keys", ("all",) * 4, 0.0)
    assert (settings.order, settings.split) == ("position", "alternate")
    assert settings.proportional_attention


@pytest.mark.parametrize("family", [VIT, DEIT], ids=lambda family: family.name)
def test_authors_of_vit_and_deit(family: Any) -> None:
    settings = resolve_settings("authors", family, 4)
    assert settings.metric == "keys"
    assert settings.margins == pytest.approx((0.75, 0.5625, 0.375, 0.1875))
    assert settings.candidates == ("all", "all", "paper", "paper")
    assert not settings.proportional_attention
    assert settings.size_penalty == 0


def test_authors_of_clip() -> None:
    settings = resolve_settings("authors", CLIP, 4)
    assert settings.metric == "hidden"
    assert settings.margins == pytest.approx((0.95, 0.7125, 0.475, 0.2375))
    assert settings.candidates == ("paper",) * 4
    assert not settings.proportional_attention


def test_no_family_but_dinov2_lacks_author_settings() -> None:
    assert [family.name for family in all_families() if family.author_settings is None] == ["dinov2"]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_users_choices_replace_those_of_the_method(method: str) -> None:
    settings = resolve_settings(
        method, CLIP, 3, metric="keys", candidates=0.25, size_penalty=0.2, proportional_attention=False
    )
    assert (settings.metric, settings.candidates, settings.size_penalty) == ("keys", (0.25,) * 3, 0.2)
    assert not settings.proportional_attention
    assert settings.name == method
    assert len(settings.margins) == 3


def test_only_random_has_a_seed() -> None:
    seeds = {method: resolve_settings(method, CLIP, 2, seed=7).seed for method in METHOD_NAMES}
    assert seeds == {**dict.fromkeys(METHOD_NAMES), "random": 7}


@pytest.mark.parametrize(
    ("method", "metric", "width"),
    [("pitome", "hidden", 64), ("pitome", "keys", 16), ("random", "hidden", 0), ("none", "hidden", 0)],
)
def test_width_of_the_metric(method: str, metric: Any, width: int) -> None:
    assert resolve_settings(method, CLIP, 2, metric=metric).metric_width(64, 16) == width


def test_the_default_is_what_was_measured_for_each_modality() -> None:
    image = resolve_settings("pitome", CLIP, 4)
    text = resolve_settings("pitome", BERT, 4)
    assert (image.metric, image.candidates, image.size_penalty) == ("hidden", (0.1,) * 4, 0.05)
    assert (text.metric, text.candidates, text.size_penalty) == ("hidden", (0.2,) * 4, 0.1)


def test_the_paper_has_a_variant_for_texts() -> None:
    text = resolve_settings("paper", BERT, 4)
    assert (text.metric, text.energy, text.split, text.candidates[0]) == ("keys", "gaussian", "half", "paper")


def test_margin_energy_and_split_replace_the_methods_own() -> None:
    found = resolve_settings("pitome", CLIP, 4, margin=(0.8, 0.4), energy="gaussian", split="half")
    assert found.margins == pytest.approx((0.8, 0.7, 0.6, 0.5))
    assert (found.energy, found.split) == ("gaussian", "half")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"margin": (float("nan"), 0.0)}, "MARGIN=nan,0.0: a margin is a start and a slope, both finite. "),
        ({"energy": "steep"}, "ENERGY=steep: the operator knows elu, gaussian. Choose one of these"),
        ({"split": "thirds"}, "SPLIT=thirds: the operator knows alternate, half. Choose one of these"),
    ],
)
def test_refused_margin_energy_and_split(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_settings("pitome", CLIP, 4, **options)
    assert str(error.value).startswith(text)
