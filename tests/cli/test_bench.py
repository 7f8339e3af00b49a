"""``pitome bench`` with every contestant, and going on with a measurement that was stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pitome.bundle import verify_bundle
from pitome.cli.console import output_console
from pitome.cli.tables import print_latency, times
from pitome.models.packaged import cache_folder
from pitome.validate.bench.latency import LatencyReport
from pitome.validate.report.summary import summary_rows
from tests.cli.command_line import Outcome, pitome
from tests.plugins.onnxruntime.one_merge import LIBRARY

QUICK = ("--threads", "1", "--latency-seconds", "0.1")
EVERYONE = ["merged", "unmerged", "tome", "random", "merged-eager", "unmerged-eager"]


def exported(model: Path, out: Path, *options: str) -> Path:
    outcome = pitome("export", model, "--out", out, "--precision", "fp32", *options)
    assert outcome.code == 0, outcome.err
    return out / model.name


@pytest.fixture(scope="module")
def benched(vit_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Outcome]:
    """A bundle, a file to resume from, and what ``pitome bench --all`` said of them."""
    folder = tmp_path_factory.mktemp("bench")
    bundle, log = exported(vit_folder, folder, "--ratio", "0.8"), folder / "bench.jsonl"
    options = ("--all", "--batch", "1", "--batch", "2", "--resume", log, "--record", "--json", *QUICK)
    outcome = pitome("bench", bundle, *options)
    assert outcome.code == 0, outcome.err
    return bundle, log, outcome


def test_everyone_is_measured_and_recorded(benched: tuple[Path, Path, Outcome]) -> None:
    bundle, _, outcome = benched
    manifest, found = verify_bundle(bundle), outcome.document
    assert manifest.latency is not None
    assert found == manifest.latency.model_dump(mode="json")
    LatencyReport.model_validate(found)
    assert [record["batch"] for record in found["comparison"]] == [1, 2]
    for result, record in zip(found["results"], found["comparison"], strict=True):
        contestants = {each["name"]: each for each in record["contestants"]}
        assert list(contestants) == EVERYONE
        for name in ("merged", "tome", "merged-eager"):
            # The same tokens in every layer, but ToMe on the hidden state as the bundle's own method is.
            assert contestants[name]["bound"] == manifest.flops.bound
            assert contestants[name]["ratio"] > 0
        assert contestants["tome"]["against"] == "unmerged"
        assert contestants["merged-eager"]["against"] == "unmerged-eager"
        assert {name for name in contestants if contestants[name]["memory"]} == set(contestants)
        assert result["speedup"] == contestants["merged"]["ratio"]
        assert result["merged"] == contestants["merged"]["timing"]
    assert len(list((cache_folder() / "tome").glob("vit-tiny-*"))) == 1


def test_configuration_names_models_threads_packages_and_processor(
    benched: tuple[Path, Path, Outcome],
) -> None:
    found = benched[2].document["configuration"]
    assert found["contestants"]["merged"]["digest"] == verify_bundle(benched[0]).onnx[0].sha256
    assert len({each["digest"] for each in found["contestants"].values()}) == len(EVERYONE)
    assert (found["batches"], found["threads"], found["seed"]) == ([1, 2], 1, 0)
    assert {"torch", "transformers", "onnxruntime", "numpy", "pitome"} == set(found["packages"])
    assert found["cpu"]


def test_finished_batch_sizes_are_taken_over(benched: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    bundle, log, outcome = benched
    copied = Path(shutil.copy(log, tmp_path / "bench.jsonl"))
    lines = copied.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    copied.write_text("".join(lines[:2]) + lines[2][:50])  # the process was killed while it wrote
    options = ("--all", "--batch", "1", "--batch", "2", "--resume", copied, "--json", *QUICK)
    again = pitome("bench", bundle, *options)
    assert again.code == 0, again.err
    assert "dropped the last line, which a process left unfinished" in again.message
    assert "took over 1 finished record" in again.message
    assert "Export" not in again.err
    assert "latency, batch 1" not in again.err
    assert "latency, batch 2" in again.err
    assert again.document["comparison"][0] == outcome.document["comparison"][0]
    assert len(copied.read_text().splitlines()) == 3


def test_another_configuration_is_refused(benched: tuple[Path, Path, Outcome]) -> None:
    bundle, log, _ = benched
    options = ("--batch", "1", "--threads", "2", "--latency-seconds", "0.1", "--resume", log)
    refused = pitome("bench", bundle, *options)
    assert refused.code == 2
    assert f"resuming from {log}: the file was written with another configuration" in refused.message
    for part in (
        "batches is [1, 2] in it and [1] now",
        "threads is 1 in it and 2 now",
        "memory is true in it",
    ):
        assert part in refused.message
    assert "name another file" in refused.message
    assert len(log.read_text().splitlines()) == 3


def test_table_shows_every_contestant_and_who_was_not_steady(
    benched: tuple[Path, Path, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(json.dumps(benched[2].document))
    found["comparison"][0]["contestants"][0] |= {"steady": False, "steady_reason": "a trend of +9.0 %"}
    print_latency(output_console(), found)
    out = capsys.readouterr().out
    for part in (*EVERYONE, "p50", "p95", "per second", "(95 %)", "bound", "share", "peak memory"):
        assert part in out
    (pair,) = (
        each
        for each in found["comparison"][1]["pairs"]
        if each["name"] == "random" and each["against"] == "merged"
    )
    low, high = pair["ratio_interval"]
    expected = times(pair["ratio"])
    assert f"batch 2, random to merged: {expected} ({low:.2f} to {high:.2f})" in out
    assert "NO" in out
    assert "not known to be steady: batch 1, merged: a trend of +9.0 %" in out


def test_summary_says_why_to_measure_again(benched: tuple[Path, Path, Outcome]) -> None:
    manifest = verify_bundle(benched[0])
    assert manifest.latency is not None
    latency = manifest.latency.model_dump(mode="json")
    for result in latency["results"]:
        result |= {"steady": True, "speedup": 1.0, "speedup_interval": [0.99, 1.01]}
    latency["results"][1] |= {"steady": False, "steady_reason": "merged: a trend of +9.0 %"}
    rows = {
        row.label: row
        for row in summary_rows(
            manifest.model_copy(update={"latency": LatencyReport.model_validate(latency)})
        )
    }
    assert rows["Speed-up, batch 1"].tone == "plain"
    second = rows["Speed-up, batch 2"]
    assert second.tone == "warning"
    assert "; unsteady, merged: a trend of +9.0 %: `pitome bench BUNDLE --record`" in second.value


@pytest.mark.full
def test_no_second_tome_beside_tome(vit_folder: Path, tmp_path: Path) -> None:
    bundle = exported(vit_folder, tmp_path, "--method", "tome")
    outcome = pitome("bench", bundle, "--all", "--batch", "1", *QUICK, "--json")
    assert outcome.code == 0, outcome.err
    assert "no second ToMe model beside this one (METHOD=tome)" in outcome.message
    names = [each["name"] for each in outcome.document["comparison"][0]["contestants"]]
    assert names == ["merged", "unmerged", "random", "merged-eager", "unmerged-eager"]


def test_the_operator_library_is_a_third_contestant(benched: tuple[Path, Path, Outcome]) -> None:
    bundle, _, _ = benched
    outcome = pitome("bench", bundle, "--batch", "1", "--native", LIBRARY, *QUICK, "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.document["comparison"][0]["contestants"]
    assert [each["name"] for each in found] == ["merged", "unmerged", "native"]
    assert (found[2]["against"], found[2]["bound"]) == ("unmerged", found[0]["bound"])


def test_an_operator_library_that_is_not_there(benched: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    bundle, _, _ = benched
    outcome = pitome("bench", bundle, "--native", tmp_path / "absent.so", *QUICK)
    assert outcome.code != 0
    assert f"the operator library {tmp_path}/absent.so: there is no such file" in outcome.message


def test_two_contestants_by_default(benched: tuple[Path, Path, Outcome]) -> None:
    bundle, _, _ = benched
    outcome = pitome("bench", bundle, "--batch", "1", *QUICK)
    assert outcome.code == 0, outcome.err
    rows = [line for line in outcome.out.splitlines() if line.startswith(("│ merged ", "│ unmerged "))]
    assert len(rows) == 2
    assert "eager" not in outcome.out
