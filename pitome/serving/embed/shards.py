"""One file for each shard: written beside its place, flushed, and renamed when it is complete.

Its name says its number and what it was made from, its metadata the bundle. What could not be embedded is in
the metadata too, so that a shard is there with its failures or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import BundleError
from pitome.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pitome.serving.embed.work_list import ShardInput

SHARDS = "shard-*.parquet"
"""Their names, as a shell matches them."""
_SHOWN_DIGITS = 16
_FACTS, _BUNDLE = "pitome.shard", "pitome.bundle_sha256"


@dataclass(frozen=True)
class Failure:
    """An input that has no embedding."""

    id: str
    reason: str


@dataclass(frozen=True)
class Cut:
    """A text of which the model read the beginning only."""

    id: str
    tokens: int
    limit: int


@dataclass(frozen=True)
class ShardFacts:
    """What a shard's metadata says."""

    number: int
    sha256: str
    """Of what it was made from."""
    inputs: int
    first_row: int
    failures: tuple[Failure, ...]
    cut: tuple[Cut, ...]
    remarks: dict[str, int]
    """What was assumed of how many inputs."""

    @property
    def embedded(self) -> int:
        """Rows of the shard."""
        return self.inputs - len(self.failures)


@dataclass(frozen=True)
class Embedded:
    """The rows of a shard that have an embedding."""

    rows: Sequence[int]
    """In the shard, ascending."""
    vectors: NDArray[np.floating[Any]]
    """[len(rows), D]."""


def shard_name(number: int, digest: str) -> str:
    """The file of a shard."""
    return f"shard-{number:05d}-{digest[:_SHOWN_DIGITS]}.parquet"


def shard_metadata(bundle_sha256: str) -> dict[str, str]:
    """What the metadata of every file says of where it comes from."""
    return {_BUNDLE: bundle_sha256, "pitome.version": __version__}


def publish_shard(
    folder: Path, shard: ShardInput, found: Embedded, facts: ShardFacts, bundle_sha256: str
) -> Path:
    """Write a shard; the same content is the same bytes, whoever writes it.

    Raises:
        OSError: the folder can't be written.
    """
    table = _table(shard, found).replace_schema_metadata(
        {**shard_metadata(bundle_sha256), _FACTS: json.dumps(asdict(facts), sort_keys=True)}
    )
    path = folder / shard_name(shard.number, shard.digest)
    write_table(path, table)
    return path


def write_table(path: Path, table: pa.Table) -> None:
    """A Parquet file that appears complete or not at all."""
    from pyarrow import parquet

    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        parquet.write_table(
            table, partial, row_group_size=max(1, len(table)), compression="zstd", write_page_checksum=True
        )
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_shard(path: Path, number: int, digest: str, bundle_sha256: str) -> ShardFacts:
    """What a finished shard says of itself; all of it is read, by its checksums.

    Raises:
        BundleError: it is damaged, or another one than its name says.
    """
    import pyarrow as pa
    from pyarrow import parquet

    asked, remedy = f"the shard {path}", "Remove it: the next run makes it again"
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            rows = sum(batch.num_rows for batch in file.iter_batches())
            metadata = file.schema_arrow.metadata or {}
        facts = _facts(json.loads(metadata[_FACTS.encode()]))
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BundleError(asked, f"it is damaged ({reason})", remedy) from None
    bundle = metadata.get(_BUNDLE.encode(), b"").decode()
    if (facts.number, facts.sha256, facts.embedded, bundle) != (number, digest, rows, bundle_sha256):
        raise BundleError(asked, "it is not what its name says", remedy)
    return facts


def remove_leftovers(folder: Path) -> None:
    """Partial files of processes that are gone; nobody else may be writing there."""
    for path in folder.glob(".*.partial-*"):
        path.unlink(missing_ok=True)


def _facts(document: dict[str, Any]) -> ShardFacts:
    return ShardFacts(
        **{
            **document,
            "failures": tuple(Failure(**each) for each in document["failures"]),
            "cut": tuple(Cut(**each) for each in document["cut"]),
        }
    )


def _table(shard: ShardInput, found: Embedded) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    rows = np.asarray(found.rows, np.int64)
    dimension = found.vectors.shape[1]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(found.vectors.reshape(-1)), dimension)
    kept = shard.kept.take(pa.array(rows))
    columns = {
        "id": pa.array([shard.items[row].id for row in found.rows], pa.string()),
        "row": pa.array(rows + shard.first_row),
        "embedding": vectors,
        **{name: kept.column(name) for name in kept.column_names},
    }
    return pa.table(columns)
