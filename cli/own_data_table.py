"""What merging changes on the user's own data, on a terminal: re-index or not, and the worst cases."""

from __future__ import annotations

from rich.console import Console

from pitome.cli.table_layout import Column, ResultTable
from pitome.cli.tables import STYLES
from pitome.validate.evaluate.records import TaskAccuracy
from pitome.validate.report.own_data import own_data_view

_SHOWN = 60
"""Characters of a text."""


def print_own_data(console: Console, task: TaskAccuracy) -> None:
    """Nothing where a task is not on data of the user's without labels."""
    view = own_data_view(task)
    if view is None:
        return
    if view.in_place_of is not None:
        console.print(f"without labels: {view.in_place_of}", style=STYLES["warning"])
    console.print(view.used)
    for part in view.skipped:
        console.print(f"left out: {part}", style=STYLES["warning"])
    for answer, tone, reason in view.index:
        console.print(f"{answer}: {reason}", style=STYLES[tone])
    if not view.cases:
        return
    of_texts, of_classes = view.cases[0].text is not None, view.cases[0].change is not None
    columns = [Column(view.measure, right=True), Column("sample", free=True)]
    columns += [Column("text", free=True)] if of_texts else []
    columns += [Column("class", free=True)] if of_classes else []
    table = ResultTable(f"The {len(view.cases)} of lowest {view.measure} to the unmerged model", columns)
    for case in view.cases:
        cells = [case.closeness, case.name]
        cells += [_beginning(case.text or "")] if of_texts else []
        cells += [case.change or ""] if of_classes else []
        table.add_row(*cells)
    console.print(table)


def _beginning(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
