"""``pitome tune`` as a function: stopped after its sweep, it says what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pitome.engine.options import ModelChoice
from pitome.engine.progress import Report, Silent
from pitome.engine.search_options import GridOptions, SearchOptions, SpeedOptions, TuneOptions
from pitome.engine.tune import run_tune


class StoppedAtTheFinalists(Silent):
    """The user interrupts when the finalists are about to be measured."""

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        if title.startswith("Measure the"):
            raise KeyboardInterrupt
        yield lambda detail, done, total: None


def test_a_stop_after_the_sweep_says_what_goes_on(clip_folder: Path, tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    search = SearchOptions(
        ModelChoice(str(clip_folder)),
        GridOptions(changes=0, methods="pitome", flops="0.8", shapes="ratio"),
        tasks=("photos",),
        limit=3,
        speed=SpeedOptions(threads=1),
    )
    options = TuneOptions(search, max_drop=100, records=records, out=tmp_path)
    with pytest.raises(KeyboardInterrupt) as caught:
        run_tune(options, "pitome tune", StoppedAtTheFinalists())
    count = len(records.read_text().splitlines()) - 1
    assert count > 1
    assert caught.value.__notes__ == [f"{count} records are in {records}; the same command goes on with it"]
    assert [path.name for path in tmp_path.glob("*.toml")] == []
