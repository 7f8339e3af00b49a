"""How answers that are numbers or labels are told: in the summary, on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from pitome.bundle.parity_records import Agreement


def agreement_text(found: Agreement) -> str:
    """Over all, and the worst; labels in percent; what is not defined with its reason."""
    why = "" if found.undefined is None else f" ({found.undefined})"
    if found.value is None or found.worst is None:
        return f"not defined{why}"
    whole, worst = _number(found, found.value), _number(found, found.worst)
    told = whole if whole == worst else f"{whole}, worst {worst}"
    return f"{told}{why}"


def agreements_told(agreement: Sequence[Agreement], model: str) -> tuple[tuple[str, str], ...]:
    """(measure, values against both models) of one runtime in one precision."""
    own = [found for found in agreement if found.model == model]
    return tuple(
        (
            f"{measure} of {vector}",
            ", ".join(
                f"{agreement_text(found)} to the {found.against} model"
                for found in own
                if (found.measure, found.vector) == (measure, vector)
            ),
        )
        for measure, vector in dict.fromkeys((found.measure, found.vector) for found in own)
    )


def _number(found: Agreement, value: float) -> str:
    if found.measure == "label agreement":
        return f"{value:.1%}"
    if found.measure == "relative error":
        return f"{value:.3g}"
    return f"{min(value, 0.99999) if value < 1 else value:.5f}"  # never 1 where it is not
