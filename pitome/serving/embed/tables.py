"""Rows of tables as inputs: JSON lines, CSV, TSV and Parquet, read as a stream."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.models.task import Modality
from pitome.serving.embed.items import Item
from pitome.serving.embed.kept_types import JsonTypes

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
DEFAULT_COLUMN = {"image": "image", "text": "text"}
WRITTEN = ("id", "row", "embedding")
"""Columns of the embeddings' own."""
NO_JSON, TOO_MANY_VALUES, NOT_UTF8 = "no JSON", "with more values than the table has columns", "not UTF-8"
_NO_VALUE = {"image": "no image", "text": "no text"}
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_ROWS_AT_A_TIME = 1_024
_MOST_SHOWN = 20


@dataclass
class Columns:
    """Which columns of the tables are used, and of what types those are that are passed through."""

    column: str | None = None
    id_column: str | None = None
    keep: tuple[str, ...] = ()
    types: dict[str, pa.DataType] = field(default_factory=dict)
    """Of ``keep``, once the tables were looked at."""

    @property
    def given(self) -> tuple[str, ...]:
        """What the user asked for."""
        return (*filter(None, (self.column, self.id_column)), *self.keep)

    def inputs(self, modality: Modality) -> str:
        """The column of the images or texts."""
        return self.column or DEFAULT_COLUMN[modality]

    def look_at(self, tables: Sequence[tuple[str, Path]], modality: Modality) -> None:
        """Make sure that every table has the columns, and learn the types of those that are passed through.

        Raises:
            InputError: a table that can't be read or lacks one, two tables of other types, or a column with
                the name of one of ours.
        """
        for name in self.keep:
            if name in WRITTEN:
                raise InputError(
                    f"--keep {name}", "the embeddings have a column of that name", "Rename it in the table"
                )
        wanted = [self.inputs(modality), *filter(None, [self.id_column]), *self.keep]
        found_in: dict[str, str] = {}
        json_types = JsonTypes(self.keep)
        for path, place in tables:
            for name, kind in _types_of(path, place, wanted, self.keep, json_types).items():
                if self.types.setdefault(name, kind) != kind:
                    raise _other_type(name, found_in[name], self.types[name], path, kind)
                found_in.setdefault(name, path)
        of_json = next((path for path, place in tables if place.suffix.lower() == ".jsonl"), None)
        if of_json is None:
            return
        for name, kind in json_types.arrow().items():
            if self.types.setdefault(name, kind) != kind:
                raise _other_type(name, found_in[name], self.types[name], of_json, kind)
        self._json_types = json_types

    def kept_json(self, name: str, value: Any) -> Any:
        """A value of a JSON line as the column's type has it."""
        return self._json_types.value(name, value)

    _json_types: JsonTypes = field(default_factory=lambda: JsonTypes(()), repr=False)


def table_items(path: str, place: Path, columns: Columns, modality: Modality) -> Iterator[Item]:
    """The rows of a table.

    Raises:
        InputError: it can't be read, or a row has no id where a column of ids is named.
    """
    rows = _parquet_rows if place.suffix.lower() == ".parquet" else _text_rows
    for number, row in enumerate(rows(path, place, columns, modality)):
        yield _item(path, place, number, row, columns, modality)


def lines_of(path: str, place: Path) -> Iterator[str]:
    """Lines of a UTF-8 file without their ends; what is no UTF-8 becomes lone surrogates.

    Raises:
        InputError: it can't be read, or is written in UTF-16.
    """
    _check_encoding(path, place)
    try:
        with open(place, encoding="utf-8-sig", errors="surrogateescape") as file:
            for line in file:
                yield line.removesuffix("\n")
    except OSError as error:
        raise _unreadable(path, error) from None


@dataclass(frozen=True)
class _Row:
    """What stands in a row; ``reason`` where it can't be used at all."""

    values: dict[str, Any]
    reason: str | None = None


def _item(path: str, place: Path, number: int, row: _Row, columns: Columns, modality: Modality) -> Item:
    name = f"{path}#{number}"
    if columns.id_column is not None and row.reason is None:
        name = _id(path, number, row.values.get(columns.id_column), columns.id_column)
    kept = {each: row.values.get(each) for each in columns.keep}
    if row.reason is not None:
        return Item(name, reason=row.reason, kept=dict.fromkeys(columns.keep))
    column = columns.inputs(modality)
    value = row.values.get(column)
    if modality == "image" and value is _IN_THE_FILE:
        status = place.stat()
        return Item(name, str(place), row=number, size=status.st_size, changed=status.st_mtime_ns, kept=kept)
    if not isinstance(value, str) or (modality == "image" and not value):
        there = "" if column in row.values else f" (it is without the column {column})"
        return Item(name, reason=f"{_NO_VALUE[modality]}{there}", kept=kept)
    if not _is_utf8(value):
        return Item(name, reason=NOT_UTF8, kept=kept)
    if modality == "text":
        return Item(name, text=value, kept=kept)
    if "\0" in value:
        return Item(name, reason="no path: it has a NUL in it", kept=kept)
    return _image_at(name, place.parent / os.path.expanduser(value), value, kept)


def _image_at(name: str, place: Path, written: str, kept: dict[str, Any]) -> Item:
    size = changed = None
    try:
        status = os.stat(place)
        size, changed = status.st_size, status.st_mtime_ns
    except OSError:  # who opens it says why
        pass
    return Item(name, str(place), written, size=size, changed=changed, kept=kept)


def _id(path: str, number: int, value: Any, column: str) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or not _is_utf8(text):
        found = "has none" if value in (None, "") else f"has {value!r}"
        raise InputError(
            f"the ids in the column {column} of {path}",
            f"row {number}, counted from 0, {found}",
            "Give every row a text or a whole number there, or leave --id-column out",
        )
    return text


def _text_rows(path: str, place: Path, columns: Columns, modality: Modality) -> Iterator[_Row]:
    if place.suffix.lower() == ".jsonl":
        return _json_rows(path, place, columns, modality)
    return _csv_rows(path, place, columns)


def _json_rows(path: str, place: Path, columns: Columns, modality: Modality) -> Iterator[_Row]:
    for document in _json_lines(path, place):
        if isinstance(document, str) and not columns.given:
            yield _Row({columns.inputs(modality): document})
        elif not isinstance(document, dict):
            yield _Row({}, NO_JSON if document is _NO_DOCUMENT else "no JSON object")
        else:
            kept = {name: columns.kept_json(name, document.get(name)) for name in columns.keep}
            yield _Row({**document, **kept})


def _json_lines(path: str, place: Path) -> Iterator[Any]:
    """The document of each line that is not blank; ``_NO_DOCUMENT`` where there is none."""
    for line in lines_of(path, place):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield _NO_DOCUMENT


def _csv_rows(path: str, place: Path, columns: Columns) -> Iterator[_Row]:
    rows = _csv_lines(path, place)
    header = [name.strip() for name in next(rows, [])]
    for row in rows:
        if len(row) > len(header):
            yield _Row({}, TOO_MANY_VALUES)
            continue
        values = dict(zip(header, row, strict=False))
        for name in columns.keep:
            if not _is_utf8(values.get(name, "")):
                raise InputError(f"the column {name} of {path}", "a value is not UTF-8", "Save it as UTF-8")
        yield _Row(values)


def _csv_lines(path: str, place: Path) -> Iterator[list[str]]:
    """Rows that are not empty. Strict: a quote that is never closed would take all the rest for one value."""
    _check_encoding(path, place)
    delimiter = _DELIMITERS[place.suffix.lower()]
    before = csv.field_size_limit(sys.maxsize)
    try:
        with open(place, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from filter(None, csv.reader(file, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(
            path,
            f"it can't be read as a table ({error})",
            "Double the quotes in its values, or save it as .jsonl",
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        csv.field_size_limit(before)


def _parquet_rows(path: str, place: Path, columns: Columns, modality: Modality) -> Iterator[_Row]:
    column = columns.inputs(modality)
    with _parquet(path, place) as file:
        in_the_file = modality == "image" and _holds_images(file.schema_arrow.field(column).type)
        names = list(dict.fromkeys([*filter(None, [columns.id_column]), *columns.keep]))
        if not in_the_file and column not in names:
            names.append(column)
        for batch in _batches(path, file, names):
            values = {name: batch.column(name).to_pylist() for name in names}
            for number in range(batch.num_rows):
                row = {name: values[name][number] for name in names}
                yield _Row({**row, column: _IN_THE_FILE} if in_the_file else row)


def _batches(path: str, file: Any, names: list[str]) -> Iterator[Any]:
    import pyarrow as pa

    if not names:  # only images in the file: nothing but their number is needed
        count = file.metadata.num_rows
        for start in range(0, count, _ROWS_AT_A_TIME):
            rows = min(_ROWS_AT_A_TIME, count - start)
            yield pa.record_batch([pa.nulls(rows)], names=[""])
        return
    try:
        yield from file.iter_batches(_ROWS_AT_A_TIME, columns=names)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, error) from None


def _types_of(
    path: str, place: Path, wanted: Sequence[str], keep: Sequence[str], json_types: JsonTypes
) -> dict[str, pa.DataType]:
    """Types of the columns that are passed through, by the table itself; JSON's are learnt from all lines."""
    import pyarrow as pa

    if place.suffix.lower() == ".jsonl":
        columns: dict[str, None] = {}
        only_texts = True
        for document in _json_lines(path, place):
            if isinstance(document, dict):
                columns.update(dict.fromkeys(document))
                only_texts = False
                json_types.look_at(document)
        if not only_texts or keep or len(wanted) > 1:
            _require(path, wanted, list(columns))
        return {}
    if place.suffix.lower() == ".parquet":
        with _parquet(path, place) as file:
            schema = file.schema_arrow
            _require(path, wanted, schema.names)
            return {name: schema.field(name).type for name in keep}
    header = [name.strip() for name in next(_csv_lines(path, place), [])]
    _require(path, wanted, header)
    return dict.fromkeys(keep, pa.string())


def _require(path: str, wanted: Sequence[str], columns: Sequence[str]) -> None:
    for name in wanted:
        if name not in columns:
            told = ", ".join(columns[:_MOST_SHOWN]) or "none"
            raise InputError(
                f"the column {name} of {path}",
                f"it has no such column; its columns are {told}",
                "Name one of these (--column has the texts or images)",
            )
        if columns.count(name) > 1:
            raise InputError(
                path, f"{columns.count(name)} columns are named {name}", "Give each a name of its own"
            )


class _Marker:
    pass


_IN_THE_FILE, _NO_DOCUMENT = _Marker(), _Marker()


def _holds_images(kind: pa.DataType) -> bool:
    """Bytes, or what data sets of Hugging Face have: {bytes, path}."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_images(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _parquet(path: str, place: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(place)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, error) from None


def _no_parquet(path: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return InputError(path, f"it can't be read as Parquet ({reason})", "Replace it by a whole file")


def _check_encoding(path: str, place: Path) -> None:
    try:
        with open(place, "rb") as file:
            mark = file.read(2)
    except OSError as error:
        raise _unreadable(path, error) from None
    name = _OTHER_ENCODINGS.get(mark)
    if name is not None:
        raise InputError(path, f"it is written in {name}", f"Save it as UTF-8 (iconv -f {name} -t UTF-8)")


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(path, f"it can't be read ({error.strerror})", "Make it a file that can be read")


def _other_type(name: str, first: str, one: pa.DataType, second: str, other: pa.DataType) -> InputError:
    return InputError(
        f"--keep {name}",
        f"it is {one} in {first} and {other} in {second}",
        "Give it one type in all tables, or embed them one by one",
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
