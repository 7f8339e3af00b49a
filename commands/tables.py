"""Tables that commands end with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pitome.manifest import Manifest
from validate.summary import giga, megabytes, summary_rows, times

if TYPE_CHECKING:
    from pitome.compression import Compression

_STYLES = {"plain": "", "good": "green", "bad": "bold red", "warning": "bold yellow"}


def output_console() -> Console:
    """Stdout; wide where it is not a terminal, so that nothing is cut in a log."""
    console = Console(markup=False)  # a path may hold [brackets]
    return console if console.is_terminal else Console(width=140, markup=False)


def print_summary(console: Console, manifest: Manifest, folder: Path) -> None:
    """What a bundle is, what was checked, and where everything lies."""
    table = Table(title=f"{manifest.model.name}: {folder}", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in summary_rows(manifest):
        table.add_row(row.label, row.value, style=_STYLES[row.tone])
    for record in manifest.files():
        table.add_row("File", str(folder / record.file))
    console.print(table)
    if manifest.model.weights.random:
        console.print(
            "Random weights: good for latency and parity, they say nothing about accuracy.",
            style="bold yellow",
        )


def print_schedule(console: Console, name: str, compression: Compression) -> None:
    """Tokens and FLOPs of each layer."""
    table = Table(title=f"{name}: tokens and FLOPs per image (multiply-adds)", title_justify="left")
    for heading in ("layer", "tokens", "merged", "candidates", "margin", "FLOPs before", "FLOPs after"):
        table.add_column(heading, justify="right")
    for row in schedule_rows(compression):
        table.add_row(
            str(row["layer"]),
            str(row["tokens"]),
            str(row["merged"]),
            str(row["candidates"]),
            f"{row['margin']:.3f}",
            giga(row["flops_before"]),
            giga(row["flops_after"]),
        )
    flops = compression.flops
    table.add_section()
    table.add_row(
        "all",
        str(compression.schedule.tokens[-1]),
        "",
        "",
        "",
        giga(flops.base),
        giga(flops.merged),
        style="bold",
    )
    console.print(table)
    console.print(
        f"{flops.ratio:.3f} of the FLOPs are left, so the speed-up is bound by {times(flops.bound)}"
    )


def schedule_rows(compression: Compression) -> list[dict[str, Any]]:
    """The rows of the dry run's table."""
    from commands.records import schedule_record

    schedule, flops = schedule_record(compression), compression.flops
    return [
        {
            "layer": layer,
            "tokens": schedule.tokens[layer],
            "merged": schedule.num_merged[layer],
            "candidates": schedule.num_candidates[layer],
            "margin": compression.settings.margins[layer],
            "flops_before": flops.layers_base[layer],
            "flops_after": flops.layers_merged[layer],
        }
        for layer in range(len(schedule.num_merged))
    ]


def print_models(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The presets."""
    table = Table(title="Presets for MODEL; a Hugging Face id or a folder works too", title_justify="left")
    for heading in ("name", "family", "tokens", "layers", "task", "weights"):
        number = heading in ("tokens", "layers")
        table.add_column(heading, justify="right" if number else "left", no_wrap=heading == "name")
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("name", "family", "tokens", "layers", "task", "source")))
    console.print(table)


def print_parity(console: Console, parity: dict[str, Any]) -> None:
    """Decisions per layer and the arithmetic of a parity report."""
    decisions = parity.get("decisions")
    if decisions:
        table = Table(title=f"Decisions, {decisions['runtime']} against PyTorch", title_justify="left")
        columns = ("layer", "tokens", "merged", "compared", "agreed", "excused", "unexplained")
        for heading in (*columns, "tolerance", "free-running"):
            table.add_column(heading, justify="right")
        for layer in decisions["layers"]:
            numbers = [str(layer[name]) for name in columns]
            table.add_row(*numbers, f"{layer['tolerance']:.1e}", f"{layer['free_running_agreement']:.3f}")
        console.print(table)
    for reduced in parity["reported_decisions"]:
        agreed, compared = (
            sum(layer[name] for layer in reduced["layers"]) for name in ("agreed", "compared")
        )
        console.print(
            f"{reduced['runtime']}: {agreed} of {compared} decisions as PyTorch's (reported, not judged)"
        )
    for precision in parity["unchecked"]:
        console.print(
            f"{precision}: not run, onnxruntime has no kernels for it on a CPU", style="bold yellow"
        )
    table = Table(title="Arithmetic, same decisions, against float64", title_justify="left")
    for heading in ("output", "precision", "error", "PyTorch's error", "limit", "passed"):
        table.add_column(heading, justify="right")
    for record in parity["arithmetic"]:
        numbers = [f"{record[name]:.3g}" for name in ("error", "torch_error", "limit")]
        table.add_row(record["output"], record["precision"], *numbers, "yes" if record["passed"] else "NO")
    console.print(table)
    console.print(f"{parity['verdict']}: {parity['reason']}")


def print_latency(console: Console, latency: dict[str, Any]) -> None:
    """Every contestant at every batch size: times, ratio beside its bound, memory, and who was not steady."""
    threads = latency["threads"]
    table = Table(title=f"Latency in shared rounds on a CPU, {threads} threads", title_justify="left")
    for heading in ("contestant", "batch", "p50 ms", "p95 ms", "per second", "ratio (95 % interval)"):
        table.add_column(heading, justify="left" if heading == "contestant" else "right", no_wrap=True)
    for heading in ("bound", "share", "peak memory", "steady"):
        table.add_column(heading, justify="right")
    unsteady = []
    for batch, found in _batches(latency):
        for record in found:
            table.add_row(*_latency_cells(batch, record), style="yellow" if record["steady"] is False else "")
            if record["steady"] is not True and record["steady_reason"]:
                unsteady.append(f"batch {batch}, {record['name']}: {record['steady_reason']}")
        table.add_section()
    console.print(table)
    for reason in unsteady:
        console.print(f"not known to be steady: {reason}", style="bold yellow", highlight=False)


def _batches(latency: dict[str, Any]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Batch size and records of contestants; merged and unmerged only where nothing else was measured."""
    if latency.get("comparison"):
        return [(each["batch"], each["contestants"]) for each in latency["comparison"]]
    found = []
    for result in latency["results"]:
        common = {name: result.get(name) for name in ("steady", "steady_reason")} | {"memory": None}
        ratio = {name: result[name] for name in ("bound", "share_of_bound")}
        ratio |= {"ratio": result["speedup"], "ratio_interval": result["speedup_interval"]}
        merged = {"name": "merged", "timing": result["merged"], **common, **ratio}
        unmerged = {"name": "unmerged", "timing": result["unmerged"], **common, "steady_reason": None}
        found.append((result["batch"], [merged, unmerged]))
    return found


def _latency_cells(batch: int, record: dict[str, Any]) -> list[str]:
    timing, ratio, memory = record["timing"], record.get("ratio"), record["memory"]
    bound, share = record.get("bound"), record.get("share_of_bound")
    interval = "({:.2f} to {:.2f})".format(*record["ratio_interval"]) if ratio else ""
    return [
        record["name"],
        str(batch),
        f"{timing['median_milliseconds']:.2f}",
        f"{timing['p95_milliseconds']:.2f}",
        f"{timing['per_second']:.1f}",
        f"{times(ratio)} {interval}" if ratio else "-",
        times(bound) if bound else "-",
        f"{share:.2f}" if share else "-",
        megabytes(memory["peak_bytes"]) if memory else "-",
        {True: "yes", False: "NO", None: "?"}[record["steady"]],
    ]


def print_comparison(
    console: Console, first: Path, second: Path, rows: Sequence[tuple[str, str, str]]
) -> None:
    """Two bundles side by side; what differs is bold."""
    table = Table(title_justify="left")
    for heading in ("", str(first), str(second)):
        table.add_column(heading, overflow="fold")
    for label, one, other in rows:
        table.add_row(label, one, other, style="" if one == other else "bold")
    console.print(table)
