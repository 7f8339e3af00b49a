"""What is measured, and how it becomes a figure."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from pitome.merge import MergeResult, merge
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import HostLibrary
from tests.plugins.gpu_kernels.block import Layer, make_block
from tests.plugins.gpu_kernels.counted_device import KERNEL_SECONDS, CountedDevice
from tests.plugins.gpu_kernels.device import Launch
from tests.plugins.gpu_kernels.speed import (
    COPIES,
    ROUNDS,
    WARMUP_ROUNDS,
    KernelTime,
    Speed,
    kernel_times,
    measure_rounds,
    measure_speed,
)

LAYER = Layer("a small layer", 10, 16, 2, 32, MergeParameters(3, 8, 1, margin=0.1, offset=0.1))


@pytest.fixture
def device() -> CountedDevice:
    return CountedDevice(HostLibrary())


def test_each_metric_at_each_batch_size(device: CountedDevice) -> None:
    found = measure_speed(device, LAYER, batches=(1, 3), dtype=torch.float32)
    assert [(speed.metric, speed.batch) for speed in found] == [
        ("hidden", 1),
        ("keys", 1),
        ("hidden", 3),
        ("keys", 3),
    ]
    first = found[0]
    seconds = (first.block_seconds, first.merge_seconds, first.merging_block_seconds)
    assert seconds == pytest.approx([1e-3 / COPIES, 2e-3 / COPIES, 3e-3 / COPIES])
    assert first.share == pytest.approx(2)
    names = [kernel.name for kernel in first.kernels]
    assert names == ["compare_pairs", "decide_and_merge"]
    assert all(kernel.launches == 1 for kernel in first.kernels)
    assert [kernel.seconds for kernel in first.kernels] == pytest.approx([KERNEL_SECONDS] * 2)


def test_block_merge_and_both_do_what_they_say(device: CountedDevice) -> None:
    measure_speed(device, LAYER, batches=(2,), dtype=torch.float32)
    blocks, merges, merging_blocks, _, key_merges, key_blocks = device.results
    for results in device.results:
        assert isinstance(results, list)
        assert len(results) == COPIES
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 10, 16, generator=generator)
    keys = torch.randn(2, 10, 8, generator=generator)
    size = torch.ones(2, 10, 1)
    block = make_block(LAYER, "cpu", torch.float32)
    torch.testing.assert_close(blocks[0], block(x))
    assert_same(merges[0], merge(x, x, size, LAYER.parameters))
    assert_same(key_merges[0], merge(x, keys, size, LAYER.parameters))
    attended, own_keys = block.attend(x)
    for result, metric in ((merging_blocks[0], attended), (key_blocks[0], own_keys.mean(dim=1))):
        expected = block.feed(merge(attended, metric, size, LAYER.parameters).x)
        assert expected.shape == (2, 7, 16)
        torch.testing.assert_close(result, expected)


def assert_same(result: MergeResult, expected: MergeResult) -> None:
    assert torch.equal(result.assignment, expected.assignment)
    torch.testing.assert_close(result.x, expected.x)


def test_candidates_take_turns(device: CountedDevice) -> None:
    first, second = device.capture(lambda: 1), device.capture(lambda: 2)
    assert measure_rounds(device, {"first": first, "second": second}) == pytest.approx(
        {"first": 1e-3, "second": 2e-3}
    )
    warmup, rounds = device.measured[: 2 * WARMUP_ROUNDS], device.measured[2 * WARMUP_ROUNDS :]
    assert warmup[:4] == [(0, 1), (1, 1), (0, 20), (1, 10)]  # 20 ms each, once a run is known
    assert rounds[:4] == [(0, 20), (1, 10), (1, 10), (0, 20)]
    assert len(rounds) == 2 * ROUNDS


def test_launches_become_times_of_kernels() -> None:
    pairs = "void pitome::compare_pairs<__half>(pitome::Problem, pitome::Global<__half const>)"
    rows = "void pitome::merge_rows<__half, true>(pitome::Problem)"
    seconds = [
        (pairs, 1e-6),
        (rows, 5e-6),
        (pairs, 3e-6),
        (rows, 5e-6),
        (pairs, 2e-6),
        ("Memset (Device)", 4e-6),
    ]
    found = kernel_times([Launch(*pair) for pair in seconds], merges=2)
    assert [dataclasses.astuple(kernel) for kernel in found] == [
        ("compare_pairs", 1.5, pytest.approx(3e-6)),
        ("merge_rows", 1.0, pytest.approx(5e-6)),
        ("Memset (Device)", 0.5, pytest.approx(2e-6)),
    ]
    assert kernel_times([], merges=2) == ()


def test_the_share_is_of_the_block() -> None:
    speed = Speed("keys", 8, 40e-6, 10e-6, 45e-6, (KernelTime("merge_rows", 1, 9e-6),))
    assert speed.share == pytest.approx(0.25)
