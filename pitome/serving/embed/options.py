"""What ``pitome embed`` takes, and which of it decides about the numbers that come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pitome.errors import InputError
from pitome.models.task import Modality
from pitome.option import Option, check_fields
from pitome.runtime.backends import AUTO, RUN_BACKENDS
from pitome.runtime.choice import PRECISIONS
from pitome.runtime.devices import device_names

LARGEST_SHARD = 1_000_000
LARGEST_BATCH = 4_096
MOST_PROCESSES = 512
Dtype = Literal["float32", "float16"]


def _devices() -> tuple[str, ...]:
    return (AUTO, *device_names())


@dataclass(frozen=True)
class EmbedOptions:
    """How ``pitome embed`` works."""

    out: Annotated[Path, Option("Folder of the embeddings; one that is there is gone on with.")]
    modality: Annotated[
        Modality | None,
        Option(
            "What is embedded, where the bundle takes both; images by default.", choices=("image", "text")
        ),
    ] = None
    column: Annotated[
        str | None,
        Option("Where a table has the texts (text), or the images as paths or bytes (image)."),
    ] = None
    id_column: Annotated[
        str | None, Option("Column of the ids; by default the path, in a table with its row.")
    ] = None
    keep: Annotated[
        tuple[str, ...], Option("Column of a table to pass through; may be repeated.", repeated=True)
    ] = ()
    shard_rows: Annotated[int, Option("Rows of a shard.", minimum=1, maximum=LARGEST_SHARD)] = 4_096
    batch_size: Annotated[
        int, Option("Inputs that run at a time; the last ones are padded.", minimum=1, maximum=LARGEST_BATCH)
    ] = 32
    dtype: Annotated[Dtype, Option("Numbers of the embeddings.", choices=("float32", "float16"))] = "float32"
    truncate: Annotated[bool, Option("Cut texts that are too long; else they go to errors.parquet.")] = False
    prompt: Annotated[str | None, Option("Name of a prompt of the checkpoint's that precedes texts.")] = None
    device: Annotated[
        str, Option("Where it runs; the best that this machine has by default.", choices=_devices)
    ] = AUTO
    backend: Annotated[
        str, Option("What runs it; the best that this machine has by default.", choices=RUN_BACKENDS)
    ] = AUTO
    precision: Annotated[
        str | None, Option("Of the model; what suits the device by default.", choices=PRECISIONS)
    ] = None
    threads: Annotated[
        int | None,
        Option(
            "Threads of onnxruntime; as many as there are cores by default.",
            minimum=1,
            maximum=MOST_PROCESSES,
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Processes that decode images; as many as there are cores by default.",
            minimum=1,
            maximum=MOST_PROCESSES,
        ),
    ] = None
    allow_random: Annotated[bool, Option("Take a bundle of random weights, too.")] = False
    ray: Annotated[
        str | None,
        Option("Address of a Ray cluster (auto: the one of this machine) that computes the shards."),
    ] = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name, value in (("--column", self.column), ("--id-column", self.id_column)):
            if value == "":
                raise InputError(f"{name} with an empty name", "no column is named so", "Name a column")
        twice = {name for name in self.keep if self.keep.count(name) > 1}
        if twice:
            raise InputError(f"--keep {sorted(twice)[0]}", "it is given twice", "Give each column once")
