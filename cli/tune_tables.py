"""What `pitome tune` ends with."""

from __future__ import annotations

from rich.console import Console

from pitome.engine.tune import Tuned


def print_tuned(console: Console, tuned: Tuned) -> None:
    """What was picked, and what to do with it."""
    origin, speed = tuned.preset.origin, tuned.preset.speed
    assert origin is not None
    for left_out in tuned.left_out:
        console.print(f"left out: {left_out.told}", style="yellow", highlight=False, soft_wrap=True)
    console.print(
        f"{tuned.within} of {tuned.candidates} settings are within the budget of {origin.max_drop:g} at 95 %",
        highlight=False,
    )
    console.print(f"picked: {tuned.label}", style="bold", highlight=False)
    if origin.accept_mean:
        console.print(
            "picked by the mean loss (--accept-mean): its interval need not be within the budget",
            style="bold yellow",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"FLOPs left: {origin.flops_ratio:.3f}", highlight=False)
    if speed is not None:
        console.print(
            f"speed-up: {speed.speedup:.2f}x [{speed.low:.2f}, {speed.high:.2f}] at batch {speed.batch}, "
            f"{speed.threads} threads, {speed.runtime}",
            highlight=False,
        )
    for each in tuned.preset.measured:
        surely = "the whole interval is" if each.drop_high <= origin.max_drop else "its upper end is NOT"
        console.print(
            f"{each.task}, {each.split}: {each.metric} {each.score:.4f}, {each.drop:+.2f} points lost "
            f"[{each.drop_low:+.2f}, {each.drop_high:+.2f}] of {each.samples} samples; {surely} within the "
            f"budget of {origin.max_drop:g}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"wrote {tuned.file}; build it with: pitome engine {tuned.file}", highlight=False, soft_wrap=True
    )
