"""Other kernels beside these: their counters, kept in a file, through the same prediction.

docs/results/kernels.md is what it gives for the kernels of five launches, whatever the number of tokens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pitome.errors import InputError
from pitome.plugins.tools.account.counts import KernelCount
from pitome.plugins.tools.account.gpus import GPUS, Gpu
from pitome.plugins.tools.account.layers import ELEMENT_BYTES, LAYERS
from pitome.plugins.tools.account.shares import Merge, Prediction, predict_merge
from pitome.plugins.tools.account.tables import MICRO, Table, percent
from pitome.plugins.tools.ptxas_log import Usage

MODEL = "CLIP-B/16"
BATCHES = (1, 8)
GPU_NAMES = ("L4", "A100", "H100")


def read_kernels(file: Path) -> tuple[list[Merge], list[Usage]]:
    """Counters of one image and what ptxas said, as the account's JSON document has them.

    Raises:
        InputError: a file that can't be read, or is no such document.
    """
    layers = {layer.model: layer for layer in LAYERS}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        merges = [
            Merge(
                layers[one["model"]],
                one["metric"],
                {kernel["kernel"]: KernelCount(**kernel) for kernel in one["kernels"]},
            )
            for one in document["counts_of_one_image"]
        ]
        return merges, [Usage(**usage) for usage in document["ptxas"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"kernels to compare with from {file}",
            f"{type(error).__name__}: {error}",
            "Give a document that `python -m pitome.plugins.tools.account --json` wrote",
        ) from error


def comparison(
    before: tuple[Sequence[Merge], Sequence[Usage]], after: tuple[Sequence[Merge], Sequence[Usage]]
) -> Table:
    """Time of the merge, and its share of the block, without launches: before, after, and after over before.

    At the batches where latency counts; in every second row x and the metric are in L2.
    """
    gpus = [gpu for gpu in GPUS if gpu.name in GPU_NAMES]
    rows = [("metric", "batch", *(gpu.name for gpu in gpus))]
    for merge in after[0]:
        if merge.layer.model != MODEL:
            continue
        (other,) = [one for one in before[0] if (one.layer, one.metric) == (merge.layer, merge.metric)]
        for batch in BATCHES:
            for in_l2 in (False, True):
                cells = (
                    _cell(
                        predict_merge(other, gpu, batch, before[1], in_l2=in_l2),
                        predict_merge(merge, gpu, batch, after[1], in_l2=in_l2),
                    )
                    for gpu in gpus
                )
                rows.append((merge.metric, f"{batch}, L2" if in_l2 else str(batch), *cells))
    return Table(tuple(rows))


def _cell(before: Prediction, after: Prediction) -> str:
    times = " -> ".join(f"{one.seconds / MICRO:.1f}" for one in (before, after))
    shares = " -> ".join(percent(one.share) for one in (before, after))
    return f"{times} µs, {shares}: **{after.seconds / before.seconds:.1%}**"


def floor_seconds(merge: Merge, gpu: Gpu, batch: int) -> float:
    """What two launches can't go below from device memory: the metric and x are fetched, y is stored.

    The first launch compares, the second writes rows; no launch finds in L2 what another fetched.
    """
    layer = merge.layer
    columns = layer.metric_width(merge.metric) + layer.width
    fetched = batch * layer.num_tokens * columns * ELEMENT_BYTES
    return (fetched + merge.output_bytes(batch)) / gpu.bandwidth


def floors(merges: Sequence[Merge]) -> Table:
    """Of every cell of ``comparison`` that is from device memory."""
    gpus = [gpu for gpu in GPUS if gpu.name in GPU_NAMES]
    rows = [("metric", "batch", *(gpu.name for gpu in gpus))]
    for merge in merges:
        if merge.layer.model == MODEL:
            for batch in BATCHES:
                cells = (f"{floor_seconds(merge, gpu, batch) / MICRO:.1f} µs" for gpu in gpus)
                rows.append((merge.metric, str(batch), *cells))
    return Table(tuple(rows))
