"""Whole models as engines: their decisions and arithmetic against PyTorch's, and their speed."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from pitome.errors import PitomeError
from pitome.export.onnx import Precision
from pitome.validate.gpu.plans import PROFILE, EngineSpec, MergePath, Workshop, measured_engines
from pitome.validate.gpu.records import EngineParity
from pitome.validate.gpu.requests import CheckRequest, EngineFile, MeasureRequest
from pitome.validate.gpu.session import run_session
from pitome.validate.gpu.timing import BatchSpeed
from pitome.validate.gpu.work import MERGED, PLAIN
from tests.gpu.recording import recorded

pytestmark = pytest.mark.gpu

WAYS: list[tuple[str, MergePath]] = [
    ("tensorrt", "plugin"),
    ("tensorrt", "function"),
    ("tensorrt_rtx", "plugin"),
    ("tensorrt_rtx", "function"),
]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")


def file_of(workshop: Workshop, spec: EngineSpec) -> EngineFile:
    plan = workshop.plan(spec)
    return EngineFile(
        name=spec.name, plan=plan, plugin=workshop.plugin if spec.merge_path == "plugin" else None
    )


@pytest.mark.parametrize(("backend", "merge_path"), WAYS)
def test_engines_decide_and_compute_like_pytorch(
    backend: str, merge_path: MergePath, workshop: Workshop
) -> None:
    with recorded(f"{backend}-{merge_path}") as report:
        specs = {
            precision: EngineSpec(backend, merge_path, precision, decisions=True) for precision in PRECISIONS
        }
        for spec in specs.values():
            if reason := workshop.unavailable(spec):
                pytest.skip(reason)
        request = CheckRequest(
            name=f"{backend} {merge_path}",
            backend=backend,
            engines={precision: file_of(workshop, spec) for precision, spec in specs.items()},
            decisions={precision: workshop.decisions(spec) for precision, spec in specs.items()},
        )
        found = EngineParity.model_validate(run_session(request))
        report.extend(parity=found)
        assert found.verdict == "pass", found.reason


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt_rtx"])
def test_speed(backend: str, workshop: Workshop) -> None:
    """No speed is asked for: the numbers are for the report."""
    with recorded(f"{backend}-speed") as report:
        engines, failures, reasons = [], [], []
        for spec in measured_engines(backend):
            if reason := workshop.unavailable(spec):
                reasons.append(reason)
                report.leave_out(f"{backend}, {spec.name}", reason)
                continue
            try:
                engines.append(file_of(workshop, spec))
            except PitomeError as error:
                failures.append(str(error))
                report.leave_out(f"{backend}, {spec.name}", str(error))
        if not engines and not failures:
            pytest.skip(reasons[0])
        request = MeasureRequest(backend=backend, precision="fp16", engines=tuple(engines), batches=PROFILE)
        found = TypeAdapter(tuple[BatchSpeed, ...]).validate_python(run_session(request))
        report.change(speed={**report.report.speed, backend: found})
        assert not failures, "\n".join(failures)
        assert [speed.batch for speed in found] == list(PROFILE)
        expected = {*(file.name for file in engines), PLAIN, MERGED}
        assert all({candidate.name for candidate in speed.candidates} == expected for speed in found)
