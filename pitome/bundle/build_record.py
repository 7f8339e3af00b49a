"""Records of a build: the options that it had, the machine it ran on, and what was judged."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pitome.bundle.build_options import CheckOptions, ModelOptions, PlanOptions
from pitome.bundle.record import Positive, Precision, Record, Sha256, Text
from pitome.settings import MergeSettings, ScheduleOptions


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
