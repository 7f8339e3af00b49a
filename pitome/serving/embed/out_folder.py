"""The folder of the embeddings: held by one run at a time, and left as it was by one that is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pitome.errors import BundleError, InputError
from pitome.lock_file import make_lock_file
from pitome.serving.embed.run_record import RECORD_NAME, read_record
from pitome.serving.embed.shards import (
    SHARDS,
    ShardFacts,
    read_shard,
    remove_leftovers,
    shard_metadata,
    shard_name,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitome.serving.embed.work_list import WorkList

ERRORS_NAME, CUT_NAME = "errors.parquet", "truncated.parquet"
_LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder; one that was made here and that no run was begun in is removed again.

    Raises:
        InputError: another run holds it, it holds something else, or it can't be written.
    """
    read_record(folder)
    made = _make(folder)
    try:
        with _locked(folder):
            remove_leftovers(folder)
            try:
                yield
            except BaseException:
                remove_leftovers(folder)
                raise
    finally:
        if made and not (folder / RECORD_NAME).exists():
            with suppress(OSError):
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()


def finished_shards(
    folder: Path, work: WorkList, bundle_sha256: str, note: Callable[[str], None]
) -> dict[int, ShardFacts]:
    """The shards that are there; a damaged one is removed, and said to be.

    Raises:
        InputError: shards that do not belong to this list.
    """
    names = {shard_name(number, digest): number for number, digest in enumerate(work.digests)}
    there = sorted(path.name for path in folder.glob(SHARDS))
    foreign = [name for name in there if name not in names]
    if foreign:
        raise InputError(
            f"go on with {folder}", f"its {foreign[0]} is of another run", "Give another folder with --out"
        )
    found: dict[int, ShardFacts] = {}
    for name in there:
        number = names[name]
        try:
            found[number] = read_shard(folder / name, number, work.digests[number], bundle_sha256)
        except BundleError as error:
            note(f"{error.asked} is made again: {error.found}")
            (folder / name).unlink()
    return found


def write_lists(folder: Path, facts: Sequence[ShardFacts], bundle_sha256: str, cut: bool) -> None:
    """What was not embedded and why; and, where texts are cut, those that were."""
    import pyarrow as pa

    metadata = shard_metadata(bundle_sha256)
    failures = [failure for each in facts for failure in each.failures]
    columns = {
        "id": pa.array([each.id for each in failures], pa.string()),
        "reason": pa.array([each.reason for each in failures], pa.string()),
    }
    write_table(folder / ERRORS_NAME, pa.table(columns).replace_schema_metadata(metadata))
    if cut:
        texts = [text for each in facts for text in each.cut]
        columns = {
            "id": pa.array([text.id for text in texts], pa.string()),
            "tokens": pa.array([text.tokens for text in texts], pa.int64()),
            "limit": pa.array([text.limit for text in texts], pa.int64()),
        }
        write_table(folder / CUT_NAME, pa.table(columns).replace_schema_metadata(metadata))


def _make(folder: Path) -> bool:
    try:
        if folder.is_dir():
            return False
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"write {folder}", f"it can't be made ({error.strerror})", "Give another folder with --out"
        ) from None
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    path = folder / _LOCK
    try:
        make_lock_file(path)
    except OSError as error:
        raise InputError(
            f"write {folder}", f"it can't be written ({error.strerror})", "Give another folder with --out"
        ) from None
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except NotImplementedError as error:
        raise InputError(
            f"write {folder}", f"its file system has no locks ({error})", "Give another folder with --out"
        ) from None
    except Timeout:
        raise InputError(
            f"write {folder}",
            "another run is writing there",
            "Wait until it ends, or give another folder with --out",
        ) from None
    try:
        yield
    finally:
        lock.release()
