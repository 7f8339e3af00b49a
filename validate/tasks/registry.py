"""Task names, and the tasks that fit a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.errors import InputError
from validate.tasks.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.models.loading import LoadedModel

TEXT_TASKS = ("r8", "r52", "20newsgroups")
NUM_TEST = {"20newsgroups": 1500}
"""Documents of the test split that are used where no limit is given; all of them for the other corpora."""


def make_task(
    name: str, loaded: LoadedModel, limit: int | None = None, seed: int = 0, folder: Path | None = None
) -> Task:
    """A task for a model.

    Args:
        name: one of the names in ``default_tasks``.
        loaded: the model; its tokeniser, image size, preprocessing and labels are used.
        limit: at most so many samples of each split (a seeded choice); a head is fitted to all it needs.
        seed: of every choice of samples.
        folder: where the data set lies, for one that has files; None = its usual place.

    Raises:
        InputError: an unknown name, a task that does not fit the model, or data that can't be had.
    """
    if limit is not None and limit < 2:
        raise InputError(f"{limit} samples", "an interval needs at least two", "Ask for 2 or more")
    if name in TEXT_TASKS:
        return _corpus(name, loaded, limit, seed)
    raise InputError(
        f"the task {name}",
        "there is none of this name",
        f"Choose {', '.join(default_tasks(loaded)) or 'another'}",
    )


def default_tasks(loaded: LoadedModel) -> tuple[str, ...]:
    """Names of the tasks that fit a model and need no data of the user's."""
    if loaded.task == "text-features":
        return ("r8", "20newsgroups")
    return ()


def _corpus(name: str, loaded: LoadedModel, limit: int | None, seed: int) -> Task:
    from validate.datasets.text_corpora import read_corpus
    from validate.tasks.text_classification import TextClassification

    if loaded.task != "text-features":
        raise InputError(
            f"the task {name} with {loaded.name}",
            f"it needs a text encoder, and the model's task is {loaded.task}",
            f"Choose {', '.join(default_tasks(loaded)) or 'another model'}",
        )
    train, test = read_corpus(name, "train"), read_corpus(name, "test")
    wanted = limit if limit is not None else NUM_TEST.get(name)
    return TextClassification(
        name,
        train,
        test,
        text_encoder(loaded),
        num_validation=1000 if limit is None else min(limit, 1000),
        num_test=None if wanted is None else min(wanted, len(test)),
        seed=seed,
    )


def text_encoder(loaded: LoadedModel) -> Callable[[Sequence[str]], dict[str, Tensor]]:
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
    return lambda texts: encode_texts(tokenizer, texts)
