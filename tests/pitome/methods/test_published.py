"""What each METHOD means, against the tables of METHOD.md sections 2, 6 and 7."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from pitome.errors import InputError
from pitome.methods import Method, make_method
from pitome.models.families import all_families, family_of_type
from pitome.parameters import MergeParameters
from pitome.settings import USUAL_MARGIN, MergeSettings
from tests.compressed import compress_with
from tests.merge_parameters import merge_parameters
from tests.tiny_models import tiny_images, tiny_model

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


def nodes(method: Method, prefix: int = 1) -> list[MergeParameters]:
    """Of each layer of 36 unprotected tokens that merges 3."""
    mergers = (method.merger(layer, 36 + prefix, prefix, 3) for layer in range(method.num_layers))
    return [merger.parameters for merger in mergers if merger and merger.parameters]


def orders(method: Method) -> set[str]:
    return {each.order for each in nodes(method)}


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


def test_the_paper_takes_twice_as_many_candidates_as_it_merges_by_equation_4() -> None:
    method = made("paper")
    settings = COMMON | {"energy": "eq4"}
    assert method.settings == MergeSettings(
        "paper", metric="keys", candidates="paper", size_penalty=0.0, **settings
    )
    assert method.margins == pytest.approx(FALLING)
    assert method.metric_width(64, 16) == 16
    assert (method.default_layers, method.default_ratio) == (None, 0.9)
    for node, margin in zip(nodes(method), FALLING, strict=True):
        assert node == merge_parameters(3, 6, 1, energy="eq4", margin=margin)
        assert (node.function, node.offset, node.width, node.alpha) == ("piecewise", 0.0, 1.0, 1.0)
        assert (node.order, node.split) == ("energy", "alternate")


def test_the_paper_merges_texts_alike_but_in_the_first_three_layers() -> None:
    method = made("paper", BERT)
    assert method.settings == made("paper").settings
    assert (method.default_layers, method.default_ratio) == ((0, 1, 2), 0.8)
    assert make_method(MergeSettings("paper"), BERT, 2).default_layers == (0, 1)


def test_how_much_the_paper_merges_of_texts_is_the_users_choice_too() -> None:
    model = tiny_model("BertModel", num_hidden_layers=4)
    own = compress_with(model, method="paper").compression.schedule
    left = own.num_tokens - own.num_protected
    assert own.merging_layers == (0, 1, 2)
    assert own.num_merged[0] == math.floor(left - left * 0.8)
    asked = compress_with(model, ratio=0.9, layers=(1, 3), method="paper").compression.schedule
    assert asked.merging_layers == (1, 3)
    assert asked.num_merged[1] == math.floor(left - left * 0.9)


def test_tome_keeps_the_order_of_positions() -> None:
    method = made("tome")
    settings = COMMON | {"split": None}  # that of the prefix
    assert method.settings == MergeSettings(
        "tome", metric="keys", candidates="all", size_penalty=0.0, **settings
    )
    assert orders(method) == {"position"}


@pytest.mark.parametrize(
    ("prefix", "split"),
    [(0, "alternate"), (1, "alternate_second"), (2, "alternate"), (5, "alternate_second")],
)
def test_tome_splits_as_the_original_does_for_the_prefix(prefix: int, split: str) -> None:
    """The original counts the prefix, and its sources stand at even places."""
    (node, *_) = nodes(made("tome"), prefix)
    assert node.split == split
    slices = node.rank_slices
    sources = range(slices.source_start, slices.source_stop, slices.split_step)
    assert all((prefix + rank) % 2 == 0 for rank in sources)
    assert {each.split for each in nodes(made("tome", split="half"), prefix)} == {"half"}


def candidates_of(method: Method) -> tuple[int, ...]:
    """M of each layer of 36 unprotected tokens that merges 3."""
    return tuple(each.num_candidates for each in nodes(method))


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
    method = made("authors", BERT)
    assert (method.default_layers, method.default_ratio) == ((0, 1, 2), 0.9)
    assert make_method(MergeSettings("authors"), BERT, 2).default_layers == (0, 1)
    assert method.margins == pytest.approx((0.9, 0.8375, 0.775, 0.7125))
    kinds = {(each.function, each.split, each.num_candidates) for each in nodes(method)}
    assert kinds == {("gaussian", "half", 6)}


@pytest.mark.parametrize(
    ("name", "num_layers", "tome"),
    [
        ("vit", 12, 5),  # .75 - .75 i/12 >= .45 up to i = 4.8
        ("deit", 12, 5),
        ("vit", 10, 5),  # .75 - .75 4/10 is .45
        ("clip", 12, 7),  # .95 - .95 i/12 >= .45 up to i = 6.3
        ("clip", 24, 13),
    ],
)
def test_authors_of_2024(name: str, num_layers: int, tome: int) -> None:
    family, prefix = family_of_type(name), 2 if name == "deit" else 1
    method = make_method(MergeSettings("authors-2024"), family, num_layers)
    rows = nodes(make_method(MergeSettings("authors"), family, num_layers), prefix)
    as_tome = nodes(make_method(MergeSettings("tome"), family, num_layers), prefix)
    for layer, (node, row) in enumerate(zip(nodes(method, prefix), rows, strict=True)):
        if layer < tome:
            assert replace(node, margin=0.9) == replace(as_tome[layer], margin=0.9)
        else:
            assert node == merge_parameters(
                3, row.num_candidates, prefix, energy="sharp", margin=method.margins[layer]
            )
            assert node.width == pytest.approx(0.01)
    assert method.metric_width(64, 16) == (64 if name == "clip" else 16)
    assert not method.settings.proportional_attention


def test_what_a_user_chooses_replaces_what_the_authors_of_2024_had() -> None:
    chosen = made("authors-2024", margin=(0.5, 0.4), energy="eq4", split="half", candidates=10)
    found = nodes(chosen)
    assert [each.order for each in found] == ["position", "energy", "energy", "energy"]  # .5, .4, .3, .2
    assert {(each.split, each.num_candidates) for each in found} == {("half", 10)}
    assert (found[1].offset, found[1].width) == (0.0, 1.0)


def test_the_authors_of_2024_are_refused_where_no_table_says_what_they_did() -> None:
    with pytest.raises(InputError) as error:
        made("authors-2024", BERT)
    assert str(error.value) == (
        "METHOD=authors-2024: it stands for the tables of images, and the bert family takes texts. "
        "Choose METHOD=authors or METHOD=paper"
    )
    with pytest.raises(InputError) as error:
        made("authors-2024", family_of_type("dinov2"))
    assert str(error.value) == (
        "METHOD=authors-2024: the PiToMe authors published no settings for the dinov2 family. "
        "Choose METHOD=pitome or METHOD=paper"
    )


def test_one_model_merges_by_position_and_by_energy() -> None:
    model, images = tiny_model("ViTModel", num_hidden_layers=4), tiny_images(2)
    merged = compress_with(model, ratio=0.8, method="authors-2024")
    found = merged.compression.method.parameters(merged.compression.schedule)
    assert [each and (each.order, each.split) for each in found] == [
        ("position", "alternate_second"),
        ("position", "alternate_second"),
        ("energy", "alternate"),
        ("energy", "alternate"),
    ]
    with torch.no_grad():
        assert torch.isfinite(merged(images).last_hidden_state).all()


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


@pytest.mark.parametrize(
    ("energy", "numbers"),
    [
        ("elu", ("piecewise", 0.675, 0.675, 1.0)),
        ("eq4", ("piecewise", 0.675, 0.0, 1.0)),
        ("sharp", ("piecewise", 0.675, 0.675, 0.01)),
        ("gaussian", ("gaussian", 0.675, 0.0, 1.0)),
    ],
)
def test_an_energy_is_numbers_in_the_node(energy: str, numbers: tuple[str, float, float, float]) -> None:
    node = nodes(made("pitome", energy=energy))[1]
    assert node.function == numbers[0]
    assert (node.margin, node.offset, node.width) == pytest.approx(numbers[1:])
    assert node.alpha == 1.0


def test_where_the_order_is_by_position_no_energy_is_in_the_node() -> None:
    node = nodes(made("tome"))[1]
    assert (node.function, node.offset, node.width, node.alpha) == ("piecewise", 0.0, 1.0, 1.0)
