"""Compare every setting of the energies-*.jsonl beside this file with the default, and each rule's energies
with its elu: paired differences over the same samples, p-values corrected by Holm (1979).

Run in the folder where `pitome sweep` left its values per sample (energies-*.values). Writes
energies-compared.json and prints a Markdown table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pitome.validate.sweep.records import SweepRecord
from pitome.validate.sweep.results_table import read_sweep_file
from pitome.validate.sweep.values import SampleValues, ValueStore

HERE = Path(__file__).parent
RULES = ("default", "M = 2r, hidden", "M = 2r, keys")
DEFAULT = f"{RULES[0]} elu"


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down corrected p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = largest
    return corrected


def rule_of(record: SweepRecord) -> str | None:
    """Which of the three rules a record is of; None for another row."""
    if record.settings.method == "pitome":
        return RULES[0]
    return f"M = 2r, {record.settings.metric}" if record.settings.method == "paper" else None


@dataclass(frozen=True)
class Comparison:
    """One setting against another on one task."""

    model: str
    task: str
    samples: int
    groups: int | None
    """How many independent ones; None where each sample is."""
    rule: str
    energy: str
    against: str
    score: float
    """Of the setting itself; cosine to the unmerged model."""
    mean: float
    """Of the setting's values minus the other's."""
    low: float
    high: float
    p_value: float
    holm_p_value: float = 1.0
    comparisons: int = 1
    """How many Holm's correction is over."""

    @property
    def with_default(self) -> bool:
        """Whether the other one is the default."""
        return self.against == DEFAULT


def compared(path: Path) -> list[Comparison]:
    """The comparisons of one file, not corrected yet."""
    file, store = read_sweep_file(path), ValueStore(path.with_suffix(".values"))
    found = []
    for task in file.tasks:
        values: dict[tuple[str, str], tuple[SweepRecord, SampleValues]] = {}
        for record in file.records:
            rule, energy = rule_of(record), record.settings.energy
            if record.task == task and rule is not None and energy is not None:
                loaded = store.load(record.key, task)
                assert loaded is not None
                values[rule, energy] = record, loaded
        for setting, (record, own) in values.items():
            for other in dict.fromkeys([(RULES[0], "elu"), (setting[0], "elu")]):
                if other != setting:
                    model = str(file.configuration["model"])
                    found.append(_comparison(model, record, own, other, values[other][1]))
    return found


def _comparison(
    model: str, record: SweepRecord, own: SampleValues, other: tuple[str, str], values: SampleValues
) -> Comparison:
    difference, rule, energy = own.difference(values, seed=0), rule_of(record), record.settings.energy
    assert rule is not None
    assert energy is not None
    return Comparison(
        model,
        record.task,
        record.samples,
        None if own.groups is None else len(set(own.groups.tolist())),
        rule,
        energy,
        " ".join(other),
        record.score,
        difference.mean,
        difference.low,
        difference.high,
        difference.p_value,
    )


def corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """With Holm's p-values: over all comparisons with the default, and over those within M = 2r."""
    done = []
    for family in (True, False):
        members = [each for each in found if each.with_default is family]
        for each, p_value in zip(members, holm([each.p_value for each in members]), strict=True):
            done.append(replace(each, holm_p_value=p_value, comparisons=len(members)))
    return done


def table(found: Sequence[Comparison], with_default: bool) -> str:
    """Settings down, tasks across: the difference in points, its interval, * where Holm's p < 0.05."""
    rows = [each for each in found if each.with_default is with_default]
    tasks = list(dict.fromkeys((each.model, each.task, each.samples) for each in rows))
    titles = [f"{model}, {task.removesuffix('-fidelity')}, n = {samples:,}" for model, task, samples in tasks]
    name = "minus elu of the default" if with_default else "minus elu of the same rule"
    lines = [f"| {name} | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for setting in dict.fromkeys((each.rule, each.energy) for each in rows):
        cells = [
            _cell(each)
            for task in tasks
            for each in rows
            if (each.rule, each.energy) == setting and (each.model, each.task, each.samples) == task
        ]
        lines.append(f"| {', '.join(setting)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(each: Comparison) -> str:
    star = "\\*" if each.holm_p_value < 0.05 else ""
    return f"{100 * each.mean:+.2f}{star} ({100 * each.low:+.2f} to {100 * each.high:+.2f})"


if __name__ == "__main__":
    results = corrected([each for path in sorted(HERE.glob("energies-*.jsonl")) for each in compared(path)])
    text = json.dumps([asdict(each) for each in results], indent=1) + "\n"
    (HERE / "energies-compared.json").write_text(text, encoding="utf-8")
    print(table(results, with_default=True), table(results, with_default=False), sep="\n\n")
