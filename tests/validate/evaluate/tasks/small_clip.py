"""A tiny CLIP checkpoint with its text tower and tokeniser, written as the hub's folders are."""

from __future__ import annotations

import json
from pathlib import Path

import torch

WORDS = (
    "[PAD]",
    "[UNK]",
    "<|begin|>",
    "a",
    "photo",
    "of",
    "the",
    "an",
    "image",
    "picture",
    "ant",
    "bee",
    "<|end|>",
)
LENGTH, WIDTH, PROJECTION, IMAGE_SIZE = 8, 16, 12, 16


def write_clip(folder: Path) -> None:
    """config.json, model.safetensors, tokenizer.json, preprocessor_config.json."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel

    sizes = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": PROJECTION,
    }
    end = len(WORDS) - 1
    text = sizes | {"vocab_size": len(WORDS), "max_position_embeddings": LENGTH}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": end}
    vision = sizes | {"image_size": IMAGE_SIZE, "patch_size": 4}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION)
    torch.manual_seed(0)
    model = CLIPModel(config)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: value.contiguous() for name, value in model.state_dict().items() if "position_ids" not in name
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    content = config.to_dict() | {"architectures": ["CLIPModel"]}
    (folder / "config.json").write_text(json.dumps(content))
    preprocess = {
        "size": {"shortest_edge": IMAGE_SIZE},
        "crop_size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocess))
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A <|end|>", special_tokens=[("<|begin|>", 2), ("<|end|>", end)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
