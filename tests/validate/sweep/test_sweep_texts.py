"""What a sweep of a text encoder records beside the score: padding, and documents of full length."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pitome.models.loading import load_model
from pitome.settings import MergeSettings
from pitome.validate.evaluate.tasks.text_classification import TextClassification
from pitome.validate.padding import padding_share, removed_padding, unpadded_flops
from pitome.validate.padding_records import FULL_LENGTH, PADDED
from pitome.validate.resume import ResumableLog
from pitome.validate.sweep.grid import Axis, Grid
from pitome.validate.sweep.plan import make_points
from pitome.validate.sweep.points import Sweep
from pitome.validate.sweep.records import SweepRecord, measured
from pitome.validate.sweep.values import ValueStore
from tests.tiny_models import SEQUENCE_LENGTH, tiny_text_model
from tests.validate.evaluate.tasks.small_texts import corpus

GRID = Grid(
    methods=("pitome", "random"),
    flops=(0.7,),
    shapes=("ratio",),
    axes=(
        Axis("metric", (MergeSettings(metric="hidden"),)),
        Axis("candidates", (MergeSettings(candidates=0.2),)),
        Axis("size_penalty", (MergeSettings(size_penalty=0.1),)),
    ),
    changes=0,
)


def encode_longer(texts: list[str]) -> dict[str, torch.Tensor]:
    """Each word three times, so that some documents fill all 40 positions."""
    ids = torch.zeros(len(texts), SEQUENCE_LENGTH, dtype=torch.int64)
    for row, text in enumerate(texts):
        words = [int(word) for word in text.split() for _ in range(3)][:SEQUENCE_LENGTH]
        ids[row, : len(words)] = torch.tensor(words)
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, TextClassification, list[SweepRecord]]:
    folder = tmp_path_factory.mktemp("bert")
    tiny_text_model("BertModel").save_pretrained(folder / "tiny")
    loaded = load_model(str(folder / "tiny"), sequence_length=SEQUENCE_LENGTH)
    numbers: Any = {"num_fit": 60, "num_validation": 40}
    task = TextClassification("small", corpus(120, 0), corpus(30, 1), encode_longer, **numbers)
    points, refused = make_points(GRID, loaded.family, loaded.family.shape(loaded.model))
    with ResumableLog.open(folder / "sweep.jsonl", {}) as log:
        records = Sweep(loaded, (task,), log, ValueStore(folder / "values")).run(points, refused)
    return loaded, task, measured(records)


def test_padding_of_every_point(swept: tuple[Any, TextClassification, list[SweepRecord]]) -> None:
    from pitome import compress
    from pitome.schedule import TokenSchedule

    loaded, task, records = swept
    samples = task.samples("validation")
    lengths = samples.inputs["attention_mask"].sum(dim=1).numpy()
    assert 2 <= (lengths == SEQUENCE_LENGTH).sum() < len(lengths)
    shares = []
    for record in records:
        assert record.padding is not None
        assert record.padding.texts == len(samples)
        assert record.padding.full_length == (lengths == SEQUENCE_LENGTH).sum()
        assert record.padding.flops_merged == record.flops_ratio
        shape = loaded.family.shape(loaded.model)
        assert record.padding.flops_unpadded == pytest.approx(unpadded_flops(shape, lengths))
        if record.is_unmerged:
            assert record.padding.share_of_removed is None
            continue
        schedule = TokenSchedule(SEQUENCE_LENGTH, 1, record.num_merged)
        merged = compress(loaded.model, schedule, method=record.settings.method)
        assert record.padding.share_of_removed == padding_share(removed_padding(merged, samples))
        shares.append(record.padding.share_of_removed)
    assert len(set(shares)) == 2, "PiToMe takes padding first, random pairs do not look at it"


def test_documents_of_full_length_are_judged_apart(
    swept: tuple[Any, TextClassification, list[SweepRecord]],
) -> None:
    _, task, records = swept
    full = int(task.samples("validation").inputs["attention_mask"].all(dim=1).sum())
    for record in records:
        found = record.metrics
        weighted = (full * found[FULL_LENGTH] + (record.samples - full) * found[PADDED]) / record.samples
        assert found["accuracy"] == pytest.approx(weighted)
