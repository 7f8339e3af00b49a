"""What `pitome sweep` and `pitome tune` take, as records. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pitome.bundle.build_options import COLUMN_HELP
from pitome.engine.options import ModelChoice
from pitome.option import Option, options_of
from pitome.runtime.backends import AUTO, RUN_BACKENDS
from pitome.runtime.devices import CPU, device_names
from pitome.settings import MergeSettings
from pitome.validate.sweep.grid import GRIDS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DataSplit = Literal["validation", "test"]
OWN_VALUE = "own"
"""In a list of settings: the method's own."""


def _list_help(described: Option) -> str:
    values = ",".join((*described.allowed, OWN_VALUE)) if described.allowed else "own: the method as it is"
    return f"{described.help} Commas between values; {values}."


def _setting_lists() -> type[DataclassInstance]:
    """A record with one list for each setting that a sweep may vary: what the command line takes."""
    lists = [
        (described.plural, Annotated[str | None, Option(_list_help(described))], field(default=None))
        for name, described in options_of(MergeSettings).items()
        if described.plural is not None and name != "method"
    ]
    return make_dataclass("SettingLists", lists, frozen=True)


if TYPE_CHECKING:  # its fields are the settings, so no checker can know them

    @dataclass(frozen=True)
    class SettingLists:
        """By the plural of each setting that a sweep varies, the values that are tried; None = the grid's."""

else:
    SettingLists = _setting_lists()


@dataclass(frozen=True)
class GridOptions:
    """Which grid, and the lists that replace its own. The first value of each is the one that the others are
    a change of."""

    grid: Annotated[
        Literal["quick", "full"],
        Option(
            "quick: one setting changed at a time; full: two, over longer lists. The lists below replace "
            "the grid's, and the first value of each is the one that the others are a change of.",
            choices=tuple(GRIDS),
        ),
    ] = "quick"
    changes: Annotated[
        int | None,
        Option("How many settings a point may change at once; the grid's by default.", minimum=0),
    ] = None
    methods: Annotated[str | None, Option("Methods, such as pitome,tome,paper,random,authors.")] = None
    ratios: Annotated[str | None, Option("Keep ratios per layer, such as 0.95,0.9.")] = None
    flops: Annotated[str | None, Option("Wanted fractions of the FLOPs, such as 0.6,0.8.")] = None
    shapes: Annotated[
        str | None,
        Option("ratio,constant,decreasing,increasing: how FLOPs are spread over layers."),
    ] = None
    layers: Annotated[
        tuple[str, ...],
        Option("all, or the layers that may merge, such as 0,1,2; may be repeated.", repeated=True),
    ] = ()


@dataclass(frozen=True)
class SpeedOptions:
    """How speed-ups are measured."""

    batch: Annotated[int, Option("Batch size that speed is measured at.", minimum=1)] = 8
    threads: Annotated[int, Option("Threads of PyTorch and onnxruntime.", minimum=1)] = 2
    device: Annotated[str, Option("Where speed is measured.", choices=device_names)] = CPU.name
    backend: Annotated[
        str,
        Option(
            "What runs it there; auto: with --device cuda plans in fp16 for this GPU, else onnxruntime.",
            choices=RUN_BACKENDS,
        ),
    ] = AUTO
    seconds: Annotated[
        float,
        Option("Seconds to measure per setting.", name="latency_seconds", minimum=0.1, hidden=True),
    ] = 5.0


@dataclass(frozen=True)
class SearchOptions:
    """What is tried, and on what it is judged."""

    model: ModelChoice
    """Its weights must be trained ones: a hub that can't be reached is an error."""
    grid: GridOptions = field(default_factory=GridOptions)
    lists: SettingLists = field(default_factory=SettingLists)
    tasks: Annotated[
        tuple[str, ...],
        Option(
            "What is judged; may be repeated. All that fit the model by default.", name="task", repeated=True
        ),
    ] = ()
    """Empty: all that fit the model and need no data of the user's."""
    limit: Annotated[int | None, Option("At most so many samples of each task.", minimum=2)] = None
    column: Annotated[str | None, Option(COLUMN_HELP)] = None
    data: Annotated[Path | None, Option("Folder of a data set that has files.")] = None
    speed: SpeedOptions = field(default_factory=SpeedOptions)

    @property
    def seed(self) -> int:
        """Of random pairs, bootstraps and permutation tests."""
        return self.model.seed


@dataclass(frozen=True)
class SweepOptions:
    """All options of ``pitome sweep``."""

    search: SearchOptions
    split: Annotated[
        DataSplit,
        Option(
            "validation is held out from the training data; test is for once.", choices=get_args(DataSplit)
        ),
    ] = "validation"
    latency: Annotated[
        bool,
        Option("Measure the speed of every graph at the end, again where the machine was not steady."),
    ] = False
    out: Annotated[
        Path | None,
        Option("File of records, build/<model>.sweep.jsonl by default; resumed where it is there."),
    ] = None
    default_folder: Path = Path("build")
    """Where the file lies by default."""


@dataclass(frozen=True)
class TuneOptions:
    """All options of ``pitome tune``."""

    search: SearchOptions
    max_drop: Annotated[float, Option("Points (100 x the metric) that may be lost on each task.")] = 0.5
    accept_mean: Annotated[
        bool,
        Option("Pick by the mean loss, also where the 95 % interval is not within the budget."),
    ] = False
    latency: Annotated[bool, Option("Measure the finalists; else the FLOPs decide.")] = True
    records: Annotated[
        Path | None,
        Option("File of the sweep's records, OUT/<model>.sweep.jsonl by default; resumed."),
    ] = None
    out: Annotated[Path, Option("Folder for the preset file.")] = Path("build")
