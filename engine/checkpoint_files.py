"""What a bundle keeps of its checkpoint: files as they are, the names of a classifier's outputs, the card."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pitome.bundle import AssetRecord, CardRecord
from pitome.models.asset_files import AssetFile, read_assets
from pitome.models.card import package_card, read_card
from pitome.models.labels import LABELS_NAME, labels_file, ordered_labels
from pitome.models.loading import LoadedModel

_CLASSIFIES = "classification"
"""In the task of a model whose outputs have names."""


@dataclass(frozen=True)
class CheckpointFiles:
    """What a bundle keeps of its checkpoint."""

    files: tuple[AssetFile, ...] = ()
    labels: tuple[str, ...] = ()
    """Of outputs 0, 1, 2 and so on; none where the model is no classifier."""
    card: CardRecord | None = None
    notes: tuple[str, ...] = ()
    """What was left out, and why."""

    def write(self, folder: Path) -> tuple[AssetRecord, ...]:
        """Put the files into a bundle's folder."""
        for file in self.files:
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
        return tuple(
            AssetRecord(file=file.name, sha256=hashlib.sha256(file.content).hexdigest(), role=file.role)
            for file in self.files
        )


def read_checkpoint(loaded: LoadedModel) -> CheckpointFiles:
    """What the bundle of a model keeps of its checkpoint.

    Raises:
        InputError: a file of the checkpoint that can't be taken as it is.
    """
    if loaded.folder is None:
        return CheckpointFiles(
            notes=("no processor, tokenizer, label or licence files: random weights are of no checkpoint",)
        )
    files, notes = list(read_assets(loaded.folder)), []
    if loaded.sentence is not None and loaded.sentence.folder != loaded.folder:
        # The card lies beside the encoder's folder, not in it.
        names = {file.name for file in files}
        files += (file for file in read_assets(loaded.sentence.folder) if file.name not in names)
    labels: tuple[str, ...] = ()
    if _CLASSIFIES in loaded.task:
        try:
            labels = ordered_labels(loaded.config.get("id2label"))
        except ValueError as error:
            notes.append(f"no {LABELS_NAME}: the id2label of config.json can't be used, {error}")
        else:
            files.append(AssetFile(LABELS_NAME, "labels", labels_file(labels)))
    card = package_card(loaded.folder)
    for file in files:
        if file.role == "card":
            card, told = read_card(file.content)
            notes.extend(told)
    return CheckpointFiles(tuple(files), labels, card, tuple(notes))
