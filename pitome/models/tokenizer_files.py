"""A checkpoint's tokenizer files, read before the tokenizers library sees them: that one panics on some.

The library's form is the JSON of ``tokenizer.json``. Of BERT's ``vocab.txt`` the same JSON is made here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitome.errors import InputError
from pitome.models.plain_file import check_plain_file, read_json

TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILE = "vocab.txt"
CONFIG_FILE = "tokenizer_config.json"
_BERT_CLASSES = tuple(f"{name}Tokenizer{fast}" for name in ("Bert", "DistilBert") for fast in ("", "Fast"))
_BERT_SETTINGS = {
    "do_lower_case": ("lowercase", (bool,)),
    "strip_accents": ("strip_accents", (bool, type(None))),
    "tokenize_chinese_chars": ("handle_chinese_chars", (bool,)),
}
"""Of tokenizer_config.json: the normaliser's name for each, and the types it may have."""
_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_MASK = {"mask_token": "[MASK]"}


@dataclass(frozen=True)
class TokenizerContent:
    """What a checkpoint's files say of its tokenizer."""

    path: Path
    """The file that the tokenizer is in."""
    json: str | None
    """As the library reads it; None where there is no tokenizer that can be had exactly."""
    notes: tuple[str, ...] = ()
    padding_side: str | None = None
    truncation_side: str | None = None


def read_tokenizer_content(folder: Path) -> TokenizerContent:
    """Read ``tokenizer.json``, or else ``vocab.txt``, with ``tokenizer_config.json``.

    Raises:
        InputError: a file is no JSON object, a setting is of another type, a template names a token that it
            does not define, or a vocabulary lacks the tokens that every text has.
    """
    config = _read_config(folder)
    sides = {key: _side(folder, config, key) for key in ("padding_side", "truncation_side")}
    path = folder / TOKENIZER_FILE
    if os.path.lexists(path):
        content = read_json(path, portable=False)
        _check_templates(path, content.get("post_processor"))
        changed = tuple(_apply_settings(folder, config, content))
        return TokenizerContent(path, json.dumps(content), changed, **sides)
    path = folder / VOCABULARY_FILE
    if not os.path.lexists(path):
        return TokenizerContent(folder / TOKENIZER_FILE, None)
    reason = _why_not_bert(folder, config)
    if reason is not None:
        return TokenizerContent(
            path,
            None,
            (f"The checkpoint has vocab.txt and no tokenizer.json, and {reason}; it has no tokenizer",),
        )
    content = _of_vocabulary(folder, path, config)
    note = "The tokenizer is BERT's WordPiece, made from vocab.txt; there is no tokenizer.json"
    return TokenizerContent(path, json.dumps(content), (note,), **sides)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    return read_json(path, portable=False) if os.path.lexists(path) else {}


def _side(folder: Path, config: Mapping[str, Any], key: str) -> str | None:
    value = config.get(key)
    if value not in (None, "left", "right"):
        raise InputError(
            f"the file {folder / CONFIG_FILE}",
            f"its {key} is {value!r}, not left or right",
            "Correct the file",
        )
    return value


def _apply_settings(folder: Path, config: Mapping[str, Any], content: dict[str, Any]) -> Iterator[str]:
    """Write what the configuration says of BERT's normaliser into it, and yield what that changed."""
    if config.get("tokenizer_class", "BertTokenizer") not in _BERT_CLASSES:
        return
    for normalizer in _parts(content.get("normalizer"), "normalizers"):
        if normalizer.get("type") != "BertNormalizer":
            continue
        for key, value in _bert_settings(folder, config).items():
            name = _BERT_SETTINGS[key][0]
            if normalizer.get(name) != value:
                yield (
                    f"tokenizer_config.json says {key} {json.dumps(value)} and tokenizer.json "
                    f"{json.dumps(normalizer.get(name))}: the first was taken, as transformers does"
                )
                normalizer[name] = value


def _bert_settings(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``_BERT_SETTINGS`` that the file has."""
    for key, (_, types) in _BERT_SETTINGS.items():
        if key in config and not isinstance(config[key], types):
            raise InputError(
                f"the file {folder / CONFIG_FILE}",
                f"its {key} is {config[key]!r}, not true or false",
                "Correct the file",
            )
    return {key: config[key] for key in _BERT_SETTINGS if key in config}


def _parts(part: Any, several: str) -> Iterator[dict[str, Any]]:
    """A normaliser or post-processor, or those of a sequence of them."""
    if not isinstance(part, dict):
        return
    yield part
    inner = part.get(several)
    for each in inner if isinstance(inner, list) else ():
        yield from _parts(each, several)


def _check_templates(path: Path, processor: Any) -> None:
    for part in _parts(processor, "processors"):
        if part.get("type") != "TemplateProcessing":
            continue
        defined = part.get("special_tokens")
        for form in ("single", "pair"):
            for named in _special_tokens(part.get(form)):
                if not isinstance(defined, dict) or named not in defined:
                    raise InputError(
                        f"the tokenizer {path}",
                        f"its template ({form}) names the token {named!r}, which its special_tokens lack",
                        "Fetch the file again, or add the token there",
                    )


def _special_tokens(template: Any) -> Iterator[str]:
    for piece in template if isinstance(template, list) else ():
        special = piece.get("SpecialToken") if isinstance(piece, dict) else None
        if isinstance(special, dict) and isinstance(special.get("id"), str):
            yield special["id"]


def _why_not_bert(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Why vocab.txt alone does not say what the tokenizer does."""
    named = config.get("tokenizer_class", "BertTokenizer")
    if named not in _BERT_CLASSES:
        return f"its tokenizer_class is {named}, not BERT's"
    if config.get("do_basic_tokenize", True) is not True:
        return "its do_basic_tokenize is not true"
    if config.get("never_split"):
        return "it never splits some words (never_split)"
    if os.path.lexists(folder / "added_tokens.json"):
        return "it has added tokens (added_tokens.json)"
    return None


def _of_vocabulary(folder: Path, path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of BERT's tokenizer, as ``transformers.BertTokenizer`` makes it from the same files."""
    vocabulary = _read_vocabulary(path)
    special = {key: _token(folder, config, key, usual) for key, usual in {**_SPECIAL, **_MASK}.items()}
    lacking = [special[key] for key in _SPECIAL if special[key] not in vocabulary]
    if lacking:
        raise InputError(
            f"the vocabulary {path}",
            f"it has no token {', '.join(lacking)}",
            "Give the vocab.txt that belongs to the model",
        )
    settings = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
    settings |= _bert_settings(folder, config)
    first, last = special["cls_token"], special["sep_token"]

    def piece(kind: str, name: str, type_id: int = 0) -> dict[str, Any]:
        return {kind: {"id": name, "type_id": type_id}}

    single = [piece("SpecialToken", first), piece("Sequence", "A"), piece("SpecialToken", last)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocabulary[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in sorted(set(special.values()) & set(vocabulary), key=lambda each: vocabulary[each])
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            **{_BERT_SETTINGS[key][0]: value for key, value in settings.items()},
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, piece("Sequence", "B", 1), piece("SpecialToken", last, 1)],
            "special_tokens": {
                token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in (first, last)
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": special["unk_token"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def _token(folder: Path, config: Mapping[str, Any], key: str, usual: str) -> str:
    value = config.get(key, usual)
    if isinstance(value, dict):  # written with its flags
        value = value.get("content")
    if not isinstance(value, str):
        raise InputError(
            f"the file {folder / CONFIG_FILE}", f"its {key} is {value!r}, not a token", "Correct the file"
        )
    return value


def _read_vocabulary(path: Path) -> dict[str, int]:
    """Token -> its line's number, counted from 0; of equal lines the last one, as in ``transformers``."""
    check_plain_file(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # any ends of lines were made \n
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the vocabulary {path}", f"it can't be read ({error})", "Fetch the file again"
        ) from error
    if lines and not lines[-1]:
        lines.pop()
    return {line: number for number, line in enumerate(lines)}
