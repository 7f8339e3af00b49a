"""What a model card says is text of bounded length, whatever its author wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitome.bundle import CardRecord
from pitome.models.card import package_card, read_card

CARD = """---
license: other
license_name: my-licence
license_link: https://example.org/licence
language:
- en
- no
- de
base_model: [org/base, org/base]
library_name: transformers
pipeline_tag: image-classification
datasets: imagenet-1k
widget:
- text: "anything: {at: all}"
model-index: [{name: x, results: []}]
---
# The model
license: not this
"""


def test_the_facts() -> None:
    assert read_card(CARD.encode()) == (
        CardRecord(
            license="other",
            license_name="my-licence",
            license_link="https://example.org/licence",
            library_name="transformers",
            pipeline_tag="image-classification",
            languages=("en", "no", "de"),
            base_models=("org/base",),
            datasets=("imagenet-1k",),
        ),
        (),
    )
    assert read_card(CARD.replace("\n", "\r\n").encode())[0] == read_card(CARD.encode())[0]
    assert read_card(b"\xef\xbb\xbf" + CARD.encode())[0] == read_card(CARD.encode())[0]


@pytest.mark.parametrize(
    "text", ["", "# No facts", "---\nlicense: mit\n", "----\nlicense: mit\n---\n", "\0\xff"]
)
def test_a_card_without_facts(text: str) -> None:
    assert read_card(text.encode("latin-1")) == (None, ())


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("license: [mit", "they are no YAML (while parsing a flow sequence)"),
        ("- mit", "they are no YAML (it is no mapping)"),
        ("license: &a mit\nlibrary_name: *a", "they are no YAML (it holds references)"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "they are no YAML (it holds references)"),
        ("a: " + "[" * 20_000, "they are no YAML ("),
        ("license: mit\n" + "x: y\n" * 20_000, "they are longer than 65,536"),
        ("license: \x01", "they are no YAML ("),
    ],
)
def test_a_card_that_can_not_be_taken_is_said(front: str, reason: str) -> None:
    record, (note,) = read_card(f"---\n{front}\n---\n".encode())
    assert record is None
    assert note.startswith(f"the facts of the model card are left out: {reason}")


@pytest.mark.parametrize(
    ("front", "note"),
    [
        ("license: {name: mit}", "the model card's license is left out: it is no text and no list of texts"),
        ("license: [mit, apache-2.0]", "the model card's license is left out: it is a list of 2"),
        ("datasets: [{a: b}]", "the model card's datasets is left out: it is no text and no list of texts"),
        (f"license: {'x' * 201}", "the model card's license is left out: it is longer than 100 texts of 200"),
        (f"datasets: {json.dumps(['x'] * 101)}", "the model card's datasets is left out: it is longer than"),
        ('license: "a\\nb"', "the model card's license is left out: it holds control characters"),
        ('base_model: "\\e[31mred"', "the model card's base_model is left out: it holds control characters"),
    ],
)
def test_a_fact_that_can_not_be_taken_is_said(front: str, note: str) -> None:
    record, (found,) = read_card(f"---\npipeline_tag: x\n{front}\n---\n".encode())
    assert record == CardRecord(pipeline_tag="x")
    assert found.startswith(note)


def test_nothing_of_a_card_is_run_or_converted() -> None:
    front = "license: !!python/object/apply:os.system ['touch x']\nlanguage: [no, yes, 1.0, 2020-01-01, null]"
    record, notes = read_card(f"---\n{front}\n---\n".encode())
    assert record == CardRecord(license="touch x", languages=("no", "yes", "1.0", "2020-01-01", "null"))
    assert notes == ()


def test_the_licence_of_a_package(tmp_path: Path) -> None:
    assert package_card(tmp_path) is None
    (tmp_path / "source.json").write_text('{"license": "MIT"}')
    assert package_card(tmp_path) == CardRecord(license="MIT")
    for content in ("[]", '{"license": 3}', "{}", "null"):
        (tmp_path / "source.json").write_text(content)
        assert package_card(tmp_path) is None
