"""A tiny seeded checkpoint of any registered family, so that a new one is tested without being named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pitome.models.families import all_families
from pitome.models.family import Family
from pitome.models.task import Modality
from tests.tiny_models import IMAGE_SIZE, NUM_HEADS, PATCH_SIZE, SEQUENCE_LENGTH, VOCABULARY, WIDTH

NUM_LAYERS = 2
_BLOCKS = {
    "hidden_size": WIDTH,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": NUM_HEADS,
    "intermediate_size": 2 * WIDTH,
    "num_labels": 7,
}
_SIZES: Mapping[Modality, Mapping[str, Any]] = {
    "image": {**_BLOCKS, "image_size": IMAGE_SIZE, "patch_size": PATCH_SIZE},
    # Tables of positions that begin behind the padding token's lose two places.
    "text": {**_BLOCKS, "vocab_size": VOCABULARY, "max_position_embeddings": SEQUENCE_LENGTH + 2},
}


@dataclass(frozen=True)
class TinyCase:
    """One class of a family."""

    family: Family
    architecture: str

    def __str__(self) -> str:
        return f"{self.family.name}-{self.architecture}"

    def model(self) -> Any:
        """With weights that matter beside the residual, in eval mode."""
        import transformers

        sizes = {**_SIZES[self.family.modality], **self.family.tiny_config}
        if "QuestionAnswering" in self.architecture:  # where an answer begins, and where it ends
            sizes["num_labels"] = 2
        model_class = getattr(transformers, self.architecture)
        config = model_class.config_class.from_dict(self.family.config_content(self.architecture, sizes))
        generator = torch.Generator().manual_seed(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = model_class._from_config(config, attn_implementation="sdpa")
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
                else:
                    parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
        return model.eval()

    def save(self, folder: Path) -> Any:
        """Write the checkpoint and return its model."""
        model = self.model()
        model.save_pretrained(folder)
        return model


def tiny_cases() -> Iterator[TinyCase]:
    """The first class of each task of every registered family, a whole model's class left out."""
    for family in all_families():
        seen = set()
        for architecture, task in family.architectures.items():
            if task not in seen:
                seen.add(task)
                yield TinyCase(family, architecture)


def tiny_inputs(case: TinyCase, model: Any, batch: int = 2) -> dict[str, Tensor]:
    """Seeded noise, or texts whose last one is padded, as the family's graphs take them."""
    generator = torch.Generator().manual_seed(1)
    inputs = case.family.example_inputs(model, batch)
    if case.family.modality == "image":
        return {name: torch.randn(value.shape, generator=generator) for name, value in inputs.items()}
    shape = inputs["input_ids"].shape
    # The first ids stand for padding and the like in one family or another.
    ids = torch.randint(4, VOCABULARY, shape, generator=generator)
    mask = torch.ones_like(ids)
    mask[-1, shape[1] - 5 :] = 0
    ids[mask == 0] = model.config.pad_token_id or 0
    found = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in inputs:
        found["token_type_ids"] = torch.randint(0, 2, shape, generator=generator) * mask
    return found
