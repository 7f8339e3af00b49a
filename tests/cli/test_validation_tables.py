"""What a validation of 12 layers prints fits a screen, with what is missing first and the verdict last."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pitome.cli.tables import print_summary
from pitome.cli.validation_tables import print_validation
from pitome.validate.validation_records import ValidationRecord
from tests.validate.report.manifest_document import latency_result, make_document
from tests.validate.report.report_cases import accuracy_report, validation_record

pytestmark = pytest.mark.quick

LONG = "PyPI can't be reached " * 30
SCREEN = 40


def parity() -> dict[str, Any]:
    """As of an fp16 bundle: three precisions, seven outputs."""
    found = make_document()["parity"]
    names = ("onnxruntime fp32", "onnxruntime fp16", "PyTorch bf16")
    found["task"] = [
        {"vector": "v", "model": name, "against": against, "mean": 0.99, "minimum": 0.9}
        for name in names
        for against in ("merged", "unmerged")
    ]
    found["reported_decisions"] = [found["decisions"] | {"runtime": names[1]}]
    found["arithmetic"] *= 7
    return found


def record(**changes: Any) -> ValidationRecord:
    nothing = {"verdict": "not judged", "reason": f"not measured: r8: {LONG}", "tasks": []}
    parts = [
        {"name": "parity", "verdict": "pass", "reason": "every decision agrees"},
        {"name": "accuracy", "verdict": "not judged", "reason": f"not measured: r8: {LONG}"},
        {"name": "latency", "verdict": "pass", "reason": "1.66 (1.65 to 1.68) at batch 8"},
    ]
    plan = {"file": "model.plan", "executed": False, "status": "never executed: built from a checked file"}
    return validation_record(
        **{
            "not_judged": 1,
            "parts": parts,
            "parity": parity(),
            "accuracy": nothing,
            "plans": [plan],
            "skipped": [{"what": name, "reason": LONG} for name in ("r8", "20newsgroups")],
        }
        | changes
    )


def printed(found: ValidationRecord, width: int = 80, **options: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_validation(console, found, **options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits_a_screen(width: int) -> None:
    lines = printed(record(), width)
    assert len(lines) <= SCREEN
    assert max(len(line) for line in lines if not line.startswith("wrote")) <= width


def test_the_first_line_says_that_there_is_no_accuracy_and_the_last_is_the_verdict() -> None:
    lines = printed(record())
    assert lines[0].startswith("Validated without accuracy: not measured: r8: PyPI can't")
    assert lines[-1] == "build/clip-b16: pass, 1 not judged"
    told = " ".join(" ".join(lines).split())
    assert "plan model.plan: never executed: built from a checked file" in told
    assert "skipped: 20newsgroups: PyPI can't be reached" in told


def test_every_part_has_the_number_that_decides() -> None:
    measured = {"verdict": "pass", "reason": "r8 loses 0.80 points of 1", "tasks": [accuracy_report()]}
    parts = [
        {"name": "parity", "verdict": "pass", "reason": "every decision agrees"},
        {"name": "accuracy", "verdict": "pass", "reason": "r8 loses 0.80 points of 1"},
    ]
    lines = printed(record(accuracy=measured, parts=parts, not_judged=0), 200)
    told = " ".join(" ".join(lines).split())
    assert not lines[0].startswith("Validated without")
    for part in (
        "fp32, onnxruntime: 138,335 of 138,336 decisions agree; cosine 0.99000 to the merged model, 0.99",
        "fp16, onnxruntime, near ties flip, not judged: 138,335 of 138,336 decisions agree",
        "worst layer 5: 11,327 of 11,328 agree, 1 within rounding",
        "arithmetic: 1.3e-06 of 2.4e-06 allowed at most (image_embeds, fp32)",
        "r8, 2,189 samples: accuracy 96.01 % to 95.21 %, onnxruntime fp32: -0.80 points (-1.00 to -0.60)",
    ):
        assert part in told, part
    assert lines[-1] == "build/clip-b16: pass"


def test_the_long_tables_are_there_where_they_are_asked_for() -> None:
    told = "\n".join(printed(record(), 200, details=True))
    assert "Arithmetic, same decisions, against float64" in told
    assert "Arithmetic, same decisions" not in "\n".join(printed(record(), 200))


def test_a_build_ends_with_a_warning_where_merging_is_slower() -> None:
    from pathlib import Path

    from pitome.bundle import Manifest

    def told(*results: dict[str, Any]) -> str:
        document = make_document()
        document["latency"]["results"] = results
        console = Console(file=io.StringIO(), width=100, color_system=None)
        print_summary(console, Manifest.model_validate(document), Path("build/clip-b16"))
        assert isinstance(console.file, io.StringIO)
        return " ".join(console.file.getvalue().split())

    slower = told(latency_result(1, 0.8, 0.7, 0.9), latency_result(8, 1.6, 1.5, 1.7))
    assert (
        "warning: merging is slower than not merging here: 0.80 times as fast (0.70 to 0.90) at batch 1, in "
        "fp32 on onnxruntime CPU; merge more" in slower
    )
    assert "slower than not merging" not in told(latency_result(1, 0.98, 0.9, 1.0))
