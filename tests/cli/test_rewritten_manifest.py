"""A manifest that was rewritten, with a digest that fits it, ends in a result or in one message: exit code 2.

Every command that reads a bundle is asked, in this process: an error other than a readable one is raised.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pitome import engine
from pitome.bundle import Manifest, read_manifest
from pitome.cli.tables import print_summary
from pitome.engine.options import BenchOptions, PlanOptions, PlanPathOptions, ValidationOptions
from pitome.engine.plan_job import add_plan
from pitome.engine.plan_paths import compare_paths
from pitome.engine.validation import validate_bundle
from pitome.errors import PitomeError
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.page import render_report
from tests.cli.command_line import Outcome, pitome
from tests.pitome.bundle.bundle_cases import make_bundle, write_raw
from tests.pitome.bundle.manifest_mutants import Mutant, mutants


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A bundle with every optional part; its files are no graphs."""
    return make_bundle(tmp_path / "clip-b16")


def document_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())
    return found


def some(found: Iterator[Mutant], every: int, first: int = 0) -> list[Mutant]:
    """One of so many."""
    return list(islice(found, first, None, every))


def accepted(bundle: Path, found: Iterator[Mutant]) -> Iterator[tuple[Mutant, Manifest]]:
    """Those that are read as manifests; the others are refused by name, all of them."""
    for mutant in found:
        write_raw(bundle, mutant.text)
        try:
            manifest = read_manifest(bundle)
        except PitomeError as error:
            told = str(error)
            if error.exit_code != 2 or not told.startswith(f"bundle {bundle}: ") or len(told) > 5000:
                raise AssertionError(f"{mutant}: {told}") from error
        except Exception as error:
            raise AssertionError(f"{mutant}: {error!r}") from error
        else:
            yield mutant, manifest


def shown(bundle: Path, manifest: Manifest, page: bool = True) -> None:
    """What `pitome inspect` and `compare` print, and the report's page, which takes seconds."""
    print_summary(Console(file=io.StringIO(), width=120), manifest, bundle)
    json.dumps(manifest.model_dump(mode="json"), allow_nan=False)
    if page:
        render_report(ReportInput.of_bundle(manifest))


def ends_well(mutant: Mutant, command: Callable[[], object]) -> None:
    try:
        command()
    except PitomeError:
        pass  # one message, exit code 1 or 2
    except Exception as error:
        raise AssertionError(f"{mutant}: {error!r}") from error


def test_a_rewritten_manifest_is_read_or_refused(sample: Path) -> None:
    found = some(mutants(document_of(sample)), 7)
    assert len(found) > 500
    read = sum(1 for _ in accepted(sample, iter(found)))
    assert 10 < read < len(found) / 2


@pytest.mark.full
def test_every_rewritten_manifest_of_a_sample_can_be_shown(sample: Path) -> None:
    for number, (mutant, manifest) in enumerate(accepted(sample, mutants(document_of(sample)))):
        page = number % 40 == 0
        ends_well(mutant, lambda manifest=manifest, page=page: shown(sample, manifest, page))


@pytest.mark.full
def test_every_rewritten_manifest_of_a_build_can_be_shown(copied: Path) -> None:
    for number, (mutant, manifest) in enumerate(accepted(copied, mutants(document_of(copied)))):
        page = number % 40 == 0
        ends_well(mutant, lambda manifest=manifest, page=page: shown(copied, manifest, page))


COMMANDS: dict[str, Callable[[Path], object]] = {
    "bench": lambda bundle: engine.bench(bundle, BenchOptions(batches=(1,), latency_seconds=0.1)),
    "validate": lambda bundle: validate_bundle(bundle, ValidationOptions(1, tasks=("none",))),
    "build": lambda bundle: add_plan(bundle, PlanOptions("fp32", targets=("sm80",))),
    "plans": lambda bundle: compare_paths([bundle], PlanPathOptions(rounds=1)),
    "compare": lambda bundle: engine.compare(bundle, bundle),
}
READ_BY_COMMANDS = ("build", "method", "schedule", "flops", "graphs", "native", "model")
"""Parts of a manifest that a command works by; the others are only shown."""


def worked_by(found: Iterator[tuple[Mutant, Manifest]]) -> Iterator[Mutant]:
    return (mutant for mutant, _ in found if mutant.place[0] in READ_BY_COMMANDS)


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_fails_on_a_rewritten_manifest(copied: Path, tmp_path: Path, command: str) -> None:
    found = list(worked_by(accepted(copied, mutants(document_of(copied)))))
    for mutant in found[::40]:
        bundle = Path(shutil.copytree(copied, tmp_path / "one" / copied.name))
        write_raw(bundle, mutant.text)
        ends_well(mutant, lambda bundle=bundle: COMMANDS[command](bundle))
        shutil.rmtree(tmp_path / "one")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("graphs", 0, "onnx", 0, "precision"), "bf16", "graphs[0].onnx[0]: the first is the graph in fp32"),
        (("build", "check", "batches"), [-1], "not a number from 1 to 65536"),
        (("build", "check", "threads"), 10**9, "1000000000: not a number from 1"),
        (("model", "weights", "random"), True, "random weights have a seed, and only they have one"),
        (("schedule", "tokens", 0), 17.0, "schedule.tokens[0]: should be a valid integer, not 17.0"),
        (("latency", "results", 0, "bound"), 2.0, "latency.results[0].bound: 2.0, where flops.bound is"),
        (
            ("parity", "decisions", "margins", 0, "percentiles"),
            {},
            "percentiles: they are those of 1, 10",
        ),
        (("parity", "threads"), True, "parity.threads: should be a valid integer, not true"),
        (("model", "name"), "../../x", "model.name: String should match pattern"),
        (("latency",), {"results": []}, "latency.threads: it is missing"),
    ],
)
def test_the_key_is_named(copied: Path, path: tuple[str | int, ...], value: object, message: str) -> None:
    assert message in refused("inspect", copied, path, value)


@pytest.mark.parametrize("command", ["bench", "validate", "compare", "build", "plans"])
def test_every_command_refuses_it(copied: Path, command: str) -> None:
    path = ("graphs", 0, "plans", 0, "bytes")
    assert "graphs[0].plans[0].bytes: should be a valid integer, not true" in refused(
        command, copied, path, True
    )


def refused(command: str, copied: Path, path: tuple[str | int, ...], value: object) -> str:
    """The message of a command for a bundle with one value of its manifest set to another."""
    document = document_of(copied)
    place: Any = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    write_raw(copied, json.dumps(document).encode())
    bundles = [copied, copied] if command == "compare" else [copied]
    outcome: Outcome = pitome(command, *bundles)
    assert outcome.code == 2
    assert outcome.out == ""
    assert f"bundle {copied}: manifest.json does not fit its schema: " in outcome.message
    return outcome.message
