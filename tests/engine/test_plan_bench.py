"""Which plan ``pitome bench --device cuda`` measures, and what it makes of two plans' times.

The plans run on a fake GPU (tests/pitome/runtime/plans/fake_gpu.py): it has a clock and computes nothing
that a model does. The the rounds and the records above it are real.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import LatencyReport, Manifest
from pitome.bundle.graph_records import PlanRecord
from pitome.bundle.measured_consistency import check_latency
from pitome.cli.console import output_console
from pitome.cli.tables import print_latency
from pitome.engine.comparison import run_comparison
from pitome.engine.plan_bench import PlanOnGpu, choose_plan, plan_contestants
from pitome.engine.progress import Silent
from pitome.errors import BackendError, InputError
from pitome.runtime import parse_device
from pitome.runtime.plans import Gpu, Machine
from pitome.validate.bench.settings import LatencySettings
from pitome.validate.report.key_figures import measured_on
from tests.pitome.bundle.bundle_cases import document
from tests.pitome.runtime.plans.fake_gpu import FakeTensor, fake_plan, install
from tests.pitome.runtime.plans.test_opening import record_of

L4 = Gpu("NVIDIA L4", "sm89", "13.0")
TENSORRT = Machine(L4, versions={"tensorrt": "10.14.1.48"})
BUNDLE = Path("build/clip")


def manifest(**changes: dict[str, Any]) -> Manifest:
    """The sample bundle, whose plans are model.fp16.sm80.plan and model.fp16.tensorrt.plan, by the plugin."""
    found = document()
    for plan in found["graphs"][0]["plans"]:
        plan.update(changes.get(plan["backend"], {}))
    return Manifest.model_validate(found)


def chosen(
    device: str = "cuda", backend: str = "auto", machine: Machine = TENSORRT, **changes: Any
) -> tuple[str | None, list[str]]:
    made = manifest(**changes)
    place, against = choose_plan(BUNDLE, made, device, backend, lambda: machine)
    return place and place.plan.file, against


FITS = {"backend_version": "10.14.1.48", "targets": ["sm89"]}


def test_the_plan_that_fits_is_measured() -> None:
    assert chosen(tensorrt=FITS) == ("plans/model.fp16.tensorrt.plan", [])
    assert chosen(backend="tensorrt", tensorrt=FITS) == ("plans/model.fp16.tensorrt.plan", [])


@pytest.mark.parametrize(
    ("device", "backend"),
    [("cpu", "auto"), ("tensorrt", "auto"), ("cuda", "onnxruntime"), ("cpu", "onnxruntime")],
)
def test_or_onnxruntime_is(device: str, backend: str) -> None:
    """Without looking for a GPU."""
    made = manifest()
    assert choose_plan(BUNDLE, made, device, backend, pytest.fail) == (None, [])


def test_where_no_plan_fits_each_says_why() -> None:
    plan, against = chosen(machine=Machine(L4, versions={"tensorrt_rtx": "1.7.1.116"}), tensorrt=FITS)
    assert plan is None
    assert against == [
        "plans/model.fp16.tensorrt.plan can't run here: TensorRT is not installed",
        "plans/model.fp16.sm80.plan can't run here: it is for sm80, sm86, and this GPU (NVIDIA L4) is sm89",
    ]


def test_a_backend_that_is_asked_for_and_can_not_run_is_an_error() -> None:
    with pytest.raises(BackendError) as caught:
        chosen(backend="tensorrt_rtx", machine=Machine(None, "no GPU answers here (x)"))
    assert str(caught.value) == (
        "BACKEND=tensorrt_rtx with DEVICE=cuda: no plan of the bundle can run here:\n"
        "  - plans/model.fp16.sm80.plan can't run here: TensorRT-RTX is not installed; no GPU answers here "
        "(x). Run pitome build build/clip --backend tensorrt_rtx on this machine, or leave --backend out"
    )


def test_a_backend_that_the_bundle_has_no_plan_of() -> None:
    made = manifest()
    graph = made.graphs[0].model_copy(update={"plans": made.plans[:1]})
    few = made.model_copy(update={"graphs": (graph, *made.graphs[1:])})
    with pytest.raises(InputError, match=r"no plan of TensorRT; its plans are plans/model\.fp16\.sm80\.plan"):
        choose_plan(BUNDLE, few, "cuda", "tensorrt", lambda: TENSORRT)


def test_a_plan_on_a_cpu() -> None:
    with pytest.raises(InputError, match=r"plans run on a GPU only\. Use --device cuda"):
        chosen(device="cpu", backend="tensorrt")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LatencyReport:
    """Two plans of which one takes 1 ms and the other 1.5 ms, measured as ``pitome bench`` does."""
    install(monkeypatch, lambda inputs: {"embeds": inputs["pixels"]})
    tensors = (FakeTensor("pixels", "FLOAT", (-1, 4)), FakeTensor("embeds", "FLOAT", (-1, 4), output=True))
    merged, unmerged = tmp_path / "merged.plan", tmp_path / "unmerged.plan"
    merged.write_bytes(fake_plan(tensors))
    made = manifest()
    unmerged.write_bytes(fake_plan(tensors, seconds=0.0015))
    plan: PlanRecord = record_of(
        merged.read_bytes(),
        file="merged.plan",
        precision="fp16",
        backend="tensorrt",
        backend_version="10.14.1.48",
        profile=(1, 4, 8),
    )
    contestants, told = plan_contestants(
        PlanOnGpu(tmp_path, made, made.merged_graph, plan, TENSORRT), unmerged
    )
    settings = LatencySettings((1, 8), min_seconds=0.01, device=parse_device("cuda"))
    return run_comparison(contestants, settings, Silent(), None, told)


def test_times_are_the_gpus(measured: LatencyReport) -> None:
    for result in measured.results:
        assert result.merged.median_milliseconds == pytest.approx(1.0)
        assert result.unmerged.median_milliseconds == pytest.approx(1.5)
        assert result.speedup == pytest.approx(1.5)
        assert result.share_of_bound == pytest.approx(1.5 * 0.75)
        assert result.onnxruntime is None
    assert [result.batch for result in measured.results] == [1, 8]
    check_latency(measured, manifest().merged_graph.flops)


def test_what_ran_is_told(measured: LatencyReport) -> None:
    assert measured.plan is not None
    assert measured.plan.model_dump() == {
        "file": "merged.plan",
        "backend": "tensorrt",
        "version": "10.14.1.48",
        "precision": "fp16",
        "gpu": "NVIDIA L4",
        "target": "sm89",
        "driver": "13.0",
        "launched": "CUDA graph",
    }
    assert measured.configuration is not None
    assert measured.configuration.gpu == "NVIDIA L4, CUDA graph"
    assert measured.configuration.packages["tensorrt"] == "10.14.1.48"
    assert measured_on(measured, measured.results[1]) == "fp16, TensorRT 10.14.1.48 on NVIDIA L4, batch 8"
    console = output_console()
    with console.capture() as printed:
        print_latency(console, measured.model_dump(mode="json"))
    title = " ".join(printed.get().split())
    assert "Latency in shared rounds on NVIDIA L4, TensorRT 10.14.1.48, fp16, CUDA graph" in title


def test_a_report_is_of_onnxruntime_or_of_a_plan(measured: LatencyReport) -> None:
    wrong = measured.model_copy(
        update={
            "onnxruntime": "1.32.0",
            "results": tuple(each.model_copy(update={"onnxruntime": "1.32.0"}) for each in measured.results),
        }
    )
    with pytest.raises(ValueError, match=r"latency.plan: either onnxruntime or a plan was measured"):
        check_latency(wrong, manifest().merged_graph.flops)
