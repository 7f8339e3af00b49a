"""Records of a build: the options that it had, the machine it ran on, and what was judged."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from pitome.bundle.build_options import CheckOptions, ModelOptions, PlanOptions, ordered_merge_paths
from pitome.bundle.record import Positive, Precision, Record, Sha256, Text
from pitome.errors import InputError
from pitome.option import check_fields
from pitome.settings import MergeSettings, ScheduleOptions

TARGET = re.compile(r"sm[0-9]{2,3}")


class BuildRecord(Record):
    """The options that lead to the bundle again."""

    command: Text = Field(description="The command, as it was typed or as the options say it")
    model: ModelOptions = Field(description="Which model was asked for")
    schedule: ScheduleOptions = Field(description="How much was to be merged")
    merge: MergeSettings = Field(description="Which tokens were to merge")
    precision: Precision = Field(description="The precision that was asked for; fp32 is always there too")
    plan: PlanOptions | None = Field(None, description="The plan of the build; null: only exported")
    check: CheckOptions | None = Field(None, description="What the build checked; null: only exported")

    @model_validator(mode="after")
    def _options_are_in_range(self) -> Self:
        for name in ("model", "schedule", "merge", "plan", "check"):
            options = getattr(self, name)
            try:
                if options is not None:
                    check_fields(options)
            except InputError as error:
                raise ValueError(f"{name}: {error.asked}: {error.found}") from None
        if self.plan is not None:
            try:
                ordered_merge_paths(self.plan.chosen_paths)
            except InputError as error:
                raise ValueError(f"plan: {error.asked}: {error.found}") from None
            if self.plan.profile[0] < 1 or list(self.plan.profile) != sorted(self.plan.profile):
                raise ValueError(f"plan: profile {self.plan.profile} is not 1 <= min <= opt <= max")
            wrong = [target for target in self.plan.targets or () if not TARGET.fullmatch(target)]
            if wrong or self.plan.targets == ():
                raise ValueError(f"plan: targets are such as sm89, not {', '.join(wrong) or 'none'}")
        if self.check is not None and not self.check.batches:
            raise ValueError("check: batches names none")
        return self

    @model_validator(mode="after")
    def _one_precision(self) -> Self:
        if self.plan is not None and self.plan.precision != self.precision:
            raise ValueError(f"a plan in {self.plan.precision} of a build in {self.precision}")
        return self


class EnvironmentRecord(Record):
    """Versions and machine."""

    packages: dict[Text, Text] = Field(description="Versions, by package")
    python: Text = Field(description="Version of Python")
    system: Text = Field(description="Operating system and architecture")
    cpu: Text = Field(description="Model name of the processor")


class AccuracyRecord(Record):
    """What one task said of the merged model, with real weights."""

    task: Text = Field(description="Name of the task")
    data_sha256: Sha256 | None = Field(None, description="Digest of its samples")
    n: Positive = Field(description="Samples")
    value: float = Field(description="The metric of the merged model")
    interval: tuple[float, float] | None = Field(None, description="95 % interval of the value")
    base: float | None = Field(None, description="The metric of the unmerged model on the same samples")
    speed: Text | None = Field(None, description="The schedule's name, where the bundle has several")
