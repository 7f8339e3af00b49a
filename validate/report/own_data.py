"""How a report tells what merging changes on the user's own data: in sentences, and by the worst cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.validate.evaluate.records import ModelAccuracy, OwnFindings, Reindex, TaskAccuracy, WorstCase
from pitome.validate.own_data import left_out_text

Tone = Literal["plain", "good", "bad", "warning"]
_TONES: dict[str, Tone] = {
    "keep the index": "good",
    "re-index": "warning",
    "merge less": "bad",
    "not judged": "warning",
}
_DIGEST = 12


@dataclass(frozen=True)
class CaseView:
    """One of the worst cases."""

    name: str
    closeness: str
    change: str | None
    """What the model answers in place of what the unmerged one does, of classifiers."""
    text: str | None
    picture: str | None
    """A data URI; None for a text."""


@dataclass(frozen=True)
class OwnDataView:
    """What a page and a terminal say beside a task's table."""

    in_place_of: str | None
    used: str
    digest: str
    skipped: tuple[str, ...]
    spread: str | None
    """Percentiles of the cases' closeness."""
    index: tuple[tuple[str, Tone, str], ...]
    """(answer, tone, reason), once for all models that have the same answer."""
    model: str | None
    """Whose worst cases are shown."""
    measure: str
    cases: tuple[CaseView, ...]


def own_data_view(task: TaskAccuracy, pictures: Mapping[int, str] | None = None) -> OwnDataView | None:
    """None where a task is not on data of the user's without labels.

    Args:
        task: as it was measured.
        pictures: row of a sample -> small picture of it.
    """
    if task.own_data is None:
        return None
    judged = [(model, model.own) for model in task.models if model.own is not None]
    record, shown = task.own_data, judged[0] if judged else None
    return OwnDataView(
        in_place_of=task.in_place_of,
        used=used_text(record),
        digest=record.data_sha256,
        skipped=tuple(left_out_text(part) for part in record.skipped),
        spread=None if shown is None else _spread(shown[1]),
        index=tuple(_answers(judged)),
        model=None if shown is None else shown[0].model,
        measure="cosine" if shown is None or shown[1].vector else "closeness",
        cases=() if shown is None else tuple(_case(case, pictures or {}) for case in shown[1].worst),
    )


def used_text(record: OwnDataRecord) -> str:
    """Such as "20 of 22 images of images:photos, 2 left out; data digest 0123456789ab"."""
    kind = record.data.partition(":")[0]
    told = f"{record.used:,} of {record.found:,} {kind} of {record.data}"
    if record.column is not None:
        told += f", column {record.column}"
    if record.limit is not None:
        told += f", chosen by seed {record.seed} under a limit of {record.limit:,}"
    if record.num_skipped:
        told += f", {record.num_skipped:,} left out"
    return f"{told}; digest {record.data_sha256[:_DIGEST]}"


def answer_text(found: Reindex) -> str:
    """Re-index or not, in a word or two."""
    told = {
        "keep the index": "no re-index needed",
        "re-index": "re-index",
        "merge less": "neither an old nor a new index serves: merge less",
        "not judged": "re-index or not: not judged",
    }
    return told[found.answer]


def _answers(judged: list[tuple[ModelAccuracy, OwnFindings]]) -> Iterator[tuple[str, Tone, str]]:
    """Models with the same answer together, told by the first of them."""
    found: dict[str, tuple[Reindex, list[str]]] = {}
    for model, own in judged:
        if own.reindex is not None:
            found.setdefault(own.reindex.answer, (own.reindex, []))[1].append(model.model)
    for reindex, models in found.values():
        whose = f" ({', '.join(models)})" if len(found) > 1 else ""
        yield f"{answer_text(reindex)}{whose}", _TONES[reindex.answer], reindex.reason


def _spread(found: OwnFindings) -> str:
    told = ", ".join(f"{name} %: {value:z.4f}" for name, value in found.percentiles.items())
    wrong = f"; {found.not_finite:,} have outputs that are not finite" if found.not_finite else ""
    what = f"Cosine of {found.vector}" if found.vector else "Closeness of the answers"
    return f"{what}, percentiles over the samples: {told}{wrong}"


def _case(case: WorstCase, pictures: Mapping[int, str]) -> CaseView:
    change = None
    if case.unmerged is not None:
        change = f"{case.unmerged} \N{RIGHTWARDS ARROW} {case.answered}"
    return CaseView(case.name, f"{case.closeness:z.4f}", change, case.text, pictures.get(case.row))
