"""What a report shows of parity beside the layers of fp32: every precision's decisions and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]
DASH = "\N{EN DASH}"


def precision_rows(parity: Json) -> list[dict[str, Any]]:
    """One row for each runtime or precision whose merge decisions were compared, the judged one first.

    Args:
        parity: `validate.parity.records.ParityReport` as JSON; a number that is missing becomes a dash.

    Returns:
        Of each ``runtime``, ``against``, ``judged``, the counts of decisions, how many inputs agree
        throughout where nothing is forced, the first layer where they part, and its ``layers``.
    """
    return [_precision_row(*found) for found in _compared(parity)]


def arithmetic_rows(parity: Json) -> list[dict[str, Any]]:
    """One row for each output and precision: errors beside their limits; those without one are not judged."""
    rows = [
        {**record, "runtime": record.get("runtime"), "judged": True}
        for record in parity.get("arithmetic") or ()
    ]
    for reduced in parity.get("reduced") or ():
        rows += [
            {**error, "precision": reduced["precision"], "runtime": "PyTorch", "judged": False}
            for error in reduced["errors"]
        ]
    return rows


def _compared(parity: Json) -> Iterator[tuple[Json, str, bool]]:
    """(decisions, what they are compared with, whether they are judged)."""
    if (parity.get("decisions") or {}).get("layers"):
        yield parity["decisions"], "PyTorch fp32", True
    for found in parity.get("reported_decisions") or ():
        precision = str(found.get("runtime", "")).rpartition(" ")[2]
        yield found, f"PyTorch {precision}", False
    for reduced in parity.get("reduced") or ():
        if reduced.get("decisions"):
            yield reduced["decisions"], "PyTorch fp32", False


def _precision_row(decisions: Json, against: str, judged: bool) -> dict[str, Any]:
    layers = decisions.get("layers") or []
    totals = {
        name: sum(int(layer.get(name) or 0) for layer in layers)
        for name in ("compared", "agreed", "excused", "unexplained")
    }
    inputs, throughout = decisions.get("images"), decisions.get("same_throughout")
    first = next((layer for layer in layers if layer.get("first_differences")), None)
    lowest = min(
        (layer["free_running_agreement"] for layer in layers if "free_running_agreement" in layer),
        default=None,
    )
    return {
        **totals,
        "runtime": decisions.get("runtime") or "onnxruntime fp32",
        "against": against,
        "judged": judged,
        "inputs": inputs,
        "throughout": throughout,
        "lowest": lowest,
        "first": DASH if first is None else f"layer {first['layer']}",
        "first_inputs": None if first is None else first["first_differences"],
        "layers": layers,
    }
