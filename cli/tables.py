"""Tables that commands end with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pitome.bundle.manifest import Manifest
from pitome.cli.table_layout import Column, ResultTable
from pitome.runtime.backends import find_plan_backend
from pitome.validate.report.key_figures import slower_warning
from pitome.validate.report.summary import giga, megabytes, summary_rows, times

if TYPE_CHECKING:
    from pitome.compression import Compression
    from pitome.flops import FlopsCount

STYLES = {"plain": "", "good": "green", "bad": "bold red", "warning": "bold yellow"}


def print_summary(console: Console, manifest: Manifest, folder: Path) -> None:
    """What a bundle is, what was checked, and where everything lies."""
    columns = (Column("", style="bold"), Column("", free=True))
    table = ResultTable(f"{manifest.model.name}: {folder}", columns, show_header=False)
    for row in summary_rows(manifest):
        table.add_row(row.label, row.value, style=STYLES[row.tone])
    for note in manifest.model.notes:
        table.add_row("Note", note)
    for record in manifest.files():
        table.add_row("File", str(folder / record.file))
    console.print(table)
    if manifest.model.weights.random:
        console.print(
            "Random weights: good for latency and parity, they say nothing about accuracy.",
            style="bold yellow",
        )
    if (slower := slower_warning(manifest, manifest.latency)) is not None:
        console.print(f"warning: {slower}", style="bold yellow")


def _numbers(headings: Sequence[str]) -> list[Column]:
    return [Column(heading, right=True) for heading in headings]


def print_schedule(
    console: Console, name: str, compression: Compression, text: FlopsCount | None = None
) -> None:
    """Tokens and FLOPs of each layer; of a dual encoder also the FLOPs of its text graph."""
    headings = ("layer", "tokens", "merged", "candidates", "margin", "FLOPs before", "FLOPs after")
    table = ResultTable(f"{name}: tokens and FLOPs of one input (multiply-adds)", _numbers(headings))
    for row in schedule_rows(compression):
        table.add_row(
            str(row["layer"]),
            str(row["tokens"]),
            str(row["merged"]),
            str(row["candidates"]),
            "" if row["margin"] is None else f"{row['margin']:.3f}",
            giga(row["flops_before"]),
            giga(row["flops_after"]),
        )
    flops = compression.flops
    table.add_row(
        "all" if text is None else "all, image",
        str(compression.schedule.tokens[-1]),
        "",
        "",
        "",
        giga(flops.base),
        giga(flops.merged),
        style="bold",
        section=True,
    )
    if text is not None:
        work = giga(text.base)
        table.add_row("text, not merged", "", "", "", "", work, work, style="bold")
    console.print(table)
    left = flops.ratio if text is None else (flops.merged + text.merged) / (flops.base + text.base)
    told = "" if text is None else f" ({flops.ratio:.3f} of the image graph's)"
    console.print(f"{left:.3f} of the FLOPs are left{told}, so the speed-up is bound by {times(1 / left)}")


def schedule_rows(compression: Compression) -> list[dict[str, Any]]:
    """The rows of the dry run's table."""
    from pitome.engine.records import schedule_record

    schedule, flops = schedule_record(compression), compression.flops
    margins = compression.method.margins
    return [
        {
            "layer": layer,
            "tokens": schedule.tokens[layer],
            "merged": schedule.num_merged[layer],
            "candidates": schedule.num_candidates[layer],
            "margin": margins[layer] if margins else None,
            "flops_before": flops.layers_base[layer],
            "flops_after": flops.layers_merged[layer],
        }
        for layer in range(len(schedule.num_merged))
    ]


def print_models(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The presets."""
    numbers, free = ("tokens", "layers"), ("task", "weights")
    columns = [
        Column(heading, right=heading in numbers, free=heading in free)
        for heading in ("name", "family", "tokens", "layers", "task", "weights")
    ]
    table = ResultTable("Presets for MODEL; a Hugging Face id or a folder works too", columns)
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("name", "family", "tokens", "layers", "task", "source")))
    console.print(table)


def print_accuracy(console: Console, report: dict[str, Any]) -> None:
    """One task: every model and runtime on the same samples, with paired differences to the unmerged one."""
    main = report["main"]
    samples = report["models"][0]["metrics"][main]["samples"]
    title = f"{report['task']}, {report['split']}: {main} over {samples:,} samples"
    columns = [Column("model", free=True), *_numbers((main, "95 %", "to unmerged", "p"))]
    table = ResultTable(title, columns)
    unmerged = report["models"][0]["model"]
    for model in report["models"]:
        found = model["metrics"][main]
        change = next(
            (d for d in model["differences"] if (d["against"], d["metric"]) == (unmerged, main)), None
        )
        table.add_row(
            model["model"] + (", head refitted" if model["refit"] else ""),
            f"{100 * found['mean']:.2f}",
            f"{100 * found['low']:.2f} to {100 * found['high']:.2f}",
            f"{100 * change['mean']:+.2f} ({100 * change['low']:+.2f} to {100 * change['high']:+.2f})"
            if change
            else "",
            f"{change['p_value']:.3f}" if change else "",
        )
    console.print(table)
    if padding := report.get("padding"):
        removed = padding["share_of_removed"]
        console.print(
            f"{100 * padding['share_of_inputs']:.0f} % of the inputs is padding"
            + ("" if removed is None else f", and {100 * removed:.0f} % of what was merged away")
            + f"; FLOPs, of the padded unmerged model's: merged {padding['flops_merged']:.2f}, unmerged "
            f"without padding {padding['flops_unpadded']:.2f}, in buckets of 32 "
            f"{padding['flops_bucketed']:.2f}; "
            f"{padding['full_length']:,} of {padding['texts']:,} texts have no padding",
        )
    for name, reason in report["unavailable"].items():
        console.print(f"not run: {name}: {reason}", style="yellow")


def print_parity(console: Console, parity: dict[str, Any], graph: str | None = None) -> None:
    """Decisions per layer, the arithmetic, and the first thing wrong, of a parity report.

    Args:
        console: to print to.
        parity: the report.
        graph: name of the graph that it is of, where there are several.
    """
    reduced = [found["decisions"] for found in parity["reduced"] if found["decisions"]]
    for decisions in (parity["decisions"], *parity["reported_decisions"], *reduced):
        if decisions:
            console.print(_decision_table(decisions, judged=decisions is parity["decisions"]))
    if parity["decisions"]:
        console.print(_margin_table(parity["decisions"]["margins"]))
    for precision in parity["unchecked"]:
        console.print(
            f"{precision}: read but not run, onnxruntime has no kernels for it on a CPU", style="bold yellow"
        )
    measures = ("error", "PyTorch's", "limit", "rms", "PyTorch's rms", "rms limit", "passed")
    columns = [Column("output", free=True), Column("precision"), *_numbers(measures)]
    of_graph = f" of the {graph} graph" if graph else ""
    table = ResultTable(f"Arithmetic{of_graph}, same decisions, against float64", columns)
    names = ("error", "torch_error", "limit", "rms_error", "torch_rms_error", "rms_limit")
    for record in parity["arithmetic"]:
        numbers = [f"{record[name]:.3g}" for name in names]
        table.add_row(record["output"], record["precision"], *numbers, "yes" if record["passed"] else "NO")
    for found in parity["reduced"]:
        for error in found["errors"]:
            numbers = [f"{error['error']:.3g}", "", "", f"{error['rms_error']:.3g}", "", ""]
            table.add_row(error["output"], f"{found['precision']}, PyTorch", *numbers, "not judged")
    console.print(table)
    if parity["verdict"] == "not judged":
        console.print(parity["reason"], style=STYLES["bad"])
    for failure in parity["failures"]:
        console.print(f"failed: {failure}", style=STYLES["bad"])


def _decision_table(decisions: dict[str, Any], judged: bool) -> ResultTable:
    told = decisions["verdict"] if judged else "reported, not judged"
    title = f"Decisions, {decisions['runtime']} against PyTorch ({told})"
    columns = ("layer", "tokens", "merged", "compared", "agreed", "excused")
    more = ("by a jump", "unexplained", "tokens agree", "tolerance", "free-running", "first differ here")
    table = ResultTable(title, _numbers((*columns, *more)))
    for layer in decisions["layers"]:
        table.add_row(
            *(str(layer[name]) for name in (*columns, "excused_by_jumps", "unexplained")),
            "" if layer["token_agreement"] is None else f"{layer['token_agreement']:.4f}",
            f"{layer['tolerance']:.1e}" if judged else "",
            f"{layer['free_running_agreement']:.3f}",
            str(layer["first_differences"]),
        )
    table.caption = (
        f"{decisions['same_throughout']} of {decisions['images']} inputs agree in all layers, free"
    )
    return table


def _margin_table(margins: Sequence[dict[str, Any]]) -> ResultTable:
    headings = ("layer", "decision", "count", "smallest", "1 %", "10 %", "median")
    table = ResultTable("Margins of the decisions in float64", _numbers(headings))
    for record in margins:
        numbers = [record["smallest"], *(record["percentiles"][percent] for percent in ("1", "10", "50"))]
        table.add_row(
            str(record["layer"]), record["kind"], str(record["count"]), *(f"{value:.1e}" for value in numbers)
        )
    return table


def print_latency(console: Console, latency: dict[str, Any]) -> None:
    """Every contestant at every batch size: times, ratio beside its bound, memory, and who was not steady."""
    headings = ("batch", "p50 ms", "p95 ms", "per second", "ratio (95 %)", "bound", "share")
    columns = [Column("contestant", free=True), *_numbers((*headings, "peak memory", "steady"))]
    of_graph = f" of the {latency['graph']} graph" if latency.get("graph") else ""
    table = ResultTable(f"Latency{of_graph} in shared rounds on {_where(latency)}", columns)
    unsteady = []
    for batch, found in _batches(latency):
        for place, record in enumerate(found):
            style = "yellow" if record["steady"] is False else ""
            table.add_row(*_latency_cells(batch, record), style=style, section=place == 0)
            if record["steady"] is not True and record["steady_reason"]:
                unsteady.append(f"batch {batch}, {record['name']}: {record['steady_reason']}")
    console.print(table)
    for each in latency.get("comparison") or ():
        for pair in each.get("pairs", ()):
            low, high = pair["ratio_interval"]
            measured = f"{times(pair['ratio'])} ({low:.2f} to {high:.2f})"
            console.print(f"batch {each['batch']}, {pair['name']} to {pair['against']}: {measured}")
    for reason in unsteady:
        console.print(f"not known to be steady: {reason}", style="bold yellow")


def _where(latency: dict[str, Any]) -> str:
    plan = latency.get("plan")
    if plan is not None:
        label = find_plan_backend(plan["backend"]).label
        return f"{plan['gpu']}, {label} {plan['version']}, {plan['precision']}, {plan['launched']}"
    place = {"CPUExecutionProvider": "a CPU"}.get(latency["provider"], latency["provider"])
    return f"{place}, {latency['threads']} threads"


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
    columns = (Column("", free=True), Column(str(first), free=True), Column(str(second), free=True))
    table = ResultTable("", columns)
    for label, one, other in rows:
        table.add_row(label, one, other, style="" if one == other else "bold")
    console.print(table)
