"""Which tokens of photos and texts have become one, layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pitome.validate.evaluate.records import ImageMaps, TextMaps
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import validate_command
from pitome.validate.report.sections.section import Section
from pitome.validate.validation_records import MERGE_MAPS


@dataclass(frozen=True)
class Word:
    """A token of a text."""

    text: str
    joined: bool
    """Whether it goes on with the word before."""
    number: int | None
    """Of its group; None: it stands alone."""
    hue: int


@dataclass(frozen=True)
class TextLayerWords:
    """A text after one merge."""

    layer: int
    tokens: int
    words: tuple[Word, ...]


@dataclass(frozen=True)
class MapsView:
    """Photos, or texts; neither where none were made."""

    images: tuple[ImageMaps, ...]
    texts: tuple[tuple[TextLayerWords, ...], ...]
    skipped: str | None


def maps_view(report: ReportInput) -> MapsView:
    """Always there."""
    found, skipped = report.merge_maps, report.why_skipped(MERGE_MAPS)
    if found is None:
        return MapsView((), (), skipped)
    return MapsView(found.images, tuple(_layers(text) for text in found.texts), skipped)


def _layers(text: TextMaps) -> tuple[TextLayerWords, ...]:
    return tuple(
        TextLayerWords(layer.layer, layer.tokens, _words(text.words, layer.groups)) for layer in text.layers
    )


def _words(words: Sequence[str], groups: Sequence[int]) -> tuple[Word, ...]:
    members = Counter(groups)
    return tuple(
        Word(
            text=word.removeprefix("##") or word,
            joined=word.startswith("##"),
            number=group + 1 if members[group] > 1 else None,
            hue=group * 7 % 12,  # 7 and 12 share no factor: twelve neighbours get twelve hues
        )
        for word, group in zip(words, groups, strict=True)
    )


SECTION = Section("maps", "Merge maps", "section_maps.html.j2", maps_view, validate_command)
