"""The commands under the numbers of a report lead to these numbers."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import bench_flags
from pitome.validate.report.sections import all_sections
from tests.cli.command_line import pitome
from tests.make_dry_run import pitome_arguments
from tests.validate.report.manifest_document import make_document
from tests.validate.report.report_cases import contestant, sweep_file, sweep_records, validation_record


@pytest.fixture
def document() -> dict[str, Any]:
    return make_document()


def report(document: dict[str, Any], bundle: Path | None = None) -> ReportInput:
    return replace(ReportInput.of_bundle(Manifest.model_validate(document)), bundle=bundle)


def commands(shown: ReportInput) -> dict[str, str | None]:
    return {section.name: section.command(shown) for section in all_sections()}


def compared(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a latency that ``pitome bench --all`` measured."""
    contestants = [contestant("merged", 1.5, 1), contestant("unmerged", None, 1)]
    more = {"batch": 1, "contestants": contestants, "rounds": 20, "warmup_rounds": 3}
    configuration = {"batches": [1, 8], "threads": 2, "repeats": None, "min_seconds": 0.25, "seed": 0}
    configuration |= {"contestants": {}, "memory": True, "inputs": "seeded", "packages": {}}
    configuration |= {"python": "3.11.2", "cpu": "AMD EPYC"}
    document["latency"] |= {"comparison": [more], "configuration": configuration}
    return document


def test_commands_of_a_bundle_that_make_built(document: dict[str, Any]) -> None:
    found = commands(report(document))
    for section in ("accuracy", "parity", "maps", "spectrum"):
        assert found[section] == "make validate MODEL=clip-b16"
    assert found["sweep"] == "make sweep MODEL=clip-b16"
    assert found["latency"] == "make bench MODEL=clip-b16 BENCH_FLAGS='--batch 1 --batch 8 --threads 2'"
    assert [found[section] for section in ("tokens", "plans", "files", "environment")] == [None] * 4


def test_commands_of_a_bundle_that_lies_somewhere(document: dict[str, Any]) -> None:
    found = commands(report(document, Path("my bundles/clip")))
    assert found["parity"] == "pitome validate 'my bundles/clip'"
    assert found["latency"] == "pitome bench 'my bundles/clip' --batch 1 --batch 8 --threads 2"
    assert found["sweep"] == "pitome sweep clip-b16"


def test_the_build_is_told_as_it_was_recorded(document: dict[str, Any]) -> None:
    document["build"]["command"] = "make engine MODEL=clip-b16 RATIO=0.9"
    assert commands(report(document))["summary"] == "make engine MODEL=clip-b16 RATIO=0.9"


def test_the_model_is_named_as_the_user_named_it(document: dict[str, Any]) -> None:
    document["model"]["name"] = "openai--clip"
    document["build"]["model"]["model"] = "openai/clip@main"
    assert commands(report(document))["sweep"] == "make sweep MODEL=openai/clip@main"


def test_recorded_parity_names_the_command_that_found_it(document: dict[str, Any]) -> None:
    document["parity"]["command"] = "pitome validate b --parity-images 2 --record"
    found = commands(report(document))
    assert found["parity"] == "pitome validate b --parity-images 2 --record"
    assert found["accuracy"] == "make validate MODEL=clip-b16"


def test_a_validation_is_what_its_page_was_made_by(document: dict[str, Any]) -> None:
    document["parity"]["command"] = "pitome validate b --record"
    shown = replace(report(document), validation=validation_record(command="pitome validate b --limit 3"))
    found = commands(shown)
    for section in ("validation", "parity", "accuracy", "maps", "spectrum"):
        assert found[section] == "pitome validate b --limit 3"


def test_all_contestants_come_from_the_command_under_them(document: dict[str, Any], tmp_path: Path) -> None:
    """``make`` hands BENCH_FLAGS on, and ``pitome bench`` knows all of them."""
    shown = report(compared(document))
    line = commands(shown)["latency"]
    assert line == (
        "make bench MODEL=clip-b16 BENCH_FLAGS='--all --batch 1 --batch 8 --threads 2 --latency-seconds 0.25'"
    )
    arguments = pitome_arguments(*shlex.split(line)[1:], f"OUT={tmp_path}")
    flags = bench_flags(shown)
    assert arguments == ["bench", f"{tmp_path}/clip-b16", *flags]
    refused = pitome("bench", tmp_path / "nothing", *flags)
    assert refused.code == 2
    assert "there is no such folder" in refused.message, "the options were read, the bundle was looked for"


def test_without_a_latency_the_command_puts_one_into_the_bundle(document: dict[str, Any]) -> None:
    document["latency"] = None
    assert commands(report(document))["latency"] == "make bench MODEL=clip-b16 BENCH_FLAGS=--record"


def test_a_sweep_is_told_by_the_commands_in_its_file(document: dict[str, Any]) -> None:
    first, second = "pitome sweep x --grid full", "pitome sweep x --latency"
    for lines, told in (((first,), first), ((first, second), f"{first} && {second}"), ((), None)):
        shown = replace(report(document), sweep=sweep_file(sweep_records(), commands=lines))
        assert commands(shown)["sweep"] == told
