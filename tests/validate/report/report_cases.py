"""The page of a manifest, and the records of every optional section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pitome.bundle import Manifest
from pitome.bundle.latency_records import BatchRecord
from pitome.validate.evaluate.records import (
    ImageLayer,
    ImageMaps,
    MergeMaps,
    SpectrumReport,
    TaskAccuracy,
    TextLayer,
    TextMaps,
)
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.page import render_report
from pitome.validate.sweep.records import FailedPoint, SweepFile, SweepRecord, parse_line
from pitome.validate.thresholds import Thresholds
from pitome.validate.validation_records import ValidationRecord
from tests.validate.report.manifest_document import make_document

if TYPE_CHECKING:
    from pitome.flops import FlopsCount

RANDOM_BANNER = "Random weights: good for latency and parity, says nothing of accuracy"


def render(
    document: dict[str, Any],
    flops: FlopsCount | None = None,
    *,
    accuracy: Sequence[dict[str, Any]] = (),
    sweep: Sequence[dict[str, Any]] = (),
    sweep_commands: Sequence[str] = (),
    spectrum: dict[str, Any] | None = None,
    merge_maps: MergeMaps | None = None,
    validation: ValidationRecord | None = None,
) -> str:
    """The page of a bundle's document and of what was measured beside it, as JSON has it."""
    manifest = Manifest.model_validate(document)
    return render_report(
        replace(
            ReportInput.of_bundle(manifest, flops),
            accuracy=tuple(TaskAccuracy.model_validate(report) for report in accuracy),
            sweep=sweep_file(sweep, commands=sweep_commands) if sweep else None,
            spectrum=None if spectrum is None else SpectrumReport.model_validate(spectrum),
            merge_maps=merge_maps,
            validation=validation,
        )
    )


def sweep_file(
    lines: Sequence[dict[str, Any]],
    configuration: dict[str, Any] | None = None,
    commands: Sequence[str] = (),
) -> SweepFile:
    """A file with these records."""
    found = [parse_line(line) for line in lines]
    return SweepFile(
        configuration or {},
        tuple(line for line in found if isinstance(line, SweepRecord)),
        tuple(line for line in found if isinstance(line, FailedPoint)),
        tuple(commands),
    )


def contestant(name: str, ratio: float | None, batch: int, **changes) -> dict[str, Any]:
    timing = {"median_milliseconds": 50.0 * batch, "p95_milliseconds": 60.0 * batch, "per_second": 20.0}
    return {
        "name": name,
        "runtime": "onnxruntime",
        "timing": timing,
        "against": None if ratio is None else "unmerged",
        "ratio": ratio,
        "ratio_interval": None if ratio is None else (ratio - 0.1, ratio + 0.1),
        "bound": None if ratio is None else 1.74,
        "share_of_bound": None if ratio is None else ratio / 1.74,
        "steady": True,
        "steady_reason": None,
        "memory": None,
    } | changes


def accuracy_report() -> dict[str, Any]:
    def model(name: str, refit: bool, mean: float, difference: float | None) -> dict[str, Any]:
        record = {
            "metric": "accuracy",
            "against": "unmerged PyTorch",
            "mean": difference,
            "method": "bootstrap",
        }
        return {
            "model": name,
            "refit": refit,
            "metrics": {
                "accuracy": {
                    "samples": 2189,
                    "mean": mean,
                    "low": mean - 0.01,
                    "high": mean + 0.01,
                    "method": "x",
                }
            },
            "drop_points": None if difference is None else -100 * difference,
            "differences": []
            if difference is None
            else [record | {"low": difference - 0.002, "high": difference + 0.002, "p_value": 0.0004}],
            "details": {"full length": {"documents": 812}, "classes": ["a", "b"]},
        }

    return {
        "task": "r8",
        "split": "test",
        "main": "accuracy",
        "models": [
            model("unmerged PyTorch", False, 0.9601, None),
            model("onnxruntime fp32", False, 0.9521, -0.008),
            model("onnxruntime fp32", True, 0.9611, 0.001),
        ],
        "skipped": [{"count": 3, "reason": "empty texts"}],
        "unavailable": {"onnxruntime bf16": "onnxruntime has no bfloat16 kernels on a CPU"},
    }


DIFFERENCE = {"mean": -0.004, "low": -0.006, "high": -0.002, "p_value": 0.01, "method": "bootstrap"}
SPEED = {"speedup": 1.5, "low": 1.4, "high": 1.6, "batch": 8, "threads": 2, "cpu": "AMD EPYC"} | {
    "onnxruntime": "1.32.0"
}


def sweep_record(key: str, method: str, flops: float, score: float, speed: bool = True) -> dict[str, Any]:
    return {
        "kind": "measured",
        "key": key,
        "label": f"{method} at FLOPs {flops:g}",
        "task": "r8",
        "split": "validation",
        "settings": {
            "method": method,
            "metric": "hidden",
            "margin": (0.9, 0.9),
            "margins": (0.9, 0.45),
            "energy": "elu",
            "split": "alternate",
            "candidates": 0.1,
            "num_candidates": (10, 9),
            "size_penalty": 0.05,
            "proportional_attention": True,
            "seed": None,
        },
        "graph": "g",
        "schedule": f"FLOPs {flops:g}, ratio",
        "shape": "ratio",
        "num_merged": (2, 2),
        "tokens": (12, 10, 8),
        "bound": 1 / flops,
        "metrics": {"accuracy": score},
        "seconds": 1.0,
        "flops_ratio": flops,
        "samples": 1200,
        "metric": "accuracy",
        "score": score,
        "low": score - 0.01,
        "high": score + 0.01,
        "to_unmerged": None if method == "none" else DIFFERENCE,
        "to_tome": None,
        "speed": SPEED if speed and method != "none" else None,
    }


def sweep_records() -> list[dict[str, Any]]:
    return [
        sweep_record("unmerged", "none", 1.0, 0.96),
        sweep_record("a", "pitome", 0.6, 0.955),
        sweep_record("b", "pitome", 0.8, 0.958),
        sweep_record("c", "tome", 0.6, 0.951),
        {"kind": "failed", "key": "d", "label": "tome", "task": None, "reason": "FLOPs 0.1 are out of reach"},
    ]


def spectrum_report() -> dict[str, Any]:
    def layers(mean: float, first: bool) -> list[dict[str, Any]]:
        difference = None if first else {"mean": 0.02, "low": 0.011, "high": 0.033, "p_value": 0.01}
        numbers = {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "to_first": difference}
        return [{"layer": layer, "tokens": 197, "merged": 19} | numbers for layer in (0, 1)]

    methods = [{"method": name, "layers": layers(mean, name == "pitome")} for name, mean in MEANS.items()]
    return {"reference": "pitome", "metric": "hidden", "samples": 20, "methods": methods}


MEANS = {"pitome": 0.0203, "tome": 0.0404}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel; browsers look at what a picture holds, not at what it is called."""


def merge_maps() -> MergeMaps:
    layers = tuple(
        ImageLayer(layer=layer, tokens=4 - layer, picture=f"data:image/png;base64,{PIXEL}")
        for layer in (0, 1)
    )
    photo = f"data:image/jpeg;base64,{PIXEL}"
    text = TextLayer(layer=0, tokens=3, groups=(0, 1, 2, 1))
    return MergeMaps(
        model="clip-b16",
        method="pitome",
        images=(ImageMaps(name="coffee.png", photo=photo, patches=196, layers=layers),),
        texts=(TextMaps(words=("[CLS]", "un", "##merged", "tokens"), layers=(text,)),),
    )


def validation_record(thresholds: dict[str, Any] | None = None, **changes: Any) -> ValidationRecord:
    """What ``pitome validate`` finds of a bundle that passes, as far as a page shows it."""
    return ValidationRecord.model_validate(
        {
            "bundle": "build/clip-b16",
            "verdict": "pass",
            "not_judged": 0,
            "reason": "every part meets its limits",
            "parts": [{"name": "parity", "verdict": "pass", "reason": "every decision agrees"}],
            "required": ["parity"],
            "accuracy": {
                "verdict": "pass",
                "reason": "r8 loses 0.10 points of 0.5",
                "tasks": [accuracy_report()],
            },
            "latency": {"verdict": "not judged", "reason": "the bundle holds no latency"},
            "thresholds": Thresholds.model_validate(thresholds or {}),
            "parity": make_document()["parity"],
            "environment": environment(),
            "command": "pitome validate build/clip-b16",
            "report": "build/clip-b16.validation.html",
        }
        | changes
    )


def environment(**changes: Any) -> dict[str, Any]:
    """Where a validation ran."""
    return {
        "command": "pitome validate build/clip-b16",
        "packages": {"torch": "2.13.0", "onnx": "1.23.2"},
        "python": "3.11.2",
        "system": "Linux x86_64",
        "cpu": "AMD EPYC",
    } | changes


def every_part(document) -> dict[str, Any]:
    """What every optional section shows; changes the document where its own records have more to show."""
    for place, layer in enumerate(document["parity"]["decisions"]["layers"]):
        layer["first_differences"] = place % 2
    document["parity"]["decisions"]["same_throughout"] = 90
    document["latency"]["comparison"] = [
        BatchRecord.model_validate(
            {
                "batch": batch,
                "contestants": [contestant("merged", 1.5, batch), contestant("unmerged", None, batch)],
                "rounds": 20,
                "warmup_rounds": 3,
            }
        ).model_dump(mode="json")
        for batch in (1, 8)
    ]
    return {
        "accuracy": [accuracy_report()],
        "sweep": sweep_records(),
        "sweep_commands": ["pitome sweep clip-b16"],
        "spectrum": spectrum_report(),
        "merge_maps": merge_maps(),
    }
