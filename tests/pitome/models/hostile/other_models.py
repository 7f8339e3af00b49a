"""Checkpoints of other kinds of model."""

from __future__ import annotations

import torch

from tests.pitome.models.hostile.makers import (
    QUANTISED_REMEDY,
    Hostile,
    put,
    quantised,
    with_config,
    with_tensors,
)

OTHER_MODELS: tuple[Hostile, ...] = (
    Hostile(
        "bitsandbytes in 8 bits",
        quantised("bitsandbytes", load_in_8bit=True),
        "its config.json has a quantization_config of bitsandbytes in 8 bits",
        "model.dequantize()",
    ),
    Hostile(
        "bitsandbytes in 4 bits, old form",
        with_config(quantization_config={"load_in_4bit": True}),
        "a quantization_config of bitsandbytes in 4 bits",
        "model.dequantize()",
    ),
    Hostile(
        "a quantised vision tower",
        with_config(
            "CLIPVisionModel",
            model_type="clip",
            vision_config={"quantization_config": {"quant_method": "hqq"}},
        ),
        "a vision_config.quantization_config of hqq",
        "Choose the checkpoint that it was made from",
    ),
    Hostile(
        "gptq",
        quantised("gptq", bits=4, group_size=128),
        "a quantization_config of gptq in 4 bits",
        QUANTISED_REMEDY,
    ),
    Hostile("awq", quantised("awq", bits=4), "a quantization_config of awq in 4 bits", QUANTISED_REMEDY),
    Hostile(
        "fp8",
        quantised("fp8", weight_block_size=[128, 128]),
        "a quantization_config of fp8",
        "choose the checkpoint in bfloat16",
    ),
    Hostile(
        "compressed-tensors",
        quantised("compressed-tensors", format="int-quantized"),
        "a quantization_config of compressed-tensors",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a quantisation of MLX",
        with_config(quantization={"group_size": 64, "bits": 4}),
        "its config.json has a quantization of an unknown method in 4 bits",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a quantisation without a name",
        with_config(quantization_config={}),
        "a quantization_config of an unknown method",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "a compression_config",
        with_config(compression_config={"quant_method": "sparseml"}),
        "a compression_config of sparseml",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "quantised tensors without a configuration",
        with_tensors(put("encoder.qweight", torch.zeros(2, dtype=torch.int32))),
        "they are quantised: they have a tensor encoder.qweight",
        QUANTISED_REMEDY,
    ),
    Hostile(
        "an unknown family",
        with_config(model_type="swin", architectures=["SwinModel"]),
        "no family knows its blocks; the families are bert",
        "Choose a model of one of these families",
    ),
    Hostile(
        "a class that its family does not know",
        with_config(architectures=["ViTForDreams"]),
        "family vit knows ViTForImageClassification, ViTModel, ViTForMaskedImageModeling",
        "Choose a checkpoint of one of these classes",
    ),
    Hostile(
        "an encoder-decoder",
        with_config(model_type="t5", architectures=["T5ForConditionalGeneration"], is_encoder_decoder=True),
        "it is an encoder-decoder, which writes texts",
        "Choose an encoder",
    ),
    Hostile(
        "a language model",
        with_config(model_type="gpt2", architectures=["GPT2LMHeadModel"]),
        "it is a decoder, whose tokens must not see those behind them",
        "Choose an encoder",
    ),
    Hostile(
        "a BERT that is a decoder",
        with_config("BertModel", is_decoder=True),
        "it is a decoder",
        "Choose an encoder",
    ),
    Hostile(
        "a BERT with cross-attention",
        with_config("BertModel", add_cross_attention=True),
        "it is a decoder",
        "Choose an encoder",
    ),
    Hostile(
        "BertLMHeadModel",
        with_config("BertModel", architectures=["BertLMHeadModel"]),
        "it is a decoder",
        "Choose an encoder",
    ),
    Hostile(
        "CLIP's text tower",
        with_config("CLIPVisionModel", architectures=["CLIPTextModel"]),
        "it is CLIP's text tower",
        "Give the whole CLIP, or its vision tower",
    ),
    Hostile(
        "code of its own",
        with_config(model_type="my-vit", auto_map={"AutoModel": "modeling.MyViT"}),
        "it needs code that came with the checkpoint (auto_map), which is never run",
        "Choose a model whose class transformers has itself",
    ),
    Hostile(
        "relative positions",
        with_config("BertModel", position_embedding_type="relative_key"),
        "its position_embedding_type is 'relative_key'",
        "Choose another checkpoint",
    ),
    Hostile(
        "pruned heads",
        with_config("BertModel", pruned_heads={"0": [1]}),
        "its pruned_heads takes single heads out of layers",
        "Choose another checkpoint",
    ),
    Hostile(
        "layers that differ",
        with_config("BertModel", per_layer_config={"0": {"hidden_size": 8}}),
        "its per_layer_config makes single layers differ",
        "Choose another checkpoint",
    ),
)
