"""The parity of a bundle's plan: onnxruntime on the CPU computes what the fake library's plans are asked for.

So the passes, the rule and the plan's runtime are real, and what a GPU makes of a graph is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitome.bundle import CheckOptions, verify_bundle
from pitome.engine.plan_bench import PlanOnGpu
from pitome.engine.plan_parity import check_plan_parity, unchecked
from pitome.engine.prepare import Prepared, reload
from pitome.engine.progress import Silent
from pitome.export.plans import PlanRequest
from pitome.runtime.plans import Gpu, Machine
from tests.pitome.runtime.plans.fake_gpu import install
from tests.pitome.runtime.plans.graph_plans import computing, write_plan
from tests.pitome.runtime.plans.test_opening import RTX

MACHINE = Machine(Gpu("made up", "sm89", "13.0"), versions={"tensorrt_rtx": RTX})


def build_fake(request: PlanRequest) -> None:
    write_plan(request.onnx, request.plan, request.profile)


@dataclass(frozen=True)
class Place:
    place: PlanOnGpu
    prepared: Prepared


@pytest.fixture
def placed(copied: Path, clip_folder: Path) -> Place:
    """A tiny bundle whose real plan has given way to one of the fake library."""
    manifest = verify_bundle(copied)
    graph = manifest.merged_graph
    plan = graph.plans[0]
    write_plan(copied / f"{graph.name}.fp16.onnx", copied / plan.file, plan.profile)
    prepared = reload(copied, manifest, Silent(), str(clip_folder))
    fits = plan.model_copy(update={"targets": ("sm89",)})
    return Place(PlanOnGpu(copied, manifest, graph, fits, MACHINE), prepared)


CHECK = CheckOptions(parity_images=4)


def test_a_plan_that_computes_the_graph_passes(placed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, computing(), "tensorrt_rtx", RTX)
    found = check_plan_parity(placed.place, placed.prepared, CHECK, Silent(), build_fake)
    assert (found.verdict, found.name) == ("pass", "TensorRT-RTX function")
    assert found.decisions is not None
    assert found.decisions.compared > 0
    assert found.decisions.unexplained == 0
    assert {record.precision for record in found.arithmetic} == {"fp32", "fp16"}
    assert f"{placed.place.plan.file} itself: lowest cosine to it 1.00000" in found.reason


def test_one_that_decides_otherwise_fails(placed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def reverse(outputs: dict[str, Any]) -> dict[str, Any]:
        decided = [name for name, value in outputs.items() if value.dtype == np.int32]
        return {**outputs, **{name: outputs[name][:, ::-1] for name in decided}}

    install(monkeypatch, computing(reverse), "tensorrt_rtx", RTX)
    found = check_plan_parity(placed.place, placed.prepared, CHECK, Silent(), build_fake)
    assert found.verdict == "fail"


def test_one_that_is_not_finite_fails(placed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = computing()

    def overflow(key: str, inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = whole(key, inputs)
        own = not any(value.dtype == np.int32 for value in outputs.values())
        return {name: np.full_like(value, np.nan) for name, value in outputs.items()} if own else outputs

    install(monkeypatch, overflow, "tensorrt_rtx", RTX)
    found = check_plan_parity(placed.place, placed.prepared, CHECK, Silent(), build_fake)
    assert found.verdict == "fail"
    assert f"of {placed.place.plan.file} is not finite" in found.reason


def test_what_can_not_be_checked_is_not_judged(placed: Place) -> None:
    found = unchecked(placed.place, "no builder")
    assert (found.verdict, found.reason, found.images) == ("not judged", "no builder", 0)
