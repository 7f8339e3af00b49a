"""The account as a page: paragraphs and tables, as Markdown and on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

from pitome.errors import InputError
from pitome.plugins.tools.account.assumptions import ASSUMPTIONS, LAUNCH
from pitome.plugins.tools.account.counts import FEW, metric_reads
from pitome.plugins.tools.account.gpus import GPUS, Gpu
from pitome.plugins.tools.account.layers import BATCHES, LAYERS, METRICS, Layer
from pitome.plugins.tools.account.shares import GOAL_BATCH, GOALS, Merge, Prediction
from pitome.plugins.tools.account.tables import (
    GIGA,
    MICRO,
    TERA,
    Table,
    counts_table,
    kernels_table,
    percent,
    shares_table,
)
from pitome.plugins.tools.ptxas_log import Usage
from pitome.settings import Metric

TITLE = "The account of one merge"
BEGIN, END = "<!-- account:begin -->", "<!-- account:end -->"
"""The page's place in a README."""

Page = tuple[str | Table, ...]


def to_markdown(page: Page) -> str:
    """With an empty line between the parts."""
    parts = []
    for part in page:
        if isinstance(part, str):
            parts.append(part)
        else:
            heading, *rows = part.rows
            lines = (heading, ("---",) * len(heading), *rows)
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def put_between_marks(text: str, markdown: str) -> str:
    """A README with the page in its place.

    Raises:
        InputError: where it has not both marks, in their order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError("the account's place in a README", f"no {BEGIN} before {END}", "Add the two lines")
    return f"{before}{begin}\n{markdown}{end}{after}"


def print_page(console: Console, page: Page) -> None:
    """On a terminal."""
    for part in page:
        if isinstance(part, str):
            console.print(part.removeprefix("## ").replace("**", ""), highlight=False)
        else:
            heading, *rows = part.rows
            table = RichTable(*heading)
            for row in rows:
                table.add_row(*(cell.replace("**", "") for cell in row))
            console.print(table)


def make_page(merges: Sequence[Merge], predictions: Sequence[Prediction], usages: Sequence[Usage]) -> Page:
    """All but the bounds of every kernel in every case, which the JSON document has."""
    return (
        f"## {TITLE}",
        _introduction(),
        counts_table(merges, usages),
        _reads(),
        _gpus(),
        _shares(),
        shares_table(merges, predictions),
        _verdict(predictions),
        kernels_table(_of_first_model(predictions)),
        _assumptions(),
    )


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def _introduction() -> str:
    targets = ", ".join(str(target / 10) for target in sorted({gpu.target for gpu in GPUS}))
    return _paragraph(f"""
        **Predicted, not measured: no GPU ran this.** One float16 merge in the first layer of each model: keep
        ratio 0.9, a tenth of the tokens protected, size penalty 0.05; the metric is hidden (D = C) or keys
        (D = C / heads). The execution model on the CPU counts what each kernel asks for, ptxas says what it
        occupies, datasheets say how fast a GPU is. `make plugin-account` prints this page,
        `python -m pitome.plugins.tools.account --json` every number. A merge is two launches where few tokens
        come after the prefix (up to {FEW}), else five. For one image: its blocks; bytes that threads ask for,
        and of the sectors that they touch, each once (what device memory moves, while the images at work fit
        in L2); multiply-adds of whole tiles, 32 x 32 of few tokens, else 64 x 64.
        Registers, and blocks that a multiprocessor holds, for compute capability {targets}.
    """)


def _reads() -> str:
    many = [layer for layer in LAYERS if layer.num_tokens - layer.prefix > FEW]
    found = ", ".join(f"{_reads_of(layer)} ({layer.model})" for layer in many)
    return _paragraph(f"""
        add_energies asks for each row of the metric ceil(T / 64) times, find_edges for that of a source
        ceil(floor(M / 2) / 64) times and of a target ceil(ceil(M / 2) / 64) times: {found}; device memory
        gives it once to each of the two. merge_rows reads each row of x exactly once and writes each row of y
        once, in accesses of 16 bytes; so does decide_and_merge, and compare_pairs asks for each row of the
        metric ceil(T / 32) times.
    """)


def _reads_of(layer: Layer) -> str:
    reads = metric_reads(layer.num_tokens - layer.prefix, layer.parameters.num_candidates)
    edges = sorted({reads.find_edges_source, reads.find_edges_target})
    return f"{reads.add_energies} and {' or '.join(map(str, edges))}"


def _gpus() -> str:
    return "The GPUs, dense float16 accumulated in float32: " + "; ".join(map(_gpu, GPUS)) + "."


def _gpu(gpu: Gpu) -> str:
    return _paragraph(f"""
        {gpu.name} {gpu.bandwidth / GIGA:.0f} GB/s, {gpu.tensor_flops / TERA:g} TFLOPS, {gpu.multiprocessors}
        multiprocessors at {gpu.clock / GIGA:.2f} GHz, {gpu.l2_bytes // 2**20} MiB of L2 ({gpu.source})
    """)


def _shares() -> str:
    hidden, keys = (percent(GOALS[metric]) for metric in METRICS)
    return _paragraph(f"""
        The merge's time, and its share of the time of its block without a merge: without launches, then with
        {LAUNCH.value / MICRO:g} µs for each. Bold: within the goal, under {keys} with keys and
        {hidden} with hidden from batch {GOAL_BATCH} up. Each launch fetches its inputs from device memory; in
        the rows with L2, x and the metric are found there, for they fill at most half of it; so does y where
        that half has room for it too; and of the block only the weights move.
    """)


def _verdict(predictions: Sequence[Prediction]) -> str:
    judged = [one for one in predictions if one.goal is not None]
    met = "; ".join(
        f"{metric} {_met(judged, metric, False)}, {_met(judged, metric, True)} with L2" for metric in METRICS
    )
    missed = "; ".join(f"with {metric} {_longest(judged, metric)}" for metric in METRICS)
    least = "; ".join(f"{_least(predictions, layer)} ({layer.model})" for layer in LAYERS)
    gpus = ", ".join(gpu.name for gpu in GPUS)
    return _paragraph(f"""
        Cases (model, batch from {GOAL_BATCH} up, GPU) within the goal, without and with launches: {met}. The
        kernel that takes longest, and its bound, where the goal is missed from device memory: {missed}.
        To fetch x from there and store y takes of the block, at batch {BATCHES[-1]} on {gpus}: {least}. The
        kernels of {LAYERS[0].model} at batch {BATCHES[-1]} from device memory, and what bounds each:
    """)


def _met(judged: Sequence[Prediction], metric: Metric, in_l2: bool) -> str:
    """With ``in_l2`` that prediction counts for a case that has it, else the other."""
    cases = {
        (one.merge.layer, one.batch, one.gpu): one
        for one in sorted(judged, key=lambda one: one.in_l2)
        if one.merge.metric == metric and (in_l2 or not one.in_l2)
    }
    without = sum(one.share < GOALS[metric] for one in cases.values())
    launched = sum(one.share_with_launches < GOALS[metric] for one in cases.values())
    return f"{without} and {launched} of {len(cases)}"


def _longest(judged: Sequence[Prediction], metric: Metric) -> str:
    missed = [
        one.longest
        for one in judged
        if one.merge.metric == metric and not one.in_l2 and one.share >= GOALS[metric]
    ]
    tally = Counter(f"{time.kernel} ({time.bound})" for time in missed)
    return ", ".join(f"{number} {name}" for name, number in tally.most_common()) or "nowhere"


def _least(predictions: Sequence[Prediction], layer: Layer) -> str:
    """The share of moving x and y."""
    batch, shares = BATCHES[-1], {}
    for one in predictions:
        if one.merge.layer == layer and one.merge.metric == "hidden" and one.batch == batch and not one.in_l2:
            moved = one.merge.input_bytes(batch) + one.merge.output_bytes(batch)
            shares[one.gpu] = moved / one.gpu.bandwidth / one.block_seconds
    return ", ".join(percent(shares[gpu]) for gpu in GPUS)


def _of_first_model(predictions: Sequence[Prediction]) -> list[Prediction]:
    return [
        one
        for one in predictions
        if one.merge.layer == LAYERS[0] and one.batch == BATCHES[-1] and not one.in_l2
    ]


def _assumptions() -> str:
    listed = "; ".join(f"{one.name} {one.value:.3g}" for one in ASSUMPTIONS)
    return _paragraph(f"""
        A kernel takes the longest of its bounds, as if all else overlapped: that is too short. The block runs
        at the datasheet's peaks, with norms and activations for nothing: too short as well, and a block that
        reaches half of the peaks halves every share. Assumed beside the datasheets (why:
        `account/assumptions.py`, and `account/tile_work.py` for what a tile takes): {listed}.
    """)
