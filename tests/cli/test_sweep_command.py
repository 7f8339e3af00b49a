"""`pitome sweep`: records, resuming, refusals, the dry run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitome.cli.option_names import MAKE_VARIABLES
from tests.cli.command_line import Outcome, pitome
from tests.command_options import options_of

SMALL = ("--task", "photos", "--limit", "3", "--flops", "0.8", "--shapes", "ratio", "--metrics", "hidden")
SMALL += ("--methods", "pitome,tome", "--candidates", "0.1", "--size-penalties", "0.05", "--threads", "1")
"""Plain ToMe, ToMe and PiToMe at one schedule, on three photos."""


@pytest.fixture(scope="module")
def swept(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("sweep") / "x.jsonl"
    return out, pitome("sweep", clip_folder, *SMALL, "--out", out, "--json")


def refused(outcome: Outcome, *parts: str) -> None:
    assert outcome.code == 2, outcome.err
    for part in parts:
        assert part in outcome.message


def test_records_a_table_and_a_picture(swept: tuple[Path, Outcome], clip_folder: Path) -> None:
    out, outcome = swept
    assert outcome.code == 0, outcome.err
    document: Any = outcome.document
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[1]["kind"] == "run"
    assert lines[1]["command"].startswith("pitome")  # and the arguments of the test's process
    assert lines[2:] == document["records"]
    labels = [record["label"] for record in document["records"]]
    assert labels == [
        "unmerged",
        "tome hidden penalty 0 at FLOPs 0.8, ratio",
        "pitome hidden protect 0.1 penalty 0.05 at FLOPs 0.8, ratio",
        "tome hidden penalty 0.05 at FLOPs 0.8, ratio",
    ]
    keys = {record["key"] for record in document["records"]}
    assert set(document["pareto"]["photos"]) <= keys
    assert "unmerged" in document["pareto"]["photos"]  # nothing has a better cosine than 1
    assert lines[0]["configuration"]["limit"] == 3
    picture = out.with_name("x.photos.flops.svg")
    assert document["pictures"] == [str(picture)]
    assert picture.read_text().lstrip().startswith(("<svg", "<?xml"))

    table = pitome("sweep", clip_folder, *SMALL, "--out", out)  # resumed: nothing is left to do
    assert "took over 5 finished records" in table.message
    told = " ".join(table.out.split())
    words = [word for label in labels for word in label.split()]  # a long label breaks inside of its column
    for text in ("clip-tiny, photos:", "over 3 samples, validation", *words, f"wrote {out}"):
        assert text in told
    assert [json.loads(line) for line in out.read_text().splitlines()] == lines


def test_another_configuration_is_refused_by_name(swept: tuple[Path, Outcome], clip_folder: Path) -> None:
    out, _ = swept
    refused(
        pitome("sweep", clip_folder, *SMALL, "--limit", "4", "--seed", "1", "--out", out),
        f"resuming from {out}: the file was written with another configuration: ",
        "limit is 3 in it and 4 now; seed is 0 in it and 1 now",
    )


def test_points_that_cannot_be_made_are_told_and_counted(clip_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    options = (*SMALL, "--methods", "tome", "--flops", "0.1,0.8")
    outcome = pitome("sweep", clip_folder, *options, "--out", out)
    assert outcome.code == 0, outcome.err
    told = " ".join(outcome.out.split())
    assert "not run: FLOPs 0.1, ratio: FLOPS=0.1: the smallest schedule" in told
    assert "1 points could not be run" in told


def test_a_dry_run_lists_the_points_and_writes_nothing(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = pitome("sweep", clip_folder, *SMALL, "--dry-run")
    assert outcome.code == 0
    assert "3 points, and the unmerged model" in outcome.out
    document = pitome("sweep", clip_folder, *SMALL, "--dry-run", "--json").document
    assert document["points"][0]["label"] == "tome hidden penalty 0 at FLOPs 0.8, ratio"
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_its_weights_is_never_judged() -> None:
    """So there is nothing that --strict could say."""
    of_a_build = options_of("engine") & options_of("export")
    assert "--strict" in of_a_build
    for command in ("sweep", "tune"):
        assert options_of(command) >= {"--weights", "--image-size", "--seed", "--sequence-length"}
        assert "--strict" not in options_of(command)


REFUSALS = {
    "a method": (
        ("--methods", "tofu"),
        "--methods tofu: the methods are authors, authors-2024, paper, pitome",
    ),
    "a metric": (("--metrics", "hidden,key"), "--metrics hidden,key: 'key' is none of hidden, keys"),
    "a shape": (("--shapes", "round"), "--shapes round: 'round' is none of ratio, constant, decreasing"),
    "an energy": (("--energies", "own,x"), "--energies own,x: 'x' is none of elu, eq4, sharp, gaussian"),
    "a ratio": (("--ratios", "1.5"), "--ratios 1.5: it lies in (0, 1]"),
    "no number": (("--flops", "0.6;0.8"), "--flops 0.6;0.8: not numbers with commas between them"),
    "a margin": (("--margins", "0.9:0.9:1"), "--margins 0.9:0.9:1: not a start and a slope"),
    "candidates": (("--candidates", "some"), "--candidates some: not all, paper or a number"),
    "layers": (("--layers", "0-2"), "--layers 0-2: not numbers with commas between them"),
    "a task": (("--task", "r9"), "the task r9: there is none of this name"),
    "random weights": (("--weights", "random"), "its weights are random, and what random weights answer"),
    "no point": (("--flops", "0.05"), "a sweep: no point of the grid can be made: --flops 0.05: "),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.delenv(MAKE_VARIABLES)
    options, text = REFUSALS[case]
    refused(pitome("sweep", clip_folder, "--out", tmp_path / "x.jsonl", *options), text)
    assert list(tmp_path.iterdir()) == []
