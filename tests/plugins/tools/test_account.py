"""The account of a merge: its layers, the prediction from counts and datasheets, the command and its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import Blip2VisionConfig

from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.plugins.tools.account.counts import KERNELS, KernelCount, count_merge, usage_of
from pitome.plugins.tools.account.decision_work import block_instructions
from pitome.plugins.tools.account.gpus import GPUS, Gpu
from pitome.plugins.tools.account.layers import BATCHES, LAYERS, METRICS, Layer
from pitome.plugins.tools.account.page import BEGIN, END, TITLE, put_between_marks
from pitome.plugins.tools.account.prediction import predict_block, predict_kernel
from pitome.plugins.tools.account.shares import GOALS, Merge, Prediction, predict_all, predict_merge
from pitome.plugins.tools.account.tables import counts_table
from pitome.plugins.tools.merge_library import BUILD, HOST_LIBRARY, HostLibrary
from pitome.plugins.tools.ptxas_log import Usage, read_usage
from tests.checkout import ROOT

LOG = BUILD / "ptxas.log"
README_CUDA = "CUDA 13.0 "
"""Whose ptxas gave the registers in the README."""
CLIP = LAYERS[0]
L4, A100, H100, RTX_4090 = GPUS
SECTOR = 32
FLOAT, HALF = 4, 2


@pytest.fixture(scope="module")
def library() -> HostLibrary:
    return HostLibrary()


@pytest.fixture(scope="module")
def usages() -> list[Usage]:
    return read_usage(LOG.read_text(encoding="utf-8")) if LOG.is_file() else []


@pytest.fixture(scope="module")
def merges(library: HostLibrary) -> list[Merge]:
    return [
        Merge(layer, metric, count_merge(library, layer, metric)) for layer in LAYERS for metric in METRICS
    ]


# The layers.


def test_layers_are_those_of_the_models() -> None:
    sizes = {layer.model: (layer.num_tokens, layer.width, layer.mlp_width) for layer in LAYERS}
    giant = Blip2VisionConfig()
    tokens = (giant.image_size // giant.patch_size) ** 2 + 1
    assert sizes == {
        "CLIP-B/16": (197, 768, 3072),
        "ViT-L/14-336": (577, 1024, 4096),
        "BLIP-2 ViT-g": (tokens, giant.hidden_size, giant.intermediate_size),
    }
    assert [layer.metric_width("keys") for layer in LAYERS] == [64, 64, giant.hidden_size // 16]
    assert giant.num_attention_heads == LAYERS[2].num_heads == 16
    assert [layer.parameters.num_merged for layer in LAYERS] == [19, 57, 25]
    assert [layer.parameters.num_candidates for layer in LAYERS] == [176, 518, 230]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.model)
def test_the_blocks_products_are_its_flops(layer: Layer) -> None:
    counted = count_flops(layer.shape, layer.schedule, metric_width=0).layers_merged[0]
    assert sum(product.multiply_adds for product in layer.products()) == counted


# The prediction.


@pytest.mark.parametrize(("gpu", "rate"), zip(GPUS, (512, 1024, 2048, 256), strict=True))
def test_datasheets_agree_with_the_rate_of_a_multiprocessor(gpu: Gpu, rate: int) -> None:
    """A power of two; a peak with sparsity, or at another clock, would miss it."""
    assert gpu.multiply_adds_per_clock == pytest.approx(rate, rel=0.01)


def usage(registers: int, shared_bytes: int = 0) -> Usage:
    return Usage("kernel", 80, registers, shared_bytes, 0, 0, 0)


@pytest.mark.parametrize(
    ("gpu", "kernel", "threads", "blocks"),
    [
        (A100, usage(80, 19968), 256, 3),
        (A100, usage(96, 19968), 256, 2),
        (A100, usage(128, 0), 1024, 0),
        (A100, usage(32, 0), 1024, 2),
        (L4, usage(32, 0), 1024, 1),
        (L4, usage(60, 43392), 128, 2),
        (H100, usage(32, 43392), 128, 5),
        (A100, usage(16, 0), 32, 32),
        (RTX_4090, usage(16, 0), 32, 24),
        (A100, None, 256, 1),
    ],
)
def test_blocks_that_a_multiprocessor_holds(
    gpu: Gpu, kernel: Usage | None, threads: int, blocks: int
) -> None:
    assert gpu.resident_blocks(kernel, threads) == blocks


def plain(kernel: str = "merge_rows", **changes: int) -> KernelCount:
    nothing = KernelCount(kernel, 1, 1, 128, 0, 0, 0, 0, 0, 0)
    return replace(nothing, **changes)


def bounds(count: KernelCount, gpu: Gpu = A100, in_l2: bool = False, width: int = 64) -> dict[str, float]:
    return predict_kernel(gpu, CLIP, width, count, usage(96, 19968), 0, in_l2=in_l2).bounds


def test_device_memory_bounds_what_moves_many_bytes() -> None:
    time = predict_kernel(A100, CLIP, 64, plain(), None, moved=2039 * 10**6, in_l2=False)
    assert (time.bound, time.seconds) == ("device memory", pytest.approx(1e-3))


def test_the_busiest_multiprocessor_counts() -> None:
    """108 blocks take as long as one, 109 twice as long."""
    count = {"loaded_bytes": 10**6, "multiply_adds": 10**6}
    one, all_busy, one_more = (
        bounds(plain("find_edges", blocks=blocks, **{name: blocks * value for name, value in count.items()}))
        for blocks in (1, 108, 109)
    )
    for name in ("L2", "tensor cores", "shared memory", "instructions"):
        assert all_busy[name] == pytest.approx(one[name])
        assert one_more[name] == pytest.approx(2 * one[name])
    assert one["L2"] == pytest.approx(10**6 / (5120 / 108) / 1.41e9)
    assert one["tensor cores"] == pytest.approx(10**6 / 1024 / 1.41e9, rel=0.01)
    assert one_more["latency"] == one["latency"]  # two blocks of a multiprocessor wait at the same time


def test_blocks_that_are_not_held_wait_for_their_turn() -> None:
    held, waiting = (bounds(plain(threads_per_block=256, blocks=blocks)) for blocks in (2 * 108, 2 * 108 + 1))
    assert waiting["latency"] == 2 * held["latency"]


def test_latency_grows_with_barriers_and_pieces_and_shrinks_in_l2() -> None:
    few, many = (bounds(plain("select_edges", barriers=number))["latency"] for number in (1, 11))
    assert many - few == pytest.approx(10 * (40 + 30 + 20) / 1.41e9)
    few, many = (bounds(plain("order_tokens", warp_waits=number))["latency"] for number in (1, 11))
    assert many - few == pytest.approx(10 * (30 + 20) / 1.41e9)
    # Two pieces of 64 columns are on their way at once.
    one, two, three = (bounds(plain("find_edges"), width=width)["latency"] for width in (64, 128, 192))
    assert two == one
    assert three - two == pytest.approx(650 / 1.41e9)
    # Of few tokens four.
    one, four, five = (bounds(plain("compare_pairs"), width=width)["latency"] for width in (64, 256, 257))
    assert four == one
    assert five - four == pytest.approx(650 / 1.41e9)
    for kernel in KERNELS:
        assert bounds(plain(kernel), in_l2=True)["latency"] < bounds(plain(kernel))["latency"]


def test_hopper_lacks_part_of_its_peak() -> None:
    tile = plain("find_edges", multiply_adds=2048 * 1000)
    clocks = bounds(tile, H100)["tensor cores"] * H100.clock
    assert clocks == pytest.approx(1000 / 0.629, rel=0.01)


def test_a_large_block_takes_its_flops_and_a_small_one_its_weights() -> None:
    flops = 2 * count_flops(CLIP.shape, CLIP.schedule, 0).layers_merged[0]
    slow = replace(A100, tensor_flops=1e9)
    assert predict_block(slow, CLIP, 8, in_l2=False) == pytest.approx(8 * flops / 1e9)
    fast = replace(A100, tensor_flops=1e30)
    weights = (4 * 768**2 + 2 * 768 * 3072) * HALF
    assert predict_block(fast, CLIP, 1, in_l2=True) == pytest.approx(weights / A100.bandwidth)
    activations = predict_block(fast, CLIP, 1, in_l2=False) - weights / A100.bandwidth
    tokens = (4 + 4 + 3) * 197 * 768 + 178 * (3 * 768 + 2 * 3072)
    assert activations == pytest.approx(tokens * HALF / A100.bandwidth)


def test_a_share_is_the_sum_of_the_kernels_over_the_block(merges: list[Merge], usages: list[Usage]) -> None:
    found = predict_merge(merges[0], L4, 8, usages)
    assert found.seconds == pytest.approx(sum(max(kernel.bounds.values()) for kernel in found.kernels))
    assert found.share == pytest.approx(found.seconds / found.block_seconds)
    assert found.share_with_launches == pytest.approx((found.seconds + 2e-6) / found.block_seconds)
    assert found.longest.seconds == max(kernel.seconds for kernel in found.kernels)


def test_every_block_of_few_tokens_decides_for_itself() -> None:
    """Two blocks of a multiprocessor take turns with its instructions; their waits overlap."""
    one, two = (bounds(plain("decide_and_merge", blocks=blocks)) for blocks in (108, 2 * 108))
    assert two["instructions"] == pytest.approx(2 * one["instructions"])
    assert two["latency"] == one["latency"] > one["instructions"] > 0
    wide = replace(CLIP, num_tokens=257, width=1408)
    assert block_instructions(wide) > block_instructions(CLIP)


def test_goals_start_at_batch_8(merges: list[Merge]) -> None:
    goals = {(one.merge.metric, one.batch): one.goal for one in predict_all(merges, [])}
    assert GOALS == {"hidden": 0.10, "keys": 0.05}
    expected = {(metric, batch): GOALS[metric] for metric in METRICS for batch in (8, 64)}
    assert goals == expected | {(metric, 1): None for metric in METRICS}


def test_only_tensors_that_fit_stay_in_the_l2_cache(merges: list[Merge]) -> None:
    hidden, keys = merges[:2]
    assert hidden.input_bytes(8) == 8 * 197 * 768 * HALF
    assert keys.input_bytes(8) == 8 * 197 * (768 + 64) * HALF
    assert keys.output_bytes(8) == hidden.output_bytes(8) == 8 * 178 * 768 * HALF
    cached = {
        (one.merge.metric, one.batch, one.gpu.name) for one in predict_all([hidden, keys], []) if one.in_l2
    }
    # At batch 64 hidden fills 18.5 MiB and keys 20.01: half of the A100's cache has 20.
    assert 19 * 2**20 > hidden.input_bytes(64) > 18 * 2**20
    assert keys.input_bytes(64) > A100.l2_bytes / 2
    everywhere = {(metric, batch, gpu.name) for metric in METRICS for batch in BATCHES for gpu in GPUS}
    assert cached == everywhere - {("keys", 64, "A100")}


def moved_bytes(merge: Merge, gpu: Gpu, in_l2: bool) -> dict[str, float]:
    found = predict_merge(merge, gpu, 64, [], in_l2=in_l2)
    return {time.kernel: time.bounds["device memory"] * gpu.bandwidth for time in found.kernels}


def test_the_l2_cache_saves_what_it_holds(merges: list[Merge]) -> None:
    counts = {kernel: count.of_batch(64) for kernel, count in merges[0].counts.items()}
    distinct = {kernel: count.distinct_bytes for kernel, count in counts.items()}
    assert moved_bytes(merges[0], L4, in_l2=False) == pytest.approx(distinct)
    # Here x fits and y does not, there both do.
    stored = {kernel: count.stored_bytes for kernel, count in counts.items()}
    assert moved_bytes(merges[0], L4, in_l2=True) == pytest.approx(stored)
    assert set(moved_bytes(merges[0], RTX_4090, in_l2=True).values()) == {0}


@pytest.mark.full
def test_ptxas_knows_every_kernel(usages: list[Usage]) -> None:
    if not usages:
        pytest.fail(f"{LOG} is missing: run `make plugin` first")
    for gpu in GPUS:
        for kernel in KERNELS:
            found = usage_of(usages, kernel, gpu.target)
            assert found is not None
            assert kernel in found.kernel
            assert found.target == gpu.target
    merge_rows = usage_of(usages, "merge_rows", 80)
    assert merge_rows is not None
    assert "6__halfLb1E" in merge_rows.kernel


def test_without_ptxas_registers_are_unknown(merges: list[Merge]) -> None:
    assert {row[1:4] for row in counts_table(merges, []).rows[1:]} == {("unknown",) * 3}
    assert {kernel.resident_blocks for kernel in predict_merge(merges[0], L4, 8, []).kernels} == {1}


# The command, and the page.


def command(*options: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pitome.plugins.tools.account", *map(str, options)]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.full
def test_the_readme_holds_what_is_printed() -> None:
    settings = BUILD / "toolchain.cmake"
    if not LOG.is_file() or not settings.is_file():
        pytest.fail(f"{LOG} or {settings.name} is missing: run `make plugin` first")
    if README_CUDA not in settings.read_text(encoding="utf-8").partition("\n")[0]:
        pytest.skip(
            f"the registers in the README are those of {README_CUDA.strip()}, this build is another's"
        )
    printed = command("--markdown")
    assert printed.returncode == 0, printed.stderr
    page = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
    section = re.search(f"{BEGIN}\n(.*){END}", page, flags=re.DOTALL)
    assert section is not None
    assert section[1] == printed.stdout, (
        "run: python -m pitome.plugins.tools.account --readme plugins/README.md"
    )


def test_the_page_says_that_nothing_was_measured() -> None:
    page = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
    assert "**Predicted, not measured: no GPU ran this.**" in page.partition(BEGIN)[2].partition(END)[0]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    done = command("--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_json_has_every_number(document: dict[str, Any], merges: list[Merge]) -> None:
    assert document["measured"] is False
    counts = {(one["model"], one["metric"]): one["kernels"] for one in document["counts_of_one_image"]}
    for merge in merges:
        found = [KernelCount(**kernel) for kernel in counts[merge.layer.model, merge.metric]]
        assert found == list(merge.counts.values())
    predicted = {
        (one["model"], one["metric"], one["batch"], one["gpu"])
        for one in document["predictions"]
        if not one["in_l2"]
    }
    models = [layer.model for layer in LAYERS]
    names = [gpu.name for gpu in GPUS]
    assert predicted == {(m, k, b, g) for m in models for k in METRICS for b in BATCHES for g in names}
    assert {one["name"] for one in document["gpus"]} == set(names)
    assert all(one["source"] for one in document["gpus"])
    assert all(one["reason"] for one in document["assumptions"])


def test_json_predictions_are_those_of_the_library(
    document: dict[str, Any], merges: list[Merge], usages: list[Usage]
) -> None:
    expected = [Prediction.document(one) for one in predict_all(merges, usages)]
    assert document["predictions"] == expected


def test_progress_goes_to_stderr_and_the_tables_to_stdout() -> None:
    done = command()
    assert done.returncode == 0
    assert "Counting on the CPU" in done.stderr
    assert "Counting" not in done.stdout
    assert TITLE in done.stdout
    assert "**" not in done.stdout
    assert "ViT-L/14-336" in done.stdout


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    missing = tmp_path / HOST_LIBRARY.name
    done = command("--library", missing)
    assert done.returncode == 2
    assert f"error: the plugin library {missing}: there is no such file. Run `make plugin" in done.stderr
    assert done.stdout == ""
    done = command("--library", missing, "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["exit_code"] == 2
    assert str(missing) in json.loads(done.stdout)["error"]


def test_one_way_to_show_it_at_a_time(tmp_path: Path) -> None:
    for options in (("--json", "--markdown"), ("--markdown", "--readme", tmp_path / "README.md")):
        done = command(*options)
        assert done.returncode == 2
        assert "more than one of --json, --markdown, --readme and --compare" in done.stderr
        assert "Give one of them" in done.stderr


def test_a_missing_log_is_told(tmp_path: Path) -> None:
    done = command("--ptxas-log", tmp_path / "ptxas.log", "--markdown")
    assert done.returncode == 0
    assert "registers are unknown" in done.stderr
    assert "| unknown | unknown | unknown |" in done.stdout


def test_the_section_of_a_readme_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    done = command("--readme", readme)
    assert (done.returncode, done.stdout) == (0, "")
    before, _, rest = readme.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    section, _, after = rest.partition(END)
    assert (before, after) == ("before\n", "\nafter\n")
    assert section == command("--markdown").stdout


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}"])
def test_a_readme_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"no {BEGIN} before {END}. Add the two lines")):
        put_between_marks(text, "new\n")
