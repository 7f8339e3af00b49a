"""Every registered method: found in its folder, made for a family, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import pytest
import torch

from pitome.errors import InputError
from pitome.methods import (
    all_methods,
    baseline_method,
    make_method,
    method_class,
    method_names,
    register,
)
from pitome.methods.none import Unmerged
from pitome.models.families import family_of_type
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings
from tests.checkout import ROOT
from tests.compressed import compress_with
from tests.tiny_models import tiny_images, tiny_model

CLIP = family_of_type("clip")
SCHEDULE = TokenSchedule(37, 1, (4, 0, 3))


def test_the_methods_are_the_files_of_the_folder() -> None:
    shared = {"__init__", "base", "energy"}
    files = {path.stem for path in (ROOT / "pitome" / "methods").glob("*.py")} - shared
    files = {name.replace("_", "-") for name in files}
    assert set(method_names()) == files
    assert method_names() == tuple(sorted(method_names()))


def test_naming_the_methods_imports_no_torch() -> None:
    code = "import sys, pitome.methods as m; m.method_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", method_names())
def test_what_a_method_says_of_its_graph_is_so(name: str) -> None:
    method = make_method(MergeSettings(name), CLIP, 3)
    mergers = method.mergers(SCHEDULE)
    merging = SCHEDULE.num_merged if method.merges else (0, 0, 0)
    assert [merger.num_merged if merger else 0 for merger in mergers] == list(merging)
    nodes = [each for each in method.parameters(SCHEDULE) if each is not None]
    assert method.operator_nodes(SCHEDULE.num_merged) == len(nodes)
    assert all(each.num_protected == 1 for each in nodes)
    assert method.metric_width(64, 16) > 0 or not nodes
    assert len(method.margins) in (0, 3)


@pytest.mark.parametrize("name", [each.name for each in all_methods() if each.merges])
def test_the_decision_is_what_the_merge_assigns(name: str) -> None:
    method = make_method(MergeSettings(name), CLIP, 3)
    merger = method.mergers(SCHEDULE)[0]
    assert merger is not None
    generator = torch.Generator().manual_seed(0)
    x, metric = (torch.randn(2, 37, width, generator=generator) for width in (8, 6))
    size = torch.randint(1, 4, (2, 37, 1), generator=generator).float()
    decision, result = merger.decide(metric, size), merger(x, metric, size)
    assert torch.equal(decision.assignment, result.assignment)
    assert decision.assignment.dtype == torch.int32
    assert result.x.shape[1] == decision.num_kept == 33
    if method.restore != "groups":
        return
    # A decision of another runtime has no order of its sums.
    forced = merger.combine(x, size, decision._replace(matching=None))
    torch.testing.assert_close(forced.x, result.x)
    assert torch.equal(forced.size, result.size)


@pytest.mark.parametrize("name", [each.name for each in all_methods() if each.restore == "groups"])
def test_groups_are_restored_to_their_vector(name: str) -> None:
    model, images = tiny_model("ViTModel"), tiny_images(2)
    long, short = (
        compress_with(model, ratio=0.8, method=name, tokens=kind) for kind in ("unmerged", "merged")
    )
    with torch.no_grad():
        whole, merged = long(images).last_hidden_state, short(images)
    index = merged.assignment.long().unsqueeze(-1).expand(-1, -1, whole.shape[-1])
    assert torch.equal(whole, merged.last_hidden_state.gather(1, index))


def test_one_baseline() -> None:
    assert baseline_method().name == "tome"


def test_two_methods_of_one_name() -> None:
    class Impostor(Unmerged):
        name = "none"

    with pytest.raises(TypeError, match="Impostor and Unmerged both claim the name 'none'"):
        register(Impostor)


def test_a_method_takes_settings_that_exist() -> None:
    class Hot(Unmerged):
        name = "hot"
        takes: ClassVar[tuple[str, ...]] = ("temperature",)

    with pytest.raises(TypeError, match="Hot takes settings that do not exist: temperature"):
        register(Hot)
    assert "hot" not in method_names()


REFUSED = {
    "not taken": (
        MergeSettings("tome", energy="gaussian"),
        "ENERGY=gaussian with METHOD=tome: tome takes METRIC, CANDIDATES, SPLIT, SIZE_PENALTY and PROP_ATTN. "
        "Leave ENERGY out, or choose another method",
    ),
    "no settings": (
        MergeSettings("none", metric="keys"),
        "METRIC=keys with METHOD=none: none takes no settings. ",
    ),
    "random pairs": (
        MergeSettings("random", metric="keys"),
        "METRIC=keys with METHOD=random: random takes PROP_ATTN and SEED. ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_that_does_nothing_is_refused(case: str) -> None:
    settings, text = REFUSED[case]
    with pytest.raises(InputError) as error:
        make_method(settings, CLIP, 3)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("name", method_names())
def test_a_methods_own_values_are_taken(name: str) -> None:
    """A preset file that `pitome tune` wrote holds all of them."""
    own = make_method(MergeSettings(name, seed=3), CLIP, 3).settings
    assert make_method(own, CLIP, 3).settings == own


@pytest.mark.parametrize("name", method_names())
def test_what_a_method_takes_replaces_its_own(name: str) -> None:
    choices: dict[str, Any] = {
        "metric": "keys",
        "candidates": 0.25,
        "margin": (0.8, 0.4),
        "energy": "gaussian",
        "split": "half",
        "size_penalty": 0.2,
        "proportional_attention": False,
        "seed": 7,
    }
    method = method_class(name)
    accepted = {*method.takes, *method.also_takes}
    taken = {field: value for field, value in choices.items() if field in accepted}
    settings = make_method(MergeSettings(name, **taken), CLIP, 3).settings
    assert {field: getattr(settings, field) for field in taken} == taken


@pytest.mark.parametrize("name", ["authors", "authors-2024", "paper", "tome"])
def test_chosen_candidates_hold_in_every_layer(name: str) -> None:
    schedule = TokenSchedule.from_ratio(0.9, 3, 50)
    parameters = make_method(MergeSettings(name, candidates="all"), CLIP, 3).parameters(schedule)
    assert [each and each.num_candidates for each in parameters] == [49, 45, 41]


def test_a_method_that_needs_what_blocks_do_not_hand_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_class("tome"), "needs_class_attention", True)
    with pytest.raises(InputError, match="METHOD=tome: it decides by the class token's attention"):
        compress_with(tiny_model("ViTModel"), method="tome")
