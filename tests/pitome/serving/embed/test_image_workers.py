"""Processes that decode images: one that dies takes no other image along."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pitome.bundle import ImagePreprocess
from pitome.errors import BackendError
from pitome.images.decoding import decode
from pitome.images.transform import transform
from pitome.serving.embed.image_workers import ImageWorkers
from pitome.serving.embed.items import Item
from pitome.serving.embed.prepared import Chunk, Prepared

pytestmark = pytest.mark.slow

# The model's pixels make a task of 4 MB hold five images.
PREPROCESS = ImagePreprocess.model_validate(
    {
        "height": 256,
        "width": 256,
        "channels": 3,
        "resize": {"height": 256, "width": 256, "resample": 2},
        "crops": (),
        "rescale_factor": 1 / 255,
        "mean": None,
        "std": None,
    }
)
DEADLY = 13
"""Width of the image that ends the process which decodes it, as a fault in a decoder would."""
FAULT = f"""
import os, signal
from PIL import Image
opened = Image.open
def fault(*arguments, **options):
    image = opened(*arguments, **options)
    if image.width == {DEADLY}:
        os.kill(os.getpid(), signal.SIGSEGV)
    return image
Image.open = fault
"""


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    pixels = np.random.default_rng(1)
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        width = DEADLY if number in (17, 18) else 20
        Image.fromarray(pixels.integers(0, 256, (16, width, 3), np.uint8)).save(path)
    return paths


def prepared(workers: ImageWorkers, paths: list[Path]) -> list[Prepared]:
    items = tuple(Item(path.name, str(path)) for path in paths)
    chunks = [
        Chunk(0, start, items[start : start + workers.rows]) for start in range(0, len(items), workers.rows)
    ]
    found = []
    for each in workers.prepare(chunks):
        arrays = {name: values.copy() for name, values in each.arrays.items()}
        found.append(Prepared(each.chunk, arrays, each.rows, each.failures, each.cut, each.remarks))
    return found


def check(found: list[Prepared], paths: list[Path], without: tuple[int, ...] = ()) -> None:
    rows = [each.chunk.start + row for each in found for row in each.rows]
    assert rows == [row for row in range(len(paths)) if row not in without]
    pixels = np.concatenate([each.arrays["pixel_values"] for each in found])
    for row, values in zip(rows, pixels, strict=True):
        assert np.array_equal(values, transform(decode(paths[row]).image, PREPROCESS))


def test_images_come_in_order(images: list[Path]) -> None:
    workers = ImageWorkers(PREPROCESS, "pixel_values", 3, "image")
    try:
        assert workers.rows == 5
        check(prepared(workers, images), images)
        check(prepared(workers, images[:7]), images[:7])
    finally:
        workers.close()


def test_an_image_that_ends_its_process(
    images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "sitecustomize.py").write_text(FAULT, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "faulty"))
    workers = ImageWorkers(PREPROCESS, "pixel_values", 2, "image")
    try:
        found = prepared(workers, images)
    finally:
        workers.close()
    failures = {each.chunk.start + row: reason for each in found for row, reason in each.failures.items()}
    assert failures == dict.fromkeys((17, 18), "the process that decoded it died (signal 11)")
    check(found, images, (17, 18))


def test_a_process_that_never_starts_is_an_error(images: list[Path]) -> None:
    workers = ImageWorkers(PREPROCESS, "pixel_values", 2, "image")
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for child in children:
            if b"pitome.serving.embed.decoding" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGSTOP)  # before it has started
                os.kill(int(child), signal.SIGKILL)
        with pytest.raises(BackendError, match=r"it does not start \(signal 9\)"):
            prepared(workers, images)
    finally:
        workers.close()
