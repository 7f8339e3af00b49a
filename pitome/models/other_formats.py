"""What lies in place of a checkpoint of ``transformers``, told from the names of files. Imports no torch.

Names are as a hub lists them, with ``/`` between folders; a local folder is listed two levels deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_MOST_ENTRIES = 10_000
"""Of one folder that are looked at: a folder of photos may have millions."""
_SHARD = re.compile(
    r"(?P<stem>model|pytorch_model)-(?P<number>\d+)-of-(?P<count>\d+)(?P<suffix>\.safetensors|\.bin)"
)


@dataclass(frozen=True)
class OtherFormat:
    """What was found, and what to do."""

    found: str
    remedy: str
    inside: str | None = None
    """The folder in it that is a checkpoint."""


_CONVERTED = "Choose its conversion for transformers, such as laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
_ADAPTER = OtherFormat(
    "it holds a PEFT adapter (adapter_config.json), which is a change to another model",
    "Load both with peft, call merge_and_unload() and save_pretrained(), and give that folder; where its "
    "weights are merged already, take adapter_config.json out",
)
_RULES: tuple[tuple[str, OtherFormat], ...] = (
    (
        r"model_index\.json",
        OtherFormat(
            "it is a pipeline of diffusers (model_index.json), of several models",
            "Give the folder of its encoder, such as image_encoder",
        ),
    ),
    (
        r"open_clip_(config\.json|.*\.(bin|safetensors))",
        OtherFormat(
            "it is a checkpoint of open_clip, and has no config.json",
            _CONVERTED,
        ),
    ),
    (
        r"modules\.json|config_sentence_transformers\.json",
        OtherFormat(
            "it is a sentence-transformers folder without the model itself (0_Transformer or config.json)",
            "Fetch the whole folder again",
        ),
    ),
    (
        r"(gguf/)?[^/]+\.gguf",
        OtherFormat(
            "it has weights for llama.cpp (GGUF), which are quantised",
            "Choose the checkpoint that they were made from, with model.safetensors",
        ),
    ),
    (
        r"(onnx/)?[^/]+\.onnx",
        OtherFormat(
            "it has an ONNX graph, in which tokens can't be merged any more",
            "Give the checkpoint that it was exported from; `pitome export` writes its ONNX",
        ),
    ),
    (
        r"(.*/)?openvino_model\.(xml|bin)",
        OtherFormat("it has a model of OpenVINO", "Give the checkpoint that it was converted from"),
    ),
    (
        r"(.*/)?(tf_model(-\d+-of-\d+)?\.h5|saved_model\.pb|[^/]+\.keras|[^/]+\.ckpt\.index|[^/]+\.tflite)",
        OtherFormat(
            "it has TensorFlow weights only",
            "Convert them: with transformers 4, AutoModel.from_pretrained(FOLDER, from_tf=True) and then "
            "save_pretrained()",
        ),
    ),
    (
        r"flax_model(-\d+-of-\d+)?\.msgpack",
        OtherFormat(
            "it has Flax weights only",
            "Convert them: with transformers 4, AutoModel.from_pretrained(FOLDER, from_flax=True) and then "
            "save_pretrained()",
        ),
    ),
    (
        r"(.*/)?([^/]+\.(plan|engine)|[^/]+\.mlmodel|[^/]+\.mlpackage)",
        OtherFormat(
            "it has a compiled model for one kind of machine",
            "Give the checkpoint that it was built from",
        ),
    ),
    (
        r"zero_to_fp32\.py|(.*/)?[^/]+\.distcp|global_step\d+/.*|(.*/)?mp_rank_\d+_model_states\.pt",
        OtherFormat(
            "it is a training state in pieces (DeepSpeed or FSDP)",
            "Gather it (zero_to_fp32.py, or accelerate merge-weights) and save it with save_pretrained()",
        ),
    ),
    (
        r"adapter_model\.(safetensors|bin)|pytorch_lora_weights\.(safetensors|bin)",
        OtherFormat(
            "it has the weights of an adapter only, which are a change to another model",
            "Load both with peft, call merge_and_unload() and save_pretrained(), and give that folder",
        ),
    ),
    (
        r"dataset_info\.json|dataset_dict\.json|(data/|train/)?[^/]+\.(parquet|arrow)",
        OtherFormat("it is a data set, not a model", "Give a model; data sets go to --task"),
    ),
)
"""A pattern for the names of files, and what a folder with such a file is; the first that fits is told."""
_FILES: tuple[tuple[str, OtherFormat], ...] = (
    (
        r".*\.json",
        OtherFormat("it is one file of a checkpoint", "Give the folder in which it lies"),
    ),
    (
        r".*\.(safetensors|bin|pt|pth|ckpt)",
        OtherFormat(
            "it is a file of weights, which do not say of which model they are",
            "Give the folder in which it lies together with its config.json",
        ),
    ),
    (
        r".*\.(zip|tar|gz|tgz|whl)",
        OtherFormat("it is an archive", "Unpack it, and give the folder with its config.json"),
    ),
)


def list_folder(folder: Path) -> list[str]:
    """The names of files in a folder and in the folders right below it.

    What can't be looked into is left out: this list is for words, not for reading.
    """
    names = []
    for path in islice(folder.iterdir(), _MOST_ENTRIES):
        try:
            inner = [entry.name for entry in islice(path.iterdir(), _MOST_ENTRIES)] if path.is_dir() else None
        except OSError:
            continue
        names += [path.name] if inner is None else [f"{path.name}/{name}" for name in inner]
    return sorted(names)


def adapter(names: Iterable[str]) -> OtherFormat | None:
    """The adapter, where a folder holds one: transformers would load it over the weights."""
    return _ADAPTER if "adapter_config.json" in names else None


def instead_of_checkpoint(
    names: Sequence[str], otherwise: str = "the folder has no config.json"
) -> OtherFormat:
    """What a folder without ``config.json`` is, by the files that it has.

    Args:
        names: of its files.
        otherwise: what to say where they do not tell.
    """
    if not names:
        return OtherFormat("the folder is empty", "Give a folder with config.json and model.safetensors")
    if "manifest.json" in names and "manifest.json.sha256" in names:
        return OtherFormat(
            "it is a bundle that pitome has built",
            "Give the model that it was built from; `pitome inspect` says which",
        )
    below = _checkpoints_below(names) or _cache_of_the_hub(names)
    if below:
        return below
    found = _by_rules(names)
    if found:
        return found
    if any(_SHARD.fullmatch(name) or name in ("model.safetensors", "pytorch_model.bin") for name in names):
        return OtherFormat(
            "the folder has weights and no config.json", "Put the config.json of their model beside them"
        )
    return OtherFormat(
        otherwise,
        "Give the folder that save_pretrained wrote, with config.json and model.safetensors",
    )


def _checkpoints_below(names: Sequence[str]) -> OtherFormat | None:
    """A Trainer's folder, or any other whose checkpoints lie one folder deeper."""
    if "model_index.json" in names:
        return None
    folders = _folders_with_config(names)
    run = _training_run(folders)
    if run:
        return run
    models = [name for name in folders if not re.fullmatch(r"\d+_(?!Transformer).*", name)]
    if models:
        return OtherFormat(
            f"the folder has no config.json; of the folders in it these have one: {', '.join(models[:5])}",
            f"Give {models[0]} in it",
            models[0],
        )
    return None


def _cache_of_the_hub(names: Sequence[str]) -> OtherFormat | None:
    """``models--org--name``, whose files lie in a folder for each commit."""
    commits = [name for name in names if name.startswith("snapshots/")]
    if not commits or not any(name.startswith("refs/") for name in names):
        return None
    return OtherFormat(
        "it is the hub's own cache of a model, whose files lie deeper in it",
        f"Give {commits[0]} in it, or the model's id org/name",
        commits[0],
    )


def _folders_with_config(names: Sequence[str]) -> list[str]:
    return [
        name.partition("/")[0] for name in names if name.endswith("/config.json") and name.count("/") == 1
    ]


def _training_run(folders: Sequence[str]) -> OtherFormat | None:
    trained = {
        int(name.removeprefix("checkpoint-")): name
        for name in folders
        if re.fullmatch(r"checkpoint-\d+", name)
    }
    if not trained:
        return None
    last = trained[max(trained)]
    return OtherFormat(
        f"it is the folder of a training run, and {len(trained)} of its checkpoints lie in it",
        f"Give one of them, such as {last}",
        last,
    )


def _by_rules(names: Sequence[str]) -> OtherFormat | None:
    for pattern, found in _RULES:
        if any(re.fullmatch(pattern, name) for name in names):
            return found
    return None


def instead_of_weights(names: Sequence[str]) -> OtherFormat:
    """Why a folder with ``config.json`` has no weights that can be read."""
    missing = _missing_shards(names)
    if missing:
        return missing
    variants = [
        name for name in names if re.fullmatch(r"(model|pytorch_model)\.[\w-]+\.(safetensors|bin)", name)
    ]
    if variants:
        plain = re.sub(r"\.[\w-]+\.", ".", variants[0])
        return OtherFormat(
            f"the folder has only variants of the weights ({', '.join(variants[:3])})",
            f"Rename the one you mean to {plain}",
        )
    found = _training_run(_folders_with_config(names)) or _by_rules(names)
    if found:
        return OtherFormat(
            f"{found.found}, and neither model.safetensors nor pytorch_model.bin", found.remedy
        )
    others = [name for name in names if re.fullmatch(r"[^/]+\.(safetensors|bin|pt|pth|ckpt)", name)]
    beside = f"; {', '.join(others[:3])} is no name of theirs" if others else ""
    return OtherFormat(
        f"the folder has neither model.safetensors nor pytorch_model.bin, nor all parts of one{beside}",
        "Give a folder with weights, or WEIGHTS=random",
    )


def _missing_shards(names: Sequence[str]) -> OtherFormat | None:
    parts = [match for match in map(_SHARD.fullmatch, names) if match]
    if not parts:
        return None
    first, count = parts[0], int(parts[0]["count"])
    wanted = [
        f"{first['stem']}-{number:0{len(first['number'])}}-of-{first['count']}{first['suffix']}"
        for number in range(1, min(count, _MOST_ENTRIES) + 1)
    ]
    missing = [name for name in wanted if name not in names]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return OtherFormat(
        f"the folder has {len(parts)} of the {count} parts of its weights: {', '.join(missing[:3])}{more} "
        f"{'are' if len(missing) > 1 else 'is'} missing",
        "Fetch the whole checkpoint again",
    )


def instead_of_folder(path: Path) -> OtherFormat | None:
    """What a MODEL is that is there and is no folder; None where nothing is there."""
    if not path.exists():
        return None
    if not path.is_file():
        return OtherFormat("it is no folder, but a pipe or a device", "Give a folder with config.json")
    name = path.name.lower()
    for pattern, found in (*_FILES, *_RULES):
        if re.fullmatch(pattern, name):
            return found
    return OtherFormat("it is a file, not a folder", "Give a folder with config.json and weights")


def is_of_timm(content: Mapping[str, object]) -> bool:
    """Whether a ``config.json`` is of a model of timm that transformers wraps."""
    return content.get("model_type") in ("timm_wrapper", "timm_backbone")


def instead_of_config(content: dict[str, object]) -> OtherFormat | None:
    """What a ``config.json`` without ``model_type``, or with one of timm, is of, where its keys tell."""
    own = "architecture" in content and ("pretrained_cfg" in content or "num_classes" in content)
    if own or is_of_timm(content):
        named = next((key for key in ("architecture", "backbone") if key in content), "model_type")
        return OtherFormat(
            f"it is a checkpoint of timm ({content[named]})",
            "Choose the same model for transformers, such as google/vit-base-patch16-224",
        )
    for keys, found in _CONFIGURATIONS:
        if keys <= content.keys():
            return found
    return None


_CONFIGURATIONS: tuple[tuple[set[str], OtherFormat], ...] = (
    (
        {"word_embedding_dimension"},
        OtherFormat(
            "it is the pooling module of a sentence-transformers folder, not its model",
            "Give the folder above, which has modules.json",
        ),
    ),
    (
        {"in_features", "out_features"},
        OtherFormat(
            "it is the Dense module of a sentence-transformers folder, not its model",
            "Give the folder above, which has modules.json",
        ),
    ),
    (
        {"_class_name"},
        OtherFormat(
            "it is a part of a diffusers pipeline",
            "Give an encoder of transformers, such as its image_encoder",
        ),
    ),
    (
        {"model_cfg"},
        OtherFormat(
            "it is a checkpoint of open_clip",
            _CONVERTED,
        ),
    ),
    ({"peft_type"}, _ADAPTER),
    (
        {"embed_dim", "vision_cfg"},
        OtherFormat(
            "it is a checkpoint of open_clip",
            _CONVERTED,
        ),
    ),
)
