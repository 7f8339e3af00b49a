"""What a run left, and what it should have left, by a loop that anybody can follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import pitome
from pitome.runtime.onnxruntime import OnnxRuntime
from tests.cli.command_line import contents


def shards_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.parquet"))


def rows_of(folder: Path) -> pa.Table:
    """All shards in one table."""
    return pa.concat_tables([parquet.read_table(path) for path in shards_of(folder)])


def vectors_of(folder: Path) -> np.ndarray:
    return np.stack(rows_of(folder).column("embedding").to_numpy())


def errors_of(folder: Path) -> dict[str, str]:
    table = parquet.read_table(folder / "errors.parquet")
    assert table.column_names == ["id", "reason"]
    return {row["id"]: row["reason"] for row in table.to_pylist()}


def published(folder: Path) -> dict[str, bytes]:
    """Everything in the folder that is no lock."""
    return {name: content for name, content in contents(folder).items() if name != ".lock"}


def one_by_one(bundle: Path, images: Sequence[Path]) -> np.ndarray:
    """Each image by itself: decoded, preprocessed, run."""
    runtime = OnnxRuntime(bundle / "model.onnx", threads=1)
    found = [
        runtime.run({"pixel_values": pitome.preprocess(bundle, path)[None]}).outputs["image_embeds"]
        for path in images
    ]
    return np.concatenate(found)
