"""The task of a name for a model, and the tasks that fit one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pitome.errors import InputError
from pitome.models.answers import answer_kind
from pitome.validate.evaluate.datasets.image_set import ImageSet, class_numbers
from pitome.validate.evaluate.tasks.fidelity import Fidelity, SampleSource
from pitome.validate.evaluate.tasks.own_task import images_in_place_of, own_task
from pitome.validate.evaluate.tasks.task_names import (
    ALL_PHOTOS,
    FASHION,
    FASHION_FIDELITY,
    FASHION_TASKS,
    FIDELITY_TASKS,
    FORMS,
    PHOTOS,
    RETRIEVAL,
    TEXT_TASKS,
    ZERO_SHOT,
    check_task_name,
)
from pitome.validate.own_data import IMAGES, TEXTS, Progress, read_own_data, user_path
from pitome.validate.task import Split, Task

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.models.loading import LoadedModel
    from pitome.models.tokenizer import Text
    from pitome.validate.evaluate.datasets.hub_dataset import HubDataset
    from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts
    from pitome.validate.evaluate.tasks.text_classification import TextClassification
    from pitome.validate.evaluate.text_tower import TextTower

NUM_TEST = {"20newsgroups": 1500}
"""Documents of the test split that are used where no limit is given; all of them for the other corpora."""
NUM_FIT, NUM_VALIDATION = 3000, 1000
"""Training documents that a head is fitted to, and that choices are made by."""
CLASS_TEMPLATES = ("a photo of a {}", "a picture of a {}", "a photo of the {}", "an image of a {}")
"""Captions of the classes of a user's data set."""
_EMBED_TEXTS = ("text-features", "text-embedding")
_SPLITS: tuple[Split, ...] = ("validation", "test")


def make_task(
    name: str,
    loaded: LoadedModel,
    limit: int | None = None,
    seed: int = 0,
    folder: Path | None = None,
    column: str | None = None,
    progress: Progress | None = None,
) -> Task:
    """A task for a model.

    Args:
        name: "r8", "r52", "20newsgroups", each also with "-fidelity" (text encoders); "fashion-mnist"
            (classifiers of 28 px), "fashion-mnist-zero-shot", "fashion-mnist-retrieval" (CLIPs of 28 px),
            "fashion-mnist-fidelity" (both);
            "photos" (image models), "photos-all" (the same, with every photo in both splits);
            or on data of the user's without labels "images:FOLDER" (flat or nested) and "texts:FILE" (.txt
            with a line each, .jsonl, .json, .csv or .tsv with a column), held against the unmerged model;
            or with labels "imagefolder:FOLDER" (classifiers, and zero-shot
            with a CLIP, whose captions take the words of each class from ``FOLDER/classes.txt`` where that
            is: lines such as "n01440764 tench"; else the folders' names; where these are no labels, it is
            as "images:FOLDER"),
            "hf:NAME[:CONFIGURATION][@REVISION]" or "hf:FOLDER" (the same, and texts), and
            "karpathy:JSON:IMAGES" (retrieval with a CLIP). A split of the user's data is read when it is
            first used, and of it only what ``limit`` leaves.
        loaded: the model; its tokeniser, image size, preprocessing and labels are used.
        limit: at most so many samples of each split (a seeded choice); a head is fitted to all it needs.
        seed: of every choice of samples.
        folder: where the idx files of Fashion-MNIST lie; None = their usual place.
        column: that the texts of "texts:FILE" stand in.
        progress: called with (what is done, done, total) where data is read that may be much.

    Raises:
        InputError: an unknown name, a task that does not fit the model, or data that can't be had.
    """
    if limit is not None and limit < 2:
        raise InputError(f"{limit} samples", "an interval needs at least two", "Ask for 2 or more")
    check_task_name(name, column)
    kind, colon, place = name.partition(":")
    if kind in (IMAGES, TEXTS):
        own = read_own_data(name, loaded, limit=limit, seed=seed, column=column, progress=progress)
        return own_task(own, loaded, _labels(loaded), seed=seed)
    if kind == "imagefolder":
        return _image_folder(name, place, loaded, limit, seed, progress)
    if colon:
        return {"hf": _hub, "karpathy": _karpathy}[kind](name, place, loaded, limit, seed)
    if name in TEXT_TASKS:
        return _corpus(name, loaded, limit, seed)
    if name in FIDELITY_TASKS:
        return _fidelity(name, _corpus(name.removesuffix("-fidelity"), loaded, limit, seed), loaded)
    if name in FASHION_TASKS:
        return _fashion(name, loaded, limit, seed, folder)
    from pitome.validate.evaluate.datasets.photo_views import PhotoViews

    _require(name, loaded, loaded.family.modality == "image", "an image model")
    views = PhotoViews(loaded.image_preprocess, limit, undivided=name == ALL_PHOTOS)
    return Fidelity(name, views, views.photos, answer_kind(loaded.model.config))


def _fidelity(name: str, source: SampleSource, loaded: LoadedModel) -> Fidelity:
    return Fidelity(name, source, answers=answer_kind(loaded.model.config))


def default_tasks(loaded: LoadedModel) -> tuple[str, ...]:
    """Names of the tasks that fit a model and need no data of the user's; none where nothing fits."""
    if loaded.family.modality == "text":
        return ("r8", "20newsgroups") if loaded.task in _EMBED_TEXTS else ()
    if _is_of_fashion(loaded):
        return {"image-classification": (FASHION,), "image-embedding": (ZERO_SHOT, RETRIEVAL)}.get(
            loaded.task, (PHOTOS,)
        )
    return (PHOTOS,)


def text_encoder(loaded: LoadedModel) -> Callable[[Sequence[Text]], dict[str, Tensor]]:
    """Texts -> the model's inputs.

    Raises:
        InputError: the model has no tokeniser.
    """
    from pitome.models.tokenizer import encode_texts

    tokenizer = loaded.tokenizer
    if tokenizer is None:
        raise InputError(
            f"texts for {loaded.name}",
            "the model has no tokeniser",
            "Give a checkpoint folder with a tokenizer.json",
        )
    return lambda texts: encode_texts(tokenizer, texts, loaded.num_token_types)


def _is_of_fashion(loaded: LoadedModel) -> bool:
    """Whether the checkpoint's own record says that it was trained on Fashion-MNIST."""
    if loaded.folder is None:
        return False
    try:
        record = json.loads((loaded.folder / "training.json").read_text(encoding="utf-8"))
        return bool(record["data"]["name"] == "Fashion-MNIST")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _require(name: str, loaded: LoadedModel, fits: bool, needed: str) -> None:
    if not fits:
        others = ", ".join(default_tasks(loaded)) or "another model"
        raise InputError(
            f"the task {name} with {loaded.name}",
            f"it needs {needed}, and the model computes {loaded.task}",
            f"Choose {others}",
        )


def _corpus(name: str, loaded: LoadedModel, limit: int | None, seed: int) -> TextClassification:
    from pitome.validate.evaluate.datasets.text_corpora import read_corpus

    _require(name, loaded, loaded.task in _EMBED_TEXTS, "a text encoder")
    train, test = read_corpus(name, "train"), read_corpus(name, "test")
    num_test = limit if limit is not None else NUM_TEST.get(name)
    return _with_head(name, train, test, loaded, num_test, limit, seed)


def _with_head(
    name: str,
    train: LabelledTexts,
    test: LabelledTexts,
    loaded: LoadedModel,
    num_test: int | None,
    limit: int | None,
    seed: int,
) -> TextClassification:
    from pitome.models.packaged import cache_folder
    from pitome.validate.evaluate.tasks.feature_cache import FeatureCache
    from pitome.validate.evaluate.tasks.text_classification import TextClassification

    num_validation = min(NUM_VALIDATION, max(1, len(train) // 4))
    return TextClassification(
        name,
        train,
        test,
        text_encoder(loaded),
        num_fit=min(NUM_FIT, len(train) - num_validation),
        num_validation=num_validation if limit is None else min(limit, num_validation),
        num_test=None if num_test is None else min(num_test, len(test)),
        seed=seed,
        cache=FeatureCache(cache_folder() / "features", loaded.sha256),
    )


def _fashion(name: str, loaded: LoadedModel, limit: int | None, seed: int, folder: Path | None) -> Task:
    from pitome.validate.evaluate.datasets.captions import class_captions
    from pitome.validate.evaluate.datasets.fashion_mnist import IMAGE_SIZE, read_split
    from pitome.validate.evaluate.tasks.image_classification import ImageClassification

    wanted = {
        FASHION: ("image-classification",),
        FASHION_FIDELITY: ("image-classification", "image-embedding"),
    }
    kinds = wanted.get(name, ("image-embedding",))
    fits = loaded.task in kinds and loaded.image_size == IMAGE_SIZE
    _require(name, loaded, fits, f"{' or '.join(kinds)} at {IMAGE_SIZE} px")
    splits = {
        split: read_split(split, loaded.image_preprocess, folder).first_of_shuffled(limit, seed)
        for split in _SPLITS
    }
    if name in (FASHION, FASHION_FIDELITY):
        classification = ImageClassification(FASHION, splits)
        return classification if name == FASHION else _fidelity(name, classification, loaded)
    return _image_text(name, splits, class_captions(), loaded, retrieval=name == RETRIEVAL)


def _image_text(
    name: str,
    splits: Mapping[Split, ImageSet],
    captions: Sequence[Sequence[str]],
    loaded: LoadedModel,
    retrieval: bool = False,
) -> Task:
    """Zero-shot classification or class-level retrieval; ``captions``: those of each class."""
    from pitome.validate.evaluate.tasks.image_text import Captions, Retrieval, ZeroShotClassification

    tower = _text_tower(loaded)
    if not retrieval:
        return ZeroShotClassification(name, splits, tower.embed_classes(captions))
    texts = [text for class_texts in captions for text in class_texts]
    classes = np.repeat(np.arange(len(captions)), [len(class_texts) for class_texts in captions])
    same = Captions(tower.embed(texts), classes)
    return Retrieval(name, splits, dict.fromkeys(_SPLITS, same))


def _text_tower(loaded: LoadedModel) -> TextTower:
    from pitome.validate.evaluate.text_tower import text_tower_of

    return text_tower_of(loaded)


def _image_folder(
    name: str, place: str, loaded: LoadedModel, limit: int | None, seed: int, progress: Progress | None
) -> Task:
    from pitome.validate.evaluate.datasets.image_folder import class_names_of, read_image_folder

    _require(name, loaded, loaded.family.modality == "image", "an image model")
    path = user_path(place)
    unlabelled = images_in_place_of(name, path, loaded, _labels(loaded))
    if unlabelled is not None:
        images, reason = unlabelled
        own = read_own_data(images, loaded, limit=limit, seed=seed, progress=progress)
        return own_task(own, loaded, _labels(loaded), seed=seed, in_place_of=reason)

    def read(split: Split) -> ImageSet:
        return read_image_folder(path, split, loaded.image_preprocess, seed, limit)

    return _labelled_images(name, class_names_of(path), read, loaded, path)


def _classifies_images(loaded: LoadedModel) -> bool:
    return loaded.task in ("image-classification", "image-embedding")


def _labelled_images(
    name: str,
    names: tuple[str, ...],
    read: Callable[[Split], ImageSet],
    loaded: LoadedModel,
    folder: Path | None = None,
) -> Task:
    """Classification, zero-shot with a CLIP.

    Args:
        name: of the task.
        names: of the classes, which the labels of the images number.
        read: the images of a split.
        loaded: the model.
        folder: where a file with words for the classes may lie.
    """
    from pitome.validate.evaluate.datasets.class_words import words_of_classes
    from pitome.validate.evaluate.datasets.late import LateSplits
    from pitome.validate.evaluate.tasks.image_classification import ImageClassification

    if loaded.task == "image-embedding":
        words = words_of_classes(names, folder)
        captions = [[template.format(each) for template in CLASS_TEMPLATES] for each in words]
        return _image_text(name, LateSplits(read), captions, loaded)
    _require_classes(name, loaded)
    labels = _labels(loaded)
    numbers = np.array(class_numbers(names, labels), np.int64)
    called = _names_by_number(labels)

    def numbered(split: Split) -> ImageSet:
        images = read(split)
        return replace(images, labels=numbers[images.labels], class_names=called)

    return ImageClassification(name, LateSplits(numbered))


def _require_classes(name: str, loaded: LoadedModel) -> None:
    """InputError where no answer of the model can be wrong, or none is one class."""
    kind = answer_kind(loaded.model.config)
    if kind != "classes":
        found = (
            "a number, and a best class among one is always right" if kind == "numbers" else "several labels"
        )
        raise InputError(
            f"the task {name} with {loaded.name}",
            f"it counts right classes, and the model answers with {found}",
            f"Choose a task of fidelity, such as {', '.join(default_tasks(loaded)) or 'none of these'}",
        )


def _labels(loaded: LoadedModel) -> dict[int, str]:
    """The classifier's numbers and their labels."""
    named = loaded.config.get("id2label") or {}
    return {int(number): str(label) for number, label in named.items()}


def _names_by_number(labels: Mapping[int, str]) -> tuple[str, ...]:
    """Each label, with its number where several have the same: results of classes are told by these names."""
    times = Counter(labels.values())
    called = {
        number: f"{label} ({number})" if times[label] > 1 else label for number, label in labels.items()
    }
    return tuple(called.get(number, str(number)) for number in range(max(labels) + 1))


def _hub(name: str, place: str, loaded: LoadedModel, limit: int | None, seed: int) -> Task:
    from pitome.validate.evaluate.datasets.hub_dataset import read_hub_dataset

    data = read_hub_dataset(place)
    if data.test.kind == "text":
        return _hub_texts(name, data, loaded, limit, seed)
    _require(name, loaded, _classifies_images(loaded), "an image classifier, or a CLIP with its text tower")

    def read(split: Split) -> ImageSet:
        return data.split(split, seed, limit).images(loaded.image_preprocess)

    return _labelled_images(name, data.test.class_names, read, loaded)


def _hub_texts(name: str, data: HubDataset, loaded: LoadedModel, limit: int | None, seed: int) -> Task:
    from pitome.validate.evaluate.datasets.late import LateSplits
    from pitome.validate.evaluate.tasks.text_labels import TextLabels

    _require(name, loaded, loaded.family.modality == "text", "a text model")
    if loaded.task in _EMBED_TEXTS:
        if data.train is None:
            raise InputError(
                f"the task {name}", "there is no training split to fit a head to", "Give a dataset with one"
            )
        return _with_head(name, data.train.texts(), data.test.texts(), loaded, limit, limit, seed)
    _require_classes(name, loaded)
    labels = _labels(loaded)
    numbers = np.array(class_numbers(data.test.class_names, labels), np.int64)
    called = _names_by_number(labels)

    def numbered(split: Split) -> LabelledTexts:
        texts = data.split(split, seed, limit).texts()
        return replace(texts, labels=numbers[texts.labels], class_names=called)

    return TextLabels(name, LateSplits(numbered), text_encoder(loaded))


def _karpathy(name: str, place: str, loaded: LoadedModel, limit: int | None, seed: int) -> Task:
    from pitome.validate.evaluate.datasets.karpathy import CaptionedImages, read_karpathy, require_files
    from pitome.validate.evaluate.datasets.late import LateSplits
    from pitome.validate.evaluate.tasks.image_text import Captions, Retrieval

    _require(name, loaded, loaded.task == "image-embedding", "a CLIP with its text tower")
    description, colon, images = place.partition(":")
    if not colon or not images:
        raise InputError(f"the task {name}", "it names no folder of images", f"Write {FORMS[-1]}")
    files = Path(description).expanduser(), Path(images).expanduser()
    require_files(*files)
    tower = _text_tower(loaded)

    def read(split: Split) -> CaptionedImages:
        return read_karpathy(*files, split, loaded.image_preprocess, limit, seed)

    found = LateSplits(read)

    def embed(split: Split) -> Captions:
        captions = found[split].captions
        owners = np.repeat(np.arange(len(captions)), [len(of_image) for of_image in captions])
        return Captions(tower.embed([text for of_image in captions for text in of_image]), owners)

    splits = LateSplits(lambda split: found[split].images)
    return Retrieval(name, splits, LateSplits(embed), first=(1, 5, 10))
