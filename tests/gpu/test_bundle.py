"""A bundle on a GPU as its user has it: built, loaded, measured and validated by its plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pitome
from pitome.bundle.build_options import Backend
from pitome.engine import bench, build
from pitome.engine.checks import plan_requests
from pitome.engine.options import (
    BenchOptions,
    CheckOptions,
    EngineOptions,
    ModelOptions,
    PlaceOptions,
    PlanOptions,
    ValidationOptions,
)
from pitome.engine.validation import validate_bundle
from pitome.errors import PitomeError
from pitome.export.plans import check_request
from pitome.validate.gpu.environment import machine_target
from tests.device_library import DEVICE_LIBRARY
from tests.gpu.recording import recorded

pytestmark = pytest.mark.gpu


BACKENDS: tuple[Backend, ...] = ("tensorrt", "tensorrt_rtx")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bundle_by_its_plan(backend: Backend, tmp_path: Path) -> None:
    """fashion-vit, whose weights are packaged: the plan classifies as the fp16 graph on the CPU does."""
    with recorded(f"{backend}-bundle"):
        plans = PlanOptions(
            backend=backend,
            targets=None if backend == "tensorrt" else (machine_target(),),
            plugin=DEVICE_LIBRARY if backend == "tensorrt" else None,
        )
        try:
            for request in plan_requests(tmp_path, plans, "model.fp16.onnx", 1):
                check_request(request)
        except PitomeError as error:
            pytest.skip(str(error))
        options = EngineOptions(
            ModelOptions("fashion-vit"), plan=plans, check=CheckOptions(8), place=PlaceOptions(tmp_path)
        )
        build(options)
        folder = tmp_path / "fashion-vit"
        with (
            pitome.load(folder, device="cuda", backend=backend) as by_plan,
            pitome.load(folder, backend="onnxruntime", precision="fp16") as by_graph,
        ):
            assert by_plan.chosen.backend == backend
            shape = [int(size) for size in by_plan.manifest.merged_graph.inputs[0].shape[1:]]
            given = np.random.default_rng(0).standard_normal((40, *shape), dtype=np.float32)
            (name,) = by_plan.run({"pixel_values": given[:1]})
            found, expected = (each.run({"pixel_values": given})[name] for each in (by_plan, by_graph))
            assert np.isfinite(found).all()
            norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
            print(
                f"lowest cosine to onnxruntime in fp16: {((found * expected).sum(axis=1) / norms).min():.5f}"
            )
        measured = bench(folder, BenchOptions(batches=(1, 8), device="cuda", backend=backend, record=True))
        assert measured.plan is not None
        judged = validate_bundle(
            folder, ValidationOptions(device="cuda", backend=backend, tasks=("none",), parity_inputs=8)
        )
        assert judged.plan_parity is not None
        assert judged.plan_parity.verdict == "pass", judged.plan_parity.reason
