"""Tasks on data of the user's without labels, and when a folder of classes becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.models.answers import answer_kind
from pitome.validate.evaluate.datasets.class_words import is_wordnet_id, read_class_words
from pitome.validate.evaluate.datasets.image_folder import class_names_of, tested_folder
from pitome.validate.evaluate.datasets.image_set import UnknownClassesError, class_numbers
from pitome.validate.evaluate.tasks.own_data import OwnAnswers, OwnClasses, OwnDataTask, OwnEmbeddings
from pitome.validate.evaluate.text_tower import is_vision_alone
from pitome.validate.own_data import IMAGES, OwnSamples

if TYPE_CHECKING:
    from pitome.models.loading import LoadedModel

_CLASSIFY = ("image-classification", "text-classification")
_LONGEST_REASON = 3
"""Names that a reason tells."""


def own_task(
    data: OwnSamples,
    loaded: LoadedModel,
    labels: Mapping[int, str],
    *,
    seed: int = 0,
    in_place_of: str | None = None,
) -> OwnDataTask:
    """Cosine to the unmerged model, of a classifier the share of equal best classes, of others their answers.

    Args:
        data: of the user's.
        loaded: the model.
        labels: of a classifier, by number.
        seed: of bootstraps and of the choice of queries.
        in_place_of: why this is not the task that the user asked for, where it is another.

    Raises:
        InputError: fewer than two samples.
    """
    _require_two(data)
    kind = answer_kind(loaded.model.config)
    if loaded.task in _CLASSIFY and kind == "classes":
        return OwnClasses(data.record.data, data, labels, in_place_of, seed)
    if loaded.task in (*_CLASSIFY, "token-classification"):
        return OwnAnswers(data.record.data, data, kind, in_place_of, seed)
    return OwnEmbeddings(data.record.data, data, in_place_of, seed)


def images_in_place_of(
    name: str, folder: Path, loaded: LoadedModel, labels: Mapping[int, str]
) -> tuple[str, str] | None:
    """The task on unlabelled images that a folder of classes becomes, and why; None where it has labels.

    A folder has none where no class folder is in it, or no name of one is a label of the model: a classifier
    knows its labels, and a model of features or a CLIP without its text tower has none. To a whole CLIP,
    WordNet ids say nothing where no classes.txt has words for them. One name that is a label is enough for
    the others to be mistakes, which are refused.
    """
    if not folder.is_dir():
        return None
    try:
        names = class_names_of(folder)
    except InputError:
        if any(entry.is_dir() for entry in folder.iterdir()):
            raise
        return f"{IMAGES}:{folder}", f"{name} has no class folders"
    told = ", ".join(names[:_LONGEST_REASON]) + (", ..." if len(names) > _LONGEST_REASON else "")
    reason = None
    if loaded.task == "image-classification":
        try:
            class_numbers(names, labels)
        except UnknownClassesError:
            reason = "are no labels of the model"
    elif loaded.task == "image-embedding":
        if loaded.folder is not None and is_vision_alone(loaded.folder):
            reason = "are no labels: the checkpoint has no text tower that reads them"
        elif all(map(is_wordnet_id, names)) and not read_class_words(folder):
            reason = "are WordNet ids, and there is no classes.txt with words for them"
    else:
        reason = f"are no labels: the model computes {loaded.task}"
    if reason is None:
        return None
    return f"{IMAGES}:{tested_folder(folder)}", f"the class folders of {name} ({told}) {reason}"


def _require_two(data: OwnSamples) -> None:
    if len(data) < 2:
        record = data.record
        skipped = f", and {record.num_skipped} were left out" if record.num_skipped else ""
        raise InputError(
            record.data, f"1 sample can be used{skipped}; an interval needs at least two", "Give two or more"
        )
