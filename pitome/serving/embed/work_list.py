"""The list of inputs as a file, cut into shards before anything runs.

It lies in the folder of the embeddings while they are made: every worker, on whatever machine, reads its
shard from there and is told no more than the shard's number. A row group is a shard.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import BundleError, InputError
from pitome.serving.embed.items import Item

if TYPE_CHECKING:
    import pyarrow as pa

LIST_NAME = ".list.parquet"
_KEPT = "kept."
_DIGESTS, _LIST = b"pitome.shards", b"pitome.list"
_OWN = tuple(each.name for each in fields(Item) if each.name != "kept")
_NOT_CONTENT = ("place", "changed")
"""Of an item: where it lies today, which a copy of the data need not share."""


@dataclass(frozen=True)
class ShardInput:
    """What one shard is made of."""

    number: int
    first_row: int
    items: tuple[Item, ...]
    kept: pa.Table
    """The columns that are passed through, a row for each item."""
    digest: str


@dataclass(frozen=True)
class ListRecord:
    """What tells one list from another."""

    inputs: int
    sha256: str
    """Of ids, texts, sizes of files and passed columns, in order."""
    times_sha256: str
    """Of when each file was changed."""


class WorkList:
    """The list in a folder.

    Args:
        folder: that `write_work_list` wrote it into.

    Raises:
        InputError: it is not there, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._path = folder / LIST_NAME
        try:
            self._file = parquet.ParquetFile(self._path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"the list of inputs {self._path}",
                f"it can't be read here ({str(error).splitlines()[0].rstrip('.')})",
                "Use a folder that every machine has under this path",
            ) from None
        metadata = self._file.metadata.metadata
        self.digests: list[str] = json.loads(metadata[_DIGESTS])
        self.record = ListRecord(**json.loads(metadata[_LIST]))
        self._rows = self._file.metadata.row_group(0).num_rows
        """Of every shard but the last."""

    def __len__(self) -> int:
        return len(self.digests)

    def rows(self, number: int) -> int:
        """Inputs of a shard."""
        return int(self._file.metadata.row_group(number).num_rows)

    def first_row(self, number: int) -> int:
        """In the whole list, of a shard."""
        return number * self._rows

    def shard(self, number: int) -> ShardInput:
        """One shard's inputs."""
        table = self._file.read_row_group(number, use_threads=False)
        own = {name: table.column(name).to_pylist() for name in _OWN}
        items = tuple(Item(**dict(zip(own, row, strict=True))) for row in zip(*own.values(), strict=True))
        names = [name for name in table.column_names if name.startswith(_KEPT)]
        kept = table.select(names).rename_columns([name.removeprefix(_KEPT) for name in names])
        return ShardInput(number, self.first_row(number), items, kept, self.digests[number])


def write_work_list(
    folder: Path, items: Iterable[Item], rows: int, kept: dict[str, pa.DataType], identity: str
) -> ListRecord:
    """Write the list of inputs, a shard's rows in each row group, beside its place: `publish_work_list`.

    Args:
        folder: of the embeddings.
        items: in order; they are not held in memory.
        rows: of a shard.
        kept: types of the columns that are passed through.
        identity: what else decides about the embeddings; goes into every shard's digest.

    Raises:
        InputError: there are none.
    """
    import pyarrow as pa
    from pyarrow import parquet

    partial = _partial(folder)
    schema = _schema(kept)
    digests: list[str] = []
    whole, times, count = hashlib.sha256(), hashlib.sha256(), 0
    with parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
        for some in _groups(items, rows):
            shard = hashlib.sha256(identity.encode())
            for item in some:
                line = _content(item)
                shard.update(line)
                whole.update(line)
                times.update(f"{item.changed}\n".encode())
            digests.append(shard.hexdigest())
            count += len(some)
            writer.write_table(pa.Table.from_arrays(_arrays(some, schema), schema=schema), rows)
        record = ListRecord(count, whole.hexdigest(), times.hexdigest())
        told = {_DIGESTS: json.dumps(digests), _LIST: json.dumps(record.__dict__)}
        writer.add_key_value_metadata({key.decode(): value for key, value in told.items()})
    if not count:
        raise InputError("the paths to embed", "there is no input in them", "Name folders or files with some")
    return record


def publish_work_list(folder: Path) -> None:
    """Put what was written in its place."""
    _partial(folder).replace(folder / LIST_NAME)


def remove_work_list(folder: Path) -> None:
    """Once all shards are there."""
    (folder / LIST_NAME).unlink(missing_ok=True)


def same_list(one: ListRecord, other: ListRecord) -> str | None:
    """How a list differs from another one; None where it does not."""
    if one.inputs != other.inputs:
        return f"its list had {one.inputs:,} inputs, and this one has {other.inputs:,}"
    if one.sha256 != other.sha256:
        return f"its list had {one.inputs:,} inputs as this one has, and not the same"
    if one.times_sha256 != other.times_sha256:
        return "files of its list were changed since"
    return None


def check_digest(found: str, wanted: str, what: str) -> None:
    """BundleError where a worker has another bundle or list than who asked it."""
    if found != wanted:
        raise BundleError(what, f"its digest is {found} here and {wanted} where the command runs", "Copy it")


def _partial(folder: Path) -> Path:
    return folder / f"{LIST_NAME}.partial-{os.getpid()}"


def _groups(items: Iterable[Item], rows: int) -> Iterable[list[Item]]:
    some: list[Item] = []
    for item in items:
        some.append(item)
        if len(some) == rows:
            yield some
            some = []
    if some:
        yield some


def _schema(kept: dict[str, pa.DataType]) -> pa.Schema:
    import pyarrow as pa

    numbers = ("row", "size", "changed")
    own = [(name, pa.int64() if name in numbers else pa.string()) for name in _OWN]
    return pa.schema([*own, *((f"{_KEPT}{name}", kind) for name, kind in kept.items())])


def _arrays(items: Sequence[Item], schema: pa.Schema) -> list[pa.Array]:
    import pyarrow as pa

    return [
        pa.array(
            [
                item.kept.get(column.name.removeprefix(_KEPT))
                if column.name.startswith(_KEPT)
                else getattr(item, column.name)
                for item in items
            ],
            column.type,
        )
        for column in schema
    ]


def _content(item: Item) -> bytes:
    values: list[Any] = [getattr(item, name) for name in _OWN if name not in _NOT_CONTENT]
    return (json.dumps([*values, item.kept], default=str) + "\n").encode()
