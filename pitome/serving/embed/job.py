"""The embedding of many inputs, from their paths to a folder of Parquet files."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from pitome.bundle import read_manifest
from pitome.errors import InputError
from pitome.serving.embed.encoder import EncoderFacts, LocalWorker, chosen_modality
from pitome.serving.embed.items import Item
from pitome.serving.embed.listing import Listing
from pitome.serving.embed.options import EmbedOptions
from pitome.serving.embed.out_folder import ERRORS_NAME, finished_shards, held, write_lists
from pitome.serving.embed.rate import RateReport, Report
from pitome.serving.embed.run_record import (
    Counts,
    ListDigests,
    RunRecord,
    changed_versions,
    check_same,
    identity_text,
    installed_versions,
    read_record,
    used_options,
    write_record,
)
from pitome.serving.embed.shards import SHARDS, ShardFacts
from pitome.serving.embed.tables import Columns
from pitome.serving.embed.work_list import (
    WorkList,
    publish_work_list,
    remove_work_list,
    write_work_list,
)
from pitome.version import __version__

MOST_REASONS = 10
"""That are told of the failures; errors.parquet has all."""


class Workers(Protocol):
    """Who computes shards: this process, or many."""

    def facts(self) -> EncoderFacts:
        """What the model is where the shards are computed."""

    def compute(
        self, work: WorkList, numbers: Sequence[int], done: Callable[[int], None]
    ) -> Iterator[ShardFacts]:
        """Compute shards and publish each, in any order; ``done`` is told of inputs that are dealt with."""

    def close(self) -> None:
        """No more shards."""


@dataclass(frozen=True)
class EmbedResult:
    """What a run left."""

    out: str
    bundle: str
    inputs: int
    embedded: int
    failed: int
    cut: int
    """Texts of which the beginning was embedded (--truncate)."""
    reasons: dict[str, int]
    """Of the failures, the most frequent first."""
    remarks: dict[str, int]
    """What was assumed of how many inputs."""
    left_out: str
    """Files of folders that are no inputs."""
    repeated_ids: int
    shards: int
    reused_shards: int
    dimension: int
    dtype: str
    seconds: float
    """In which shards were computed; 0 where all were there."""
    rate: float | None
    """Inputs in a second."""


def embed(
    bundle: Path,
    paths: Sequence[Path],
    options: EmbedOptions,
    report: Report | None = None,
    note: Callable[[str], None] | None = None,
) -> EmbedResult:
    """Embed what lies at some paths into a folder, or go on with it; docs/embed.md describes it.

    Args:
        bundle: its folder.
        paths: folders, files, lists and tables.
        options: with the folder that the embeddings go to.
        report: is told of the progress, as (detail, inputs done, inputs in all).
        note: is told what was assumed or set aside.

    Raises:
        InputError: paths, columns or options that can't be used, a folder that was begun with something
            else, or nothing that could be embedded.
        BundleError: no bundle, or one that may not be used.
        BackendError: nothing runs it here.
    """
    manifest = read_manifest(bundle)
    modality = chosen_modality(manifest, options)
    columns = Columns(options.column, options.id_column, options.keep)
    listing = Listing(paths, modality, columns)
    with held(options.out):
        workers = _workers(bundle, options)
        try:
            return _Run(bundle, options, workers, note or _silent).embed(listing, columns, report or _silent)
        finally:
            workers.close()


@dataclass(frozen=True)
class _Run:
    """One run in a folder that is held."""

    bundle: Path
    options: EmbedOptions
    workers: Workers
    note: Callable[[str], None]

    def embed(self, listing: Listing, columns: Columns, report: Report) -> EmbedResult:
        folder, facts = self.options.out, self.workers.facts()
        ids = array("q")
        used = used_options(self.options, facts.modality, facts.runs)
        written = write_work_list(
            folder,
            _counted(listing.items(), ids),
            self.options.shard_rows,
            columns.types,
            identity_text(facts.bundle_sha256, used),
        )
        record = RunRecord(
            pitome_version=__version__,
            bundle_sha256=facts.bundle_sha256,
            model=facts.model,
            options=used,
            list=ListDigests(**asdict(written)),
            versions=installed_versions(),
        )
        repeated = len(ids) - len(np.unique(np.frombuffer(ids, np.int64)))
        if repeated:
            self.note(f"{repeated:,} inputs have the id of an earlier one")
        if listing.left_out.counts:
            self.note(f"left out of the folders: {listing.left_out.told()}")
        work = self._begin(record)
        found = finished_shards(folder, work, facts.bundle_sha256, self.note)
        reused = len(found)
        started = time.monotonic()
        before = sum(each.inputs for each in found.values())
        if len(found) < len(work):
            progress = RateReport(report, before, written.inputs)
            with _note_of_what_is_left(folder, len(work)):
                missing = [number for number in range(len(work)) if number not in found]
                for shard in self.workers.compute(work, missing, progress.add):
                    found[shard.number] = shard
        seconds = time.monotonic() - started if reused < len(work) else 0.0
        shards = [found[number] for number in range(len(work))]
        result = self._finish(record, shards)
        return EmbedResult(
            out=str(folder),
            bundle=str(self.bundle),
            inputs=written.inputs,
            embedded=result.embedded,
            failed=result.failed,
            cut=result.cut,
            reasons=_reasons(shards),
            remarks=result.remarks,
            left_out=listing.left_out.told(),
            repeated_ids=repeated,
            shards=len(shards),
            reused_shards=reused,
            dimension=facts.dimension,
            dtype=self.options.dtype,
            seconds=round(seconds, 3),
            rate=round((written.inputs - before) / seconds, 2) if seconds else None,
        )

    def _begin(self, record: RunRecord) -> WorkList:
        """Go on with what is there, or write down what is begun.

        Raises:
            InputError: it was begun with something else.
        """
        folder = self.options.out
        there = read_record(folder)
        if there is not None:
            check_same(folder, there, record)
            changed = changed_versions(there, record)
            if changed:
                self.note(f"other versions of packages than when {folder} was begun: {changed}")
        publish_work_list(folder)
        if there is None:
            write_record(folder, record)
        return WorkList(folder)

    def _finish(self, record: RunRecord, shards: Sequence[ShardFacts]) -> Counts:
        """Write what is known when all shards are there, and remove the list.

        Raises:
            InputError: nothing at all was embedded.
        """
        folder = self.options.out
        remarks: Counter[str] = Counter()
        for each in shards:
            remarks.update(each.remarks)
        result = Counts(
            embedded=sum(each.embedded for each in shards),
            failed=sum(len(each.failures) for each in shards),
            cut=sum(len(each.cut) for each in shards),
            shards=len(shards),
            dimension=self.workers.facts().dimension,
            remarks=dict(sorted(remarks.items())),
        )
        write_lists(folder, shards, record.bundle_sha256, self.options.truncate)
        began = read_record(folder)
        assert began is not None  # written by `_begin`
        write_record(folder, began.model_copy(update={"result": result}))
        remove_work_list(folder)
        if not result.embedded:
            reason, count = next(iter(_reasons(shards).items()))
            raise InputError(
                f"embed {result.failed:,} inputs",
                f"none could be; of {count:,} the reason is: {reason}",
                f"{folder / ERRORS_NAME} has the reason of each",
            )
        return result


def _workers(bundle: Path, options: EmbedOptions) -> Workers:
    if options.ray is not None:
        from pitome.serving.embed.on_ray import RayWorkers

        return RayWorkers(bundle, options)
    return LocalWorker(bundle, options)


def _counted(items: Iterable[Item], ids: array[int]) -> Iterator[Item]:
    for item in items:
        ids.append(hash(item.id))
        yield item


def _reasons(shards: Iterable[ShardFacts]) -> dict[str, int]:
    counts = Counter(failure.reason for each in shards for failure in each.failures)
    return dict(counts.most_common(MOST_REASONS))


@contextmanager
def _note_of_what_is_left(folder: Path, total: int) -> Iterator[None]:
    try:
        yield
    except BaseException as stop:
        if not isinstance(stop, Exception):
            there = sum(1 for _ in folder.glob(SHARDS))
            stop.add_note(f"{there} of {total} shards are in {folder}: the same command goes on")
        raise


def _silent(*_told: object) -> None:
    """Nobody is told."""
