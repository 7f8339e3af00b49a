"""Checkpoints whose weights, or other files, can't be read or can't be weights."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import torch

from tests.pitome.models.hostile.makers import (
    BIAS,
    CORRECT,
    FETCH,
    LFS,
    QUANTISED_REMEDY,
    Hostile,
    Trap,
    bomb,
    bytes_in_place,
    cut,
    first_part,
    of_tensorflow,
    overlapping,
    pickled,
    put,
    replaced,
    same_tensor_in_two_parts,
    script,
    sharded,
    twice,
    with_bytes,
    with_header,
    with_index,
    with_tensors,
    written,
)

WEIGHTS: tuple[Hostile, ...] = (
    Hostile(
        "no weights",
        replaced(lambda path: None, "model.safetensors"),
        "the folder has neither model.safetensors nor pytorch_model.bin",
        "Give a folder with weights, or WEIGHTS=random",
    ),
    Hostile(
        "a variant only",
        replaced(
            lambda path: path.with_name("model.fp16.safetensors").write_bytes(b"x"), "model.safetensors"
        ),
        "the folder has only variants of the weights (model.fp16.safetensors)",
        "Rename the one you mean to model.safetensors",
    ),
    Hostile(
        "a missing part",
        sharded(
            lambda folder: (first_part(folder).unlink(), (folder / "model.safetensors.index.json").unlink())
        ),
        "parts of its weights: model-00001-of-",
        "Fetch the whole checkpoint again",
    ),
    Hostile(
        "an index that names an absent file",
        sharded(lambda folder: first_part(folder).unlink()),
        "it names model-00001-of-",
        "Fetch the whole checkpoint again",
    ),
    Hostile(
        "an index that leads out of the folder",
        sharded(
            lambda folder: with_index(folder, lambda table: table.update({BIAS: "../../secret.safetensors"}))
        ),
        "it names '../../secret.safetensors', which is no .safetensors file of its folder",
        CORRECT,
    ),
    Hostile(
        "an index without a table",
        sharded(lambda folder: (folder / "model.safetensors.index.json").write_text("{}")),
        "it has no weight_map from tensors to files",
        FETCH,
    ),
    Hostile(
        "a tensor in two parts",
        sharded(same_tensor_in_two_parts),
        "is in two of its files",
        "Fetch the whole checkpoint again",
    ),
    Hostile(
        "a part as a pointer of Git LFS",
        sharded(lambda folder: first_part(folder).write_bytes(LFS)),
        "it is a pointer of Git LFS, not the file itself",
        "git lfs pull",
    ),
    Hostile(
        "weights as a pointer of Git LFS",
        with_bytes("model.safetensors", LFS),
        "it is a pointer of Git LFS, not the file itself",
        "git lfs pull",
    ),
    Hostile("empty weights", with_bytes("model.safetensors", b""), "model.safetensors: it is empty", FETCH),
    Hostile(
        "weights as a folder",
        replaced(Path.mkdir, "model.safetensors"),
        "the folder has neither",
        "Give a folder with weights",
    ),
    Hostile(
        "weights as a pipe",
        replaced(os.mkfifo, "model.safetensors"),
        "it is a pipe, not a file",
        "Put the file itself there",
    ),
    Hostile(
        "weights as an endless device",
        replaced(lambda path: path.symlink_to("/dev/zero"), "model.safetensors"),
        "it is a device, not a file",
        "Put the file itself there",
    ),
    Hostile(
        "safetensors of three bytes",
        with_bytes("model.safetensors", b"abc"),
        "the file is damaged or incomplete",
        FETCH,
    ),
    Hostile(
        "a header larger than the file",
        with_header(lambda header, data: struct.pack("<Q", 2**62) + b"{}" + data),
        "its header would have 4611686018427387904 bytes",
        FETCH,
    ),
    Hostile(
        "a header that is no JSON",
        with_header(lambda header, data: written("{broken", data)),
        "its header is no valid JSON",
        FETCH,
    ),
    Hostile("a header with a name twice", with_header(twice), "is there twice", FETCH),
    Hostile(
        "safetensors of TensorFlow",
        with_header(of_tensorflow),
        "they are in the form of TensorFlow",
        "Choose a checkpoint with PyTorch weights, or convert it",
    ),
    Hostile("overlapping tensors", with_header(overlapping), "the file is damaged or incomplete (", FETCH),
    Hostile("weights that are cut short", with_header(cut), "the file is damaged or incomplete (", FETCH),
    Hostile(
        "two tensors for one place",
        with_tensors(lambda tensors: tensors.update({"vit.layernorm.bias": tensors["layernorm.bias"] + 1})),
        "they have two different tensors for one place, layernorm.bias and vit.layernorm.bias",
        "Fetch the whole checkpoint again, or save one model alone",
    ),
    Hostile(
        "a missing tensor",
        with_tensors(lambda tensors: tensors.pop(BIAS)),
        "they do not fit: layernorm.bias is missing",
        "Give the weights that belong to this config.json",
    ),
    Hostile(
        "a missing half of a pooler",
        with_tensors(lambda tensors: tensors.pop("pooler.dense.bias")),
        "they do not fit: pooler.dense.bias is missing",
        "Give the weights that belong to this config.json",
    ),
    Hostile(
        "a tensor of another shape",
        with_tensors(put(BIAS, torch.zeros(7))),
        "layernorm.bias is (7,), not (32,)",
        "Give the weights that belong to this config.json",
    ),
    Hostile(
        "a tensor without elements",
        with_tensors(put(BIAS, torch.zeros(0))),
        "layernorm.bias is (0,), not (32,)",
        "Give the weights that belong to this config.json",
    ),
    Hostile(
        "weights of NaN",
        with_tensors(put(BIAS, torch.full((32,), torch.nan))),
        "the tensor layernorm.bias holds NaN or infinity",
        "Fetch the weights again",
    ),
    Hostile(
        "weights of infinity",
        with_tensors(put(BIAS, torch.full((32,), -torch.inf))),
        "the tensor layernorm.bias holds NaN or infinity",
        "Fetch the weights again",
    ),
    Hostile(
        "float64 beyond float32",
        with_tensors(put(BIAS, torch.full((32,), 1e300, dtype=torch.float64))),
        "the tensor layernorm.bias holds NaN or infinity",
        "Fetch the weights again",
    ),
    Hostile(
        "whole numbers",
        with_tensors(put(BIAS, torch.ones(32, dtype=torch.int8))),
        "the tensor layernorm.bias has whole numbers (int8)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "truth values",
        with_tensors(put(BIAS, torch.ones(32, dtype=torch.bool))),
        "the tensor layernorm.bias has whole numbers (bool)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "complex numbers",
        with_tensors(put(BIAS, torch.ones(32, dtype=torch.complex64))),
        "the tensor layernorm.bias is complex (complex64)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "complex numbers in a pickle",
        pickled(put(BIAS, torch.ones(32, dtype=torch.complex64))),
        "the tensor layernorm.bias is complex (complex64)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a sparse tensor",
        pickled(put(BIAS, torch.eye(32).to_sparse())),
        "the tensor layernorm.bias is sparse (sparse_coo)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a sparse tensor in rows",
        pickled(put(BIAS, lambda: torch.eye(32).to_sparse_csr())),
        "the tensor layernorm.bias is sparse (sparse_csr)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a tensor without values",
        pickled(put(BIAS, torch.empty(32, device="meta"))),
        "has a shape and no values (it was saved from the device meta)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a quantised tensor",
        pickled(put(BIAS, lambda: torch.quantize_per_tensor(torch.ones(32), 0.1, 0, torch.qint8))),
        "the tensor layernorm.bias is quantised (qint8)",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "one number that claims to be a trillion",
        pickled(put(BIAS, torch.zeros(1).expand(10**12))),
        "it needs at least 4,000.0 GB of memory",
        "Use a machine with more memory",
    ),
    Hostile(
        "a pickle that would run code",
        pickled(lambda tensors: {"a": Trap()}),
        "only unrestricted pickle could read the file, which could run any code; nothing was run",
        "Convert the checkpoint to safetensors",
    ),
    Hostile(
        "a bare pickle that would run code",
        bytes_in_place("pytorch_model.bin", pickle.dumps({"a": Trap()}, protocol=2)),
        "only unrestricted pickle could read the file",
        "Convert the checkpoint to safetensors",
    ),
    Hostile(
        "a whole module in a pickle",
        pickled(lambda tensors: torch.nn.Linear(2, 2)),
        "only unrestricted pickle could read the file",
        "Convert the checkpoint to safetensors",
    ),
    Hostile(
        "a training state in a pickle",
        pickled(lambda tensors: {"model": tensors, "epoch": 3}),
        "the file holds more than a table of tensors",
        "Save the model's state_dict alone",
    ),
    Hostile(
        "a table with numbers as names",
        pickled(lambda tensors: dict(enumerate(tensors.values()))),
        "the file holds more than a table of tensors",
        "Save the model's state_dict alone",
    ),
    Hostile(
        "a list of tensors",
        pickled(lambda tensors: list(tensors.values())),
        "the file holds more than a table of tensors",
        "Save the model's state_dict alone",
    ),
    Hostile(
        "a TorchScript programme",
        script,
        "it is a TorchScript programme, not a table of tensors",
        "Save the model's state_dict alone",
    ),
    Hostile("a packed archive", bomb, "its archive is compressed, as PyTorch never writes one", FETCH),
    Hostile(
        "a pickle of nonsense",
        bytes_in_place("pytorch_model.bin", b"nonsense"),
        "pytorch_model.bin: ",
        "nothing was run",
    ),
    Hostile(
        "a tokenizer as a pointer of Git LFS",
        with_bytes("tokenizer.json", LFS, "BertModel"),
        "it is a pointer of Git LFS, not the file itself",
        "git lfs pull",
    ),
    Hostile(
        "a tokenizer that is no tokenizer",
        with_bytes("tokenizer.json", b"{}", "BertModel"),
        "the tokenizer ",
        FETCH,
    ),
)
