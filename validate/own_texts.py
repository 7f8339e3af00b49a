"""The texts of a file, a line each or in a column of a table, as a model's inputs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.validate.own_data import (
    LeftOut,
    OwnSamples,
    Progress,
    Reference,
    chosen_rows,
    make_record,
)
from pitome.validate.samples import Samples

if TYPE_CHECKING:
    from pitome.models.loading import LoadedModel

DEFAULT_COLUMN = "text"
EMPTY, NOT_UTF8, NO_TEXT = "empty", "not UTF-8", "no text"
NO_JSON, NO_COLUMN, NO_TOKENS = "no JSON", "without the column", "without a token that the model knows"
TOO_LONG, TOO_MANY_VALUES = "too long", "with more values than the table has columns"
MOST_CHARACTERS = 1_000_000
"""Of one text; a model reads a few thousand, and a tokenizer goes through all of them."""
MOST_BYTES = 2**30
"""Of a file, which is read as a whole."""
_SHOWN = 160
"""Characters of a text that are shown of it."""
_BATCH = 1_000
"""Texts that are encoded at a time."""
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_FIELD_LIMIT = threading.Lock()


@dataclass(frozen=True)
class Value:
    """What stands in the place of a text: a text where ``text`` is one, else why there is none."""

    place: str
    text: str | None
    reason: str = NO_TEXT


@dataclass
class _Table:
    """Where texts stand in a file with columns."""

    asked: str
    column: str | None
    columns: dict[str, None] = field(default_factory=dict)
    """Those that were seen, in order."""
    used: str | None = None
    """What `chosen` gave; None where the texts stand in no column."""

    def chosen(self) -> str:
        """The column's name.

        Raises:
            InputError: the file has it not.
        """
        name = DEFAULT_COLUMN if self.column is None else self.column
        if name in self.columns:
            self.used = name
            return name
        told = ", ".join(list(self.columns)[:20]) or "none"
        found = f"it has no column {name}; its columns are {told}"
        raise InputError(self.asked, found, "Name the one with the texts with --column")


def require_file(path: Path, asked: str, column: str | None = None) -> None:
    """InputError where this is no file that texts can be read from."""
    remedy = "Name a file of texts, a line each or in a column"
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(asked, f"there is no file {path}", remedy) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(asked, f"{path} can't be read ({reason})", remedy) from error
    if not stat.S_ISREG(status.st_mode):
        found = "is a folder" if stat.S_ISDIR(status.st_mode) else "is no regular file"
        raise InputError(asked, f"{path} {found}", remedy)
    if not os.access(path, os.R_OK):
        raise InputError(asked, f"{path} can't be read (no permission)", "Choose a file of yours")
    if path.suffix.lower() not in _READERS:
        known = ", ".join(_READERS)
        raise InputError(
            asked, f"the name of {path} ends in none of {known}", "Write the texts in one of these"
        )
    if status.st_size > MOST_BYTES:
        raise InputError(
            asked,
            f"the file has {status.st_size:,} bytes, and {MOST_BYTES:,} at most are read",
            "Give a part of it, such as its first lines (head -n 10000)",
        )
    if column is not None and path.suffix.lower() == ".txt":
        raise InputError(
            f"the column {column} of {asked}", "a .txt file has no columns", "Leave --column out"
        )


def read_texts(
    reference: Reference,
    loaded: LoadedModel,
    column: str | None,
    limit: int | None,
    seed: int,
    progress: Progress,
) -> OwnSamples:
    """The texts of a file, encoded by the model's tokenizer.

    Raises:
        InputError: a model without a tokenizer, a file or column that can't be read, or no text in it.
    """
    from pitome.models.tokenizer import encode_texts

    if loaded.tokenizer is None:
        raise InputError(
            f"{reference.text} for {loaded.name}",
            "its checkpoint has no tokenizer.json",
            "Give a checkpoint with its tokenizer",
        )
    left_out = LeftOut()
    progress("texts", 0, 0)
    values, used = parse_file(reference.path, reference.text, column)
    found = list(_usable(values, left_out))
    if not found:
        raise _nothing_left(reference, left_out)
    rows = chosen_rows(len(found), limit, seed)
    kept: list[tuple[str, str]] = []
    parts: list[Samples] = []
    for start in range(0, len(rows), _BATCH):
        progress("texts", start, len(rows))
        few = [found[row] for row in rows[start : start + _BATCH]]
        encoded = Samples(encode_texts(loaded.tokenizer, [text for _, text in few], loaded.num_token_types))
        real = encoded.inputs["attention_mask"].any(dim=1).tolist()
        for (place, _), has_tokens in zip(few, real, strict=True):
            if not has_tokens:
                left_out.add(NO_TOKENS, place)
        parts.append(encoded.rows([row for row, has_tokens in enumerate(real) if has_tokens]))
        kept += [each for each, has_tokens in zip(few, real, strict=True) if has_tokens]
    if not kept:
        raise _nothing_left(reference, left_out)
    contents = [(place, hashlib.sha256(text.encode()).digest()) for place, text in kept]
    return OwnSamples(
        make_record(reference, len(found), contents, left_out, limit, seed, used),
        tuple(place for place, _ in kept),
        Samples.concatenate(parts).rows,
        lambda row: excerpt(kept[row][1]),
    )


def parse_file(path: Path, asked: str, column: str | None = None) -> tuple[list[Value], str | None]:
    """What stands in a file in the place of each text, whether it is one or not, and in which column.

    Args:
        path: as `require_file` lets pass.
        asked: how the user names it, for errors.
        column: that the texts stand in.

    Raises:
        InputError: it can't be read, is in another encoding, is no such table or has no such column.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(asked, f"{path} can't be read ({error.strerror})", "Choose another file") from error
    for mark, name in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise InputError(
                asked, f"it is written in {name}", f"Save it as UTF-8 (iconv -f {name} -t UTF-8)"
            )
    # What is no UTF-8 becomes lone surrogates, by which the texts that hold it are known.
    text = content.decode("utf-8-sig", "surrogateescape")
    table = _Table(asked, column)
    return list(_READERS[path.suffix.lower()](text, table)), table.used


def excerpt(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: 4 * _SHOWN].split())
    return line if len(line) <= _SHOWN and len(text) <= 4 * _SHOWN else f"{line[:_SHOWN]}..."


def _usable(values: Sequence[Value], left_out: LeftOut) -> Iterator[tuple[str, str]]:
    """(place, text) of what is a text; the others are counted."""
    for value in values:
        reason = value.reason if value.text is None else _why_not(value.text)
        if reason is not None:
            left_out.add(reason, value.place)
        elif value.text is not None:
            yield value.place, value.text


def _why_not(text: str) -> str | None:
    if not text.strip():
        return EMPTY
    if len(text) > MOST_CHARACTERS:
        return f"{TOO_LONG} (more than {MOST_CHARACTERS:,} characters)"
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return NOT_UTF8
    return None


def _nothing_left(reference: Reference, left_out: LeftOut) -> InputError:
    told = left_out.told()
    return InputError(
        reference.text,
        f"there is no text in it that can be used{f': {told}' if told else ''}",
        "Give a file with a text in each line, or in a column",
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """("line 3", its text); lines end in LF, CRLF or CR."""
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        yield f"line {number}", line.removesuffix("\n")


def _of_lines(text: str, table: _Table) -> Iterator[Value]:
    for place, line in _lines(text):
        yield Value(place, line)


def _of_json_lines(text: str, table: _Table) -> Iterator[Value]:
    items: list[tuple[str, Any]] = []
    for place, line in _lines(text):
        items.append((place, _parse_json(line) if line.strip() else ""))
    return _of_items(items, table)


def _of_json(text: str, table: _Table) -> Iterator[Value]:
    found = _parse_json(text)
    if isinstance(found, dict) and any(isinstance(inner, list) for inner in found.values()):
        table.columns = dict.fromkeys(name for name, inner in found.items() if isinstance(inner, list))
        found = found[table.chosen()]
    elif not isinstance(found, list):
        what = "JSON that is no list" if found is not _UNREADABLE else "no JSON that can be read"
        raise InputError(
            table.asked, f"it holds {what}", "Give a list of texts or of objects, or an object of lists"
        )
    return _of_items([(f"item {number}", item) for number, item in enumerate(found, 1)], table)


def _of_items(items: list[tuple[str, Any]], table: _Table) -> Iterator[Value]:
    """Items of JSON: texts, or objects with the texts in a column."""
    objects = [item for _, item in items if isinstance(item, dict)]
    for item in objects:
        table.columns.update(dict.fromkeys(item))
    column = table.chosen() if table.column is not None or objects else DEFAULT_COLUMN
    for place, item in items:
        if item is _UNREADABLE:
            yield Value(place, None, NO_JSON)
        elif isinstance(item, dict) and column not in item:
            yield Value(place, None, f"{NO_COLUMN} {column}")
        else:
            value = item[column] if isinstance(item, dict) else item
            yield Value(place, value if isinstance(value, str) else None)


_UNREADABLE = object()


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _of_table(delimiter: str) -> Callable[[str, _Table], Iterator[Value]]:
    def read(text: str, table: _Table) -> Iterator[Value]:
        with _FIELD_LIMIT:
            before = csv.field_size_limit(sys.maxsize)
            try:
                # Not strict alone: a quote that is never closed would take all lines behind it for one value.
                rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
            except csv.Error as error:
                raise InputError(
                    table.asked,
                    f"it can't be read as a table ({error})",
                    "Double the quotes in its values, or save it as .jsonl",
                ) from error
            finally:
                csv.field_size_limit(before)
        return _of_rows(rows, table)

    return read


def _of_rows(rows: list[list[str]], table: _Table) -> Iterator[Value]:
    header = [name.strip() for name in rows[0]] if rows else []
    table.columns = dict.fromkeys(header)
    column = table.chosen()
    if header.count(column) > 1:
        raise InputError(
            table.asked, f"{header.count(column)} columns are named {column}", "Give each a name of its own"
        )
    place = header.index(column)
    for number, row in enumerate(rows[1:], 1):
        if len(row) > len(header):
            yield Value(f"row {number}", None, TOO_MANY_VALUES)
        else:
            yield Value(f"row {number}", row[place] if place < len(row) else "")


_READERS: dict[str, Callable[[str, _Table], Iterator[Value]]] = {
    ".txt": _of_lines,
    ".jsonl": _of_json_lines,
    ".json": _of_json,
    ".csv": _of_table(","),
    ".tsv": _of_table("\t"),
}
"""How a file is read, by the end of its name."""
