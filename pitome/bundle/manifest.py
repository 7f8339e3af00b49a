"""The schema of a bundle's ``manifest.json``, version 1. ``docs/bundle.md`` is generated from it.

Every record is frozen and refuses unknown keys, so a manifest that validates can be trusted to mean what
its field descriptions say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

SCHEMA_VERSION: Final = 1
MANIFEST_NAME = "manifest.json"
DIGEST_NAME = "manifest.json.sha256"
PLUGIN_NAME = "libpitome_plugin.so"

_NAME_PART = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"


def _not_reserved(name: str) -> str:
    if name in (MANIFEST_NAME, DIGEST_NAME):
        raise ValueError(f"{name} cannot list itself")
    return name


def _plain_json(value: Any) -> Any:
    """Turn tuples into lists, and refuse what JSON has no word for, not-a-number and infinity included."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a JSON value ({error})") from None


def _utc_time(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() != timedelta(0):
        raise ValueError("not a time in UTC")
    return text


# A bundle's own files only: no absolute path, no "..", nothing hidden, no backslash, no blank.
FileName = Annotated[
    str, Field(pattern=rf"^{_NAME_PART}(/{_NAME_PART})*$", max_length=255), AfterValidator(_not_reserved)
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_plain_json)]
UtcTime = Annotated[str, AfterValidator(_utc_time)]
Text = Annotated[str, Field(min_length=1)]
Precision = Literal["fp32", "fp16", "bf16"]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Record(BaseModel):
    """What every record has in common: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WeightsRecord(Record):
    """Where the weights came from."""

    source: Text = Field(description="Hub id, `packaged` with the package's name, folder name, or `random`")
    sha256: Sha256 = Field(description="Digest of the weights as they were loaded")
    random: bool = Field(description="True: seeded random weights, right for latency and parity only")
    revision: str | None = Field(None, description="Commit of the hub's repository")
    seed: int | None = Field(None, description="Seed of random weights")

    @model_validator(mode="after")
    def _seed_belongs_to_random(self) -> Self:
        if self.random != (self.seed is not None):
            raise ValueError("random weights have a seed, and only they have one")
        return self


class ModelRecord(Record):
    """Which model this is, and what its input must look like."""

    name: Text = Field(description="The model as the user named it: preset, hub id or folder name")
    family: Text = Field(description="The family that compressed it, such as `clip`")
    task: Text = Field(description="What the model computes, such as `image-embedding`")
    weights: WeightsRecord = Field(description="Where the weights came from")
    preprocess: JsonObject = Field(description="image_size, mean, std, resize, resample, crop and the like")


class MethodRecord(Record):
    """How tokens are merged: every setting, defaults included."""

    name: Text = Field(description="The preset: pitome, paper, authors, tome, random or none")
    order: Literal["energy", "position"] = Field(description="What the tokens are ordered by")
    energy: Literal["elu", "gaussian"] = Field(description="The function that energy averages")
    split: Literal["alternate", "half"] = Field(description="How candidates are split into A and B")
    metric: Literal["hidden", "keys"] = Field(description="What similarity is measured on")
    margins: tuple[float, ...] = Field(description="The margin of every layer")
    alpha: float = Field(description="Weight of the energy below the margin")
    size_penalty: float = Field(ge=0, description="An edge loses this times ln(size of its source)")
    num_protected: Count = Field(description="Prefix tokens (CLS, distillation, registers), never merged")
    proportional_attention: bool = Field(description="Attention counts a merged token by its size")
    seed: int | None = Field(None, description="Seed of a method that draws at random")


class ScheduleRecord(Record):
    """The static number of tokens of every layer."""

    tokens: tuple[Positive, ...] = Field(description="Tokens in front of each layer, and after the last")
    num_merged: tuple[Count, ...] = Field(description="Tokens that each layer merges away; 0: no merge")
    num_candidates: tuple[Count, ...] = Field(description="Tokens that each layer may merge")

    @model_validator(mode="after")
    def _tokens_fall_by_what_is_merged(self) -> Self:
        layers = len(self.num_merged)
        if len(self.tokens) != layers + 1 or len(self.num_candidates) != layers:
            raise ValueError(
                f"{layers} layers need {layers + 1} tokens and {layers} num_candidates, "
                f"not {len(self.tokens)} and {len(self.num_candidates)}"
            )
        for layer, merged in enumerate(self.num_merged):
            before, after = self.tokens[layer : layer + 2]
            if before - merged != after:
                raise ValueError(f"layer {layer} merges {merged} of {before} tokens: not {after} are left")
        return self


class FlopsRecord(Record):
    """Work per input, in multiply-adds."""

    base: Positive = Field(description="Multiply-adds of the unmerged model")
    merged: Positive = Field(description="Multiply-adds of the merged model, merging included")
    ratio: float = Field(description="merged / base")
    bound: float = Field(description="base / merged: the speed-up if time were proportional to FLOPs")

    @model_validator(mode="after")
    def _ratio_and_bound_follow(self) -> Self:
        if not math.isclose(self.ratio, self.merged / self.base, rel_tol=1e-9):
            raise ValueError(f"ratio is {self.ratio}, but merged / base is {self.merged / self.base}")
        if not math.isclose(self.bound, self.base / self.merged, rel_tol=1e-9):
            raise ValueError(f"bound is {self.bound}, but base / merged is {self.base / self.merged}")
        return self


class FileRecord(Record):
    """A file of the bundle."""

    file: FileName = Field(description="Name inside the bundle")
    sha256: Sha256 = Field(description="Digest of the file")


class SizedFileRecord(FileRecord):
    """A file of the bundle with its size."""

    bytes: Count = Field(description="Size of the file")


class TensorRecord(Record):
    """An input or output of an ONNX file."""

    name: Text = Field(description="Name in the graph")
    dtype: Text = Field(description="Element type, such as `float32`")
    shape: tuple[Count | Text, ...] = Field(description="Static sizes as numbers, dynamic ones as names")


class OnnxRecord(SizedFileRecord):
    """An ONNX file."""

    precision: Precision = Field(description="The precision of the graph")
    opset: Positive = Field(description="Version of the standard operator set")
    external_data: tuple[SizedFileRecord, ...] = Field((), description="Files that hold weights, over 2 GB")
    inputs: tuple[TensorRecord, ...] = Field(description="Inputs of the graph, in order")
    outputs: tuple[TensorRecord, ...] = Field(description="Outputs of the graph, in order")
    key: Sha256 = Field(description="Digest of everything it was made from; equal: it is reused")


class PlanRecord(SizedFileRecord):
    """A compiled plan."""

    backend: Literal["tensorrt_rtx", "tensorrt"] = Field(description="The runtime that it is for")
    backend_version: Text = Field(description="The version that built it, and that must run it")
    targets: tuple[Annotated[str, Field(pattern=r"^sm[0-9]+$")], ...] = Field(
        min_length=1, description="The GPUs that it is for, such as `sm89`"
    )
    profile: tuple[Positive, Positive, Positive] = Field(description="Batch sizes: min, opt, max")
    precision: Precision = Field(description="The precision of the graph it was built from")
    merge_path: Literal["function", "plugin", "none"] = Field(
        description="What computes the merge: standard operators, the plugin, or nothing is merged"
    )
    plugin_embedded: bool = Field(
        False,
        description="True: the plan holds the plugin library too, and a runtime with "
        "`engine_host_code_allowed = True` loads it from there; False: load the bundle's plugin first",
    )
    executed: bool = Field(description="False: built from a checked ONNX file, but never run (no GPU)")
    build_seconds: float = Field(ge=0, description="Seconds that the build took")
    key: Sha256 = Field(description="Digest of everything it was made from; equal: it is reused")

    @model_validator(mode="after")
    def _profile_rises(self) -> Self:
        if list(self.profile) != sorted(self.profile):
            raise ValueError(f"profile {self.profile} is not min <= opt <= max")
        return self

    @model_validator(mode="after")
    def _only_a_plugin_can_be_embedded(self) -> Self:
        if self.plugin_embedded and self.merge_path != "plugin":
            raise ValueError(f"plugin_embedded, but merge_path is {self.merge_path}")
        return self


class PluginRecord(FileRecord):
    """The TensorRT plugin library that the plans with `merge_path` plugin were built with."""

    version: Text = Field(description="Version of the plugin, as the library states it")


class Manifest(Record):
    """The whole of `manifest.json`."""

    schema_version: Literal[1] = Field(SCHEMA_VERSION, description="Version of this schema")
    pitome_version: Text = Field(description="Version of pitome that wrote the bundle")
    created: UtcTime = Field(description="UTC time of the build, ISO 8601; no other file has a time in it")
    model: ModelRecord = Field(description="Which model")
    method: MethodRecord = Field(description="How tokens are merged")
    schedule: ScheduleRecord = Field(description="How many tokens each layer has")
    precision: Precision = Field(description="The precision that was asked for; fp32 is always there too")
    flops: FlopsRecord = Field(description="Work per input, before and after")
    onnx: tuple[OnnxRecord, ...] = Field(min_length=1, description="The ONNX files")
    plans: tuple[PlanRecord, ...] = Field((), description="The compiled plans")
    plugin: PluginRecord | None = Field(None, description="The plugin library, where a plan has one")
    parity: JsonObject | None = Field(None, description="What the parity check found")
    parity_key: Sha256 | None = Field(None, description="Digest of what parity was checked on")
    latency: JsonObject | None = Field(None, description="What the latency measurement found")
    latency_key: Sha256 | None = Field(None, description="Digest of what latency was measured on")
    environment: JsonObject = Field(description="Versions and machine of the build")
    report: FileRecord | None = Field(None, description="The HTML report")

    @model_validator(mode="after")
    def _method_fits_schedule(self) -> Self:
        layers = len(self.schedule.num_merged)
        if len(self.method.margins) != layers:
            raise ValueError(f"{layers} layers need {layers} margins, not {len(self.method.margins)}")
        rows = zip(self.schedule.tokens, self.schedule.num_merged, self.schedule.num_candidates, strict=False)
        for layer, (tokens, merged, candidates) in enumerate(rows):
            mergeable = tokens - self.method.num_protected
            if merged and not 2 * merged <= candidates <= mergeable:
                raise ValueError(
                    f"layer {layer} merges {merged} tokens, so num_candidates is from {2 * merged} to "
                    f"{mergeable}, not {candidates}"
                )
        return self

    @model_validator(mode="after")
    def _a_file_has_one_digest(self) -> Self:
        digests: dict[str, str] = {}
        for record in self.files():
            if digests.setdefault(record.file, record.sha256) != record.sha256:
                raise ValueError(f"{record.file} is listed twice with different digests")
        return self

    @model_validator(mode="after")
    def _the_plugin_belongs_to_a_plan(self) -> Self:
        wanted = any(plan.merge_path == "plugin" for plan in self.plans)
        if wanted != (self.plugin is not None):
            raise ValueError("there is a plugin where a plan's merge_path is plugin, and only there")
        return self

    def files(self) -> Iterator[FileRecord]:
        """Yield the record of every file of the bundle but the manifest and its digest."""
        for onnx in self.onnx:
            yield onnx
            yield from onnx.external_data
        yield from self.plans
        for record in (self.plugin, self.report):
            if record is not None:
                yield record


_PAGE = """\
# The bundle

<!-- Generated: python -m pitome.bundle.manifest > docs/bundle.md -->

`make engine` writes one folder per model. It appears complete or not at all. Only one build writes it at a
time, and the next build replaces it as a whole, so keep nothing of your own in it.

| file | what it is |
|---|---|
| `manifest.json` | everything below, with the sha256 of every other file |
| `manifest.json.sha256` | the digest of `manifest.json`, as sha256sum writes it |
| `model.onnx` | the merged model in fp32, for any ONNX runtime |
| `model.fp16.onnx` | the same graph in another precision, from which the plans are built |
| `*.plan` | compiled plans |
| `libpitome_plugin.so` | the TensorRT plugin, where a plan was built with it |
| `report.html` | the build's report |

`pitome.bundle.verify_bundle(folder)` checks every byte before anything is loaded; it imports neither torch
nor onnx. By hand: `sha256sum -c manifest.json.sha256`. Unknown keys, an unknown `schema_version` and names
that lead out of the folder are errors. A file name is made of letters, digits and `_ . + -`, with `/`
between folders.
"""


def _type_name(schema: dict[str, Any]) -> str:
    """Name the type of one JSON schema node the way a reader says it."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type_name(option) for option in schema["anyOf"]))
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return "any" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return "list of " + str(len(schema["prefixItems"])) + " integers"
        return f"list of {_type_name(schema['items'])}"
    return str(schema.get("type", "any"))


def describe_schema() -> str:
    """Return the text of ``docs/bundle.md``: one table for each record, the manifest first."""
    schema = Manifest.model_json_schema()
    records = {"Manifest": schema, **{k: v for k, v in schema["$defs"].items() if k != "JsonValue"}}
    lines = [_PAGE]
    for name, record in records.items():
        lines += [f"## {name}", "", record["description"], "", "| key | type | meaning |", "|---|---|---|"]
        for key, field in record["properties"].items():
            lines.append(f"| {key} | {_type_name(field)} | {field['description']} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(describe_schema(), end="")
