"""What is said of a precision that can't hold a model's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitome.bundle.parity_records import Overflow

_ENDS = {"fp16": "65,504", "bf16": "3.4e+38", "fp32": "3.4e+38"}
"""Largest number of each precision."""


def overflow_text(found: Overflow) -> str:
    """What overflows where, in a sentence without its end; the remedy is in it."""
    precision = found.precision
    if not found.in_pytorch:
        return f"the {precision} graph gives numbers that are not finite, and PyTorch in {precision} does not"
    where = "" if found.module is None else f", first at {found.module}"
    if found.layer is not None:
        where += f" in layer {found.layer}"
    if precision == "fp32":
        return f"the model itself gives numbers that are not finite in fp32{where}"
    reached = (
        ""
        if found.reached is None or found.module is None
        else f", which reaches {found.reached:.3g} in fp32 where {precision} ends at {_ENDS[precision]}"
    )
    return f"{precision} overflows in PyTorch as well{where}{reached}: use {remedy_of(precision)}"


def remedy_of(precision: str) -> str:
    """The precisions that are left."""
    return {"fp16": "bf16 or fp32", "bf16": "fp32"}.get(precision, "other weights")
