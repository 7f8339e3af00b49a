"""`pitome sweep --latency`: speeds after the scores, in records of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitome.errors import InputError
from pitome.export import onnx as exporter
from tests.cli.command_line import pitome
from tests.cli.test_sweep_command import SMALL, refused

FAST = ("--latency", "--latency-seconds", "0.1", "--batch", "2")


@pytest.mark.full
def test_speeds_are_measured_later_and_only_once(clip_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    assert pitome("sweep", clip_folder, *SMALL, "--out", out).code == 0
    scored = out.read_text().splitlines()
    outcome = pitome("sweep", clip_folder, *SMALL, *FAST, "--out", out, "--json")
    assert outcome.code == 0, outcome.err
    lines = out.read_text().splitlines()
    assert lines[: len(scored)] == scored
    added = [json.loads(line) for line in lines[len(scored) :]]
    # A graph that only differs in the size penalty's amount runs equally fast: PiToMe's, and one of ToMe.
    assert [line["kind"] for line in added] == ["run", "speed", "speed"]
    by_graph = {line["graph"]: line["speed"] for line in added[1:]}
    for record in outcome.document["records"]:
        assert record["speed"] == by_graph.get(record["graph"])
        if record["speed"] is not None:
            speed = record["speed"]
            assert (speed["batch"], speed["threads"]) == (2, 1)
            assert speed["low"] <= speed["speedup"] <= speed["high"]
    assert [Path(path).name for path in outcome.document["pictures"]] == [
        "x.photos.flops.svg",
        "x.photos.latency.svg",
    ]
    again = pitome("sweep", clip_folder, *SMALL, *FAST, "--out", out)
    assert again.code == 0
    assert "speed-up" in again.out
    unsteady = [line["graph"] for line in added[1:] if line["speed"]["steady"] is False]
    repeated = [json.loads(line) for line in out.read_text().splitlines()[len(lines) :]]
    assert [line["graph"] for line in repeated if line["kind"] == "speed"] == unsteady


@pytest.mark.full
def test_speeds_of_another_batch_size_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    few = (*SMALL, "--methods", "tome", "--size-penalties", "0")
    assert pitome("sweep", clip_folder, *few, *FAST, "--out", out).code == 0
    content = out.read_bytes()
    outcome = pitome("sweep", clip_folder, *few, *FAST, "--batch", "4", "--out", out)
    refused(
        outcome,
        "speeds at batch 4, threads 1, cpu ",
        f"resuming from {out}: the file has speeds that were measured with batch 2. "
        "Give what they were measured with, or name another file",
    )
    assert out.read_bytes() == content


@pytest.fixture
def one_export_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first graph of a sweep can't be exported, the others can."""
    real, failed = exporter.export_onnx, []

    def export_onnx(model: Any, path: Path, **options: Any) -> Any:
        if path.parent.name.startswith("pitome-sweep-") and not failed:
            failed.append(path)
            raise InputError("exporting a graph", "the exporter does not know an operation", "Leave it out")
        return real(model, path, **options)

    monkeypatch.setattr(exporter, "export_onnx", export_onnx)


@pytest.mark.usefixtures("one_export_fails")
def test_a_graph_that_fails_leaves_the_others_their_speed(clip_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    outcome = pitome("sweep", clip_folder, *SMALL, *FAST, "--out", out, "--json")
    assert outcome.code == 0, outcome.err
    assert "no speed of tome hidden penalty 0 at FLOPs 0.8, ratio: exporting a graph: " in outcome.message
    speeds = [record["speed"] is not None for record in outcome.document["records"]]
    assert sorted(speeds) == [False, False, False, True], "unmerged, and two of the graph that failed"


@pytest.mark.full
@pytest.mark.usefixtures("one_export_fails")
def test_tune_names_the_finalist_without_a_speed(clip_folder: Path, tmp_path: Path) -> None:
    options = ("--max-drop", "100", "--latency-seconds", "0.1", "--out", tmp_path)
    outcome = pitome("tune", clip_folder, *SMALL, *options)
    refused(
        outcome, "the speed of ", "its graph could not be exported, as said above. Leave it out, or give "
    )
    assert not list(tmp_path.glob("*.toml"))
