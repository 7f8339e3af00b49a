"""What the records of a manifest are made of: the base class, checked texts and numbers, files."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MANIFEST_NAME: Final = "manifest.json"
DIGEST_NAME: Final = "manifest.json.sha256"
SIGNATURE_NAME: Final = "model.sig"
"""Of the signature, which is of the manifest too: so no manifest can list it."""
BOM_NAME: Final = "bom.cdx.json"

_NAME_PART = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"


def _not_reserved(name: str) -> str:
    if name in (MANIFEST_NAME, DIGEST_NAME):
        raise ValueError(f"{name} cannot list itself")
    if name == SIGNATURE_NAME:
        raise ValueError(f"{name} is of the manifest, so the manifest cannot list it")
    return name


def _utc_time(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() != timedelta(0):
        raise ValueError("not a time in UTC")
    return text


# A bundle's own files only: no absolute path, no "..", nothing hidden, no backslash, no blank.
FileName = Annotated[
    str, Field(pattern=rf"^{_NAME_PART}(/{_NAME_PART})*$", max_length=255), AfterValidator(_not_reserved)
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
UtcTime = Annotated[str, AfterValidator(_utc_time)]
Text = Annotated[str, Field(min_length=1)]
Precision = Literal["fp32", "fp16", "bf16"]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
AssetRole = Literal[
    "processor", "tokenizer", "config", "sentence", "labels", "license", "card", "signature", "bom"
]


class Record(BaseModel):
    """What every record has in common: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileRecord(Record):
    """A file of the bundle."""

    file: FileName = Field(description="Name inside the bundle")
    sha256: Sha256 = Field(description="Digest of the file")


class SizedFileRecord(FileRecord):
    """A file of the bundle with its size."""

    bytes: Count = Field(description="Size of the file")


class AssetRecord(FileRecord):
    """A file that belongs to the model but is no graph; but for the labels as the checkpoint has it."""

    role: AssetRole = Field(description="What it is for; `sentence`: of sentence-transformers")


class NativeRecord(FileRecord):
    """A native library of the operator."""

    kind: Literal["tensorrt", "onnxruntime"] = Field(
        description="What loads it: TensorRT as the plugin of plans with `merge_path` plugin, or onnxruntime"
    )
    version: Text = Field(description="Version of the library, as it states it")
    arch: Text | None = Field(None, description="Processor that it is for, such as `x86_64`")
    glibc: Text | None = Field(None, description="Oldest version of glibc that loads it")
    onnxruntime_api: Positive | None = Field(None, description="Version of onnxruntime's interface")
    instruction_sets: tuple[Text, ...] = Field((), description="What it chooses from, such as `avx512f`")
    providers: tuple[Text, ...] = Field(
        (), description="onnxruntime's execution providers that it has the operator for"
    )
