"""Train the Fashion-MNIST models of this repository: a ViT classifier and a small CLIP on one vision tower.

    .venv/bin/python examples/train_fashion.py --out build/fashion

The vision tower has 197 tokens (28 px, patch 2, class token), 8 layers, width 96. It is trained first on
images of half the size (50 tokens, a fifth of the work), then at full size with its position embeddings
interpolated. Two losses share it: cross-entropy of a linear classifier on the mean patch token, and CLIP's
contrastive loss between the projected class token and one caption per class, drawn anew each step. The last
5,000 images of the training file are never trained on; the test file is never opened.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.captions import training_captions
from pitome.validate.evaluate.datasets.fashion_mnist import (
    CLASS_NAMES,
    DEVIATION,
    MEAN,
    find_folder,
    read_fashion_mnist,
    to_pixels,
)

COARSE, FINE, PATCH = 14, 28, 2
WIDTH, LAYERS, HEADS = 96, 8, 3
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS, TEXT_LENGTH = 64, 2, 2, 16
PREPROCESSING = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [MEAN] * 3,
    "image_std": [DEVIATION] * 3,
    "resample": 2,
    "size": {"height": FINE, "width": FINE},
}
LEAST_STEPS = 3
LABEL_SMOOTHING, WEIGHT_DECAY = 0.05, 0.05


class FashionModel(nn.Module):
    """A CLIP and a linear classifier on the mean patch token of its vision tower."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.clip = CLIPModel(config)
        self.classifier = nn.Linear(WIDTH, len(CLASS_NAMES))

    def forward(self, pixels: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, S, S], captions [10, L] -> logits of the classifier and of the CLIP, each [B, 10]."""
        seen = self.clip.vision_model(pixel_values=pixels)
        logits = self.classifier(seen.last_hidden_state[:, 1:].mean(dim=1))
        read = self.clip.text_model(input_ids=tokens, attention_mask=mask).pooler_output
        image = functional.normalize(self.clip.visual_projection(seen.pooler_output), dim=-1)
        text = functional.normalize(self.clip.text_projection(read), dim=-1)
        return logits, self.clip.logit_scale.exp().clamp(max=100) * image @ text.T


def make_tokenizer() -> Tokenizer:
    """One token per word of the captions; begin and end marks as CLIP has them."""
    words = sorted({word for captions in training_captions() for text in captions for word in text.split()})
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "<|begin|>", *words])}
    vocabulary["<|end|>"] = len(vocabulary)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A <|end|>",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("<|begin|>", "<|end|>")],
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", length=TEXT_LENGTH)
    tokenizer.enable_truncation(TEXT_LENGTH)
    return tokenizer


def make_config(tokenizer: Tokenizer) -> CLIPConfig:
    """The configuration of the whole CLIP, for images of half the size."""
    tower = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "image_size": COARSE,
        "patch_size": PATCH,
        "projection_dim": TEXT_WIDTH,
        "hidden_act": "gelu",
        "initializer_range": 0.02,
    }
    text = {
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": TEXT_HEADS,
        "max_position_embeddings": TEXT_LENGTH,
        "vocab_size": tokenizer.get_vocab_size(),
        "projection_dim": TEXT_WIDTH,
        "hidden_act": "gelu",
        "pad_token_id": 0,
        "bos_token_id": tokenizer.token_to_id("<|begin|>"),
        "eos_token_id": tokenizer.token_to_id("<|end|>"),
    }
    return CLIPConfig(text_config=text, vision_config=tower, projection_dim=TEXT_WIDTH)


def grow(model: FashionModel, config: CLIPConfig) -> FashionModel:
    """The same weights for images of full size, position embeddings interpolated."""
    config = CLIPConfig.from_dict(config.to_dict())
    config.vision_config.image_size = FINE
    grown = FashionModel(config)
    state = model.state_dict()
    name = "clip.vision_model.embeddings.position_embedding.weight"
    first, grid = state[name][:1], state[name][1:]
    side, wanted = COARSE // PATCH, FINE // PATCH
    grid = grid.T.reshape(1, WIDTH, side, side)
    grid = functional.interpolate(grid, size=(wanted, wanted), mode="bicubic", align_corners=False)
    state[name] = torch.cat([first, grid.reshape(WIDTH, -1).T])
    buffer = "clip.vision_model.embeddings.position_ids"
    if buffer in state:
        state[buffer] = grown.state_dict()[buffer]
    grown.load_state_dict(state)
    return grown


def augmented(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored by half a chance and moved by up to two pixels."""
    batch, _, side, _ = pixels.shape
    mirrored = torch.rand(batch, generator=generator) < 0.5
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
    background = -MEAN / DEVIATION
    padded = functional.pad(pixels, (2, 2, 2, 2), value=background)
    left, top = torch.randint(0, 5, (2, batch), generator=generator)
    rows = (top[:, None] + torch.arange(side))[:, None, :, None]
    columns = (left[:, None] + torch.arange(side))[:, None, None, :]
    which = torch.arange(batch)[:, None, None, None]
    channels = torch.arange(3)[None, :, None, None]
    return padded[which, channels, rows, columns]


def resized(pixels: Tensor, side: int) -> Tensor:
    """Images of 28 px, averaged down to ``side``."""
    return pixels if side == FINE else functional.avg_pool2d(pixels, FINE // side)


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one epoch in random order; the last, smaller batch is left out."""
    order = torch.randperm(count, generator=generator)
    yield from (order[start : start + size] for start in range(0, count - size + 1, size))


def encode(tokenizer: Tokenizer, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, each [captions, L]."""
    encoded = tokenizer.encode_batch(captions)
    return (
        torch.tensor([part.ids for part in encoded]),
        torch.tensor([part.attention_mask for part in encoded]),
    )


@torch.no_grad()
def accuracies(model: FashionModel, images: Any, labels: Tensor, side: int, tokenizer: Tokenizer) -> Any:
    """Share of right answers of the classifier and of the CLIP with the first caption of each class."""
    tokens, mask = encode(tokenizer, [captions[0] for captions in training_captions()])
    model.eval()
    right = torch.zeros(2)
    for start in range(0, len(images), 250):
        pixels = resized(to_pixels(images[start : start + 250]), side)
        answers = model(pixels, tokens, mask)
        right += torch.tensor(
            [(part.argmax(-1) == labels[start : start + 250]).sum() for part in answers], dtype=torch.float
        )
    model.train()
    return (right / len(images)).tolist()


def save(model: FashionModel, config: CLIPConfig, tokenizer: Tokenizer, record: Any, out: Path) -> None:
    """Write weights, configuration, tokenizer and training record."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name.removeprefix("clip."): value.contiguous() for name, value in model.state_dict().items()}
    tensors = {name: value for name, value in tensors.items() if not name.endswith("position_ids")}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    content = config.to_dict() | {"architectures": ["CLIPModel"]}
    content["id2label"] = {str(label): name for label, name in enumerate(CLASS_NAMES)}
    content["label2id"] = {name: label for label, name in enumerate(CLASS_NAMES)}
    content["vision_config"]["image_size"] = FINE
    (out / "config.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    (out / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2) + "\n")
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n")


def refuse_few_steps(images: int, batch: int, stages: list[int]) -> None:
    """End with an error where a stage of so many epochs has no step in which its learning rate can fall."""
    steps = min(epochs * (images // batch) for epochs in stages)
    if steps < LEAST_STEPS:
        refusal = InputError(
            f"training on {images} images with --batch {batch}",
            f"a stage has {steps} steps, and its learning rate needs {LEAST_STEPS} to rise and fall",
            f"Give --limit {LEAST_STEPS * batch} or more, or a smaller --batch",
        )
        typer.echo(f"error: {refusal}", err=True)
        raise typer.Exit(refusal.exit_code)


def train(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("build/fashion"),
    coarse_epochs: Annotated[int, typer.Option(min=0, help="Epochs at 14 px.")] = 10,
    fine_epochs: Annotated[int, typer.Option(min=1, help="Epochs at 28 px.")] = 2,
    batch: Annotated[int, typer.Option(min=2)] = 128,
    rate: Annotated[float, typer.Option(help="Largest learning rate.")] = 1e-3,
    fine_rate: Annotated[float, typer.Option(help="Largest learning rate at 28 px.")] = 4e-4,
    limit: Annotated[int | None, typer.Option(min=2, help="Train on so many images only.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    seed: int = 0,
) -> None:
    """Train, and write model.safetensors, config.json, tokenizer.json and training.json."""
    stages = [epochs for epochs in (coarse_epochs, fine_epochs) if epochs]
    if limit is not None:
        refuse_few_steps(limit, batch, stages)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    choice = np.random.default_rng(seed)
    training, validation = read_fashion_mnist("train"), read_fashion_mnist("validation")
    images, labels = training.images[:limit], torch.from_numpy(training.labels[:limit])
    held_images, held_labels = validation.images[:limit], torch.from_numpy(validation.labels[:limit])
    refuse_few_steps(len(images), batch, stages)
    tokenizer = make_tokenizer()
    config = make_config(tokenizer)
    model = FashionModel(config)
    captions = training_captions()
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(find_folder().glob("train-*.gz"))
    }
    settings = {
        "coarse_epochs": coarse_epochs,
        "fine_epochs": fine_epochs,
        "batch": batch,
        "rate": rate,
        "fine_rate": fine_rate,
        "limit": limit,
        "threads": threads,
        "seed": seed,
    }
    history: list[dict[str, Any]] = []
    started = time.monotonic()
    for stage, (side, epochs, peak) in enumerate(
        ((COARSE, coarse_epochs, rate), (FINE, fine_epochs, fine_rate))
    ):
        if stage == 1:
            model = grow(model, config)
        steps = epochs * (len(images) // batch)
        if not steps:
            continue
        optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=WEIGHT_DECAY)
        rising = max(0.1, 2 / steps)  # it must last more than a step
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=rising)
        for epoch in range(epochs):
            total, count = 0.0, 0
            for chosen in batches(len(images), batch, generator):
                pixels = resized(augmented(to_pixels(images[chosen.numpy()]), generator), side)
                tokens, mask = encode(tokenizer, [texts[choice.integers(len(texts))] for texts in captions])
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=side == FINE):
                    answers = model(pixels, tokens, mask)
                loss = sum(
                    (
                        functional.cross_entropy(
                            part.float(), labels[chosen], label_smoothing=LABEL_SMOOTHING
                        )
                        for part in answers
                    ),
                    torch.zeros(()),
                )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                total, count = total + float(loss.detach()), count + 1
                if count % 50 == 0:
                    typer.echo(f"{side} px, epoch {epoch + 1}, step {count}: loss {total / count:.4f}")
            classifier, clip = accuracies(model, held_images, held_labels, side, tokenizer)
            history.append(
                {
                    "pixels": side,
                    "epoch": epoch + 1,
                    "loss": round(total / count, 4),
                    "validation_accuracy": {"classifier": round(classifier, 4), "clip": round(clip, 4)},
                    "minutes": round((time.monotonic() - started) / 60, 1),
                }
            )
            typer.echo(json.dumps(history[-1]))
            if side == FINE:
                record = {
                    "script": "examples/train_fashion.py",
                    "settings": settings,
                    "data": {"name": "Fashion-MNIST", "files_sha256": digests, "images": len(images)},
                    "parameters": sum(value.numel() for value in model.parameters()),
                    "torch": torch.__version__,
                    "python": platform.python_version(),
                    "history": history,
                }
                save(model, config, tokenizer, record, out)


if __name__ == "__main__":
    typer.run(train)
