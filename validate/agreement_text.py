"""How answers that are numbers or labels are told: on the page."""

from __future__ import annotations

from pitome.bundle.parity_records import Agreement


def agreement_text(found: Agreement) -> str:
    """Over all, and the worst; labels in percent; what is not defined with its reason."""
    why = "" if found.undefined is None else f" ({found.undefined})"
    if found.value is None or found.worst is None:
        return f"not defined{why}"
    whole, worst = _number(found, found.value), _number(found, found.worst)
    told = whole if whole == worst else f"{whole}, worst {worst}"
    return f"{told}{why}"


def _number(found: Agreement, value: float) -> str:
    if found.measure == "label agreement":
        return f"{value:.1%}"
    if found.measure == "relative error":
        return f"{value:.3g}"
    return f"{min(value, 0.99999) if value < 1 else value:.5f}"  # never 1 where it is not
