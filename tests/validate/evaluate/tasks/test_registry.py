"""Tasks by name, for a tiny CLIP and for models that they do not fit."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.evaluate.tasks.image_text import ZeroShotClassification
from pitome.validate.evaluate.tasks.registry import default_tasks, make_task
from tests.validate.evaluate.function_runtime import FunctionRuntime
from tests.validate.evaluate.tasks.small_clip import PROJECTION, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder)
    return load_model(str(folder))


def write_images(folder, count=6, names=("ant", "bee")):
    generator = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for place in range(count):
            noise = generator.integers(0, 256, (20, 18, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{place}.png")


def test_zero_shot_on_a_folder_of_the_users(clip, tmp_path):
    write_images(tmp_path)
    task = make_task(f"imagefolder:{tmp_path}", clip, limit=4)
    assert isinstance(task, ZeroShotClassification)
    score = task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert score.metrics["accuracy"].shape == (4,)
    assert set(score.details["per_class"]) <= {"ant", "bee"}
    assert task.samples("validation", slice(0, 1)).inputs["pixel_values"].shape == (1, 3, 16, 16)


IDS = ("n01440764", "n01443537")


def test_zero_shot_takes_the_words_of_wordnet_ids_from_a_file(clip, tmp_path):
    write_images(tmp_path / "named")
    write_images(tmp_path / "ids", names=IDS)
    (tmp_path / "ids" / "classes.txt").write_text("n01440764 ant, an ant\nn01443537 bee\n")
    named, ids = (make_task(f"imagefolder:{tmp_path / folder}", clip) for folder in ("named", "ids"))
    encoder = PyTorchRuntime(clip.model, ("image_embeds",))
    expected, found = named.score(encoder, "test"), ids.score(encoder, "test")
    assert found.metrics["accuracy"].tolist() == expected.metrics["accuracy"].tolist()
    assert torch.equal(ids._class_vectors, named._class_vectors)
    assert set(found.details["per_class"]) == set(IDS)


def test_zero_shot_refuses_wordnet_ids_of_which_some_have_no_words(clip, tmp_path):
    write_images(tmp_path, names=IDS)
    (tmp_path / "classes.txt").write_text("n01440764 tench\n")
    with pytest.raises(InputError) as caught:
        make_task(f"imagefolder:{tmp_path}", clip)
    assert "1 of them are WordNet ids without words (n01443537)" in str(caught.value)
    assert f"Write {tmp_path / 'classes.txt'} with a line for each class" in str(caught.value)
    (tmp_path / "classes.txt").write_text("n01440764 tench\nn01443537\n")
    with pytest.raises(InputError, match=r"line 2 of .*classes\.txt: it has no words for the class"):
        make_task(f"imagefolder:{tmp_path}", clip)


def test_a_split_that_is_not_used_is_not_read(clip, tmp_path):
    write_images(tmp_path / "val")
    for name in ("ant", "bee"):
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "val" / "ant" / "broken.jpg").write_bytes(b"no image")
    task = make_task(f"imagefolder:{tmp_path}", clip)
    assert task.skipped == ()
    task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert task.count("test") == 12
    assert [(part.count, part.reason) for part in task.skipped] == [(1, "the image can't be used")]
    with pytest.raises(InputError, match="none of the 2 files that were chosen can be used"):
        task.count("validation")


def test_captions_of_a_split_that_is_not_used_are_not_embedded(clip, tmp_path, monkeypatch):
    from pitome.validate.evaluate.text_tower import TextTower

    for place in range(6):
        Image.new("RGB", (18, 18), (30 * place, 0, 0)).save(tmp_path / f"{place}.png")
    entries = [
        {
            "filename": f"{place}.png",
            "split": "test" if place < 4 else "val",
            "sentences": [{"raw": f"{place} bee"}, {"raw": f"{place} ant"}],
        }
        for place in range(6)
    ]
    (tmp_path / "dataset.json").write_text(json.dumps({"images": entries}))
    embedded = []
    embed = TextTower.embed
    monkeypatch.setattr(
        TextTower, "embed", lambda self, captions: embedded.extend(captions) or embed(self, captions)
    )
    name = f"karpathy:{tmp_path / 'dataset.json'}:{tmp_path}"
    task = make_task(name, clip, limit=3)
    assert embedded == []
    score = task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert len(embedded) == score.details["captions"] == 6
    assert {caption[0] for caption in embedded} < set("0123")
    task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert len(embedded) == 6  # kept
    again = make_task(name, clip, limit=3)
    again.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert embedded[6:] == embedded[:6]


def test_retrieval_on_karpathys_splits(clip, tmp_path):
    entries = []
    for place in range(8):
        Image.new("RGB", (18, 18), (30 * place, 0, 255 - 30 * place)).save(tmp_path / f"{place}.png")
        texts = ["a photo of a ant", "the bee", "an image", "a picture of the ant", "bee"]
        split = "test" if place < 5 else "val"
        entries.append(
            {"filename": f"{place}.png", "split": split, "sentences": [{"raw": text} for text in texts]}
        )
    (tmp_path / "dataset.json").write_text(json.dumps({"images": entries}))
    task = make_task(f"karpathy:{tmp_path / 'dataset.json'}:{tmp_path}", clip)
    score = task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert len(score.metrics) == 6
    assert score.metrics["image to caption recall@1"].shape == (5,)
    assert score.metrics["caption to image recall@10"].shape == (25,)
    # All images have the same captions: a tie with another image's caption is no hit, so nothing is found.
    assert score.mean("image to caption recall@1") == 0
    assert score.mean("caption to image recall@10") == 1
    assert task.count("validation") == 3


def test_a_classifier_on_a_folder_with_its_labels(clip, tmp_path):
    write_images(tmp_path)
    config = clip.config | {"id2label": {0: "wasp", 1: "bee", 2: "ant"}}
    classifier = dataclasses.replace(clip, task="image-classification", config=config)
    task = make_task(f"imagefolder:{tmp_path}", classifier)

    @FunctionRuntime
    def all_ants(inputs):
        return {"logits": torch.eye(3)[[2] * len(inputs["pixel_values"])]}

    score = task.score(all_ants, "test")
    assert score.details["per_class"]["ant"]["accuracy"] == 1
    assert score.details["per_class"]["bee"]["accuracy"] == 0


def classifier_of(clip, *labels):
    return dataclasses.replace(
        clip, task="image-classification", config=clip.config | {"id2label": dict(enumerate(labels))}
    )


def test_one_folder_that_is_named_by_a_label_makes_the_others_mistakes(clip, tmp_path):
    write_images(tmp_path)
    with pytest.raises(InputError) as caught:
        make_task(f"imagefolder:{tmp_path}", classifier_of(clip, "cat", "bee"))
    assert "the model has 2 labels (cat, bee), and 1 of the 2 classes are none of them (ant)" in str(
        caught.value
    )


UNLABELLED = [
    (("ant", "bee"), "image-classification", "(ant, bee) are no labels of the model"),
    (("ant", "bee", "cow", "emu"), "image-classification", "(ant, bee, cow, ...) are no labels of the model"),
    (("ant", "bee"), "image-features", "(ant, bee) are no labels: the model computes image-features"),
    (
        IDS,
        "image-embedding",
        "(n01440764, n01443537) are WordNet ids, and there is no classes.txt with words",
    ),
    ((), "image-classification", "has no class folders"),
]


@pytest.mark.parametrize(("names", "computes", "reason"), UNLABELLED)
def test_folders_without_labels_are_judged_without_them(clip, tmp_path, names, computes, reason):
    write_images(tmp_path, names=names or (".",))
    model = dataclasses.replace(classifier_of(clip, "cat", "dog"), task=computes)
    task = make_task(f"imagefolder:{tmp_path}", model)
    assert task.name == f"images:{tmp_path}"
    assert task.in_place_of.startswith(f"the class folders of imagefolder:{tmp_path} " if names else "image")
    assert reason in task.in_place_of
    assert task.count("test") == task.count("validation") == 6 * (len(names) or 1)
    assert make_task(task.name, model).in_place_of is None


def test_a_clip_without_its_text_tower_has_no_labels(tmp_path):
    from tests.tiny_models import tiny_model

    tiny_model("CLIPVisionModelWithProjection").save_pretrained(tmp_path / "tower")
    write_images(tmp_path / "photos")
    task = make_task(f"imagefolder:{tmp_path / 'photos'}", load_model(str(tmp_path / "tower")))
    assert task.name == f"images:{tmp_path / 'photos'}"
    assert "(ant, bee) are no labels: the checkpoint has no text tower that reads them" in task.in_place_of


def test_of_training_and_test_folders_the_latter_are_judged(clip, tmp_path):
    write_images(tmp_path / "train", 4)
    write_images(tmp_path / "val", 2)
    task = make_task(f"imagefolder:{tmp_path}", classifier_of(clip, "cat", "dog"))
    assert (task.name, task.count("test")) == (f"images:{tmp_path / 'val'}", 4)


def test_own_data_needs_two_samples_and_a_model_that_takes_them(clip, tmp_path):
    write_images(tmp_path, 1, names=(".",))
    with pytest.raises(InputError, match="1 sample can be used; an interval needs at least two"):
        make_task(f"images:{tmp_path}", clip)
    (tmp_path / "a.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"the model takes images\. Give images:FOLDER"):
        make_task(f"texts:{tmp_path / 'a.txt'}", clip)


def test_a_classifier_on_wordnet_ids_with_two_equal_labels(clip, tmp_path):
    """ImageNet's models call 134 and 517 "crane"."""
    write_images(tmp_path, names=IDS)
    config = clip.config | {"id2label": {0: "crane", 1: "crane"}}
    classifier = dataclasses.replace(clip, task="image-classification", config=config)
    task = make_task(f"imagefolder:{tmp_path}", classifier)
    score = task.score(
        FunctionRuntime(lambda inputs: {"logits": torch.eye(2)[[0] * len(inputs["pixel_values"])]}), "test"
    )
    assert score.details["per_class"] == {
        "crane (0)": {"count": 5, "accuracy": 1.0},
        "crane (1)": {"count": 5, "accuracy": 0.0},
    }


def test_photos_for_any_image_model(clip):
    assert default_tasks(clip) == ("photos",)
    task = make_task("photos", clip, limit=2)
    encoder = PyTorchRuntime(clip.model, ("image_embeds",))
    task.prepare(encoder)
    score = task.score(encoder, "test")
    assert score.mean() == pytest.approx(1, abs=1e-6)
    assert task.samples("test").inputs["pixel_values"].shape == (2, 3, 16, 16)
    assert clip.config["projection_dim"] == PROJECTION


def test_a_checkpoint_that_says_it_was_trained_on_fashion_mnist(clip, tmp_path):
    (tmp_path / "training.json").write_text(json.dumps({"data": {"name": "Fashion-MNIST"}}))
    fashion = dataclasses.replace(clip, folder=tmp_path)
    assert default_tasks(fashion) == ("fashion-mnist-zero-shot", "fashion-mnist-retrieval")
    classifier = dataclasses.replace(fashion, task="image-classification")
    assert default_tasks(classifier) == ("fashion-mnist",)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mnist", "there is none of this name. Choose one of r8, r52"),
        ("imagefolder:", "the task imagefolder: it does not say on which data. Write imagefolder:FOLDER"),
        ("images:", "the task images: it does not say on which data. Write images:FOLDER"),
        ("images::", "there is no folder :"),
        ("r8", "it needs a text encoder, and the model computes image-embedding. Choose photos"),
        ("fashion-mnist", "it needs image-classification at 28 px"),
        ("fashion-mnist-retrieval", "it needs image-embedding at 28 px"),
        ("karpathy:only.json", "it names no folder of images. Write karpathy:JSON:IMAGES"),
        ("imagefolder:/no/such/folder", "there is no such folder"),
        ("karpathy:/no/such.json:/no/such/folder", "the captions /no/such.json: there is no such file"),
    ],
)
def test_tasks_that_can_not_be_made(clip, name, found):
    with pytest.raises(InputError) as caught:
        make_task(name, clip)
    assert found in str(caught.value)


def test_one_sample_is_too_few(clip):
    with pytest.raises(InputError, match="1 samples: an interval needs at least two"):
        make_task("photos", clip, limit=1)


def test_a_text_model_without_a_tokeniser(clip, monkeypatch):
    from pitome.validate.evaluate.datasets import text_corpora
    from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts

    texts = LabelledTexts(("a", "b") * 20, np.arange(40) % 2, ("x", "y"))
    monkeypatch.setattr(text_corpora, "read_corpus", lambda name, split: texts)
    model = dataclasses.replace(clip, task="text-features")
    with pytest.raises(InputError, match=r"the model has no tokeniser\. Give a checkpoint folder"):
        make_task("r8", model)
