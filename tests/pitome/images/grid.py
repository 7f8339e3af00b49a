"""Our preprocessing against the class in transformers that it stands for: classes x fields x images.

    python -m tests.pitome.images.grid [random cases of each class]

Every case goes the way of a build, checkpoint folder -> record, and the way of a bundle, record -> JSON ->
record -> tensor. What comes out must equal the class's Pil form to 1e-6; what we refuse, it must refuse too,
or make something that the model can't take.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pitome.bundle import ImagePreprocess
from pitome.bundle.preprocess_record import Channels
from pitome.errors import ImageError, InputError
from pitome.images.decoding import decode_image
from pitome.images.transform import MAX_RESIZED_PIXELS, transform
from pitome.models.image_processor import CLASSES, record_of
from pitome.models.processor_file import PREPROCESSOR, read_processor_file

TOLERANCE = 1e-6
SIZES = ((37, 53), (53, 37), (48, 48), (1, 1), (3, 150), (150, 3), (64, 32), (131, 97))
"""Width and height of the images."""
Fields = Mapping[str, Any]
CHOICES: Fields = {
    "do_resize": (True, False),
    "size": (
        24,
        33,
        [20, 28],
        {"height": 32, "width": 32},
        {"height": 20, "width": 31},
        {"shortest_edge": 32},
        {"shortest_edge": 29},
        {"shortest_edge": 400},
        {"shortest_edge": 32, "longest_edge": 40},
        {"shortest_edge": 30, "longest_edge": 33},
    ),
    "default_to_square": (True, False),
    "resample": (0, 1, 2, 3, 4, 5),
    "do_center_crop": (True, False),
    "crop_size": (24, [17, 25], {"height": 32, "width": 32}, {"height": 48, "width": 21}, 61),
    "do_rescale": (True, False),
    "rescale_factor": (1 / 127.5, 0.00392156862745098, 1 / 256, 1, -0.5),
    "do_normalize": (True, False),
    "image_mean": (0.5, 0, [0.5], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4], [0.5, 0.5]),
    "image_std": (0.5, 2, [0.25], [0.9, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]),
    "do_convert_rgb": (True, False),
}
OWN_CHOICES: Mapping[str, Fields] = {
    "ConvNextImageProcessor": {"crop_pct": (0.875, 0.9, 1, 1.1, 0.3), "size": ({"shortest_edge": 384},)},
    "CLIPImageProcessor": {"use_square_size": (True, False)},
}


@dataclass(frozen=True)
class Case:
    """A class, what a file says of it, and the channels of the model."""

    name: str
    fields: Fields
    channels: Channels = 3

    @property
    def content(self) -> dict[str, Any]:
        """Of the file."""
        return {"image_processor_type": self.name, **self.fields}


@dataclass
class Found:
    """What a number of cases came to."""

    cases: int = 0
    compared: int = 0
    largest: float = 0.0
    refused: int = 0
    unfit: int = 0

    def __str__(self) -> str:
        return (
            f"{self.cases:,} cases of {len(CLASSES)} classes: {self.compared:,} images compared, the largest "
            f"difference is {self.largest:.3g}; {self.unfit:,} images and {self.refused:,} cases refused, of "
            "which the classes make no input of the model either"
        )


def single_cases() -> Iterator[Case]:
    """The defaults of each class, and each value of each field alone."""
    for name in CLASSES:
        yield Case(name, {})
        for field, values in _choices(name).items():
            for value in values:
                yield Case(name, {field: value})


def random_cases(count: int, seed: int = 0) -> Iterator[Case]:
    """``count`` seeded combinations of fields of each class, a fifth for one and four channels each."""
    generator = random.Random(seed)
    for name in CLASSES:
        choices = _choices(name)
        for _ in range(count):
            share = generator.choice((0.2, 0.5, 0.8))
            chosen = {field: generator.choice(values) for field, values in choices.items()}
            fields = {field: value for field, value in chosen.items() if generator.random() < share}
            channels = generator.choice((1, 3, 3, 3, 4))
            if channels != 3 and generator.random() < 0.8:  # else nearly all would be refused
                fields |= {"do_convert_rgb": False, "image_mean": 0.4, "image_std": [0.25] * channels}
            yield Case(name, fields, channels)


def _choices(name: str) -> dict[str, Any]:
    own = OWN_CHOICES.get(name, {})
    found = {**own, **CHOICES}
    return {field: (*values, *own.get(field, ()), None) for field, values in found.items()}


def pictures() -> list[Image.Image]:
    """Seeded images of `SIZES`, smooth with noise in them; one of them is grey, one is transparent."""
    generator = np.random.default_rng(0)
    found = []
    for width, height in SIZES:
        slope = np.linspace(0, 200, width)[None, :, None] + np.linspace(0, 40, height)[:, None, None]
        noise = generator.integers(0, 16, (height, width, 4))
        found.append(Image.fromarray((slope + noise).astype(np.uint8)).convert("RGB"))
    alpha = Image.fromarray(generator.integers(0, 256, (40, 30, 4), np.uint8))
    return [*found, found[0].convert("L"), alpha]


def compare(case: Case, images: list[Image.Image], folder: Path, found: Found) -> None:
    """One case on all images; AssertionError where we and the class differ."""
    found.cases += 1
    decoded = [decode_image(image, case.channels) for image in images]
    try:
        record = record_in_a_bundle(case, folder)
    except InputError as refused:
        found.refused += 1
        expect(
            _drops_a_field(case) or not any(_makes_channels(case, each) for each in decoded), case, refused
        )
        return
    for image in decoded:
        try:
            ours = transform(image, record)
        except ImageError as refused:
            found.unfit += 1
            expect(_unfit(case, record, image), case, refused)
            continue
        wanted = reference(case, image)
        expect(ours.shape == wanted.shape, case, (image.size, ours.shape, wanted.shape))
        difference = float(np.abs(ours.astype(np.float64) - wanted.astype(np.float64)).max())
        expect(difference <= TOLERANCE and ours.dtype == np.float32, case, (image.size, difference))
        found.compared += 1
        found.largest = max(found.largest, difference)


def expect(true: bool, case: Case, found: object) -> None:
    """AssertionError that names the case."""
    assert true, f"{case}: {found}"


def record_in_a_bundle(case: Case, folder: Path) -> ImagePreprocess:
    """From a checkpoint's folder, through JSON."""
    (folder / PREPROCESSOR).write_text(json.dumps(case.content))
    file = read_processor_file(folder)
    assert file is not None
    record = record_of(file, None, case.channels, (32, 32)).preprocess
    return ImagePreprocess.model_validate_json(record.model_dump_json(), strict=True)


def reference(case: Case, image: Image.Image) -> Any:
    """What the class makes of a decoded image, [C, H, W]."""
    import transformers

    processor = getattr(transformers, f"{case.name}Pil")(**case.content)
    return np.asarray(processor(images=image)["pixel_values"][0])


def _makes_channels(case: Case, image: Image.Image) -> bool:
    try:
        return len(reference(case, image)) == case.channels
    except Exception:  # it has no error class of its own
        return False


def _drops_a_field(case: Case) -> bool:
    """These two leave longest_edge aside without a word; we refuse it."""
    size = case.fields.get("size")
    own_resize = case.name in ("ConvNextImageProcessor", "LevitImageProcessor")
    return own_resize and isinstance(size, dict) and "longest_edge" in size


def _unfit(case: Case, record: ImagePreprocess, image: Image.Image) -> bool:
    """The class makes no input of the model of it, or something that is refused for its size."""
    try:
        shape = reference(case, image).shape
    except Exception:
        return True
    resize = record.resize
    if resize is not None and resize.shortest_edge is not None:
        longer = resize.shortest_edge * max(image.size) / min(image.size)
        if longer * resize.shortest_edge > MAX_RESIZED_PIXELS:
            return True
    return bool(shape[1:] != (record.height, record.width))


def main() -> int:
    """Run the grid and say what it found."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    found, images = Found(), pictures()
    with tempfile.TemporaryDirectory() as folder:
        for case in (*single_cases(), *random_cases(count)):
            compare(case, images, Path(folder), found)
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
