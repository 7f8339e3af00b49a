"""The input of a loaded model is its checkpoint's own: as its processor makes it, or refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pitome.bundle import ResizeRecord
from pitome.errors import ImageError, InputError
from pitome.images.transform import image_tensor
from pitome.models.loading import LoadedModel, load_model
from pitome.validate.checked_inputs import checked_inputs
from tests.cli.command_line import pitome
from tests.pitome.images.grid import pictures
from tests.pitome.models.refused_processors import REFUSED
from tests.shared import shared_folder
from tests.tiny_models import tiny_model

CLASSES = {
    "clip": "CLIPVisionModelWithProjection",
    "vit": "ViTForImageClassification",
    "deit": "DeiTForImageClassificationWithTeacher",
    "dinov2": "Dinov2Model",
}
PROCESSORS = {
    "clip": "CLIPImageProcessor",
    "vit": "ViTImageProcessor",
    "deit": "DeiTImageProcessor",
    "dinov2": "BitImageProcessor",
}
SMALL = {"size": {"height": 32, "width": 32}, "crop_size": {"height": 32, "width": 32}}
NO_FILE = "there is no preprocessor_config.json"
Checkpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of each family for 32 pixels, and of ViT for other channels, without a processor."""

    def make(folder: Path) -> None:
        sizes = {"image_size": 32, "num_hidden_layers": 1}
        for family, name in CLASSES.items():
            tiny_model(name, **sizes).save_pretrained(folder / family)
        for channels in (1, 2, 4):
            for family in ("vit", "clip"):
                model = tiny_model(CLASSES[family], **sizes, num_channels=channels)
                model.save_pretrained(folder / f"{family}-{channels}")

    return shared_folder(tmp_path_factory, "image-inputs", make)


@pytest.fixture
def checkpoint(saved: Path, tmp_path: Path) -> Checkpoint:
    """``checkpoint(family, content)``: its folder, with that preprocessor_config.json."""

    def make(family: str, content: dict[str, Any] | str | None = None, **files: Any) -> Path:
        folder = Path(shutil.copytree(saved / family, tmp_path / "model"))
        if isinstance(content, dict):
            files["preprocessor_config"] = {
                "image_processor_type": PROCESSORS[family.partition("-")[0]]
            } | content
        elif content is not None:
            (folder / "preprocessor_config.json").write_text(content)
        for name, value in files.items():
            (folder / f"{name}.json").write_text(json.dumps(value))
        return folder

    return make


def assert_as_its_owner_runs_it(folder: Path, loaded: LoadedModel) -> None:
    """What transformers makes of images that lies beside the weights, to 1e-6."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    record = loaded.image_preprocess
    assert type(processor).__name__ == f"{record.processor}Pil"
    for picture in pictures()[:3]:
        image = picture.resize((41, 41)) if record.fixed_size is None else picture
        if record.resize is None and record.fixed_size is None:
            image = picture.resize((32, 32))
        wanted = np.asarray(processor(images=image)["pixel_values"][0])
        found = image_tensor(image, record)
        assert found.shape == wanted.shape == (3, record.height, record.width)
        assert np.abs(found - wanted).max() <= 1e-6
    assert loaded.image_size == record.height == loaded.config["image_size"]
    assert loaded.model.config.image_size == record.height


HONOURED: dict[str, tuple[str, dict[str, Any]]] = {
    "no rescaling": ("vit", {"do_rescale": False, **SMALL}),
    "another factor": ("clip", {"rescale_factor": 1 / 127.5, "size": 32, "crop_size": 32}),
    "no resizing": ("vit", {"do_resize": False}),
    "no resizing, cropped": ("clip", {"do_resize": False, "crop_size": 32}),
    "no normalising": ("deit", {"do_normalize": False, **SMALL}),
    "nothing at all": ("vit", {"do_resize": False, "do_rescale": False, "do_normalize": False}),
    "nearest": ("vit", {"resample": 0, **SMALL}),
    "Lanczos": ("vit", {"resample": 1, **SMALL}),
    "box": ("vit", {"resample": 4, **SMALL}),
    "Hamming": ("vit", {"resample": 5, **SMALL}),
    "one number for all channels": ("vit", {"image_mean": 0.5, "image_std": 0.25, **SMALL}),
    "the longer edge is limited": (
        "clip",
        {"size": {"shortest_edge": 32, "longest_edge": 36}, "crop_size": 32},
    ),
    "a crop that is larger than the image": ("clip", {"size": {"shortest_edge": 20}, "crop_size": 32}),
    "a bare size of a class that squashes": ("vit", {"size": 32}),
    "a bare size of a class that keeps proportions": ("clip", {"size": 40, "crop_size": 32}),
    "a list of two": ("vit", {"size": [32, 32]}),
    "a squash that is not square, and a square crop": (
        "deit",
        {"size": {"height": 40, "width": 36}, "crop_size": {"height": 32, "width": 32}},
    ),
    "null is no value": ("deit", {"do_center_crop": None, "crop_size": None, "nobody": None, "size": 32}),
    "null switches off": ("vit", {"do_rescale": None, "rescale_factor": None, "do_normalize": None, **SMALL}),
    "an old name": (
        "vit",
        {"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor"} | SMALL,
    ),
    "a fast one": ("clip", {"image_processor_type": "CLIPImageProcessorFast", "size": 32, "crop_size": 32}),
    "another class than the family's": (
        "vit",
        {"image_processor_type": "ConvNextImageProcessor", "size": 32},
    ),
    "crop_pct": (
        "vit",
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.7},
    ),
    "fields that change no pixel": (
        "vit",
        {"processor_class": "X", "do_reduce_labels": True, "data_format": "channels_first", **SMALL},
    ),
    "only proportions": ("vit", {"size": {"shortest_edge": 32}}),
}


@pytest.mark.parametrize("case", HONOURED)
def test_a_file_is_honoured(case: str, checkpoint: Checkpoint) -> None:
    folder = checkpoint(*HONOURED[case])
    assert_as_its_owner_runs_it(folder, load_model(str(folder)))


@pytest.mark.parametrize(
    ("family", "resize", "crops"),
    [
        ("clip", ResizeRecord(shortest_edge=224, resample=3), ((224, 224),)),
        ("vit", ResizeRecord(height=224, width=224, resample=2), ()),
        ("deit", ResizeRecord(height=256, width=256, resample=3), ((224, 224),)),
        ("dinov2", ResizeRecord(shortest_edge=224, resample=3), ((224, 224),)),
    ],
)
def test_what_a_file_leaves_out_is_its_classs_own(
    family: str, resize: ResizeRecord, crops: Any, checkpoint: Checkpoint
) -> None:
    folder = checkpoint(family, {})
    loaded = load_model(str(folder), image_size=224)
    found = loaded.image_preprocess
    assert (found.resize, found.crops, found.processor) == (resize, crops, PROCESSORS[family])
    assert_as_its_owner_runs_it(folder, loaded)


def test_processor_config_alone_with_its_nested_processor(checkpoint: Checkpoint) -> None:
    """As transformers 5.23 saves a CLIP."""
    from transformers import CLIPImageProcessorPil, CLIPProcessor, CLIPTokenizer

    folder = checkpoint("clip")
    (folder / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1}')
    (folder / "merges.txt").write_text("#version: 0.2\n")
    own = CLIPImageProcessorPil(
        size={"shortest_edge": 36},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.1, 0.2, 0.3],
        resample=1,
    )
    CLIPProcessor(own, CLIPTokenizer.from_pretrained(folder)).save_pretrained(folder)
    assert not (folder / "preprocessor_config.json").exists()
    loaded = load_model(str(folder))
    assert loaded.notes == ()
    found = loaded.image_preprocess
    assert (found.mean, found.resize) == ((0.1, 0.2, 0.3), ResizeRecord(shortest_edge=36, resample=1))
    assert_as_its_owner_runs_it(folder, loaded)


def test_of_two_files_the_nested_one_counts_and_that_is_said(checkpoint: Checkpoint) -> None:
    nested = {"image_processor": {"image_processor_type": "ViTImageProcessor", "image_mean": 0.3, **SMALL}}
    folder = checkpoint("vit", {"image_mean": 0.7, **SMALL}, processor_config=nested)
    loaded = load_model(str(folder))
    assert loaded.image_preprocess.mean == (0.3, 0.3, 0.3)
    (note,) = loaded.notes
    assert (
        note
        == "processor_config.json goes before preprocessor_config.json, which says other things of images"
    )
    assert_as_its_owner_runs_it(folder, loaded)


def test_a_processor_config_without_images_says_nothing_of_them(checkpoint: Checkpoint) -> None:
    folder = checkpoint("vit", SMALL, processor_config={"processor_class": "CLIPProcessor"})
    loaded = load_model(str(folder))
    assert not loaded.notes
    assert_as_its_owner_runs_it(folder, loaded)


def test_no_class_is_named(checkpoint: Checkpoint) -> None:
    folder = checkpoint("deit", json.dumps(SMALL))
    loaded = load_model(str(folder))
    (note,) = loaded.notes
    assert note == (
        "preprocessor_config.json names no class: DeiTImageProcessor, that of the model's type, is taken"
    )
    assert_as_its_owner_runs_it(folder, loaded)


@pytest.mark.parametrize("family", CLASSES)
def test_no_file_is_said(family: str, checkpoint: Checkpoint) -> None:
    loaded = load_model(str(checkpoint(family)))
    (note,) = loaded.notes
    assert note.startswith(
        f"{NO_FILE} and no processor_config.json with an image_processor, so {family}'s usual"
    )
    assert (loaded.image_size, loaded.image_preprocess.processor) == (32, None)


def test_an_old_deit_file_is_read_as_transformers_does(checkpoint: Checkpoint) -> None:
    old = {
        "feature_extractor_type": "DeiTFeatureExtractor",
        "size": 256,
        "crop_size": 224,
        "do_center_crop": True,
    }
    folder = checkpoint("deit", json.dumps(old))
    loaded = load_model(str(folder), image_size=224)
    assert loaded.image_preprocess.resize == ResizeRecord(height=256, width=256, resample=3)
    assert loaded.notes == (
        "size 256 is read as transformers does: images become 256 x 256 before 224 x 224 are cut out, where "
        "the original recipe made 256 of the shorter edge",
    )
    assert_as_its_owner_runs_it(folder, loaded)


# Sizes


def test_the_models_size_counts_unless_another_is_asked_for(checkpoint: Checkpoint) -> None:
    folder = checkpoint("clip", {"size": 72, "crop_size": 64})
    loaded = load_model(str(folder))
    found = loaded.image_preprocess
    assert (loaded.image_size, found.crops, found.resize) == (
        32,
        ((32, 32),),
        ResizeRecord(shortest_edge=36, resample=3),
    )
    assert loaded.notes == (
        "images are of 32 pixels, which the model is made for (see IMAGE_SIZE); preprocessor_config.json is "
        "for 64, and was scaled",
    )
    asked = load_model(str(folder), image_size=64)
    assert (asked.image_size, asked.notes) == (64, ())
    assert_as_its_owner_runs_it(folder, asked)
    other = load_model(str(folder), image_size=48)
    assert other.image_preprocess.resize == ResizeRecord(shortest_edge=54, resample=3)
    assert other.notes == (
        "images are of 48 pixels, as IMAGE_SIZE says; preprocessor_config.json is for 64, and was scaled",
    )


def test_dinov2_is_used_at_its_processors_size_and_that_is_said(checkpoint: Checkpoint) -> None:
    folder = checkpoint("dinov2", {"size": 72, "crop_size": 64})
    loaded = load_model(str(folder))
    assert loaded.image_size == 64
    (note,) = loaded.notes
    assert note == (
        "the model is made for 32 pixels and gets 64, as its preprocessing says: its position embeddings are "
        "interpolated"
    )
    assert_as_its_owner_runs_it(folder, loaded)
    from transformers import AutoModel

    pixels = torch.from_numpy(image_tensor(pictures()[0], loaded.image_preprocess))[None]
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(folder)(pixels).last_hidden_state
        ours = loaded.model(pixels).last_hidden_state
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (
            {"do_resize": False},
            "only images that come to 32 x 32 by themselves fit: its preprocessing does not resize",
        ),
        (
            {"size": {"shortest_edge": 32}},
            "only images that come to 32 x 32 by themselves fit: its preprocessing crops nothing off",
        ),
    ],
)
def test_only_images_of_the_models_size_fit(
    content: dict[str, Any], note: str, checkpoint: Checkpoint
) -> None:
    loaded = load_model(str(checkpoint("vit", content)))
    assert loaded.notes == (note,)
    square, wide = Image.new("RGB", (32, 32)), Image.new("RGB", (50, 32))
    assert image_tensor(square, loaded.image_preprocess).shape == (3, 32, 32)
    with pytest.raises(ImageError, match=r"it is 50 x 32 and comes to 50 x 32, the model takes 32 x 32"):
        image_tensor(wide, loaded.image_preprocess)
    real = checked_inputs(loaded, 2).real.inputs["pixel_values"]
    assert (real.shape, len({each.numpy().tobytes() for each in real})) == ((20, 3, 32, 32), 20)


# Channels


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("family", ["vit", "clip"])
def test_one_and_four_channels(family: str, channels: int, checkpoint: Checkpoint) -> None:
    content = {"do_convert_rgb": False, "image_mean": [0.4] * channels, "image_std": 0.25} | SMALL
    folder = checkpoint(f"{family}-{channels}", content)
    loaded = load_model(str(folder))
    assert (loaded.image_preprocess.channels, loaded.notes) == (channels, ())
    inputs = checked_inputs(loaded, 2)
    assert inputs.real.inputs["pixel_values"].shape == (20, channels, 32, 32)
    assert inputs.random.inputs["pixel_values"].shape == (2, channels, 32, 32)
    with torch.no_grad():
        loaded.model(inputs.real.inputs["pixel_values"])
    if channels == 4:  # alpha is a channel like the others: opaque
        assert (inputs.real.inputs["pixel_values"][:, 3] == (1 - np.float32(0.4)) / np.float32(0.25)).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_without_a_file(channels: int, checkpoint: Checkpoint) -> None:
    loaded = load_model(str(checkpoint(f"vit-{channels}")))
    (note,) = loaded.notes
    assert f"vit's usual preprocessing, for {channels} channels, is assumed" in note
    assert (loaded.image_preprocess.mean, loaded.image_preprocess.std) == ((0.5,) * channels,) * 2


# Refusals

IN_THE_COMMAND = (
    "mean of two",
    "NaN",
    "not square",
    "an unknown field",
    "a class without a Pil form",
    "two channels",
)


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_by_its_fields_name(case: str, checkpoint: Checkpoint) -> None:
    family, content, message = REFUSED[case]
    folder = checkpoint(family, content)
    with pytest.raises(InputError) as refused:
        load_model(str(folder))
    assert message in str(refused.value)
    assert family == "vit-2" or str(folder / "preprocessor_config.json") in refused.value.asked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"image_processor": []}, "its image_processor is [], not an object"),
        (
            {"image_processor": {"image_processor_type": "ViTImageProcessor", "image_std": 0}},
            "its image_std is 0",
        ),
    ],
)
def test_a_nested_processor_is_refused_by_its_own_file(
    content: dict[str, Any], message: str, checkpoint: Checkpoint
) -> None:
    folder = checkpoint("vit", processor_config=content)
    with pytest.raises(InputError) as refused:
        load_model(str(folder))
    assert str(refused.value).startswith(f"the file {folder / 'processor_config.json'}: {message}")


@pytest.mark.parametrize("case", IN_THE_COMMAND)
def test_the_command_refuses_it_before_anything_long(case: str, checkpoint: Checkpoint) -> None:
    family, content, message = REFUSED[case]
    folder = checkpoint(family, content)
    outcome = pitome("engine", folder, "--dry-run", "--out", folder.parent / "build")
    assert (outcome.code, outcome.out, message in outcome.message) == (2, "", True)
    assert (outcome.message.count("error: "), sorted(folder.parent.iterdir())) == (1, [folder])


def test_the_command_says_what_was_assumed(checkpoint: Checkpoint) -> None:
    outcome = pitome("engine", checkpoint("vit"), "--dry-run")
    assert (outcome.code, NO_FILE in outcome.err + outcome.out) == (0, True)
