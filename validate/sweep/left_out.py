"""What a sweep's choice did not come from: methods and settings that were left out, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from pitome.methods import all_methods, method_class, method_names
from pitome.validate.sweep.records import AnyRecord, FailedPoint, SweepRecord, measured


class LeftOut(BaseModel):
    """A method or a setting that nothing was chosen from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str = Field(description="name of a method, or label of a setting")
    settings: int = Field(ge=0, description="how many settings of it were judged or refused; 0: none tried")
    reason: str

    @property
    def told(self) -> str:
        """In a sentence."""
        count = {0: "", 1: ", 1 setting"}.get(self.settings, f", {self.settings} settings")
        return f"{self.what}{count}: {self.reason}"


def not_to_deploy(method: str) -> str | None:
    """Why no setting of a method may be chosen; None where one may."""
    if method not in method_names():  # older files have methods that are gone
        return "this version has no such method"
    if not method_class(method).deployable:
        return "it is there to be compared with, not to be deployed"
    return None


def not_chosen_from(records: Sequence[AnyRecord], tasks: Sequence[str]) -> tuple[LeftOut, ...]:
    """What was run or refused, and is no candidate."""
    return (*_not_to_deploy(records), *_not_on_every_task(records, tasks), *not_tried(records))


def not_tried(records: Sequence[AnyRecord]) -> tuple[LeftOut, ...]:
    """Methods to deploy that no record is of: the grid does not name them."""
    run = {each.settings.method for each in measured(list(records))}
    return tuple(
        LeftOut(what=each.name, settings=0, reason="not tried: it is not among the methods of the grid")
        for each in all_methods()
        if each.deployable and each.name not in run
    )


def _not_to_deploy(records: Sequence[AnyRecord]) -> Iterator[LeftOut]:
    found: dict[str, set[str]] = {}
    for each in _settings(records):
        found.setdefault(each.settings.method, set()).add(each.key)
    for method, keys in found.items():
        reason = not_to_deploy(method)
        if reason is not None:
            yield LeftOut(what=method, settings=len(keys), reason=reason)


def _not_on_every_task(records: Sequence[AnyRecord], tasks: Sequence[str]) -> Iterator[LeftOut]:
    judged: dict[str, set[str]] = {}
    labels: dict[str, str] = {}
    for each in _settings(records):
        judged.setdefault(each.key, set()).add(each.task)
    reasons: dict[str, str] = {}
    for point in records:
        labels[point.key] = point.label
        if isinstance(point, FailedPoint):
            reasons.setdefault(point.key, point.reason)
            judged.setdefault(point.key, set())
        elif not_to_deploy(point.settings.method) is not None:
            judged.pop(point.key, None)
    for key, done in judged.items():
        missing = [task for task in tasks if task not in done]
        if missing:
            reason = reasons.get(key, f"not judged on {', '.join(missing)}")
            yield LeftOut(what=labels[key], settings=1, reason=reason)


def _settings(records: Sequence[AnyRecord]) -> Iterator[SweepRecord]:
    return (each for each in measured(list(records)) if not each.is_unmerged)
