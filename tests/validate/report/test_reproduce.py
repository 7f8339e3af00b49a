"""The commands under the numbers of a report lead to these numbers."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle.manifest import Manifest
from pitome.validate.report.reproduce import bench_flags, section_commands, sweep_command
from pitome.validate.sweep.records import FailedPoint, SweepRecord, parse_line
from pitome.validate.sweep.results_table import SweepFile
from tests.checkout import ROOT
from tests.cli.command_line import pitome
from tests.validate.report.report_cases import contestant, make_document, sweep_records


@pytest.fixture
def document() -> dict[str, Any]:
    return make_document()


def commands(document: dict[str, Any], bundle: Path | None = None) -> dict[str, str]:
    return section_commands(Manifest.model_validate(document), bundle)


def compared(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a latency that ``pitome bench --all`` measured."""
    more = {"batch": 1, "contestants": [contestant("merged", 1.5, 1)], "rounds": 20, "warmup_rounds": 3}
    document["latency"] |= {"comparison": [more], "configuration": {"min_seconds": 0.25}}
    return document


def test_commands_of_a_bundle_that_make_built(document: dict[str, Any]) -> None:
    found = commands(document)
    assert found["accuracy"] == found["parity"] == "make validate MODEL=clip-b16"
    assert found["sweep"] == "make sweep MODEL=clip-b16"
    assert found["latency"] == "make bench MODEL=clip-b16 BENCH_FLAGS='--batch 1 --batch 8 --threads 2'"


def test_commands_of_a_bundle_that_lies_somewhere(document: dict[str, Any]) -> None:
    found = commands(document, Path("my bundles/clip"))
    assert found["parity"] == "pitome validate 'my bundles/clip'"
    assert found["latency"] == "pitome bench 'my bundles/clip' --batch 1 --batch 8 --threads 2"
    assert found["sweep"] == "pitome sweep clip-b16"


def test_the_model_is_named_as_the_user_named_it(document: dict[str, Any]) -> None:
    document["model"]["name"] = "openai--clip"
    document["environment"]["options"] = {"model": {"model": "openai/clip@main"}}
    assert commands(document)["sweep"] == "make sweep MODEL=openai/clip@main"


def test_recorded_parity_names_the_command_that_found_it(document: dict[str, Any]) -> None:
    document["parity"]["command"] = "pitome validate b --parity-images 2 --record"
    assert commands(document)["parity"] == "pitome validate b --parity-images 2 --record"
    assert commands(document)["accuracy"] == "make validate MODEL=clip-b16"


def test_all_contestants_come_from_the_command_under_them(document: dict[str, Any], tmp_path: Path) -> None:
    """``make`` hands BENCH_FLAGS on, and ``pitome bench`` knows all of them."""
    line = commands(compared(document))["latency"]
    assert line == (
        "make bench MODEL=clip-b16 BENCH_FLAGS='--all --batch 1 --batch 8 --threads 2 --latency-seconds 0.25'"
    )
    environment = tmp_path / "venv"
    environment.mkdir()
    (environment / ".build-ready").touch()
    words = [*shlex.split(line), "--dry-run", "--no-print-directory", f"OUT={tmp_path}"]
    words += [f"VENV={environment}", f"--old-file={environment}/.build-ready"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    flags = bench_flags(document["latency"])
    assert shlex.split(ran)[2:] == ["bench", f"{tmp_path}/clip-b16", *flags]
    refused = pitome("bench", tmp_path / "nothing", *flags)
    assert refused.code == 2
    assert "there is no such folder" in refused.message, "the options were read, the bundle was looked for"


def test_without_a_latency_the_command_puts_one_into_the_bundle(document: dict[str, Any]) -> None:
    document["latency"] = None
    assert commands(document)["latency"] == "make bench MODEL=clip-b16 BENCH_FLAGS=--record"


def sweep(configuration: dict[str, Any], *commands: str) -> SweepFile:
    lines = [parse_line(record) for record in sweep_records()]
    return SweepFile(
        configuration,
        tuple(line for line in lines if isinstance(line, SweepRecord)),
        tuple(line for line in lines if isinstance(line, FailedPoint)),
        commands,
    )


def test_a_sweep_that_knows_its_commands() -> None:
    first, second = "pitome sweep x --grid full", "pitome sweep x --latency"
    assert sweep_command("x", sweep({"model": "x"}, first), Path("x.jsonl")) == first
    both = sweep({"model": "x"}, first, second)
    assert sweep_command("x", both, Path("x.jsonl")) == f"{first} && {second}"


def test_a_sweep_that_does_not() -> None:
    known = {"model": "x", "split": "test", "limit": 100, "data": None, "seed": 3}
    line = sweep_command("org/x", sweep(known | {"image_size": None, "sequence_length": 64}), Path("x.jsonl"))
    assert line == (
        "pitome sweep org/x --task r8 --split test --limit 100 --sequence-length 64 --seed 3 "
        "--latency --batch 8 --threads 2 --out x.jsonl  "
        "# and the grid's options, which the file does not tell"
    )
    words = shlex.split(line, comments=True)
    outcome = pitome(*words[1:2], "no-such-model", *words[3:])
    assert outcome.code == 2
    assert "no-such-model" in outcome.message, "every option is one of pitome sweep"
