"""Tasks on datasets of the hub's library, which the test saves, with tiny models of each kind."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.evaluate.tasks.image_classification import ImageClassification
from pitome.validate.evaluate.tasks.image_text import ZeroShotClassification
from pitome.validate.evaluate.tasks.registry import make_task
from pitome.validate.evaluate.tasks.text_classification import TextClassification
from pitome.validate.evaluate.tasks.text_labels import TextLabels
from tests.tiny_models import tiny_model
from tests.validate.evaluate.datasets.small_hub import cut_off, images, save, texts
from tests.validate.evaluate.function_runtime import FunctionRuntime
from tests.validate.evaluate.tasks.small_clip import write_clip
from tests.validate.evaluate.tasks.small_text_models import WORDS, load_tiny_text_model

GOOD = WORDS.index("good")


@pytest.fixture(autouse=True)
def _cut_off(monkeypatch, tmp_path):
    cut_off(monkeypatch, tmp_path / "library")
    monkeypatch.setenv("PITOME_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder)
    return load_model(str(folder))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit") / "vit"
    labels = {0: "wasp", 1: "bee", 2: "ant"}
    model = tiny_model("ViTForImageClassification", num_labels=3)
    model.config.id2label, model.config.label2id = labels, {label: number for number, label in labels.items()}
    model.save_pretrained(folder)
    return load_model(str(folder))


def test_images_with_a_classifier(classifier, tmp_path):
    folder = save(tmp_path / "saved", train=images(8), test=images(12))
    task = make_task(f"hf:{folder}", classifier, limit=7)
    assert isinstance(task, ImageClassification)
    assert (task.count("test"), task.count("validation")) == (7, 7)
    score = task.score(PyTorchRuntime(classifier.model, ("logits",)), "test")
    assert score.metrics["accuracy"].shape == (7,)

    @FunctionRuntime
    def by_red_level(inputs):
        red = classifier.preprocess.mean[0] + classifier.preprocess.std[0] * inputs["pixel_values"]
        level = (255 * red[:, 0, 0, 0]).round().long()
        return {"logits": torch.eye(3)[2 - level % 2]}  # even: ant, odd: bee

    for split in ("validation", "test"):
        right = task.score(by_red_level, split)
        assert right.mean() == 1
        assert set(right.details["per_class"]) == {"ant", "bee"}


def test_zero_shot_with_a_clip(clip, tmp_path):
    folder = save(tmp_path / "saved", train=images(8), test=images(12))
    task = make_task(f"hf:{folder}", clip, limit=5)
    assert isinstance(task, ZeroShotClassification)
    score = task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert score.metrics["accuracy"].shape == (5,)
    assert set(score.details["per_class"]) == {"ant", "bee"}

    @FunctionRuntime
    def always_ant(inputs):
        return {"image_embeds": task._class_vectors[[0] * len(inputs["pixel_values"])]}

    assert task.score(always_ant, "test").details["per_class"]["ant"]["accuracy"] == 1
    assert task.score(always_ant, "test").details["per_class"]["bee"]["accuracy"] == 0


def test_zero_shot_on_class_folders(clip, tmp_path):
    for name, level in (("ant", 20), ("bee", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for place in range(6):
            Image.new("RGB", (20, 18), (level, place, 0)).save(tmp_path / "images" / name / f"{place}.png")
    task = make_task(f"hf:{tmp_path / 'images'}", clip)
    assert (task.count("validation"), task.count("test")) == (2, 10)
    score = task.score(PyTorchRuntime(clip.model, ("image_embeds",)), "test")
    assert score.details["per_class"].keys() == {"ant", "bee"}


def test_zero_shot_refuses_wordnet_ids(clip, tmp_path):
    folder = save(tmp_path / "saved", test=images(6, names=("n01440764", "n01443537")))
    with pytest.raises(InputError) as caught:
        make_task(f"hf:{folder}", clip)
    assert "2 of them are WordNet ids without words (n01440764, n01443537)" in str(caught.value)
    assert "Give a dataset whose classes have readable names" in str(caught.value)


def test_texts_with_a_fitted_head(tmp_path):
    encoder = load_tiny_text_model("BertModel", tmp_path / "bert")
    folder = save(tmp_path / "saved", train=texts(40), test=texts(12))
    task = make_task(f"hf:{folder}", encoder, limit=8)
    assert isinstance(task, TextClassification)
    assert (task.count("validation"), task.count("test")) == (8, 8)
    model = PyTorchRuntime(encoder.model, ("last_hidden_state",))
    task.prepare(model)
    score = task.score(model, "test")
    assert score.metrics["accuracy"].shape == (8,)
    assert score.mean() == 1  # the class is a word of the text
    assert score.details["documents"] == {"fit": 30, "validation": 8, "test": 8}


def test_a_head_needs_a_training_split(tmp_path):
    encoder = load_tiny_text_model("BertModel", tmp_path / "bert")
    folder = save(tmp_path / "saved", test=texts(12))
    with pytest.raises(InputError, match="there is no training split to fit a head to"):
        make_task(f"hf:{folder}", encoder)


@pytest.fixture
def judge(tmp_path):
    """A classifier of texts whose numbers are not the dataset's."""
    labels = {0: "good", 1: "bad"}
    return load_tiny_text_model("BertForSequenceClassification", tmp_path / "judge", id2label=labels)


def test_texts_with_logits(judge, tmp_path):
    folder = save(tmp_path / "saved", train=texts(30), test=texts(20))
    task = make_task(f"hf:{folder}", judge, limit=9)
    assert isinstance(task, TextLabels)
    assert (task.count("validation"), task.count("test")) == (9, 9)
    inputs = task.samples("test", slice(0, 4)).inputs
    assert inputs["input_ids"].shape == (4, judge.sequence_length)
    score = task.score(PyTorchRuntime(judge.model, ("logits",)), "test")
    assert score.metrics["accuracy"].shape == (9,)

    @FunctionRuntime
    def by_word(inputs):
        bad = (inputs["input_ids"] != GOOD).all(dim=1).long()
        return {"logits": torch.eye(2)[bad]}

    for split in ("validation", "test"):
        right = task.score(by_word, split)
        assert right.mean() == 1
        assert set(right.details["per_class"]) == {"good", "bad"}
    again = make_task(f"hf:{folder}", judge, limit=9)
    for split in ("validation", "test"):
        ids = [each.samples(split).inputs["input_ids"] for each in (task, again)]
        assert torch.equal(*ids)


def test_texts_of_a_split_that_is_not_used_are_not_read(judge, tmp_path):
    folder = save(tmp_path / "saved", train=texts(10, labelled=False), test=texts(6))
    task = make_task(f"hf:{folder}", judge)
    assert task.score(PyTorchRuntime(judge.model, ("logits",)), "test").metrics["accuracy"].shape == (6,)
    with pytest.raises(InputError, match="10 of its 10 rows have no label"):
        task.count("validation")


def test_labels_that_the_classifier_has_not(judge, tmp_path):
    folder = save(tmp_path / "saved", test=texts(8, names=("sad", "glad")))
    with pytest.raises(InputError) as caught:
        make_task(f"hf:{folder}", judge)
    assert "the model has 2 labels (good, bad), and 2 of the 2 classes are none of them (sad, glad)" in str(
        caught.value
    )


def test_texts_for_an_image_model_and_images_for_a_text_model(clip, judge, tmp_path):
    written, painted = save(tmp_path / "texts", test=texts(8)), save(tmp_path / "images", test=images(8))
    with pytest.raises(InputError, match="it needs a text model, and the model computes image-embedding"):
        make_task(f"hf:{written}", clip)
    with pytest.raises(InputError, match="it needs an image classifier, or a CLIP with its text tower"):
        make_task(f"hf:{painted}", judge)


def test_the_seed_chooses(judge, tmp_path):
    folder = save(tmp_path / "saved", test=texts(40))
    tasks = [make_task(f"hf:{folder}", judge, limit=12, seed=seed) for seed in (0, 0, 1)]
    chosen = [dataclasses.astuple(task._splits["test"])[0] for task in tasks]
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(len(set(each)) == 12 for each in chosen)
    assert np.array_equal(tasks[0]._splits["test"].labels, tasks[1]._splits["test"].labels)
