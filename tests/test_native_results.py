"""docs/results shows the speed-ups that its records of native merging have."""

from __future__ import annotations

import json
import re

import pytest

from pitome.bundle.latency_records import BatchRecord
from tests.checkout import ROOT

RESULTS = ROOT / "docs" / "results"
ROW = re.compile(r"^\| ([a-z][\w-]*) \| (\d+)[^|]*\|", re.MULTILINE)


def section() -> str:
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    return page.partition("## Merging natively in onnxruntime\n")[2].partition("\n## ")[0]


def recorded(model: str, batch: int) -> BatchRecord:
    """Measured again where there is a file of one batch size alone."""
    own = RESULTS / "native" / f"{model}-batch{batch}.json"
    path = own if own.exists() else RESULTS / "native" / f"{model}.json"
    records = map(BatchRecord.model_validate, json.loads(path.read_text(encoding="utf-8"))["comparison"])
    return next(record for record in records if record.batch == batch)


def cell(ratio: float | None, interval: tuple[float, float] | None) -> str:
    assert ratio is not None
    assert interval is not None
    return "{:.2f} ({:.2f} to {:.2f})".format(ratio, *interval)


def test_all_models_are_in_the_table() -> None:
    rows = {(model, int(batch)) for model, batch in ROW.findall(section())}
    models = {path.stem for path in (RESULTS / "native").glob("*.json")} - {"fashion-vit-batch1"}
    assert rows == {(model, batch) for model in models for batch in (1, 8)}
    assert len(rows) == 8


@pytest.mark.parametrize(("model", "batch"), ROW.findall(section()))
def test_a_row_is_that_of_its_record(model: str, batch: str) -> None:
    record = recorded(model, int(batch))
    body, native, random = map(record.contestant, ("merged", "native", "random"))
    pairs = {(pair.name, pair.against): cell(pair.ratio, pair.ratio_interval) for pair in record.pairs}
    steady = all(each.steady for each in (body, native, random))
    cells = [
        model,
        batch if steady else f"{batch} (not steady)",
        f"{body.bound:.2f}",
        *(cell(each.ratio, each.ratio_interval) for each in (body, native, random)),
        pairs["native", "merged"],
        pairs["native", "random"],
    ]
    assert f"| {' | '.join(cells)} |" in section()
