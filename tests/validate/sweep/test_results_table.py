"""Markdown tables of finished sweeps, on records written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitome.errors import InputError
from pitome.validate.sweep.results_table import read_sweep_file, results_markdown
from tests.checkout import ROOT
from tests.cli.command_line import pitome

SETTINGS = {
    "method": "tome",
    "metric": "hidden",
    "margin": None,
    "margins": [0.0],
    "energy": "elu",
    "split": None,
    "candidates": "all",
    "num_candidates": [10],
    "size_penalty": 0.0,
    "proportional_attention": True,
    "seed": None,
}


def difference(mean: float, p_value: float) -> dict[str, Any]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "p_value": p_value, "method": "exact"}


def record(key: str, label: str, schedule: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "measured",
        "key": key,
        "label": label,
        "task": "r8",
        "split": "test",
        "settings": SETTINGS,
        "schedule": schedule,
        "shape": "ratio",
        "num_merged": [2],
        "tokens": [10, 8],
        "flops_ratio": 0.6,
        "bound": 1.67,
        "samples": 2189,
        "metric": "accuracy",
        "score": 0.95,
        "low": 0.94,
        "high": 0.96,
        "metrics": {"accuracy": 0.95},
        "to_unmerged": difference(-0.01, 0.2),
        "to_tome": None,
        "graph": "g",
        "speed": None,
        "seconds": 1.0,
        **changes,
    }


RECORDS = [
    record("unmerged", "unmerged", "unmerged", to_unmerged=None, flops_ratio=1.0, bound=1.0, score=0.96),
    record("a", "tome at FLOPs 0.6, ratio", "FLOPs 0.6, ratio"),
    record("b", "tome at FLOPs 0.8, ratio", "FLOPs 0.8, ratio", flops_ratio=0.79, score=0.955),
    record(
        "c",
        "pitome at FLOPs 0.6, ratio",
        "FLOPs 0.6, ratio",
        to_tome=difference(0.02, 0.01),
        graph="h",
    ),
    record("d", "random at FLOPs 0.6, ratio", "FLOPs 0.6, ratio", to_tome=difference(-0.02, 0.01)),
    {"kind": "failed", "key": "e", "label": "x", "task": None, "reason": "it does not fit"},
    {
        "kind": "speed",
        "graph": "h",
        "label": "pitome at FLOPs 0.6, ratio",
        "speed": {
            "speedup": 1.6,
            "low": 1.5,
            "high": 1.7,
            "batch": 8,
            "threads": 2,
            "cpu": "x",
            "onnxruntime": "1",
            "steady": True,
        },
    },
]


def padding(removed: float | None) -> dict[str, Any]:
    return {
        "texts": 2189,
        "full_length": 264,
        "share_of_inputs": 0.38,
        "share_of_removed": removed,
        "flops_merged": 0.6,
        "flops_unpadded": 0.61,
        "flops_bucketed": 0.7,
    }


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    header = {"schema_version": 1, "configuration": {"model": "small", "split": "test"}}
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *records)), encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "small.jsonl", RECORDS)


def test_the_table_has_a_row_for_each_setting_and_a_column_for_each_schedule(file: Path) -> None:
    lines = results_markdown([read_sweep_file(file)]).splitlines()
    assert lines[0] == ("**small, r8**: accuracy over 2,189 samples (test), unmerged 96.0 (94.0 to 96.0)")
    assert lines[2] == "| setting | FLOPs 0.8, ratio | FLOPs 0.6, ratio |"
    assert lines[4:7] == [
        "| tome | 95.5 (-1.0, -2.0 to +0.0); 0.79 | 95.0 (-1.0, -2.0 to +0.0); 0.60 |",
        "| pitome |  | 95.0 (-1.0, -2.0 to +0.0) **+**; 0.60; 1.60x |",
        "| random |  | 95.0 (-1.0, -2.0 to +0.0) **-**; 0.60 |",
    ]
    assert "two-sided, 5 %" in lines[-1]


def test_the_command_prints_it(file: Path) -> None:
    outcome = pitome("results", file)
    assert (outcome.code, outcome.out) == (0, results_markdown([read_sweep_file(file)]))
    document = pitome("results", file, "--pictures", "--json").document
    assert len(document[0]["records"]) == 5
    drawn = {path.name for path in file.parent.glob("*.svg")}
    assert drawn == {"small.r8.flops.svg", "small.r8.latency.svg"}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, "| **pitome** (default) |"),
        ({"candidates": 0.3}, "| pitome |"),
        ({"method": "tome", "split": None}, "| pitome |"),
    ],
)
def test_the_default_stands_out(change: dict[str, Any], shown: str, tmp_path: Path) -> None:
    default = {"split": "alternate", "candidates": 0.1, "size_penalty": 0.05, "margin": [0.9, 0.9]}
    settings = {**SETTINGS, "method": "pitome", **default}
    found = record("c", "pitome at s", "s", settings={**settings, **change})
    markdown = results_markdown([read_sweep_file(written(tmp_path / "x.jsonl", [RECORDS[0], found]))])
    assert shown in markdown


def test_a_machine_that_was_not_steady_is_marked(tmp_path: Path) -> None:
    speed = {**RECORDS[-1]["speed"], "steady": False}
    path = written(tmp_path / "x.jsonl", [*RECORDS[:-1], {**RECORDS[-1], "speed": speed}])
    assert "; 0.60; 1.60x? |" in results_markdown([read_sweep_file(path)])


def test_texts_have_a_table_of_their_padding(tmp_path: Path) -> None:
    full = "accuracy, full-length documents"
    records = [
        {**RECORDS[0], "padding": padding(None), "metrics": {"accuracy": 0.96, full: 0.9}},
        {**RECORDS[1], "padding": padding(0.84), "metrics": {"accuracy": 0.95, full: 0.87}},
    ]
    blocks = results_markdown([read_sweep_file(written(tmp_path / "x.jsonl", records))]).split("\n\n")
    assert blocks[2] == (
        "**small, r8, padding**: 38% of all positions are padding; 264 of 2,189 documents have none. "
        "Unmerged accuracy on those: 90.0. The same answers without merging cost 0.61 of the FLOPs one "
        "document at a time, and 0.70 where documents are padded to the next multiple of 32 tokens. Cells: "
        "the share of padding among the tokens that merging removed, and the score on documents without "
        "padding."
    )
    assert blocks[3].splitlines()[2] == "| tome | 84%; 87.0 |"


def test_what_could_not_be_run_and_the_commands_are_kept(tmp_path: Path) -> None:
    run = {"kind": "run", "command": "pitome sweep small"}
    found = read_sweep_file(written(tmp_path / "x.jsonl", [run, *RECORDS, run, run | {"command": "other"}]))
    assert [(each.key, each.reason) for each in found.failed] == [("e", "it does not fit")]
    assert len(found.records) == 5
    assert found.commands == ("pitome sweep small", "other")
    assert read_sweep_file(written(tmp_path / "y.jsonl", RECORDS)).commands == ()


def test_a_record_of_another_form_says_where(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", [{**RECORDS[0], "samples": 1}])
    with pytest.raises(InputError, match=r"\(measured\.samples: Input should be greater than or equal to 2"):
        read_sweep_file(path)


@pytest.mark.parametrize(
    "content", ["", "[]\n", '{"schema_version": 1, "configuration": {}}\n{"a": 1}\n', "x"]
)
def test_no_file_of_a_sweep(content: str, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_sweep_file(path)
    assert str(error.value).startswith(f"the results in {path}: it is no file of `pitome sweep` (")
    assert str(error.value).endswith(". Give the .jsonl file that `pitome sweep` wrote")


def test_records_of_a_method_that_is_gone_are_still_read() -> None:
    """The pointer forest was never exported, and what it scored stays in docs/results."""
    found = read_sweep_file(ROOT / "docs" / "results" / "search" / "vit-s14-focus.jsonl")
    assert any(record.settings.method == "forest" for record in found.records)
    assert "| forest hidden penalty 0.05 |" in results_markdown([found])
