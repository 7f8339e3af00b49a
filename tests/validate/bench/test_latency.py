"""Latency of two graphs: the bootstrap, what is refused, and the records. Times are counted, not measured."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from pydantic import ValidationError

from pitome.errors import BackendError, InputError
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.validate.bench.contestants import onnx_contestant
from pitome.validate.bench.feeds import seeded_inputs
from pitome.validate.bench.latency import (
    LatencyRecord,
    LatencyReport,
    bootstrap_interval,
    compare,
    cpu_model,
    latency_records,
    merged_and_unmerged,
)
from pitome.validate.bench.settings import LatencySettings, check_settings
from tests.validate.bench.chains import WIDTH, CountedClock, chain, measure_pair

QUICK = LatencySettings((1,), threads=1, repeats=2)


def slow_interval(
    merged: list[float], unmerged: list[float], seed: int, resamples: int
) -> tuple[float, float]:
    """The same bootstrap with sorted lists and loops, straight from its definition."""
    generator = np.random.default_rng(seed)
    ratios = []
    for _ in range(resamples):
        rounds = [int(i) for i in generator.integers(0, len(merged), size=len(merged))]
        ratios.append(
            statistics.median([unmerged[i] for i in rounds]) / statistics.median([merged[i] for i in rounds])
        )
    ratios.sort()

    def percentile(q: float) -> float:
        place = q * (len(ratios) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ratios) - 1)
        return ratios[below] + (place - below) * (ratios[above] - ratios[below])

    return percentile(0.025), percentile(0.975)


@pytest.mark.parametrize("rounds", [2, 7, 12])
def test_bootstrap_is_its_definition(rounds):
    generator = np.random.default_rng(rounds)
    merged, unmerged = generator.gamma(9.0, 0.1, (2, rounds))
    expected = slow_interval(merged.tolist(), unmerged.tolist(), seed=5, resamples=300)
    assert bootstrap_interval(merged, unmerged, seed=5, resamples=300) == pytest.approx(expected, rel=1e-12)


def test_bootstrap_keeps_rounds_paired():
    # Every round is 3x apart however slow it was: with unpaired resampling the interval would be wide.
    merged = np.random.default_rng(0).gamma(1.0, 1.0, 51) + 0.1
    low, high = bootstrap_interval(merged, 3 * merged, resamples=500)
    assert (low, high) == pytest.approx((3.0, 3.0), rel=1e-12)


def test_bootstrap_interval_covers_the_truth():
    generator = np.random.default_rng(1)
    trials, rounds, truth = 200, 41, 1.7
    covered = 0
    for trial in range(trials):
        drift = generator.lognormal(0.0, 0.2, rounds)
        merged = drift * generator.lognormal(0.0, 0.1, rounds)
        unmerged = truth * drift * generator.lognormal(0.0, 0.1, rounds)
        low, high = bootstrap_interval(merged, unmerged, seed=trial, resamples=400)
        covered += low <= truth <= high
    # Nominal 95 % and a binomial deviation of sqrt(200 * .95 * .05) = 3.1 trials; four of them either way
    # (the bootstrap of a median is slightly conservative, so the upper side may be reached).
    assert covered >= trials * 0.95 - 4 * 3.1


def test_planted_speed_is_found(tmp_path: Path) -> None:
    merged, unmerged = chain(tmp_path / "merged.onnx", 1), chain(tmp_path / "unmerged.onnx", 2)
    calls: list[tuple[str, int, int]] = []
    clock, settings = CountedClock(), LatencySettings((3, 1, 3), threads=1, repeats=9)
    fast, slow = merged_and_unmerged(merged, unmerged, 8.0)
    found = compare(
        [clock.counted(fast, 0.002), clock.counted(slow, 0.012)],
        settings,
        progress=lambda *call: calls.append(call),
        clock=clock,
    )
    records = latency_records(found, settings)
    assert [record.batch for record in records] == [3, 1]
    for record in records:
        assert record.speedup == pytest.approx(6.0)
        assert record.speedup_interval == pytest.approx((6.0, 6.0))
        assert record.share_of_bound == pytest.approx(6.0 / 8.0)
        assert record.merged.median_milliseconds == pytest.approx(2.0)
        assert record.merged.p95_milliseconds == pytest.approx(2.0)
        assert record.unmerged.median_milliseconds == pytest.approx(12.0)
        assert record.merged.per_second == pytest.approx(record.batch / 0.002)
        assert (record.rounds, record.threads, record.provider) == (9, 1, "CPUExecutionProvider")
        assert record.cpu == cpu_model() != ""
    assert ("latency, batch 3", 9, 9) in calls
    assert ("warm-up, batch 1", 0, 12) in calls
    # and the other way round, the "merged" model is the slower one
    (record,) = compare([clock.counted(fast, 0.012), clock.counted(slow, 0.002)], QUICK, clock=clock)
    assert record.contestant("merged").ratio == pytest.approx(1 / 6)


def test_merged_graphs_are_compared_with_each_other(tmp_path: Path) -> None:
    paths = [chain(tmp_path / f"{name}.onnx", 1 + place) for place, name in enumerate("abcd")]
    clock = CountedClock()
    merged, unmerged = merged_and_unmerged(paths[0], paths[1], 8.0)
    other = onnx_contestant("random", paths[2], against="unmerged", bound=8.0)
    last = onnx_contestant("native", paths[3], against="unmerged", bound=8.0)
    (record,) = compare(
        [
            clock.counted(merged, 0.004),
            clock.counted(unmerged, 0.012),
            clock.counted(other, 0.003),
            clock.counted(last, 0.002),
        ],
        QUICK,
        clock=clock,
    )
    found = {(pair.name, pair.against): (pair.ratio, pair.ratio_interval) for pair in record.pairs}
    assert {key: ratio for key, (ratio, _) in found.items()} == {
        ("random", "merged"): pytest.approx(4 / 3),
        ("native", "merged"): pytest.approx(2.0),
        ("native", "random"): pytest.approx(1.5),
    }
    assert all(interval == pytest.approx((ratio, ratio)) for ratio, interval in found.values())


def test_rounds_fill_the_asked_time(tmp_path: Path) -> None:
    model, clock = chain(tmp_path / "model.onnx", 1), CountedClock()
    pair = [clock.counted(each, 0.01) for each in merged_and_unmerged(model, model, 1.0)]
    for seconds, rounds in ((0.0, 11), (0.5, 25)):
        settings = LatencySettings((1,), threads=1, min_seconds=seconds)
        (record,) = compare(pair, settings, clock=clock)
        assert record.rounds == rounds


def test_report_round_trips_and_refuses_the_unknown(tmp_path):
    model = chain(tmp_path / "model.onnx", 1)
    report = LatencyReport.of(measure_pair(model, model, LatencySettings((1, 2), threads=1, repeats=2)))
    assert LatencyReport.model_validate_json(report.model_dump_json()) == report
    document = report.model_dump(mode="json")
    assert document["threads"] == 1
    assert [result["batch"] for result in document["results"]] == [1, 2]
    assert len(document["results"][0]["speedup_interval"]) == 2
    with pytest.raises(ValidationError, match="surprise"):
        LatencyReport.model_validate({**document, "surprise": 1})
    with pytest.raises(ValidationError, match="frozen"):
        report.threads = 2
    with pytest.raises(ValueError, match="at least one record"):
        LatencyReport.of([])
    assert isinstance(report.results[0], LatencyRecord)


def test_inputs_follow_the_declared_types_and_the_seed(tmp_path):
    floats = OnnxRuntime(chain(tmp_path / "floats.onnx", 1), threads=1).inputs
    first, again = seeded_inputs(floats, 2, 7), seeded_inputs(floats, 2, 7)
    assert first["pixels"].shape == (2, 64, WIDTH)
    assert first["pixels"].dtype == np.float32
    np.testing.assert_array_equal(first["pixels"], again["pixels"])
    assert not np.array_equal(first["pixels"], seeded_inputs(floats, 2, 8)["pixels"])
    ids = OnnxRuntime(chain(tmp_path / "ids.onnx", 1, dtype=TensorProto.INT64), threads=1).inputs
    assert seeded_inputs(ids, 1, 0)["pixels"].dtype == np.int64
    assert (seeded_inputs(ids, 1, 0)["pixels"] == 1).all()


def test_own_inputs_are_used(tmp_path):
    model = chain(tmp_path / "model.onnx", 1)
    asked = []

    def inputs(batch):
        asked.append(batch)
        return {"pixels": np.zeros((batch, 64, WIDTH), np.float32)}

    pair = merged_and_unmerged(model, model, 1.0)
    compare(pair, replace(QUICK, batches=(2,)), inputs=inputs)
    assert asked == [2]
    with pytest.raises(BackendError, match=r"onnxruntime could not run it .*pixels"):
        compare(pair, QUICK, inputs=lambda batch: {"pixels": np.zeros((batch, 64, 3), np.float32)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batches": ()}, "no batch size was given. Give one, such as --batch 1"),
        ({"batches": (1, 0)}, "batch 0: a batch holds at least one input. Give batch sizes of 1 or more"),
        ({"batches": (-4,)}, "batch -4: a batch holds at least one input"),
        ({"threads": 0}, "0 threads: a session runs on at least one. Give --threads 1 or more"),
        ({"repeats": 1}, "1 repeats: an interval needs at least two rounds. Give --repeats 2 or more"),
        ({"min_seconds": math.nan}, "nan seconds of measuring: that is no duration. Give 0 seconds or more"),
        ({"bound": 0.0}, "a FLOPs bound of 0.0: the bound is FLOPs before / FLOPs after"),
        ({"bound": math.inf}, "a FLOPs bound of inf: the bound is FLOPs before / FLOPs after"),
    ],
)
def test_numbers_out_of_range_are_refused(change, message):
    settings = replace(QUICK, **{name: value for name, value in change.items() if name != "bound"})
    with pytest.raises(InputError) as caught:
        check_settings(settings, change.get("bound", 1.0))
    assert message in str(caught.value)


def test_missing_file_is_named(tmp_path):
    model = chain(tmp_path / "model.onnx", 1)
    with pytest.raises(InputError, match=r"absent\.onnx: there is no such file\. Export the model first"):
        merged_and_unmerged(model, tmp_path / "absent.onnx", 1.0)


def test_broken_file_is_named(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken\.onnx: onnxruntime .* can't load it .*Export the model"):
        measure_pair(broken, broken, QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 4}, r"batch dimension of input 'pixels' is not dynamic \(its shape is \[4, 64, 192\]\)"),
        ({"tokens": "length"}, r"input 'pixels' has a dynamic dimension beside the batch"),
        ({"dtype": TensorProto.UINT8}, r"input 'pixels' is a tensor\(uint8\), which is not among"),
    ],
)
def test_inputs_that_cannot_be_fed_are_refused(tmp_path, options, message):
    good, bad = chain(tmp_path / "good.onnx", 1), chain(tmp_path / "bad.onnx", 1, **options)
    with pytest.raises(InputError, match=rf"bad\.onnx: (the )?{message}"):
        measure_pair(good, bad, QUICK)


def test_models_with_different_inputs_are_refused(tmp_path):
    one, other = chain(tmp_path / "one.onnx", 1), chain(tmp_path / "other.onnx", 1, tokens=32)
    with pytest.raises(
        InputError,
        match=r"inputs differ: pixels float32 \[batch, 64, 192\] against .*32, 192\]",
    ):
        measure_pair(one, other, QUICK)
