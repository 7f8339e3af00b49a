"""What the kernels of a merge ask for: the counts follow the formulas that plugins/README.md gives."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
import torch

from pitome.parameters import MergeParameters
from pitome.plugins.tools.account.counts import KERNELS, count_merge, metric_reads, usage_of
from pitome.plugins.tools.account.gpus import GPUS
from pitome.plugins.tools.account.layers import LAYERS, METRICS
from pitome.plugins.tools.account.shares import Merge
from pitome.plugins.tools.account.tile_work import PIECE_COLUMNS, TILE_WORK
from pitome.plugins.tools.merge_library import BUILD, HostLibrary
from pitome.plugins.tools.ptxas_log import Usage, read_usage
from pitome.settings import Metric

CLIP = LAYERS[0]
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


FULL = (257, 128, 256, MergeParameters(60, 256, 1, size_penalty=0.05))
"""N, D, C and a merge whose tiles are all full: T = 256, 128 sources, 128 targets."""
RAGGED = (150, 72, 40, MergeParameters(30, 131, 1, size_penalty=0.05))
"""The last tiles of 149 tokens, 66 sources and 65 targets are not full, nor is the second piece of a row."""


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
    found, rows = count(library, FULL), 256 * metric_width * HALF
    sizes = 33 * SECTOR  # 256 floats behind the prefix lie in 33 sectors
    parts, norms, ranks, edges = 4 * 256 * FLOAT, 256 * FLOAT, 256 * FLOAT, 2 * 2 * 128 * FLOAT
    assert found["add_energies"]["distinct_bytes"] == rows + sizes + parts + norms
    assert found["find_edges"]["distinct_bytes"] == rows + ranks + edges


@pytest.mark.parametrize("metric", METRICS)
def test_counts_grow_with_the_batch(library: HostLibrary, metric: Metric) -> None:
    one, two = (count_merge(library, CLIP, metric, batch=batch) for batch in (1, 2))
    for kernel in KERNELS:
        expected, found = one[kernel].of_batch(2), two[kernel]
        if kernel == "merge_rows":
            assert found.blocks == ceil(2 * (CLIP.num_tokens - CLIP.parameters.num_merged) / 4)
            assert 0 <= expected.blocks - found.blocks < 2
        else:
            assert found.blocks == expected.blocks
        # Two images share a sector at most once in each of a kernel's tensors.
        assert 0 <= expected.distinct_bytes - found.distinct_bytes <= 8 * SECTOR
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
    """Two barriers each, and 64 x 64 x 64 multiply-adds."""
    hidden, keys = (merge.counts for merge in merges if merge.layer.model == "BLIP-2 ViT-g")
    pieces = {width: ceil(width / PIECE_COLUMNS) for width in (1408, 88)}
    for kernel in TILE_WORK:
        assert hidden[kernel].multiply_adds == hidden[kernel].blocks * 64**3 * pieces[1408]
        assert keys[kernel].multiply_adds == keys[kernel].blocks * 64**3 * pieces[88]
        assert hidden[kernel].barriers - keys[kernel].barriers == 2 * (pieces[1408] - pieces[88])


def test_the_images_at_work_fit_in_the_l2_cache(merges: list[Merge], usages: list[Usage]) -> None:
    """Else device memory would move a row more than once for one kernel."""
    for merge in merges:
        for gpu in GPUS:
            for kernel in KERNELS:
                count, usage = merge.counts[kernel], usage_of(usages, kernel, gpu.target)
                blocks = gpu.multiprocessors * gpu.resident_blocks(usage, count.threads_per_block)
                images = ceil(blocks / count.blocks) + 1  # blocks start in the order of the images
                assert images * count.distinct_bytes <= gpu.l2_bytes
