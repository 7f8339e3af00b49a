"""Task names, and what can be refused by a name alone."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pitome.errors import InputError
from pitome.validate.own_data import FORMS as OWN_FORMS
from pitome.validate.own_data import IMAGES, TEXTS, check_own_data

TEXT_TASKS = ("r8", "r52", "20newsgroups")
FIDELITY_TASKS = tuple(f"{name}-fidelity" for name in TEXT_TASKS)
FASHION, ZERO_SHOT, RETRIEVAL = "fashion-mnist", "fashion-mnist-zero-shot", "fashion-mnist-retrieval"
PHOTOS, ALL_PHOTOS = "photos", "photos-all"
FASHION_FIDELITY = f"{FASHION}-fidelity"
FORMS = (*OWN_FORMS, "imagefolder:FOLDER", "hf:NAME[:CONFIGURATION][@REVISION]", "karpathy:JSON:IMAGES")
"""Tasks on data that the user points at."""
FASHION_TASKS = (FASHION, FASHION_FIDELITY, ZERO_SHOT, RETRIEVAL)
_NAMES = (*TEXT_TASKS, *FIDELITY_TASKS, *FASHION_TASKS, PHOTOS, ALL_PHOTOS)
_DATA_KINDS = (IMAGES, TEXTS, "imagefolder", "hf", "karpathy")


def check_task_name(name: str, column: str | None = None) -> None:
    """InputError where no task has this name, or its unlabelled data is not there, whatever the model."""
    kind, colon, place = name.partition(":")
    if name in _NAMES or (colon and place and kind in _DATA_KINDS):
        check_own_data(name, column)
        return
    if kind in _DATA_KINDS and not place:
        form = next(form for form in FORMS if form.startswith(f"{kind}:"))
        raise InputError(f"the task {name.rstrip(':')}", "it does not say on which data", f"Write {form}")
    known = ", ".join((*_NAMES, *FORMS))
    raise InputError(f"the task {name}", "there is none of this name", f"Choose one of {known}")


def check_data_folder(folder: Path | None, names: Collection[str]) -> None:
    """InputError where a folder of data is given and none of these tasks reads it."""
    if folder is not None and not set(names) & set(FASHION_TASKS):
        raise InputError(
            f"the data in {folder} for {', '.join(names)}",
            f"only {', '.join(FASHION_TASKS)} read a folder of data",
            f"Leave --data out, or name the data in the task: {', '.join(FORMS)}",
        )
