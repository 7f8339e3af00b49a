"""``config.json`` of every preset's checkpoint as on the hub; from knowledge, the hub is out of reach here.

Lists of a thousand labels are numbered, and keys that only say who wrote a file are left out; what older
versions of the library wrote beside the sizes (generation, flags of a run) is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABELS = {
    "id2label": {str(number): f"label {number}" for number in range(1000)},
    "label2id": {f"label {number}": number for number in range(1000)},
}
_OF_ALL = {
    "_name_or_path": "",
    "add_cross_attention": False,
    "architectures": None,
    "bad_words_ids": None,
    "chunk_size_feed_forward": 0,
    "cross_attention_hidden_size": None,
    "decoder_start_token_id": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0,
    "finetuning_task": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "is_decoder": False,
    "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "length_penalty": 1.0,
    "max_length": 20,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_scores": False,
    "prefix": None,
    "problem_type": None,
    "pruned_heads": {},
    "remove_invalid_values": False,
    "repetition_penalty": 1.0,
    "return_dict": True,
    "return_dict_in_generate": False,
    "sep_token_id": None,
    "task_specific_params": None,
    "temperature": 1.0,
    "tie_encoder_decoder": False,
    "tie_word_embeddings": True,
    "tokenizer_class": None,
    "top_k": 50,
    "top_p": 1.0,
    "torch_dtype": None,
    "torchscript": False,
    "transformers_version": "4.16.0.dev0",
    "use_bfloat16": False,
}
"""What the parts of a CLIP hold beside their own."""


def _clip(
    width: int, heads: int, layers: int, patch: int, image: int, activation: str, dictionaries: bool
) -> dict[str, Any]:
    projection = 768 if width == 1024 else 512
    both = {
        "attention_dropout": 0.0,
        "dropout": 0.0,
        "hidden_act": activation,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-05,
    }
    text = {
        "hidden_size": projection,
        "intermediate_size": 4 * projection,
        "num_attention_heads": projection // 64,
        "num_hidden_layers": 12,
        "projection_dim": projection,
    }
    vision = {
        "hidden_size": width,
        "image_size": image,
        "intermediate_size": 4 * width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "patch_size": patch,
        "projection_dim": projection,
    }
    return {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": projection,
        "text_config": {
            **_OF_ALL,
            **both,
            **text,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "max_position_embeddings": 77,
            "model_type": "clip_text_model",
            "pad_token_id": 1,
            "vocab_size": 49408,
        },
        "text_config_dict": {**text, "hidden_act": activation} if dictionaries else None,
        "torch_dtype": "float32",
        "transformers_version": None,
        "vision_config": {**_OF_ALL, **both, **vision, "model_type": "clip_vision_model", "num_channels": 3},
        "vision_config_dict": {**vision, "hidden_act": activation} if dictionaries else None,
    }


def _vit(width: int, heads: int, layers: int = 12, distilled: bool = False) -> dict[str, Any]:
    return {
        "architectures": [
            "DeiTForImageClassificationWithTeacher" if distilled else "ViTForImageClassification"
        ],
        "attention_probs_dropout_prob": 0.0,
        "encoder_stride": 16,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": width,
        **_LABELS,
        "image_size": 224,
        "initializer_range": 0.02,
        "intermediate_size": 4 * width,
        "layer_norm_eps": 1e-12,
        "model_type": "deit" if distilled else "vit",
        "num_attention_heads": heads,
        "num_channels": 3,
        "num_hidden_layers": layers,
        "patch_size": 16,
        "qkv_bias": True,
        "torch_dtype": "float32",
        "transformers_version": "4.13.0.dev0",
    }


def _dinov2(width: int, heads: int, layers: int) -> dict[str, Any]:
    return {
        "apply_layernorm": True,
        "architectures": ["Dinov2Model"],
        "attention_probs_dropout_prob": 0.0,
        "drop_path_rate": 0.0,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": width,
        "image_size": 518,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-06,
        "layerscale_value": 1.0,
        "mlp_ratio": 4,
        "model_type": "dinov2",
        "num_attention_heads": heads,
        "num_channels": 3,
        "num_hidden_layers": layers,
        "out_features": [f"stage{layers}"],
        "out_indices": [layers],
        "patch_size": 14,
        "qkv_bias": True,
        "reshape_hidden_states": True,
        "stage_names": ["stem", *(f"stage{number}" for number in range(1, layers + 1))],
        "torch_dtype": "float32",
        "transformers_version": "4.32.0.dev0",
        "use_swiglu_ffn": False,
    }


def _bert(architecture: str, width: int, layers: int) -> dict[str, Any]:
    return {
        "architectures": [architecture],
        "attention_probs_dropout_prob": 0.1,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": width,
        "initializer_range": 0.02,
        "intermediate_size": 4 * width,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "model_type": "bert",
        "num_attention_heads": 12,
        "num_hidden_layers": layers,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "transformers_version": "4.6.0.dev0",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": 30522,
    }


PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "clip-b32": _clip(768, 12, 12, 32, 224, "quick_gelu", dictionaries=False),
    "clip-b16": _clip(768, 12, 12, 16, 224, "quick_gelu", dictionaries=False),
    "clip-l14": _clip(1024, 16, 24, 14, 224, "quick_gelu", dictionaries=True),
    "clip-l14-336": _clip(1024, 16, 24, 14, 336, "quick_gelu", dictionaries=True),
    "clip-b32-laion": _clip(768, 12, 12, 32, 224, "gelu", dictionaries=True),
    "clip-l14-laion": _clip(1024, 16, 24, 14, 224, "gelu", dictionaries=True),
    "vit-b16": _vit(768, 12),
    "vit-l16": _vit(1024, 16, 24),
    "deit-t16": _vit(192, 3),
    "deit-s16": _vit(384, 6),
    "deit-b16": _vit(768, 12),
    "deit-t16-distilled": _vit(192, 3, distilled=True),
    "deit-s16-distilled": _vit(384, 6, distilled=True),
    "deit-b16-distilled": _vit(768, 12, distilled=True),
    "dinov2-s14": _dinov2(384, 6, 12),
    "dinov2-b14": _dinov2(768, 12, 12),
    "dinov2-l14": _dinov2(1024, 16, 24),
    "minilm-l6": _bert("BertModel", 384, 6),
    "bert-b": _bert("BertForMaskedLM", 768, 12),
    "distilbert-sst2": {
        "activation": "gelu",
        "architectures": ["DistilBertForSequenceClassification"],
        "attention_dropout": 0.1,
        "dim": 768,
        "dropout": 0.1,
        "finetuning_task": "sst-2",
        "hidden_dim": 3072,
        "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
        "initializer_range": 0.02,
        "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
        "max_position_embeddings": 512,
        "model_type": "distilbert",
        "n_heads": 12,
        "n_layers": 6,
        "output_past": True,
        "pad_token_id": 0,
        "qa_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "sinusoidal_pos_embds": False,
        "tie_weights_": True,
        "vocab_size": 30522,
    },
}
"""Preset -> config.json. Presets whose weights are included, or taken from a package of another layout, have
none."""
WEIGHTS_OF: Mapping[str, str] = {"bert-b": "BertForPreTraining"}
"""Where the file of weights holds more than the class that config.json names."""
