"""One merge alone as an engine with the plugin, of TensorRT and TensorRT-RTX, on cases of the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from pitome.errors import PitomeError
from pitome.export.plans import PlanRequest, build_plan, check_request
from pitome.merge import MergeResult
from pitome.validate.gpu.environment import machine_target
from pitome.validate.gpu.requests import EngineFile, RunRequest
from pitome.validate.gpu.session import run_session
from tests.device_library import DEVICE_LIBRARY
from tests.gpu.recording import recorded
from tests.merge_contract import held_to_the_contract
from tests.operator_cases import CASES, DTYPES, OperatorCase, make_inputs
from tests.operator_model import operator_model
from tests.pitome.test_merge import by_name

BACKENDS = ("tensorrt", "tensorrt_rtx")
OUTPUTS = ("y", "size_out", "assignment")
PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


def one_case_per_rule() -> list[tuple[OperatorCase, torch.dtype]]:
    """Every combination of order, function and split once, exact and with something special in it."""
    found: dict[tuple[str, str, str], OperatorCase] = {}
    for case in CASES:
        rule = (case.parameters.order, case.parameters.function, case.parameters.split)
        if case.exact and case.content != "signs" and 17 <= case.num_tokens < 300:
            found.setdefault(rule, case)
    return [(case, DTYPES[index % len(DTYPES)]) for index, case in enumerate(found.values())]


@dataclass(frozen=True)
class OperatorEngine:
    """One case's merge, built into a plan in a folder."""

    backend: str
    case: OperatorCase
    dtype: torch.dtype
    folder: Path
    embed_plugin: bool = False

    def request(self) -> PlanRequest:
        return PlanRequest(
            onnx=self.folder / "merge.onnx",
            plan=self.folder / "merge.plan",
            backend=self.backend,
            targets=() if self.backend == "tensorrt" else (machine_target(),),
            profile=(1, self.case.batch, self.case.batch),
            precision=PRECISIONS[self.dtype],
            num_merges=1,
            merge_path="plugin",
            plugin=DEVICE_LIBRARY,
            embed_plugin=self.embed_plugin,
        )

    def skip_where_unavailable(self) -> None:
        try:
            check_request(self.request())
        except PitomeError as error:
            pytest.skip(str(error))

    def run(self) -> dict[str, torch.Tensor]:
        """Build the engine and run it; an embedded plugin is all the plugin that its process gets."""
        case, request = self.case, self.request()
        name = str(self.dtype).removeprefix("torch.")
        model = operator_model(case.parameters, case.num_tokens, case.width, case.metric_width, name)
        onnx.save(model, str(request.onnx))
        build_plan(request)
        inputs, outputs = self.folder / "inputs.safetensors", self.folder / "outputs.safetensors"
        tensors = make_inputs(case, self.dtype)
        save_file(dict(zip(("x", "metric", "size"), tensors, strict=True)), str(inputs))
        engine = EngineFile(
            name="merge",
            plan=request.plan,
            plugin=None if self.embed_plugin else DEVICE_LIBRARY,
            host_code=self.embed_plugin,
        )
        run_session(RunRequest(backend=self.backend, engine=engine, inputs=inputs, outputs=outputs))
        return load_file(str(outputs))


def result_of(found: dict[str, torch.Tensor], dtype: torch.dtype) -> MergeResult:
    """A runtime hands out bfloat16 as float32, which holds it exactly."""
    return MergeResult(found["y"].to(dtype), found["size_out"], found["assignment"])


def test_the_cases_are_of_all_rules() -> None:
    assert len(one_case_per_rule()) == 12


@pytest.mark.gpu
@pytest.mark.parametrize("backend", BACKENDS)
def test_one_merge_through_the_plugin(backend: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In one test, so that the report's part is passed when all cases are."""
    with recorded(f"{backend}-operator"):
        for case, dtype in one_case_per_rule():
            engine = OperatorEngine(backend, case, dtype, tmp_path_factory.mktemp("operator"))
            engine.skip_where_unavailable()
            found = engine.run()
            held_to_the_contract((case, dtype), result_of(found, dtype))
            for name in OUTPUTS:
                assert torch.equal(found[name], found[f"{name}.replay"]), f"{name} of {by_name(case)}"


@pytest.mark.gpu
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plan_that_carries_its_plugin(backend: str, tmp_path: Path) -> None:
    case, dtype = one_case_per_rule()[0]
    with recorded(f"{backend}-embedded"):
        engine = OperatorEngine(backend, case, dtype, tmp_path, embed_plugin=True)
        engine.skip_where_unavailable()
        held_to_the_contract((case, dtype), result_of(engine.run(), dtype))
