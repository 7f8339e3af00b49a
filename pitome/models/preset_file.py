"""Preset files: a model and the settings that were found to be good for it, as TOML. Imports no torch.

TOML, because a person reads and edits it and comments survive, and because Python reads it without another
package. ``pitome tune`` writes one, ``pitome engine FILE`` takes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pitome.energies import EnergyNumbers, check_numbers
from pitome.errors import InputError
from pitome.models.presets import PRESETS
from pitome.parameters import Function, MergeParameters
from pitome.schema_errors import problems
from pitome.settings import MergeSettings, ScheduleOptions
from pitome.strict_toml import NoTomlError, UnusableFileError, read_strict_toml

SUFFIX = ".preset.toml"
SCHEMA_VERSION = 1


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class PresetModel(_Table):
    """Which model the settings are for."""

    name: str = Field(min_length=1, description="MODEL: a preset's name, a hub id or a folder")
    weights: str | None = Field(default=None, description="WEIGHTS; left out: the model's own")
    image_size: int | None = Field(default=None, ge=1)
    sequence_length: int | None = Field(default=None, ge=1)
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="of the weights that the settings were found on"
    )


class PresetEnergy(_Table):
    """What the energy and the margin of [method] come to in the layers that measure one.

    Nothing is computed from it, but it is held against [method]: whoever reads the file need not know the
    names, and whoever edits [method] alone is told so.
    """

    num_layers: int = Field(ge=1, description="L of the model")
    layers: tuple[int, ...] = Field(min_length=1, description="those that measure an energy, from 0")
    function: Function
    margin: tuple[float, ...] = Field(description="this and the others: one for each of these layers")
    offset: tuple[float, ...]
    width: tuple[float, ...]
    alpha: tuple[float, ...]

    @model_validator(mode="after")
    def _one_number_for_each_layer(self) -> PresetEnergy:
        for name in ("margin", "offset", "width", "alpha"):
            if len(getattr(self, name)) != len(self.layers):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} numbers for {len(self.layers)} layers"
                )
        if not all(0 <= layer < self.num_layers for layer in self.layers):
            raise ValueError(f"layers are from 0 to {self.num_layers - 1}")
        if list(self.layers) != sorted(set(self.layers)):
            raise ValueError("layers are not in rising order, each once")
        return self

    @classmethod
    def of(cls, parameters: Sequence[MergeParameters | None]) -> PresetEnergy | None:
        """Of the operators of all layers; None where none of them measures an energy."""
        measured = {layer: each for layer, each in enumerate(parameters) if each and each.order == "energy"}
        if not measured:
            return None
        (function,) = {each.function for each in measured.values()}
        return cls(
            num_layers=len(parameters),
            layers=tuple(measured),
            function=function,
            margin=tuple(each.margin for each in measured.values()),
            offset=tuple(each.offset for each in measured.values()),
            width=tuple(each.width for each in measured.values()),
            alpha=tuple(each.alpha for each in measured.values()),
        )

    def check(self, method: MergeSettings) -> None:
        """Raise ValueError where the numbers do not follow from the settings."""
        if method.energy is None or method.margin is None:
            raise ValueError("energy: it holds numbers of an energy and a margin, and method names not both")
        for place, layer in enumerate(self.layers):
            found = EnergyNumbers(
                self.function, self.margin[place], self.offset[place], self.width[place], self.alpha[place]
            )
            try:
                check_numbers(found, layer, method.energy, method.margin, self.num_layers)
            except ValueError as error:
                raise ValueError(
                    f"energy: {error}; delete the table where you change the energy or the margin of method"
                ) from None


class PresetMeasurement(_Table):
    """What was measured with these settings, on one task. Nothing is computed from it."""

    task: str
    split: str
    samples: int = Field(ge=1)
    metric: str
    unmerged: float = Field(description="score of the unmerged model")
    score: float
    drop: float = Field(description="in points: 100 (unmerged - score)")
    drop_low: float = Field(description="ends of the 95 % interval of the paired difference")
    drop_high: float


class PresetSpeed(_Table):
    """A measured speed-up over the unmerged model. Nothing is computed from it."""

    speedup: float = Field(gt=0)
    low: float
    high: float
    batch: int = Field(ge=1)
    threads: int = Field(ge=1)
    runtime: str
    cpu: str
    onnxruntime: str | None = None
    """Its version."""
    steady: bool | None = None
    """Whether the machine was; left out where that is not known."""


class PresetOrigin(_Table):
    """Where the file comes from."""

    pitome_version: str
    command: str
    max_drop: float = Field(description="the budget, in points")
    accept_mean: bool = Field(
        default=False, description="true: the mean loss was held against it, not the end of its 95 % interval"
    )
    flops_ratio: float = Field(gt=0, description="FLOPs that are left")


class PresetFile(_Table):
    """The whole file."""

    schema_version: Literal[1] = 1
    model: PresetModel
    method: MergeSettings = Field(description="how tokens merge; what is left out is the method's own")
    schedule: ScheduleOptions = Field(description="how many: num_merged per layer, a ratio, or flops")
    energy: PresetEnergy | None = Field(default=None, description="the numbers that method leads to")
    measured: tuple[PresetMeasurement, ...] = ()
    speed: PresetSpeed | None = None
    origin: PresetOrigin | None = None

    @model_validator(mode="after")
    def _has_a_schedule(self) -> PresetFile:
        if not {"r", "ratio", "flops"}.intersection(self.schedule.given()):
            raise ValueError("schedule: one of num_merged, ratio and flops is needed")
        return self

    @model_validator(mode="after")
    def _numbers_follow_from_the_method(self) -> PresetFile:
        if self.energy is not None:
            self.energy.check(self.method)
        return self

    @model_validator(mode="after")
    def _as_many_counts_as_layers(self) -> PresetFile:
        counts = self.schedule.r if isinstance(self.schedule.r, tuple) else None
        if counts is not None and min(counts, default=0) < 0:
            raise ValueError(f"schedule.num_merged: {min(counts)} tokens can't be merged")
        preset = PRESETS.get(self.model.name.strip().lower())
        layers = preset.num_layers if preset is not None else None
        layers = self.energy.num_layers if self.energy is not None else layers
        if layers is None:  # the model tells
            return self
        if counts is not None and len(counts) != layers:
            raise ValueError(f"schedule.num_merged: {len(counts)} counts for a model of {layers} layers")
        beyond = [layer for layer in self.schedule.layers or () if not 0 <= layer < layers]
        if beyond:
            raise ValueError(f"schedule.layers: layers are from 0 to {layers - 1}, not {beyond[0]}")
        return self


def is_preset_file(model: str) -> bool:
    """Whether MODEL names a preset file, there or not."""
    return model.strip().lower().endswith(".toml")


def read_preset_file(path: Path) -> PresetFile:
    """Read and check a preset file.

    Raises:
        InputError: no such file, no TOML, an unknown or missing key, or a value of the wrong type.
    """
    asked = f"the preset file {path}"
    try:
        content = read_strict_toml(path)
    except OSError as error:
        raise InputError(
            asked, f"it can't be read ({error.strerror})", "Give a file that `pitome tune` wrote"
        ) from error
    except UnusableFileError as error:
        raise InputError(asked, f"it {error}", "Give a file that `pitome tune` wrote") from None
    except NoTomlError as error:
        raise InputError(asked, f"it is not TOML ({error})", "Correct the file") from None
    except ValueError as error:
        raise InputError(asked, str(error), "Correct this key") from None
    version = content.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        found = "it has no schema_version" if version is None else f"its schema_version is {version!r}"
        raise InputError(
            asked,
            found,
            f"This pitome reads schema_version = {SCHEMA_VERSION}; write it again with `pitome tune`",
        )
    method = content.get("method")
    if (
        isinstance(method, dict) and "name" not in method
    ):  # settings have a default, a file says what it means
        raise InputError(asked, "method.name: it is not there", "Name the method")
    try:
        # By way of JSON, in which a list may become a tuple although types are strict.
        return PresetFile.model_validate_json(json.dumps(content))
    except ValidationError as error:
        told = problems(error, content, PresetFile.model_json_schema(), whole="")
        raise InputError(asked, "; ".join(told), "Correct these keys") from error
    except InputError as error:  # of a value that the settings themselves refuse
        raise InputError(asked, f"{error.asked}: {error.found}", error.remedy) from error


def check_weights(path: Path, preset: PresetFile, sha256: str) -> None:
    """Refuse settings that were found on other weights.

    Raises:
        InputError: the digest of the loaded weights is not the file's.
    """
    if sha256 != preset.model.sha256:
        raise InputError(
            f"the preset file {path} for {preset.model.name}",
            f"its settings were found on weights {preset.model.sha256[:16]}..., and the loaded ones are "
            f"{sha256[:16]}...",
            "Take those weights, or tune again with `pitome tune`; to use the settings all the same, put the "
            "new digest into model.sha256",
        )


def check_layers(path: Path, preset: PresetFile, num_layers: int) -> None:
    """Refuse numbers of an energy that were worked out for another number of layers.

    Raises:
        InputError: the model has more or fewer layers than the table energy is for.
    """
    given = num_layers if preset.energy is None else preset.energy.num_layers
    if given != num_layers:
        raise InputError(
            f"the preset file {path}",
            f"energy.num_layers is {given}, and {preset.model.name} has {num_layers} layers",
            "Delete the table energy, whose numbers follow from method",
        )


def write_preset_file(path: Path, preset: PresetFile) -> None:
    """Write a preset file; one that is there is replaced in one step.

    Raises:
        InputError: the folder can't be written to.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(preset_text(preset, path), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(
            f"the preset file {path}", f"it can't be written ({error.strerror})", "Choose another OUT"
        ) from error


def preset_text(preset: PresetFile, path: Path) -> str:
    """The file's text."""
    header = (
        f"# `pitome engine {path}` builds an engine with these settings; options given there win.\n"
        "# Edit [method] and [schedule] as you like: what was [[measured]] then no longer holds.\n"
        "# With another energy or margin in [method], delete [energy], which follows from them.\n"
    )
    content = preset.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not preset.method.seed:
        del content["method"]["seed"]
    return header + toml_text(content)


def toml_text(content: dict[str, Any]) -> str:
    """TOML of a dict of strings, numbers, booleans, lists of these, tables, and lists of tables."""
    values = {key: value for key, value in content.items() if not _is_table(value)}
    lines = [f"{key} = {_value(value)}" for key, value in values.items()]
    for key, value in content.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *(f"{name} = {_value(each)}" for name, each in value.items())]
        elif _is_table(value):
            for table in value:
                lines += ["", f"[[{key}]]", *(f"{name} = {_value(each)}" for name, each in table.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):  # a basic string is escaped as in JSON, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return json.dumps(value, allow_nan=False)  # numbers and booleans are written alike
