"""Comparisons of more than two contestants, real but tiny: structure and bookkeeping, never times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pitome.errors import BackendError, InputError
from pitome.validate.bench.contestants import (
    eager_contestant,
    graph_digest,
    onnx_contestant,
    torch_threads,
)
from pitome.validate.bench.latency import (
    BatchRecord,
    LatencyReport,
    LatencySettings,
    compare,
    configuration,
    latency_records,
    merged_and_unmerged,
)
from pitome.validate.resume import ResumableLog
from tests.validate.bench.chains import WIDTH, chain, measure_pair

QUICK = LatencySettings((1, 2), threads=1, repeats=9, seed=3)


class Chain(nn.Module):
    """The same as the graphs of ``chain``."""

    def __init__(self, matmuls: int) -> None:
        super().__init__()
        self.matmuls, self.weight = matmuls, nn.Parameter(torch.eye(WIDTH))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        for _ in range(self.matmuls):
            pixels = pixels @ self.weight
        return pixels


@pytest.fixture(scope="module")
def contestants(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chains")
    merged, unmerged = chain(folder / "merged.onnx", 1), chain(folder / "unmerged.onnx", 2)
    other = chain(folder / "tome.onnx", 1)
    return [
        *merged_and_unmerged(merged, unmerged, 2.0),
        onnx_contestant("tome", other, against="unmerged", bound=2.0),
        eager_contestant("merged-eager", Chain(1), "aa", against="unmerged-eager", bound=2.0),
        eager_contestant("unmerged-eager", Chain(2), "bb"),
    ]


@pytest.fixture(scope="module")
def compared(contestants):
    return compare(contestants, LatencySettings((1, 2), threads=1, repeats=9, seed=3, memory=True))


def test_everyone_is_measured_in_the_same_rounds(compared, contestants):
    assert [record.batch for record in compared] == [1, 2]
    for record in compared:
        assert [c.name for c in record.contestants] == [c.name for c in contestants]
        assert record.rounds == 9
        for found in record.contestants:
            timing = found.timing
            percentiles = [timing.median_milliseconds, timing.p90_milliseconds, timing.p95_milliseconds]
            assert percentiles == sorted(percentiles)
            assert timing.p95_milliseconds <= timing.p99_milliseconds
            assert timing.per_second == pytest.approx(1e3 * record.batch / timing.median_milliseconds)
            assert found.steady is not None
            assert (found.steady_reason is None) is found.steady


def test_ratios_are_to_the_unmerged_model_of_the_same_runtime(compared):
    for record in compared:
        for name, against in (
            ("merged", "unmerged"),
            ("tome", "unmerged"),
            ("merged-eager", "unmerged-eager"),
        ):
            found, other = record.contestant(name), record.contestant(against)
            assert found.against == against
            wanted = other.timing.median_milliseconds / found.timing.median_milliseconds
            assert found.ratio == pytest.approx(wanted)
            low, high = found.ratio_interval
            assert low <= found.ratio <= high
            assert found.share_of_bound == pytest.approx(found.ratio / 2.0)
        assert record.contestant("unmerged").ratio is None
        assert record.contestant("unmerged-eager").bound is None


def test_memory_of_files_and_modules(compared):
    for record in compared:
        assert record.contestant("merged").memory.peak_bytes > 0
        assert record.contestant("unmerged").memory.peak_bytes > 0
        assert record.contestant("unmerged-eager").memory.peak_bytes > 0


def test_records_survive_json(compared, contestants):
    for record in compared:
        assert BatchRecord.model_validate_json(record.model_dump_json()) == record
    pairs = latency_records(compared, QUICK)
    report = LatencyReport.of(pairs, configuration(contestants, QUICK), compared)
    assert LatencyReport.model_validate_json(report.model_dump_json()) == report
    for pair, record in zip(pairs, compared, strict=True):
        assert (pair.speedup, pair.merged) == (
            record.contestant("merged").ratio,
            record.contestant("merged").timing,
        )
        assert (pair.steady is False) is (
            False in [record.contestant(name).steady for name in ("merged", "unmerged")]
        )


def test_a_report_of_an_earlier_version_is_still_read():
    timing = {"median_milliseconds": 1.0, "p95_milliseconds": 2.0, "per_second": 1000.0}
    common = {"threads": 2, "onnxruntime": "1.32.0", "provider": "CPUExecutionProvider", "cpu": "some"}
    result = {
        "batch": 1,
        "speedup": 1.5,
        "speedup_interval": [1.4, 1.6],
        "bound": 2.0,
        "share_of_bound": 0.75,
        "merged": timing,
        "unmerged": timing,
        "rounds": 11,
        "warmup_rounds": 3,
        "seed": 0,
        **common,
    }
    report = LatencyReport.model_validate({"results": [result], **common})
    assert (report.comparison, report.results[0].steady) == (None, None)


def test_finished_batch_sizes_are_taken_over(contestants, tmp_path):
    path, pair = tmp_path / "bench.jsonl", contestants[:2]
    described = configuration(pair, QUICK).model_dump(mode="json")

    def run(stop_at=None):
        measured = set()

        def progress(phase, done, total):
            measured.add(phase)
            if stop_at in phase:
                raise KeyboardInterrupt

        with ResumableLog.open(path, described) as log:
            return compare(
                pair, QUICK, log=log, progress=progress if stop_at else lambda *call: measured.add(call[0])
            ), measured

    with pytest.raises(KeyboardInterrupt):
        run("latency, batch 2")
    first, measured = run()
    assert measured == {"warm-up, batch 2", "latency, batch 2"}
    again, measured = run()
    assert measured == set()
    assert again == first
    assert len(path.read_text().splitlines()) == 3


def test_a_resume_with_other_models_is_refused(contestants, tmp_path):
    path, (merged, unmerged) = tmp_path / "bench.jsonl", contestants[:2]
    first = configuration([merged, unmerged], QUICK)
    ResumableLog.open(path, first.model_dump(mode="json")).close()
    swapped = merged_and_unmerged(unmerged.path, merged.path, 2.0)
    other = configuration(swapped, LatencySettings((1,), threads=2, repeats=9, seed=3))
    with pytest.raises(InputError) as caught:
        ResumableLog.open(path, other.model_dump(mode="json"))
    message = str(caught.value)
    assert f'contestants.merged.digest is "{merged.digest}" in it and "{unmerged.digest}" now' in message
    assert "threads is 1 in it and 2 now" in message
    assert "batches is [1, 2] in it and [1] now" in message


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"batch": 1}, r"not the record of a batch size \(contestants: Field required\)\. Delete that line"),
        (None, r"its contestants are merged, unmerged, tome, .*, not merged, unmerged\)"),
    ],
)
def test_foreign_records_are_refused(contestants, compared, tmp_path, record, message):
    with ResumableLog.open(tmp_path / "bench.jsonl", {}) as log:
        log.append(record or compared[0].model_dump(mode="json"))
        with pytest.raises(InputError, match=message):
            compare(contestants[:2], QUICK, log=log)


def test_configuration_names_what_the_numbers_depend_on(contestants):
    found = configuration(contestants, QUICK).model_dump(mode="json")
    assert found["contestants"]["merged"] == {
        "digest": graph_digest(contestants[0].path),
        "against": "unmerged",
        "bound": 2.0,
    }
    assert found["contestants"]["unmerged-eager"]["digest"] == "bb"
    assert (found["batches"], found["threads"], found["seed"], found["inputs"]) == ([1, 2], 1, 3, "seeded")
    assert found["device"] == "cpu"
    assert set(found["packages"]) == {"numpy", "onnxruntime", "pitome", "torch", "transformers"}
    assert "torch" not in configuration(contestants[:2], QUICK).packages
    assert found["cpu"]
    one, other = (
        configuration(
            contestants, QUICK, lambda batch, fill=fill: {"pixels": np.full((batch, 64, WIDTH), fill)}
        )
        for fill in (0.0, 1.0)
    )
    assert one.inputs != other.inputs


def test_digest_of_weights_beside_the_graph(tmp_path):
    path = chain(tmp_path / "model.onnx", 1)
    alone = graph_digest(path)
    (tmp_path / "model.onnx.data").write_bytes(b"weights")
    (tmp_path / "model.onnx.lock").write_bytes(b"")
    assert graph_digest(path).startswith(f"{alone}+")


def test_threads_of_torch_come_back():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_modules_that_fail_are_named():
    module = eager_contestant("mine", Chain(1), "aa")

    def inputs(batch):
        return {"pixels": np.zeros((batch, 3, 5), np.float32)}

    with pytest.raises(BackendError, match=r"the latency of mine: PyTorch could not run it \(mat1 and mat2"):
        compare([module], QUICK, inputs=inputs)
    with pytest.raises(ValueError, match="PyTorch modules alone need inputs"):
        compare([module], QUICK)


def test_names_must_fit(contestants):
    with pytest.raises(ValueError, match="names of their own"):
        compare([contestants[0], contestants[0]], QUICK)
    with pytest.raises(ValueError, match="ratios to one of them"):
        compare([contestants[0]], QUICK)


def test_few_rounds_are_never_called_steady(tmp_path: Path):
    model = chain(tmp_path / "model.onnx", 1)
    (found,) = measure_pair(model, model, LatencySettings((1,), threads=1, repeats=2))
    assert found.steady is None
    assert found.steady_reason == (
        "merged: 2 rounds are too few to tell; unmerged: 2 rounds are too few to tell"
    )
