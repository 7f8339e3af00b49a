"""What a bundle's files of the checkpoint say to the runtime: tokenizer, prompts, labels, kind of answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from pitome.bundle.manifest import Manifest
from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.errors import BundleError, InputError
from pitome.models.answers import AnswerKind, answer_kind
from pitome.models.plain_file import read_json, read_json_list
from pitome.models.sentence_files import includes_prompt, read_prompts
from pitome.models.tokenizer import load_tokenizer
from pitome.runtime.first_opening import TokenizerSource, try_opening
from pitome.runtime.private_files import PrivateFiles
from pitome.runtime.texts import TextPreparation
from pitome.text_inputs import INPUT_IDS

_CONFIG = "config.json"


@dataclass(frozen=True)
class Assets:
    """What was read."""

    texts: TextPreparation | None = None
    labels: tuple[str, ...] = ()
    answers: AnswerKind = "classes"


def open_assets(name: str, manifest: Manifest, files: PrivateFiles) -> Assets:
    """Read them, after a process of its own could.

    Args:
        name: of the bundle, as an error says it.
        manifest: of the bundle.
        files: with its assets.

    Raises:
        BundleError: one can't be used.
    """
    config = _config(name, manifest, files)
    source = _tokenizer_source(manifest, files, config)
    preprocess = manifest.model.preprocess
    image = preprocess if isinstance(preprocess, ImagePreprocess) else None
    try_opening(name, source, image)
    try:
        return Assets(
            None if source is None else _texts(manifest, files.folder, source),
            _labels(name, manifest, files),
            answer_kind(SimpleNamespace(**{**config, "num_labels": manifest.model.num_labels or 2})),
        )
    except InputError as error:
        raise BundleError(f"{name}, {error.asked}", error.found, error.remedy, error.lines) from error


def _config(name: str, manifest: Manifest, files: PrivateFiles) -> dict[str, object]:
    """Of config.json what is looked at; a bundle of random weights has none."""
    record = next((asset for asset in manifest.assets if asset.file == _CONFIG), None)
    if record is None:
        return {}
    try:
        content = read_json(files.path(record.file), portable=False)
    except InputError as error:
        raise BundleError(f"{name}, {error.asked}", error.found, error.remedy) from error
    inner = content.get("text_config")
    padding = (inner if isinstance(inner, Mapping) else content).get("pad_token_id")
    return {
        "problem_type": content.get("problem_type"),
        "pad_token_id": padding if type(padding) is int and padding >= 0 else 0,
    }


def _tokenizer_source(
    manifest: Manifest, files: PrivateFiles, config: Mapping[str, object]
) -> TokenizerSource | None:
    """None where the model takes no texts, or the bundle has no file of a tokenizer."""
    graph, model = manifest.text_graph, manifest.model
    if graph is None or not any(asset.role == "tokenizer" for asset in manifest.assets):
        return None
    text = model.text or model.preprocess
    assert text.kind == "text"  # the consistency of manifests
    ids = next(each for each in graph.inputs if each.name == INPUT_IDS)
    return TokenizerSource(
        folder=str(files.folder),
        vocab_size=ids.below or 2**31,
        pad_token_id=int(str(config.get("pad_token_id", 0))),
        sequence_length=text.sequence_length,
        lower_case=model.sentence is not None and model.sentence.lower_case,
    )


def _texts(manifest: Manifest, folder: Path, source: TokenizerSource) -> TextPreparation | None:
    config = SimpleNamespace(vocab_size=source.vocab_size, pad_token_id=source.pad_token_id)
    found = load_tokenizer(folder, config, source.sequence_length, source.lower_case).tokenizer
    graph = manifest.text_graph
    if found is None or graph is None:
        return None
    return TextPreparation(
        found,
        source.sequence_length,
        [each.name for each in graph.inputs],
        prompts=read_prompts(folder),
        prompt_in_vector=includes_prompt(folder),
    )


def _labels(name: str, manifest: Manifest, files: PrivateFiles) -> tuple[str, ...]:
    record = next((asset for asset in manifest.assets if asset.role == "labels"), None)
    if record is None:
        return ()
    labels = read_json_list(files.path(record.file))
    if len(labels) != manifest.model.num_labels or not all(isinstance(each, str) for each in labels):
        raise BundleError(
            f"{name}, {record.file}",
            f"it is no list of {manifest.model.num_labels} texts, which model.num_labels says",
            "Build the bundle again",
        )
    return tuple(labels)
