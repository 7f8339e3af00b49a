"""MODEL and WEIGHTS -> a model in memory, with a record of where its weights came from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pitome.bundle.preprocess_record import TextPreprocess
from pitome.errors import InputError
from pitome.models.building import BuiltModel, build_model
from pitome.models.config_check import check_positions
from pitome.models.image_input import image_input
from pitome.models.loaded_model import LoadedModel, TextHalf
from pitome.models.model_plan import ModelPlan, check_same_model, plan_model, plan_sentence_model
from pitome.models.preprocessing import Preprocess
from pitome.models.preset_file import check_layers, check_weights
from pitome.models.presets import Preset
from pitome.models.registry import resolve_model
from pitome.models.sources import Progress, Source, find_source
from pitome.models.systems.dual_encoder import DualPlan
from pitome.models.task import Tower
from pitome.models.text import TextFamily
from pitome.models.tokenizer import TOKENIZER_FILE, FoundTokenizer, load_tokenizer

__all__ = ["LoadedModel", "TextHalf", "load_model"]


def load_model(
    model: str,
    weights: str | None = None,
    image_size: int | None = None,
    strict: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    sequence_length: int | None = None,
    tower: Tower | None = "image",
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
        sequence_length: tokens of every text; None = the preset's, or 128; of a whole CLIP as many as it has
            positions for.
        tower: of a whole CLIP its image tower alone, or both; None = both. Other models have one.

    Raises:
        InputError: unknown model, unreadable or incomplete or non-finite weights, unknown architecture, wrong
            image size or sequence length, unreachable or refusing hub; both towers of a model that has one.
    """
    reference = resolve_model(model)
    if reference.tuned is not None:
        named = reference.tuned.model
        weights, image_size = weights or named.weights, image_size or named.image_size
        sequence_length = sequence_length or named.sequence_length
    source = find_source(reference, weights, strict, progress)
    plan = plan_sentence_model(plan_model(source.config, reference.preset, tower), source)
    family, config = plan.family, plan.config
    check_same_model(reference, source, plan)
    _check_towers(tower, plan, reference.name)
    size, length = None, None
    if isinstance(family, TextFamily):
        _refuse_option("IMAGE_SIZE", image_size, "texts")
        length = sequence_length or _default_sequence_length(reference.preset, source, family, config)
        family.set_sequence_length(config, length)
        preprocess: Preprocess = TextPreprocess(sequence_length=length)
        input_notes = () if sequence_length else _length_notes(source, family.usable_positions(config))
    else:
        if plan.dual is None:
            _refuse_option("SEQUENCE_LENGTH", sequence_length, "images")
        else:
            _set_text_length(plan.dual, sequence_length)
        vision = family.vision_config(config)
        found = image_input(
            family, vision, source.processor, reference.preset, image_size, source.of_checkpoint
        )
        preprocess, size, input_notes = found.preprocess, found.preprocess.image_size, found.notes
        check_positions(size, vision)
    if progress is not None:
        progress("making random weights" if source.random else f"loading {source.text}")
    built = build_model(source, plan, size, seed)
    if reference.tuned is not None and reference.preset_file is not None:
        check_weights(reference.preset_file, reference.tuned, built.sha256)
        check_layers(reference.preset_file, reference.tuned, family.shape(built.model).num_layers)
    if plan.dual is not None and built.other_half is None:
        _refuse_option("SEQUENCE_LENGTH", sequence_length, "images")
        _check_towers(tower, replace(plan, dual=None), reference.name)
    tokenizer = FoundTokenizer(None)
    if length is not None and source.folder is not None:
        lower_case = source.sentence is not None and source.sentence.lower_case
        tokenizer = load_tokenizer(source.folder, config, length, lower_case)
    loaded = LoadedModel(
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
    return loaded if plan.dual is None else _with_other_half(loaded, plan.dual, built)


def _check_towers(tower: Tower | None, plan: ModelPlan, name: str) -> None:
    if tower == "both" and plan.dual is None:
        raise InputError(
            f"TOWER=both of {name}",
            f"there is no text tower beside its {plan.architecture}",
            "Leave TOWER out, or give a whole CLIP",
        )


def _set_text_length(plan: DualPlan, asked: int | None) -> None:
    plan.family.set_sequence_length(plan.config, asked or plan.family.usable_positions(plan.config))


def _with_other_half(loaded: LoadedModel, plan: DualPlan, built: BuiltModel) -> LoadedModel:
    """A whole CLIP: the image tower, with the text tower where the checkpoint has it."""
    half = built.other_half
    if half is None:
        note = "the checkpoint has no text tower, so the image graph alone is built"
        return replace(loaded, notes=(*loaded.notes, note))
    length = plan.family.sequence_length(plan.config)
    found = FoundTokenizer(None)
    if loaded.folder is not None:
        found = load_tokenizer(loaded.folder, plan.config, length)
    notes = [*loaded.notes, *half.notes, *plan.notes, *found.notes]
    if loaded.folder is not None and found.tokenizer is None:
        notes.append(f"the checkpoint has no {TOKENIZER_FILE}, so its text graph takes token ids only")
    text = replace(
        loaded,
        model=half.model,
        family=plan.family,
        task="text-embedding",
        architecture=plan.architecture,
        image_size=None,
        preprocess=TextPreprocess(sequence_length=length),
        config=plan.config.to_dict(),
        sequence_length=length,
        tokenizer=found.tokenizer,
        notes=(),
    )
    return replace(loaded, text=TextHalf(text, half.logit_scale, half.logit_bias), notes=tuple(notes))


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
