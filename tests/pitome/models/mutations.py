"""Seeded damage to a checkpoint: one change to its config.json, or to the bytes of one of its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    33,
    1000,
    10**6,
    2**31,
    10**18,
    10**30,
    0.0,
    0.5,
    -0.5,
    1.5,
    1e-12,
    1e300,
    "",
    "x",
    "8",
    "relu",
    "float16",
    "\ud800",
    [],
    [1],
    [8, 8],
    [8, 16],
    ["x"],
    {},
    {"0": 1},
    {"a": {"b": []}},
)
KEYS = (
    "attn_implementation",
    "auto_map",
    "chunk_size_feed_forward",
    "dtype",
    "gradient_checkpointing",
    "head_dim",
    "id2label",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "layer_types",
    "max_length",
    "num_key_value_heads",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "per_layer_config",
    "problem_type",
    "pruned_heads",
    "quantization_config",
    "rope_parameters",
    "rope_scaling",
    "return_dict",
    "sequence_length",
    "sub_configs_defaults",
    "task_specific_params",
    "tie_word_embeddings",
    "torch_dtype",
    "torchscript",
    "use_cache",
    "vision_config",
    "_attn_implementation_internal",
    "__class__",
    "attribute_map",
    "model_type",
    "name_or_path",
    "transformers_version",
)
"""That a file of the library may have, or that the library's objects have as attributes."""


def mutate(folder: Path, random: Random) -> str:
    """Change one thing in the checkpoint in ``folder``; what it was, in words."""
    return random.choice(_MUTATIONS)(folder, random)


def _value(folder: Path, random: Random) -> str:
    """Another value of a key, one key less, or one more."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    part = random.choice([content, *(each for each in content.values() if isinstance(each, dict) and each)])
    if random.random() < 0.15:
        key = random.choice(sorted(part))
        del part[key]
        said = f"without {key}"
    else:
        key = random.choice([*sorted(part), *sorted(part), random.choice(KEYS)])
        old, new = part.get(key), random.choice(VALUES)
        if random.random() < 0.25:  # the same in another type
            new = random.choice([str(old), [old], {"value": old}])
        elif random.random() < 0.2 and isinstance(old, int | float):
            new = random.choice([float(old), -old, old + 1, old * 2, old * 10**9])
        part[key] = new
        said = f"{key} = {new!r}"
    path.write_text(json.dumps(content))
    return said


def _config_bytes(folder: Path, random: Random) -> str:
    return _bytes(folder / "config.json", random)


def _weight_bytes(folder: Path, random: Random) -> str:
    return _bytes(folder / "model.safetensors", random)


def _bytes(path: Path, random: Random) -> str:
    content = bytearray(path.read_bytes())
    # Half of them where a file of weights has its header.
    place = random.randrange(min(len(content), 3000) if random.random() < 0.5 else len(content))
    kind = random.choice(["flip", "cut", "insert", "remove", "zero", "append"])
    if kind == "flip":
        content[place] ^= 1 << random.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "insert":
        content[place:place] = random.randbytes(random.randrange(1, 9))
    elif kind == "remove":
        del content[place : place + random.randrange(1, 9)]
    elif kind == "zero":
        content[place : place + 8] = bytes(8)
    else:
        content += random.randbytes(random.randrange(1, 100))
    path.write_bytes(content)
    return f"{path.name}: {kind} at {place}"


_MUTATIONS: tuple[Callable[[Path, Random], str], ...] = (_value, _value, _value, _config_bytes, _weight_bytes)
