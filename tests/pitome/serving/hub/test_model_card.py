"""The card says what was measured and nothing else, and what others wrote stays text in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from pitome.bundle import Manifest
from pitome.serving.hub.model_card import model_card
from tests.pitome.bundle.bundle_cases import CONTENTS, KEY, document, dual_document, sha256

NAME = "org/clip-b16"
NOTHING = {
    "license": None,
    "license_name": None,
    "license_link": None,
    "library_name": None,
    "pipeline_tag": None,
    "languages": [],
    "base_models": [],
    "datasets": [],
}
LATENCY: dict[str, Any] = {
    "graph": None,
    "results": [
        {
            "batch": 8,
            "speedup": 1.25,
            "speedup_interval": [1.2, 1.3],
            "bound": 200 / 150,
            "share_of_bound": 1.25 / (200 / 150),
            "merged": {"median_milliseconds": 40.0, "p95_milliseconds": 41.0, "per_second": 200.0},
            "unmerged": {"median_milliseconds": 50.0, "p95_milliseconds": 51.0, "per_second": 160.0},
            "steady": False,
            "steady_reason": "it drifted",
            "rounds": 20,
            "warmup_rounds": 2,
            "threads": 2,
            "seed": 0,
            "onnxruntime": "1.32.0",
            "provider": "CPUExecutionProvider",
            "cpu": "a processor",
        }
    ],
    "threads": 2,
    "onnxruntime": "1.32.0",
    "provider": "CPUExecutionProvider",
    "cpu": "a processor",
}


def card(change: Callable[[dict[str, Any]], Any] = lambda found: None, signed: bool = False) -> str:
    found = document()
    change(found)
    return model_card(Manifest.model_validate(found), NAME, signed)


def facts(text: str) -> dict[str, Any]:
    _, front, _ = text.split("---\n", 2)
    read: dict[str, Any] = yaml.safe_load(front)
    return read


def with_card(**given: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["model"].update(card=NOTHING | given)


def make_random(found: dict[str, Any]) -> None:
    found["model"]["weights"] |= {"source": "random", "random": True, "seed": 0, "revision": None}
    found["accuracy"] = []


def test_facts_that_the_hub_sorts_by() -> None:
    assert facts(card()) == {
        "library_name": "pitome",
        "pipeline_tag": "image-feature-extraction",
        "base_model": ["org/clip"],
        "tags": ["pitome", "token-merging", "onnx", "clip", "tensorrt"],
    }


def test_licence_and_base_model_of_the_checkpoints_card() -> None:
    given = with_card(
        license="apache-2.0",
        base_models=["org/base", "no id of the hub", "org/clip"],
        languages=["en", "no", "Klingon speech"],
        datasets=["org/data", "my own"],
    )
    found = facts(card(given))
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == ["org/clip", "org/base"]
    assert found["language"] == ["en", "no"]
    assert found["datasets"] == ["org/data"]
    assert "Its card names org/base as base model." in card(given)
    assert "Licence of the weights: apache-2.0." in card(given)


def test_a_licence_of_its_own() -> None:
    text = card(with_card(license="other", license_name="Mine: no", license_link="LICENSE"))
    assert facts(text)["license_name"] == "Mine: no"
    assert facts(text)["license_link"] == "LICENSE"
    assert "Licence of the weights: Mine: no." in text
    assert facts(card(with_card(license="other")))["license_name"] == "other"
    assert "Licence: not stated by the checkpoint" in card()


def test_a_licence_that_is_none_of_the_hubs_names() -> None:
    text = card(with_card(license="see the page"))
    assert "license" not in facts(text)
    assert "Licence of the weights: see the page." in text


@pytest.mark.parametrize(
    ("task", "pipeline"),
    [("image-classification", "image-classification"), ("image-features", "image-feature-extraction")],
)
def test_pipelines(task: str, pipeline: str) -> None:
    text = card(lambda found: found["model"].update(task=task))
    assert facts(text)["pipeline_tag"] == pipeline
    if "classification" in task:
        assert 'bundle.classify(["photo.jpg"])' in text


def test_a_model_of_two_graphs() -> None:
    text = model_card(Manifest.model_validate(dual_document()), NAME)
    assert facts(text)["pipeline_tag"] == "zero-shot-image-classification"
    assert "It has 2 graphs: `image` (merged), `text` (not merged)." in text
    assert 'bundle.classify(["photo.jpg"], labels=["a cat", "a dog"])' in text
    assert "Texts have " in text


def test_numbers_that_were_measured() -> None:
    text = card(lambda found: found.update(latency=LATENCY))
    assert "| multiply-adds per input | 200 | 150 | 0.750 |" in text
    assert "| r8 | 100 | 0.91 | 0.9 (0.85 to 0.95) |" in text
    assert "| 8 | 50 | 40 | 1.25 (1.20 to 1.30), not steady |" in text
    assert "onnxruntime 1.32.0 (CPUExecutionProvider), 2 threads, a processor" in text
    assert (
        "Parity of the merged model with PyTorch: **pass** (every decision agrees). Not checked: fp16."
        in text
    )


def test_what_was_not_measured_is_said() -> None:
    text = card(lambda found: found.update(accuracy=[], parity=None, parity_key=None))
    assert "Accuracy: **not measured** after merging" in text
    assert "Speed: **not measured**." in text
    assert "Parity of the merged model with PyTorch: **not checked**." in text


def test_random_weights_are_never_called_accurate() -> None:
    text = card(lambda found: (make_random(found), with_card(license="mit", base_models=["org/base"])(found)))
    assert "**Random weights.**" in text
    assert "Accuracy: none. The weights are random." in text
    assert "random-weights" in facts(text)["tags"]
    assert not {"base_model", "license", "datasets"} & facts(text).keys()
    assert f'pitome.load("{NAME}", allow_random=True)' in text
    assert "Weights: seeded random (seed 0), of no checkpoint." in text


def test_a_folder_of_the_machine_that_built_it_is_not_told() -> None:
    def change(found: dict[str, Any]) -> None:
        found["model"]["weights"] |= {"source": "../../secret-project/my-checkpoint", "revision": None}

    text = card(change)
    assert "Weights: my-checkpoint, sha256" in text
    assert "secret" not in text
    assert "base_model" not in facts(text)


def test_limits() -> None:
    text = card(lambda found: found["model"].update(notes=["no processor's file: CLIP's own is assumed"]))
    assert "- Images are brought to 32 x 32 pixels, 3 channels; other sizes need another build." in text
    assert "`plans/model.fp16.sm80.plan` (graph `model`, fp16): tensorrt_rtx 1.7.1.116 only" in text
    assert text.count("**never run**: built without a GPU from a checked graph") == 2
    assert "- no processor's file: CLIP's own is assumed" in text


def test_how_to_load_it() -> None:
    assert f'bundle = pitome.load("{NAME}")\nbundle.images(["photo.jpg"])' in card()
    assert f"`{NAME}@COMMIT`" in card()
    assert "require_signature" not in card()
    assert "require_signature=PUBLIC_KEY_FILE" in card(signed=True)


def test_the_checkpoints_own_card_is_named() -> None:
    record = {"file": "checkpoint_card.md", "sha256": sha256(b"x"), "role": "card"}
    assert "The checkpoint's own card is `checkpoint_card.md`" in card(
        lambda found: found["assets"].append(record)
    )
    assert set(CONTENTS) >= {"labels.json"}


EVIL = '"]\n---\n# <script>alert(1)</script> [x](javascript:a) `b` | c \u202e *d* \x1b[31m'


def test_what_others_wrote_stays_text() -> None:
    def change(found: dict[str, Any]) -> None:
        found["model"]["notes"] = [EVIL]
        found["model"]["family"] = EVIL
        found["model"]["weights"]["source"] = EVIL
        found["model"]["card"] = NOTHING | {
            "license": "other",
            "license_name": EVIL[:200],
            "base_models": [EVIL],
        }
        found["accuracy"][0]["task"] = EVIL
        found["parity"]["reason"] = EVIL
        found["pitome_version"] = EVIL

    text = card(change)
    front = facts(text)
    assert front["base_model" if "base_model" in front else "tags"][0] == "pitome"
    assert front["license_name"].startswith('"] --- # <script>')
    assert text.count("\n---\n") == 1  # the end of the facts
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body.replace("\\<script\\>", "")
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "](javascript" not in body.replace("\\](javascript", "")
    rows = [line for line in body.splitlines() if line.startswith("| ") and "samples" not in line]
    assert all(line.replace("\\|", "").count("|") in (5,) for line in rows if "0.85" in line)


def test_the_same_manifest_has_the_same_card() -> None:
    assert card() == card(lambda found: found.update(created="2027-01-01T00:00:00+00:00"))
    assert KEY in card()
