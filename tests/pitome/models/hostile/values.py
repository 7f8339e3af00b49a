"""Checkpoints whose config.json says what no model can be, or can't be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.pitome.models.hostile.makers import (
    CORRECT,
    FETCH,
    LFS,
    Hostile,
    replaced,
    with_bytes,
    with_config,
    with_text,
)

VALUES: tuple[Hostile, ...] = (
    Hostile(
        "an unknown activation",
        with_config(hidden_act="nosuch"),
        "its hidden_act is 'nosuch', no activation that the library knows",
        CORRECT,
    ),
    Hostile(
        "an activation that is a list",
        with_config(hidden_act=["gelu"]),
        "its hidden_act is ['gelu'], no activation",
        CORRECT,
    ),
    Hostile(
        "DistilBERT's activation",
        with_config("DistilBertModel", activation="nosuch"),
        "its activation is 'nosuch', no activation",
        CORRECT,
    ),
    Hostile(
        "an activation with weights in bfloat16",
        with_config(hidden_act="xielu"),
        "its hidden_act is 'xielu', whose own weights can't be float32",
        CORRECT,
    ),
    Hostile(
        "a projection of null",
        with_config("CLIPVisionModel", model_type="clip", projection_dim=None),
        "its projection_dim is None, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "heads that do not divide",
        with_config(num_attention_heads=3),
        "its hidden size of 32 can't be divided among 3 attention heads",
        CORRECT,
    ),
    Hostile(
        "no heads",
        with_config(num_attention_heads=0),
        "its num_attention_heads is 0, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a negative size",
        with_config(hidden_size=-32),
        "its hidden_size is -32, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a size of true",
        with_config(num_hidden_layers=True),
        "its num_hidden_layers is True, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a size in words",
        with_config(hidden_size="32"),
        "its hidden_size is '32', not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a size with a fraction",
        with_config(hidden_size=32.5),
        "its hidden_size is 32.5, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a size as a float",
        with_config(intermediate_size=64.0),
        "its intermediate_size is 64.0, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a size of null",
        with_config(hidden_size=None),
        "its hidden_size is None, not a whole number from 1 up",
        CORRECT,
    ),
    Hostile(
        "a huge size",
        with_config(intermediate_size=10**12),
        "its intermediate_size is 1000000000000, more than 2,147,483,647",
        CORRECT,
    ),
    Hostile(
        "a size of 400 digits",
        with_text(lambda text: text.replace('"hidden_size": 32', f'"hidden_size": {"9" * 400}')),
        "it is no valid JSON (hidden_size: 99999999999999999999... is beyond a whole number of 64 bits)",
        FETCH,
    ),
    Hostile(
        "more than there is memory for",
        with_config(hidden_size=2_000_000, intermediate_size=2_000_000),
        "it needs at least 384,001.8 GB of memory",
        "use a machine with more memory",
    ),
    Hostile(
        "a vocabulary beyond memory",
        with_config("BertModel", vocab_size=2_000_000_000),
        "it needs at least 256.0 GB of memory",
        "use a machine with more memory",
    ),
    Hostile(
        "100,000 layers",
        with_config(num_hidden_layers=100_000),
        "its num_hidden_layers is 100000, more than 1,000",
        CORRECT,
    ),
    Hostile(
        "a million labels too many",
        with_config("BertForSequenceClassification", num_labels=10**9, id2label=..., label2id=...),
        "its num_labels is 1000000000, more than 1,000,000",
        CORRECT,
    ),
    Hostile(
        "more layers than the weights have",
        with_config(num_hidden_layers=900),
        "they do not fit: they have 42,688 numbers, a model of this config.json 7,380,096 or more",
        "Give the weights that belong to this config.json",
    ),
    Hostile(
        "an epsilon of NaN",
        with_text(lambda text: text.replace("1e-12", "NaN")),
        "it is no valid JSON (layer_norm_eps: NaN is no number in JSON)",
        FETCH,
    ),
    Hostile(
        "an epsilon beyond all numbers",
        with_text(lambda text: text.replace("1e-12", "1e999")),
        "it is no valid JSON (layer_norm_eps: 1e999 is beyond every floating number)",
        FETCH,
    ),
    Hostile(
        "a negative epsilon",
        with_config(layer_norm_eps=-1e-12),
        "its layer_norm_eps is -1e-12, not a number in [0, 1)",
        CORRECT,
    ),
    Hostile(
        "an epsilon in words",
        with_config(layer_norm_eps="1e-12"),
        "its layer_norm_eps is '1e-12', not a number in [0, 1)",
        CORRECT,
    ),
    Hostile(
        "a dropout of 2",
        with_config(hidden_dropout_prob=2),
        "its hidden_dropout_prob is 2, not a share in [0, 1]",
        CORRECT,
    ),
    Hostile(
        "one position",
        with_config("BertModel", max_position_embeddings=1),
        "it has positions for 1 token",
        "Choose another checkpoint",
    ),
    Hostile(
        "no pixels in a patch",
        with_config(patch_size=0),
        "its patch_size is 0, not a size from 1 up",
        CORRECT,
    ),
    Hostile(
        "an image of three sides",
        with_config(image_size=[48, 48, 48]),
        "its image_size is [48, 48, 48], not one number or two",
        CORRECT,
    ),
    Hostile(
        "padding beyond the vocabulary",
        with_config("BertModel", pad_token_id=9999),
        "its pad_token_id is 9999, not a token from 0 to 49",
        CORRECT,
    ),
    Hostile(
        "labels whose keys are words",
        with_config("BertForSequenceClassification", id2label={"good": "x", "bad": "y"}),
        "its id2label is {'good': 'x', 'bad': 'y'}, not a table whose keys are 0 to 1",
        CORRECT,
    ),
    Hostile(
        "a flag that is a number", with_config(qkv_bias=1), "its qkv_bias is 1, not true or false", CORRECT
    ),
    Hostile(
        "architectures that are a number",
        with_config(architectures=5),
        "its architectures are 5, not a list of names of classes",
        CORRECT,
    ),
    Hostile(
        "a class with a name of a page",
        with_config(architectures=["A" * 5_000]),
        f"its architectures are ['{'A' * 55}..., not a list of names of classes",
        CORRECT,
    ),
    Hostile(
        "a type with a name of a page",
        with_config(model_type="a" * 5_000),
        f"the model_type of its config.json is '{'a' * 56}..., not a name",
        "Correct the model_type",
    ),
    Hostile(
        "no model_type",
        with_config(model_type=...),
        "its config.json has no model_type",
        "Add the model_type",
    ),
    Hostile(
        "a model_type that is a list",
        with_config(model_type=["vit"]),
        "the model_type of its config.json is ['vit'], not a name",
        "Correct the model_type",
    ),
    Hostile(
        "the same key twice",
        with_text(lambda text: text.replace("{", '{"hidden_size": 64, ', 1)),
        "it is no valid JSON (hidden_size: the key stands there twice)",
        FETCH,
    ),
    Hostile(
        "brackets that nest too deeply",
        with_text(lambda text: '{"a":' * 200_000),
        "it is no valid JSON (",
        FETCH,
    ),
    Hostile(
        "brackets that nest a little too deeply",
        with_config(task_specific_params=json.loads('{"a":' * 60 + "1" + "}" * 60)),
        "lists or objects lie in each other more than 32 deep",
        FETCH,
    ),
    Hostile(
        "half a character",
        with_text(lambda text: text.replace("ViTModel", "\\ud800")),
        "a text holds half a character",
        FETCH,
    ),
    Hostile(
        "a byte order mark",
        with_bytes("config.json", b"\xef\xbb\xbf{}"),
        "it begins with a byte order mark",
        "Save it as UTF-8 without a byte order mark",
    ),
    Hostile(
        "UTF-16",
        with_bytes("config.json", "{}".encode("utf-16")),
        "it is UTF-16, not UTF-8",
        "Save it as UTF-8 without a byte order mark",
    ),
    Hostile(
        "Latin-1",
        with_bytes("config.json", b'{"name": "\xe9"}'),
        "it is no valid JSON (it is not UTF-8 (byte 10))",
        FETCH,
    ),
    Hostile("a list", with_bytes("config.json", b"[]"), "it holds no JSON object", FETCH),
    Hostile(
        "a key that is no text", with_bytes("config.json", b'{1: "vit"}'), "it is no valid JSON (", FETCH
    ),
    Hostile("an empty config.json", with_bytes("config.json", b""), "config.json: it is empty", FETCH),
    Hostile(
        "config.json as a pointer of Git LFS",
        with_bytes("config.json", LFS),
        "it is a pointer of Git LFS, not the file itself",
        "git lfs pull",
    ),
    Hostile(
        "config.json as a folder",
        replaced(Path.mkdir),
        "it is a folder, not a file",
        "Put the file itself there",
    ),
    Hostile(
        "config.json as a pipe", replaced(os.mkfifo), "it is a pipe, not a file", "Put the file itself there"
    ),
    Hostile(
        "config.json as a device",
        replaced(lambda path: path.symlink_to("/dev/zero")),
        "it is a device, not a file",
        "Put the file itself there",
    ),
    Hostile(
        "config.json as a link in a circle",
        replaced(lambda path: path.symlink_to(path.name)),
        "it can't be read (Too many levels of symbolic links)",
        "Check the path",
    ),
    Hostile(
        "config.json as a link to nothing",
        replaced(lambda path: path.symlink_to("nowhere")),
        "it can't be read (No such file or directory)",
        "Check the path",
    ),
)
