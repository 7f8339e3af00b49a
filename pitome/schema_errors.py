"""What pydantic found wrong with a file of ours, in words: each key with its place, and what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pitome.strict_json import place_of

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""How pydantic names a key that a model, or a dataclass, does not have."""
_LONGEST_TEXT = 400
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")


def problems(
    error: ValidationError, document: Any, schema: dict[str, Any], whole: str = "the file", limit: int = 5
) -> list[str]:
    """One text for each wrong key, such as ``schedule.tokens[0]: should be a valid integer, not true``.

    Args:
        error: of the validation.
        document: what was validated, as lists and dicts: it tells keys from the names that pydantic puts
            between them.
        schema: the JSON schema of the record, for the names of keys that come close to an unknown one.
        whole: names what is wrong with no single key; empty where its text does.
        limit: so many of them; how many more there are is said.
    """
    found: dict[tuple[str | int, ...], list[str]] = {}
    inputs: dict[tuple[str | int, ...], str] = {}
    for each in error.errors(include_url=False, include_context=False):
        parts = _parts(each, document)
        if each["type"] == "too_short" and any(_lies_in(other, parts) for other in found):
            continue  # it only seems so because what is in it was refused
        reason = _reason(each, parts, schema)
        again = parts in found
        found.setdefault(parts, []).append(reason.removeprefix("should be ") if again else reason)
        if reason.startswith("should"):
            inputs[parts] = f", not {_shown(each['input'])}"
    texts = []
    for parts, reasons in found.items():
        text = " or ".join(dict.fromkeys(reasons)) + inputs.get(parts, "")
        texts.append(_short(": ".join(filter(None, [place_of(parts) or whole, text]))))
    return texts[:limit] + [f"and {len(texts) - limit} more"] * (len(texts) > limit)


def _short(text: str) -> str:
    """What a file holds may be of any length, a message not."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def _lies_in(inner: Sequence[str | int], outer: Sequence[str | int]) -> bool:
    return len(inner) > len(outer) and tuple(inner[: len(outer)]) == tuple(outer)


def _parts(error: ErrorDetails, document: Any) -> tuple[str | int, ...]:
    """The keys on the way to a value; a union puts the names of its members between them."""
    parts: list[str | int] = []
    value = document
    for part in error["loc"]:
        if _has(value, part):
            value = value[part]
        elif part != error["loc"][-1] or error["type"] not in _MISSING:
            continue
        parts.append(part)
    return tuple(parts)


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list | tuple):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _reason(error: ErrorDetails, parts: Sequence[str | int], schema: dict[str, Any]) -> str:
    if error["type"] in _MISSING:
        return "it is missing"
    if error["type"] in _UNKNOWN:
        known = _keys_at(schema, parts[:-1])
        near = get_close_matches(str(parts[-1]), known, n=1) if parts else []
        return "unknown key" + (f" (did you mean {near[0]}?)" if near else "")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "too_short":
        return message.removeprefix("Tuple ").replace(" after validation", "").partition(", not ")[0]
    return message.removeprefix("Input ")


def _shown(value: object) -> str:
    """A value in few characters."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else f"{text[:36]}..."


def _keys_at(schema: dict[str, Any], parts: Sequence[str | int]) -> list[str]:
    """The keys that an object at a place may have."""
    nodes = [schema]
    for part in parts:
        inner = [node for each in nodes for node in _members(each, schema)]
        nodes = [node for each in inner for node in _below(each, part)]
    return [name for node in nodes for each in _members(node, schema) for name in each.get("properties", ())]


def _members(node: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    """What a node stands for: the members of a union, what a reference is to."""
    if "$ref" in node:
        return _members(root["$defs"][node["$ref"].rsplit("/", 1)[1]], root)
    choices = node.get("anyOf") or node.get("oneOf")
    return [found for each in choices for found in _members(each, root)] if choices else [node]


def _below(node: dict[str, Any], part: str | int) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return [node["items"]] if isinstance(node.get("items"), dict) else []
    properties = node.get("properties", {})
    return [properties[part]] if part in properties else []
