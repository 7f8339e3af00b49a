"""The facts in front of a bundle's model card: what the hub sorts and finds it by."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pitome.bundle import Manifest
from pitome.models.task import Task

Facts = dict[str, str | list[str]]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?|code|multilingual")
_HUB_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_PIPELINES: dict[Task, str] = {
    "image-embedding": "image-feature-extraction",
    "image-features": "image-feature-extraction",
    "image-classification": "image-classification",
    "text-embedding": "feature-extraction",
    "text-features": "feature-extraction",
    "text-classification": "text-classification",
    "token-classification": "token-classification",
}


def pipeline_of(manifest: Manifest) -> str:
    """What the hub calls the task of a bundle."""
    if manifest.model.system is not None:
        return "zero-shot-image-classification"
    return "sentence-similarity" if manifest.model.sentence is not None else _PIPELINES[manifest.model.task]


def base_models_of(manifest: Manifest) -> list[str]:
    """The checkpoint, where it is one of the hub, and what its card says it was trained from.

    Random weights are of no model, whatever its shape is called.
    """
    model = manifest.model
    if model.weights.random:
        return []
    found = [model.weights.source] if model.weights.revision is not None else []
    found += model.card.base_models if model.card is not None else ()
    return list(dict.fromkeys(each for each in found if _HUB_ID.fullmatch(each)))


def card_facts(manifest: Manifest) -> Facts:
    """The facts, in the order that they are written in; what is not known is left out."""
    model, card = manifest.model, None if manifest.model.weights.random else manifest.model.card
    facts: Facts = {"library_name": "pitome", "pipeline_tag": pipeline_of(manifest)}
    if card is not None and card.license is not None and _HUB_LICENSE.fullmatch(card.license.lower()):
        facts["license"] = card.license.lower()
        if facts["license"] == "other":  # the hub wants a name then
            facts["license_name"] = card.license_name or "other"
            if card.license_link is not None:
                facts["license_link"] = card.license_link
    if bases := base_models_of(manifest):
        facts["base_model"] = bases
    if card is not None:
        if languages := [each for each in card.languages if _LANGUAGE.fullmatch(each)]:
            facts["language"] = languages
        if datasets := [
            each for each in card.datasets if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", each, re.ASCII)
        ]:
            facts["datasets"] = datasets
    plans = any(graph.plans for graph in manifest.graphs)
    facts["tags"] = [
        *("pitome", "token-merging", "onnx", model.family),
        *(["tensorrt"] if plans else []),
        *(["random-weights"] if model.weights.random else []),
    ]
    return facts


def front_matter(facts: Facts) -> str:
    """The facts as YAML. Every text is quoted as JSON quotes it, so that none is read as something else."""
    lines = ["---"]
    for key, value in facts.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_quoted(value)}")
        else:
            lines += [f"{key}:", *_items(value)]
    return "\n".join([*lines, "---", ""])


def _items(values: Sequence[str]) -> list[str]:
    return [f"- {_quoted(value)}" for value in values]


def _quoted(value: str) -> str:
    return json.dumps(printable(value), ensure_ascii=False)


def printable(text: str) -> str:
    """A text in one line, without what turns or hides letters."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
