"""The CUDA kernels on a real GPU, through the C interface: the operator's tables of cases, and speed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import MergeLibrary
from pitome.settings import Metric
from pitome.validate.bench.records import timing_of
from pitome.validate.gpu.environment import missing_gpu
from pitome.validate.gpu.report import KernelCheck, KernelTiming, Status
from pitome.validate.gpu.timing import measure_rounds
from tests.device_library import DEVICE_LIBRARY
from tests.gpu.all_merges import AllMerges, MergedModel
from tests.gpu.recording import recorded, report_file
from tests.merge_contract import held_to_the_contract
from tests.operator_cases import LARGE_CASES, make_inputs
from tests.pitome.test_merge import by_name
from tests.plugins.kernel_runs import TABLES, Call, assert_same_bits

pytestmark = pytest.mark.gpu

CALLS = [*TABLES["small"], *TABLES["large"]]
MISSING = f"build/plugin/{DEVICE_LIBRARY.name} is missing. Run `make plugin`"


@pytest.fixture(scope="module")
def library() -> MergeLibrary:
    reason = missing_gpu() or ("" if DEVICE_LIBRARY.is_file() else MISSING)
    if reason:
        for key in ("kernels", "kernels-graph", "kernels-speed"):
            report_file().set_part(key, "skipped", reason)
        pytest.skip(reason)
    return MergeLibrary(DEVICE_LIBRARY)


def name_of(call: Call) -> str:
    return "-".join(map(by_name, call))


@dataclass
class Tally:
    """How the cases of one part went."""

    cases: int = 0
    failed: list[str] = field(default_factory=list)

    def run(self, name: str, check: Callable[[], None]) -> None:
        self.cases += 1
        self.failed.append(name)
        check()
        self.failed.pop()

    def record(self, key: str, of: int) -> None:
        """Write the part into the report; one that ran in part says so."""
        if not self.cases:
            return
        status: Status = "failed" if self.failed else "passed"
        passed = self.cases - len(self.failed)
        report_file().set_part(key, status, f"{self.cases} of {of} cases ran, {passed} passed")


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    found = Tally()
    yield found
    found.record("kernels", len(CALLS))
    if found.cases:
        passed = found.cases - len(found.failed)
        check = KernelCheck(cases=found.cases, passed=passed, failed=tuple(found.failed))
        report_file().change(kernels=check)


@pytest.fixture(scope="module")
def graph_tally() -> Iterator[Tally]:
    found = Tally()
    yield found
    found.record("kernels-graph", len(LARGE_CASES))


def on_gpu(call: Call) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, metric, size = make_inputs(*call)
    return x.cuda(), metric.cuda(), size.cuda()


def enqueue(
    library: MergeLibrary, tensors: tuple[torch.Tensor, ...], parameters: MergeParameters
) -> MergeResult:
    x, metric, size = tensors
    return library.enqueue(x, metric, size, parameters, torch.cuda.current_stream().cuda_stream)


def fetch(result: MergeResult) -> MergeResult:
    torch.cuda.synchronize()
    return MergeResult(*(tensor.cpu() for tensor in result))


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_the_tables_of_cases(call: Call, library: MergeLibrary, tally: Tally) -> None:
    def check() -> None:
        held_to_the_contract(call, fetch(enqueue(library, on_gpu(call), call[0].parameters)))

    tally.run(name_of(call), check)


@pytest.mark.parametrize("call", LARGE_CASES, ids=name_of)
def test_the_same_bits_twice_and_from_a_cuda_graph(
    call: Call, library: MergeLibrary, graph_tally: Tally
) -> None:
    """The graph holds the filling of outputs and workspace with garbage too, so a replay starts from that."""

    def check() -> None:
        tensors, parameters = on_gpu(call), call[0].parameters
        first = fetch(enqueue(library, tensors, parameters))
        assert_same_bits(first, fetch(enqueue(library, tensors, parameters)))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = enqueue(library, tensors, parameters)
        for _ in range(2):
            graph.replay()
            assert_same_bits(first, fetch(captured))

    graph_tally.run(name_of(call), check)


# Speed.

MODELS = (
    MergedModel("clip-b16", 12, 197, 768, 64),
    MergedModel("clip-l14-336", 24, 577, 1024, 64),
    MergedModel("blip2-vit-g", 39, 257, 1408, 88),
)
BATCHES = (1, 8, 32, 64)
METRICS: tuple[Metric, ...] = ("hidden", "keys")
PRECISIONS = {"fp16": torch.float16, "fp32": torch.float32}


def test_speed_of_the_kernels_alone(library: MergeLibrary) -> None:
    """No speed is asked for: the numbers are for the report."""
    with recorded("kernels-speed") as report, torch.cuda.stream(torch.cuda.Stream()):
        for model, batch, precision in itertools.product(MODELS, BATCHES, PRECISIONS):
            dtype = PRECISIONS[precision]
            try:
                work = {metric: AllMerges(library, model, metric, batch, dtype) for metric in METRICS}
                replays = {str(metric): merges.capture() for metric, merges in work.items()}
            except torch.OutOfMemoryError:
                report.leave_out(f"kernels: {model.name}, {precision}, batch {batch}", "no memory for it")
                continue
            sampled = measure_rounds(replays, rounds=31, warmup_seconds=1.0)
            for metric, merges in work.items():
                timing = KernelTiming(
                    model=model.name,
                    metric=metric,
                    precision=precision,
                    batch=batch,
                    merges=len(merges.calls),
                    timing=timing_of(sampled.seconds[metric], batch),
                )
                report.extend(kernel_timings=timing)
        expected = len(MODELS) * len(BATCHES) * len(PRECISIONS) * len(METRICS)
        left_out = [what for what in report.report.left_out if what.startswith("kernels: ")]
        assert len(report.report.kernel_timings) == expected - len(METRICS) * len(left_out)
