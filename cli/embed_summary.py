"""What ``pitome embed`` ends with."""

from __future__ import annotations

from rich.console import Console

from pitome.serving.embed.job import EmbedResult
from pitome.serving.embed.rate import told_rate, told_time


def print_embedded(console: Console, found: EmbedResult) -> None:
    """How many, how fast, and what was not embedded."""

    def line(text: str, style: str | None = None) -> None:
        console.print(text, style=style, highlight=False, soft_wrap=True)

    reused = f", {found.reused_shards:,} of them there before" if found.reused_shards else ""
    line(
        f"{found.embedded:,} of {found.inputs:,} inputs embedded: {found.dimension} x {found.dtype}, "
        f"{found.shards:,} shards{reused}"
    )
    if found.rate is not None:
        line(f"{told_rate(found.rate)}, {told_time(found.seconds)}")
    for reason, count in found.reasons.items():
        line(f"not embedded: {count:,} {reason}", "bold yellow")
    if found.failed:
        line(f"{found.failed:,} inputs and their reasons are in {found.out}/errors.parquet", "yellow")
    if found.cut:
        line(f"{found.cut:,} texts were cut; they are in {found.out}/truncated.parquet", "yellow")
    for remark, count in found.remarks.items():
        line(f"{count:,} images were each {remark}", "yellow")
    line(f"wrote {found.out}", "bold")
