"""Labelled images or texts from a dataset of the Hugging Face hub, or from a local copy of one.

The ``datasets`` library is an optional dependency and is imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.extras import install_command
from pitome.models.tokenizer import Text
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts
from pitome.validate.evaluate.datasets.splits import Rows, first_of_shuffled, stratified_choice
from pitome.validate.evaluate.datasets.usable_images import loader, usable_images
from pitome.validate.samples import EXAMPLES, Skipped

if TYPE_CHECKING:
    from pitome.bundle import ImagePreprocess

NUM_VALIDATION = 5_000
"""Rows that are held out from the training split for choices, at most."""
_TEST_SPLITS = ("test", "validation", "val", "valid", "dev")
_LABEL_COLUMNS = ("label", "labels", "fine_label")
_TEXT_COLUMNS = ("text", "sentence", "content")
_PAIR_COLUMNS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("query", "passage"),
    ("text1", "text2"),
    ("text", "text_pair"),
)
"""Names that the two texts of a pair have, as in GLUE: a row with both is one input of two texts."""
NO_TEXT = "the row holds no text"
FORM = "hf:NAME[:CONFIGURATION][@REVISION] or hf:FOLDER"


@dataclass(frozen=True)
class LabelledRows:
    """Some rows of one split of a dataset."""

    table: Any
    """``datasets.Dataset``."""
    rows: Rows
    kind: Literal["image", "text"]
    column: str
    """Of the images or texts."""
    labels: npt.NDArray[np.int64]
    """[rows]."""
    class_names: tuple[str, ...]
    second: str | None = None
    """Column of the second texts, where every row is a pair."""

    def chosen(self, places: Rows) -> LabelledRows:
        """Some of the rows."""
        return replace(self, rows=self.rows[places], labels=self.labels[places])

    def texts(self) -> LabelledTexts:
        """The rows as documents or pairs of them; those that hold no text are skipped.

        Raises:
            InputError: none holds one.
        """
        rows_of_table = [int(row) for row in self.rows]
        columns = [name for name in (self.column, self.second) if name is not None]
        found = list(zip(*(self.table[name][rows_of_table] for name in columns), strict=True))
        kept = [place for place, row in enumerate(found) if all(isinstance(text, str) for text in row)]
        if not kept:
            raise self._nothing("a text")
        missing = sorted(set(range(len(found))) - set(kept))
        skipped: tuple[Skipped, ...] = ()
        if missing:
            rows = tuple(f"row {self.rows[place]}" for place in missing[:EXAMPLES])
            skipped = (Skipped(len(missing), NO_TEXT, rows),)
        texts: tuple[Text, ...] = tuple(
            found[place][0] if self.second is None else found[place] for place in kept
        )
        return LabelledTexts(texts, self.labels[kept], self.class_names, skipped)

    def images(self, preprocess: ImagePreprocess) -> ImageSet:
        """The rows as images, each decoded when it is asked for; those that can't be used are skipped.

        Raises:
            InputError: none can be used.
        """
        named = ((f"row {row}", self._image(int(row))) for row in self.rows)
        kept, skipped = usable_images(named, preprocess)
        if not kept:
            raise self._nothing("an image", *skipped)
        load = loader(lambda place: self._image(int(self.rows[kept[place]])), preprocess)
        return ImageSet(self.labels[kept], self.class_names, load, skipped)

    def _image(self, row: int) -> Any:
        """Bytes, or a path; None where the row has none. The library itself would stop at a damaged one."""
        found = self.table[self.column][row]
        if found is None:
            return None
        return found["path"] if found["bytes"] is None else found["bytes"]

    def _nothing(self, what: str, *skipped: Skipped) -> InputError:
        return InputError(
            f"the column {self.column} of the dataset",
            f"none of the {len(self.rows)} rows that were chosen has {what} that can be used"
            + "".join(f": {part}" for part in skipped[:1]),
            "Give another dataset, or choose by another seed or limit",
        )


@dataclass(frozen=True)
class HubDataset:
    """What a task takes from a dataset."""

    test: LabelledRows
    read_train: Callable[[], LabelledRows] | None
    """None where there is no training split. InputError where one of its rows has no label."""

    @cached_property
    def train(self) -> LabelledRows | None:
        """All of the training split, read when it is first asked for; None where there is none."""
        return None if self.read_train is None else self.read_train()

    def split(self, name: Literal["validation", "test"], seed: int, limit: int | None = None) -> LabelledRows:
        """Rows of a split of a task.

        "validation" is a seeded, stratified choice (at most 5,000) from the training split, which "test" does
        not read. A dataset without one gives a fifth of its only split, and "test" is then the rest.

        Args:
            name: of the split.
            seed: of the choices.
            limit: at most so many rows, the first of a seeded permutation of the split; None = all, in order.
        """
        rows = self._all_of(name, seed)
        return rows.chosen(first_of_shuffled(len(rows.labels), limit, seed))

    def _all_of(self, name: Literal["validation", "test"], seed: int) -> LabelledRows:
        if self.read_train is not None and name == "test":
            return self.test
        if self.train is not None:
            count = min(NUM_VALIDATION, len(self.train.labels))
            return self.train.chosen(stratified_choice(self.train.labels, count, seed))
        total = len(self.test.labels)
        held = stratified_choice(self.test.labels, min(NUM_VALIDATION, max(1, total // 5)), seed)
        return self.test.chosen(held if name == "validation" else np.setdiff1d(np.arange(total), held))


def read_hub_dataset(reference: str) -> HubDataset:
    """Load a dataset.

    "test" is the first of the splits test, validation, val, valid, dev whose rows all have a label (GLUE's
    test rows have none), or the only split. The image column, or else the text column, is found by its type.

    Args:
        reference: ``NAME[:CONFIGURATION][@REVISION]`` on the hub, or a folder that ``save_to_disk`` wrote or
            that holds parquet files or class folders of images.

    Raises:
        InputError: the library is missing, the dataset can't be had, or its columns are not what is needed.
    """
    splits = _load(reference)
    kind, column, second, label, names = _columns(reference, next(iter(splits.values())))

    if kind == "image":
        import datasets

        undecoded = datasets.Image(decode=False)
        splits = {name: table.cast_column(column, undecoded) for name, table in splits.items()}

    def rows_of(table: Any) -> LabelledRows:
        # The column itself is a sequence that numpy would read cell by cell; None is no label.
        labels = np.array([-1 if number is None else number for number in table[label][:]], np.int64)
        return LabelledRows(table, np.arange(len(table)), kind, column, labels, names, second)

    def read_train() -> LabelledRows:
        found = rows_of(splits["train"])
        if (found.labels < 0).any():
            raise InputError(
                f"the training split of the dataset {reference}",
                f"{(found.labels < 0).sum()} of its {len(found.labels)} rows have no label",
                "Give a copy without them (filter, then save_to_disk)",
            )
        return found

    train = read_train if "train" in splits and len(splits) > 1 else None
    candidates = [splits[name] for name in _TEST_SPLITS if name in splits]
    if not candidates and len(splits) == 1:
        candidates = list(splits.values())
    for table in candidates:
        test = rows_of(table)
        if len(test.labels) and (test.labels >= 0).all():
            return HubDataset(test, train)
    raise InputError(
        f"the dataset {reference}",
        f"none of its splits {', '.join(splits)} can be tested on (the others have no labels)",
        f"Give a dataset with one of the splits {', '.join(_TEST_SPLITS)}, labelled",
    )


def _load(reference: str) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"the dataset {reference}",
            f"the library datasets can't be imported ({error})",
            f"Run {install_command('validate')}",
        ) from error
    name, configuration, revision = _parse(reference)
    folder = Path(name).expanduser()
    try:
        if folder.is_dir():
            saved = any((folder / file).is_file() for file in ("dataset_dict.json", "state.json"))
            loaded = datasets.load_from_disk(str(folder)) if saved else datasets.load_dataset(str(folder))
        else:
            loaded = datasets.load_dataset(name, configuration, revision=revision)
    except Exception as error:  # its loaders raise whatever pyarrow, fsspec or the hub raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the dataset {reference}",
            f"it can't be loaded ({reason})",
            f"Check the name ({FORM}) and the connection, or give a folder with a copy of it",
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {"all": loaded}


def _parse(reference: str) -> tuple[str, str | None, str | None]:
    """(name or folder, configuration, revision)."""
    if Path(reference).expanduser().is_dir():
        return reference, None, None
    rest, _, revision = reference.partition("@")
    name, _, configuration = rest.partition(":")
    if not name:
        raise InputError(f"the dataset hf:{reference}", "it has no name", f"Write {FORM}")
    return name, configuration or None, revision or None


def _columns(
    reference: str, table: Any
) -> tuple[Literal["image", "text"], str, str | None, str, tuple[str, ...]]:
    """(kind, column, column of the second texts of pairs, column of the labels, names of the classes)."""
    features = table.features
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    label = _only(reference, "label", labels, _LABEL_COLUMNS, kinds)
    images = [name for name, kind in kinds.items() if kind == "Image"]
    names = tuple(features[label].names)
    if images:
        return "image", _only(reference, "image", images, ("image", "img"), kinds), None, label, names
    texts = [name for name, feature in features.items() if getattr(feature, "dtype", "") == "string"]
    for first, second in _PAIR_COLUMNS:
        if first in texts and second in texts:
            return "text", first, second, label, names
    return "text", _only(reference, "text", texts, _TEXT_COLUMNS, kinds), None, label, names


def _only(
    reference: str, what: str, found: Sequence[str], usual: Sequence[str], kinds: Mapping[str, str]
) -> str:
    """The only column of a kind, or the one with the usual name."""
    if len(found) == 1:
        return found[0]
    for name in usual:
        if name in found:
            return name
    columns = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    raise InputError(
        f"the dataset {reference}",
        f"it has {len(found)} columns that may be the {what}: {', '.join(found) or 'none'}. All: {columns}",
        f"Rename the {what} column to {usual[0]}"
        + (", as a ClassLabel feature (cast_column)" if what == "label" else ""),
    )
