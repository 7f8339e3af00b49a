"""The facts of a model card: the YAML in front of a README.md, which anybody may have written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle.model_records import CardRecord
from pitome.regular_file import read_regular_file
from pitome.strict_json import read_strict_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_FRONT = 64 * 1024
_LONGEST_TEXT = 200
_MOST_TEXTS = 100
_SINGLE = ("license", "license_name", "license_link", "library_name", "pipeline_tag")
_LISTS = {"language": "languages", "base_model": "base_models", "datasets": "datasets"}
"""Key of the card -> field of the record."""
_FENCE = re.compile(r"\A(?:\ufeff)?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)


def read_card(content: bytes) -> tuple[CardRecord | None, tuple[str, ...]]:
    """What a README.md says of its model, and a sentence for each fact that can't be taken from it.

    Nothing of it is trusted: it is text of bounded length and never a type, a date or a reference.
    """
    text = content.decode("utf-8", "replace")
    front = _FENCE.match(text)
    if front is None:
        return None, ()
    if len(front[1]) > _LONGEST_FRONT:
        return None, (f"the facts of the model card are left out: they are longer than {_LONGEST_FRONT:,}",)
    try:
        facts = _parsed(front[1])
    except ValueError as error:
        return None, (f"the facts of the model card are left out: they are no YAML ({error})",)
    return _record(facts)


def package_card(folder: Path) -> CardRecord | None:
    """The licence of a checkpoint that came out of a package: ``source.json`` beside it says it."""
    try:
        found = read_strict_json(read_regular_file(folder / "source.json", _LONGEST_FRONT))
        return CardRecord(license=found["license"])
    except (OSError, ValueError, LookupError, TypeError):  # no package's folder
        return None


def _record(facts: dict[str, object]) -> tuple[CardRecord | None, tuple[str, ...]]:
    notes: list[str] = []
    single: dict[str, str] = {}
    for key in _SINGLE:
        if (found := _texts(facts.get(key), key, notes)) and len(found) == 1:
            single[key] = found[0]
        elif found:
            notes.append(f"the model card's {key} is left out: it is a list of {len(found)}")
    lists = {field: _texts(facts.get(key), key, notes) for key, field in _LISTS.items()}
    given = single | {field: texts for field, texts in lists.items() if texts}
    return (CardRecord.model_validate(given) if given else None), tuple(notes)


def _texts(value: object, key: str, notes: list[str]) -> tuple[str, ...]:
    """A text or a list of texts; anything else is left out, with a note."""
    if value is None or value == "":
        return ()
    listed = value if isinstance(value, list) else [value]
    texts = [each for each in listed if isinstance(each, str) and each]
    reason = None
    if len(texts) < len(listed):
        reason = "it is no text and no list of texts"
    elif len(texts) > _MOST_TEXTS or any(len(each) > _LONGEST_TEXT for each in texts):
        reason = f"it is longer than {_MOST_TEXTS} texts of {_LONGEST_TEXT} characters"
    elif not all(each.isprintable() for each in texts):
        reason = "it holds control characters"
    if reason is not None:
        notes.append(f"the model card's {key} is left out: {reason}")
        return ()
    return tuple(dict.fromkeys(texts))


def _parsed(text: str) -> dict[str, object]:
    """The mapping that a YAML text is; every scalar of it stays a text (``no`` is a language).

    Raises:
        ValueError: it is no mapping, holds references, or is no YAML.
    """
    import yaml

    class Texts(yaml.BaseLoader):
        """Of texts, lists and mappings only, of which none stands for another one."""

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError("it holds references")
            return super().compose_node(parent, index)

    try:
        facts = Texts(text).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(next(_lines(str(error)), "malformed")) from None
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    if not isinstance(facts, dict):
        raise ValueError("it is no mapping")
    return {str(key): value for key, value in facts.items()}


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
