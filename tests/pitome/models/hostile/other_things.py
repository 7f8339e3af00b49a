"""Given as MODEL, and no checkpoint of transformers."""

from __future__ import annotations

import os

from tests.pitome.models.hostile.makers import (
    Hostile,
    inside,
    pooling,
    run_with_config,
    with_bytes,
    with_config,
    with_files,
    without_weights,
)

OTHER_THINGS: tuple[Hostile, ...] = (
    Hostile("an empty folder", with_files(), "the folder is empty", "Give a folder with config.json"),
    Hostile(
        "weights without config.json",
        with_files("model.safetensors"),
        "the folder has weights and no config.json",
        "Put the config.json of their model beside them",
    ),
    Hostile(
        "a PEFT adapter",
        with_files("adapter_model.safetensors", adapter_config={"peft_type": "LORA"}),
        "it holds a PEFT adapter (adapter_config.json)",
        "call merge_and_unload()",
    ),
    Hostile(
        "an adapter beside the weights",
        with_bytes("adapter_config.json", b"{}"),
        "it holds a PEFT adapter (adapter_config.json)",
        "call merge_and_unload()",
    ),
    Hostile(
        "LoRA weights alone",
        with_files("pytorch_lora_weights.safetensors"),
        "it has the weights of an adapter only",
        "call merge_and_unload()",
    ),
    Hostile(
        "a timm checkpoint",
        with_files(
            "model.safetensors",
            config={"architecture": "vit_base_patch16_224", "num_classes": 1000, "pretrained_cfg": {}},
        ),
        "it is a checkpoint of timm (vit_base_patch16_224)",
        "Choose the same model for transformers",
    ),
    Hostile(
        "a timm checkpoint that transformers wraps",
        with_files("model.safetensors", config={"model_type": "timm_wrapper", "architecture": "resnet18"}),
        "it is a checkpoint of timm (resnet18)",
        "Choose the same model for transformers",
    ),
    Hostile(
        "an open_clip checkpoint",
        with_files("open_clip_pytorch_model.bin", open_clip_config={"model_cfg": {}}),
        "it is a checkpoint of open_clip",
        "Choose its conversion for transformers",
    ),
    Hostile(
        "an open_clip configuration",
        with_files("model.safetensors", config={"model_cfg": {"embed_dim": 512}}),
        "it is a checkpoint of open_clip",
        "Choose its conversion for transformers",
    ),
    Hostile(
        "a diffusers pipeline",
        with_files("unet/config.json", "image_encoder/config.json", model_index={"_class_name": "X"}),
        "it is a pipeline of diffusers",
        "Give the folder of its encoder",
    ),
    Hostile(
        "a part of a diffusers pipeline",
        with_files("diffusion_pytorch_model.safetensors", config={"_class_name": "UNet2DConditionModel"}),
        "it is a part of a diffusers pipeline",
        "Give an encoder of transformers",
    ),
    Hostile(
        "an ONNX folder",
        with_files("model.onnx"),
        "it has an ONNX graph, in which tokens can't be merged any more",
        "Give the checkpoint that it was exported from",
    ),
    Hostile(
        "an ONNX folder with config.json",
        lambda bases, folder: without_weights(bases, folder, "onnx/model.onnx"),
        "it has an ONNX graph",
        "Give the checkpoint that it was exported from",
    ),
    Hostile(
        "an ONNX file",
        inside("model.onnx", with_files("model.onnx")),
        "it has an ONNX graph",
        "Give the checkpoint that it was exported from",
    ),
    Hostile(
        "a GGUF file",
        inside("bert-q4.gguf", with_files("bert-q4.gguf")),
        "it has weights for llama.cpp (GGUF), which are quantised",
        "Choose the checkpoint that they were made from",
    ),
    Hostile(
        "a GGUF folder",
        with_files("bert-q4.gguf"),
        "it has weights for llama.cpp (GGUF)",
        "Choose the checkpoint that they were made from",
    ),
    Hostile(
        "an OpenVINO model",
        lambda bases, folder: without_weights(bases, folder, "openvino_model.xml"),
        "it has a model of OpenVINO",
        "Give the checkpoint that it was converted from",
    ),
    Hostile(
        "TensorFlow weights only",
        lambda bases, folder: without_weights(bases, folder, "tf_model.h5"),
        "it has TensorFlow weights only",
        "Convert them: with transformers 4, AutoModel.from_pretrained(FOLDER, from_tf=True)",
    ),
    Hostile(
        "a TensorFlow SavedModel",
        with_files("saved_model.pb", "variables/variables.index"),
        "it has TensorFlow weights only",
        "Convert them: with transformers 4, AutoModel.from_pretrained(FOLDER, from_tf=True)",
    ),
    Hostile(
        "Flax weights only",
        lambda bases, folder: without_weights(bases, folder, "flax_model.msgpack"),
        "it has Flax weights only",
        "Convert them: with transformers 4, AutoModel.from_pretrained(FOLDER, from_flax=True)",
    ),
    Hostile(
        "a TensorRT plan",
        inside("model.plan", with_files("model.plan")),
        "it has a compiled model for one kind of machine",
        "Give the checkpoint that it was built from",
    ),
    Hostile(
        "a DeepSpeed checkpoint",
        with_files("zero_to_fp32.py", "global_step500/mp_rank_00_model_states.pt"),
        "it is a training state in pieces",
        "Gather it (zero_to_fp32.py, or accelerate merge-weights)",
    ),
    Hostile(
        "a bundle of pitome",
        with_files("manifest.json", "manifest.json.sha256", "model.onnx"),
        "it is a bundle that pitome has built",
        "Give the model that it was built from",
    ),
    Hostile(
        "a data set",
        with_files("data/train-00000.parquet", dataset_info={}),
        "it is a data set, not a model",
        "data sets go to --task",
    ),
    Hostile(
        "a folder of photos",
        with_files("cats/one.jpg", "dogs/two.jpg"),
        "the folder has no config.json",
        "Give the folder that save_pretrained wrote",
    ),
    Hostile(
        "a training run",
        with_files("checkpoint-500/config.json", "checkpoint-1000/config.json", "trainer_state.json"),
        "it is the folder of a training run, and 2 of its checkpoints lie in it",
        "Give one of them, such as checkpoint-1000",
    ),
    Hostile(
        "a training run with config.json",
        run_with_config,
        "it is the folder of a training run, and 1 of its checkpoints lie in it",
        "Give one of them, such as checkpoint-500",
    ),
    Hostile(
        "a folder of the hub's cache",
        with_files("refs/main", "blobs/0123", "snapshots/89ab/config.json"),
        "it is the hub's own cache of a model, whose files lie deeper in it",
        "Give snapshots/89ab in it, or the model's id org/name",
    ),
    Hostile(
        "a checkpoint one folder deeper",
        with_files("snapshot/config.json", "snapshot/model.safetensors"),
        "the folder has no config.json; of the folders in it these have one: snapshot",
        "Give snapshot in it",
    ),
    Hostile(
        "the pooling module of sentence-transformers",
        inside("1_Pooling", pooling),
        "it is the pooling module of a sentence-transformers folder",
        "Give the folder above, which has modules.json",
    ),
    Hostile(
        "the pooling module alone",
        with_files("1_Pooling/x", config={"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}),
        "it is the pooling module of a sentence-transformers folder",
        "Give the folder above, which has modules.json",
    ),
    Hostile(
        "the Dense module alone",
        with_files("model.safetensors", config={"in_features": 384, "out_features": 64}),
        "it is the Dense module of a sentence-transformers folder",
        "Give the folder above, which has modules.json",
    ),
    Hostile(
        "modules.json without its model",
        with_files(
            "1_Pooling/x",
            modules=[
                {"path": "", "type": "sentence_transformers.models.Transformer"},
                {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ],
        ),
        "it is a sentence-transformers folder without the model itself",
        "Fetch the whole folder again",
    ),
    Hostile(
        "config.json itself",
        inside("config.json", with_config()),
        "it is one file of a checkpoint",
        "Give the folder in which it lies",
    ),
    Hostile(
        "a file of weights",
        inside("model.safetensors", with_config()),
        "it is a file of weights",
        "Give the folder in which it lies together with its config.json",
    ),
    Hostile(
        "a pickle of weights",
        inside("pytorch_model.bin", with_files("pytorch_model.bin")),
        "it is a file of weights",
        "Give the folder in which it lies together with its config.json",
    ),
    Hostile("an archive", inside("model.zip", with_files("model.zip")), "it is an archive", "Unpack it"),
    Hostile(
        "some other file",
        inside("README.md", with_files("README.md")),
        "it is a file, not a folder",
        "Give a folder with config.json and weights",
    ),
    Hostile(
        "a pipe",
        lambda bases, folder: (os.mkfifo(folder / "pipe"), folder / "pipe")[1],
        "it is no folder, but a pipe or a device",
        "Give a folder with config.json",
    ),
    Hostile(
        "a device",
        lambda bases, folder: "/dev/null",
        "it is no folder, but a pipe or a device",
        "Give a folder with config.json",
    ),
    Hostile(
        "a link to nothing",
        lambda bases, folder: ((folder / "link").symlink_to("nowhere"), folder / "link")[1],
        "it is a link to what is not there",
        "Give the folder itself",
    ),
    Hostile(
        "links in a circle",
        lambda bases, folder: ((folder / "a").symlink_to("b"), (folder / "b").symlink_to("a"), folder / "a")[
            2
        ],
        "it is a link to what is not there",
        "Give the folder itself",
    ),
    Hostile(
        "a name too long",
        lambda bases, folder: folder / ("x" * 5000),
        "it can't be looked at (File name too long)",
        "Give a folder or a hub id",
    ),
    Hostile(
        "a home of nobody",
        lambda bases, folder: "~nobody-of-this-name/model",
        "it can't be looked at (",
        "Give a folder or a hub id",
    ),
    Hostile(
        "a folder with a revision",
        lambda bases, folder: f"{folder}@main",
        "is a folder here, and a folder has no revisions",
        "Check main out there",
    ),
    Hostile(
        "a preset with a revision",
        lambda bases, folder: "clip-b16@main",
        "a preset has a revision of its own",
        "Give openai/clip-vit-base-patch16@main",
    ),
    Hostile(
        "the address of a page",
        lambda bases, folder: "https://huggingface.co/google/vit-base-patch16-224/tree/main",
        "it is an address, not an id",
        "Give google/vit-base-patch16-224",
    ),
    Hostile(
        "a data set of the hub",
        lambda bases, folder: "datasets/org/name",
        "it is one of the hub's datasets, not a model",
        "Give a model's id",
    ),
    Hostile(
        "an id without its revision",
        lambda bases, folder: "org/name@",
        "no revision stands behind the @",
        "Give org/name",
    ),
    Hostile(
        "an id with three parts",
        lambda bases, folder: "org/name/part",
        "nor an id of the form org/name",
        "`pitome models` lists the presets",
    ),
)
