"""What the kernels of a merge ask for: the counts follow the formulas that plugins/README.md gives."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
import torch

from pitome.parameters import MergeParameters
from pitome.plugins.tools.account.counts import count_merge, metric_reads, usage_of
from pitome.plugins.tools.account.gpus import GPUS
from pitome.plugins.tools.account.layers import LAYERS, METRICS, Layer
from pitome.plugins.tools.account.shares import Merge
from pitome.plugins.tools.account.tile_work import PIECE_COLUMNS, TILE_WORK
from pitome.plugins.tools.merge_library import BUILD, HostLibrary
from pitome.plugins.tools.ptxas_log import Usage, read_usage
from pitome.settings import Metric

SECTOR = 32
FLOAT, HALF = 4, 2
Shape = tuple[int, int, int, MergeParameters]


@pytest.fixture(scope="module")
def library() -> HostLibrary:
    return HostLibrary()


@pytest.fixture(scope="module")
def usages() -> list[Usage]:
    log = BUILD / "ptxas.log"
    return read_usage(log.read_text(encoding="utf-8")) if log.is_file() else []


@pytest.fixture(scope="module")
def merges(library: HostLibrary) -> list[Merge]:
    return [
        Merge(layer, metric, count_merge(library, layer, metric)) for layer in LAYERS for metric in METRICS
    ]


FULL = (321, 128, 256, MergeParameters(60, 256, 1, size_penalty=0.05))
"""N, D, C and a merge whose tiles are all full: T = 320, 128 sources, 128 targets."""
RAGGED = (290, 72, 40, MergeParameters(30, 131, 1, size_penalty=0.05))
"""The last tiles of 289 tokens, 66 sources and 65 targets are not full, nor is the second piece of a row."""
FEW_FULL = (257, 128, 256, MergeParameters(60, 256, 1, size_penalty=0.05))
"""Of few tokens: T = 256."""
FEW_RAGGED = (150, 72, 40, MergeParameters(30, 131, 1, size_penalty=0.05))


def count(library: HostLibrary, shape: Shape) -> dict[str, dict[str, int]]:
    num_tokens, metric_width, width, parameters = shape
    generator = torch.Generator().manual_seed(0)
    x, metric = (
        torch.randn(1, num_tokens, columns, generator=generator).half() for columns in (width, metric_width)
    )
    return library.count(x, metric, torch.ones(1, num_tokens, 1), parameters)


@pytest.mark.parametrize("shape", [FULL, RAGGED], ids=["full", "ragged"])
def test_the_metric_is_asked_for_as_often_as_the_readme_says(library: HostLibrary, shape: Shape) -> None:
    num_tokens, metric_width, _, parameters = shape
    found, unprotected = count(library, shape), num_tokens - 1
    sources, targets = ceil(parameters.num_candidates / 2), parameters.num_candidates // 2
    tiles = ceil(unprotected / 64)
    reads = metric_reads(unprotected, parameters.num_candidates)
    assert reads.add_energies == tiles
    assert (reads.find_edges_source, reads.find_edges_target) == (ceil(targets / 64), ceil(sources / 64))

    # Each pair of tiles takes the sizes of both, a tile with itself of one twice.
    sizes = unprotected * (tiles + 1) * FLOAT
    rows = unprotected * metric_width * HALF * reads.add_energies
    assert found["add_energies"]["loaded_bytes"] == rows + sizes
    # A row comes with the token's rank.
    rows = sources * reads.find_edges_source + targets * reads.find_edges_target
    assert found["find_edges"]["loaded_bytes"] == rows * (metric_width * HALF + FLOAT)


@pytest.mark.parametrize("shape", [FULL, RAGGED], ids=["full", "ragged"])
def test_x_is_read_exactly_once_and_y_written_exactly_once(library: HostLibrary, shape: Shape) -> None:
    num_tokens, _, width, parameters = shape
    found, merged = count(library, shape)["merge_rows"], parameters.num_merged
    kept, pieces = num_tokens - merged, width * HALF // 16
    # Lanes without a piece of the row do nothing in a stretch; all 32 read the slot and the sizes.
    slots = kept * 32 * (16 + 2 * FLOAT)
    sources = merged * (32 + pieces) * 2 * FLOAT
    assert found["loaded_bytes"] == num_tokens * width * HALF + slots + sources
    assert found["stored_bytes"] == kept * (width * HALF + FLOAT)


@pytest.mark.parametrize("shape", [FULL, RAGGED], ids=["full", "ragged"])
def test_the_size_is_asked_for_twice_to_order_and_once_to_select(library: HostLibrary, shape: Shape) -> None:
    num_tokens, _, _, parameters = shape
    found, unprotected = count(library, shape), num_tokens - 1
    sources, targets = ceil(parameters.num_candidates / 2), parameters.num_candidates // 2
    sizes = norms = 2
    parts = ceil(unprotected / 64)
    assert found["order_tokens"]["loaded_bytes"] == unprotected * (sizes + norms + parts) * FLOAT
    edges = (
        sources * (ceil(targets / 64) * 2 + 1 + 1) * FLOAT
    )  # similarity and target of each tile, rank, size
    assert found["select_edges"]["loaded_bytes"] == edges + parameters.num_merged * 2 * FLOAT


def test_device_memory_gives_the_metric_once_to_each_kernel(library: HostLibrary) -> None:
    """With rows of whole sectors and full tiles, nothing is left over."""
    _, metric_width, _, _ = FULL
    found, row = count(library, FULL), metric_width * HALF
    sizes = 41 * SECTOR  # 320 floats behind the prefix lie in 41 sectors
    parts, norms, ranks, edges = 5 * 320 * FLOAT, 320 * FLOAT, 256 * FLOAT, 2 * 2 * 128 * FLOAT
    assert found["add_energies"]["distinct_bytes"] == 320 * row + sizes + parts + norms
    assert found["find_edges"]["distinct_bytes"] == 256 * row + ranks + edges


@pytest.mark.parametrize("shape", [FEW_FULL, FEW_RAGGED], ids=["full", "ragged"])
def test_of_few_tokens_the_metric_is_asked_for_once_for_each_tile(library: HostLibrary, shape: Shape) -> None:
    num_tokens, metric_width, _, _ = shape
    found, unprotected = count(library, shape)["compare_pairs"], num_tokens - 1
    tiles = ceil(unprotected / 32)
    sizes = unprotected * (tiles + 1) * FLOAT  # a tile with itself asks for both of its sides
    assert found["blocks"] == tiles * (tiles + 1) // 2
    assert found["loaded_bytes"] == unprotected * metric_width * HALF * tiles + sizes
    # Every similarity, once; a part of its energy for each token and tile; a norm for each token.
    assert found["stored_bytes"] == unprotected * (unprotected + tiles + 1) * FLOAT


@pytest.mark.parametrize("shape", [FEW_FULL, FEW_RAGGED], ids=["full", "ragged"])
def test_of_few_tokens_every_block_decides_and_x_is_read_once(library: HostLibrary, shape: Shape) -> None:
    num_tokens, _, width, parameters = shape
    found, unprotected = count(library, shape)["decide_and_merge"], num_tokens - 1
    kept, sources = num_tokens - parameters.num_merged, ceil(parameters.num_candidates / 2)
    assert found["blocks"] == ceil(kept / 16)
    # Sizes, those of the tokens that are ordered again, norms, and the parts of energies.
    once = num_tokens + unprotected * (2 + ceil(unprotected / 32))
    targets = ceil(parameters.num_candidates // 2 / 15) * 15  # in stretches
    # Lanes without a source of their own look at the first one's.
    idle = 128 - sources
    decisions = once + (sources + idle) * targets
    assert found["loaded_bytes"] == found["blocks"] * decisions * FLOAT + num_tokens * width * HALF
    assert found["stored_bytes"] == kept * (width * HALF + FLOAT) + num_tokens * 4


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("layer", LAYERS[:2], ids=lambda layer: layer.model)
def test_counts_grow_with_the_batch(library: HostLibrary, metric: Metric, layer: Layer) -> None:
    one, two = (count_merge(library, layer, metric, batch=batch) for batch in (1, 2))
    for kernel in one:
        expected, found = one[kernel].of_batch(2), two[kernel]
        if kernel == "merge_rows":
            assert found.blocks == ceil(2 * (layer.num_tokens - layer.parameters.num_merged) / 4)
            assert 0 <= expected.blocks - found.blocks < 2
        else:
            assert found.blocks == expected.blocks
        # Two images share a sector at most once in each of a kernel's tensors. Which similarities are asked
        # for is the images' own affair.
        more = 0.01 * found.distinct_bytes if kernel == "decide_and_merge" else 0
        assert -more <= expected.distinct_bytes - found.distinct_bytes <= 8 * SECTOR + more
        same = {"blocks": 0, "distinct_bytes": 0}
        assert replace(found, **same) == replace(expected, **same)


def test_counts_do_not_depend_on_the_numbers(library: HostLibrary) -> None:
    """But for sectors that the rows of candidates share with others' rows."""
    num_tokens, metric_width, width, parameters = RAGGED
    x, metric = torch.zeros(1, num_tokens, width).half(), torch.ones(1, num_tokens, metric_width).half()
    flat = library.count(x, metric, torch.ones(1, num_tokens, 1), parameters)
    for kernel, found in count(library, RAGGED).items():
        assert {**found, "distinct_bytes": 0} == {**flat[kernel], "distinct_bytes": 0}


def test_pieces_of_the_tiles_are_those_of_the_kernels(merges: list[Merge]) -> None:
    """Two barriers each, and 64 multiply-adds for each pair of rows."""
    seen = set()
    for layer in LAYERS[1:]:
        hidden, keys = (merge.counts for merge in merges if merge.layer is layer)
        wide, narrow = (ceil(layer.metric_width(metric) / PIECE_COLUMNS) for metric in METRICS)
        for kernel in TILE_WORK.keys() & hidden.keys():
            of_piece = TILE_WORK[kernel].rows ** 2 * PIECE_COLUMNS
            assert hidden[kernel].multiply_adds == hidden[kernel].blocks * of_piece * wide
            assert keys[kernel].multiply_adds == keys[kernel].blocks * of_piece * narrow
            assert hidden[kernel].barriers - keys[kernel].barriers == 2 * (wide - narrow)
            assert hidden[kernel].threads_per_block == 32 * TILE_WORK[kernel].warps
            seen.add(kernel)
    assert seen == set(TILE_WORK)


def test_the_images_at_work_fit_in_the_l2_cache(merges: list[Merge], usages: list[Usage]) -> None:
    """Else device memory would move a row more than once for one kernel."""
    for merge in merges:
        for gpu in GPUS:
            for kernel, count in merge.counts.items():
                usage = usage_of(usages, kernel, gpu.target)
                blocks = gpu.multiprocessors * gpu.resident_blocks(usage, count.threads_per_block)
                images = ceil(blocks / count.blocks) + 1  # blocks start in the order of the images
                assert images * count.distinct_bytes <= gpu.l2_bytes
