"""What a family of models tells this project: where its blocks are and how one block is taken apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.errors import InputError
from pitome.models.author_settings import AuthorSettings
from pitome.models.task import Modality, Task


@dataclass(frozen=True)
class ModelShape:
    """The sizes that schedules and FLOPs are counted from. 1 FLOP = one multiply-add."""

    num_layers: int
    num_tokens: int
    num_protected: int
    hidden_size: int
    num_heads: int
    head_width: int
    mlp_flops_per_token: int
    """2 C F for two matrices [C, F]; 3 C F for a gated MLP."""
    embedding_flops: int
    """Patch embedding, per image; 0 for texts, whose tokens are looked up."""
    head_flops: int
    """Projection, pooler or classifier, per input."""


class Family(ABC):
    """A family of transformer encoders of the ``transformers`` library.

    A pre-norm block is ``x = x + attention(norm(x)); x = x + mlp(norm(x))``, a post-norm block
    ``x = norm(x + attention(x)); x = norm(x + mlp(x))``; merging goes between the two steps.
    """

    name: ClassVar[str]
    modality: ClassVar[Modality] = "image"
    model_types: ClassVar[tuple[str, ...]]
    """Values of ``config.model_type``. The family's name is one of them: that of a whole model, where its
    tower alone has another one."""
    architectures: ClassVar[Mapping[str, Task]]
    """Names of ``transformers`` classes and what they compute; the first is the default."""
    taken_out: ClassVar[Mapping[str, str]] = {}
    """Names of further ``transformers`` classes whose encoder can be taken, and the one of ``architectures``
    that it is."""
    pooled: ClassVar[tuple[str, ...]] = ()
    """Those of ``architectures`` that have a pooler and are built without one (``add_pooling_layer``) where a
    checkpoint has none."""
    outputs: ClassVar[Mapping[Task, tuple[str, ...]]]
    """For each task the fields of the model's output that an exported graph has."""
    author_settings: ClassVar[AuthorSettings | None] = None
    whole_configuration: ClassVar[tuple[str, ...]] = ()
    """Those of ``architectures`` that are of one tower and yet built from the whole model's configuration."""
    whole_model: ClassVar[str | None] = None
    """Of ``architectures``, the class that holds a tower for captions too."""
    text_tower: ClassVar[str | None] = None
    """The ``transformers`` class of that tower with its projection."""
    default_preprocess: ClassVar[ImagePreprocess | None] = None
    """For a checkpoint of images that has no file of its processor; None for texts."""
    interpolates: ClassVar[bool] = False
    """Its forward resizes the position embeddings to whatever image comes, so the input has the processor's
    size, not the configuration's."""
    alone: ClassVar[bool] = True
    """Whether a MODEL may be of it; False: it is only ever a part of a system (``models/systems``)."""
    causal: ClassVar[bool] = False
    """Whether a token sees only those in front of it. Then nothing merges: a merged token would stand at
    several places at once."""
    tiny_config: ClassVar[Mapping[str, Any]] = {}
    """What a small configuration for tests needs beside the usual sizes (tests/tiny_families.py)."""

    def config_content(self, architecture: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """What the ``config.json`` of a checkpoint of this class and these sizes holds."""
        return {**sizes, "model_type": self.model_types[0], "architectures": [architecture]}

    def wanted_keys(self, names: Iterable[str]) -> set[str]:
        """Of a checkpoint's tensors those that may belong to the model; the others are not looked at."""
        return set(names)

    def check_model(self, model: Any) -> None:
        """Refuse a model of this family that is no encoder of its own.

        Raises:
            InputError: with what it is instead.
        """
        main_input = getattr(model, "main_input_name", "")
        if main_input != "pixel_values":
            raise InputError(
                f"a {type(model).__name__} to compress",
                f"its main input is {main_input}, so it is more than an image encoder",
                f"Give its vision tower, such as a {next(iter(self.architectures))}",
            )

    def check_short_form(self, model: Any) -> None:
        """Refuse a model that can't return merged tokens: a classifier, or one that pools without sizes.

        Raises:
            InputError: with the reason.
        """
        if not hasattr(model, "config") or "Classification" in type(model).__name__:
            raise InputError(
                'tokens="merged"',
                f"a {type(model).__name__} returns no tokens",
                'Compress the model without its classifier, or leave tokens="unmerged"',
            )

    @abstractmethod
    def layers(self, model: nn.Module) -> Any:
        """The list of blocks, in order; it is the one that the model's forward loops over."""

    def first_norm(self, layer: Any) -> Any:
        """The norm in front of a block's attention; a post-norm block has none."""
        return _NO_NORM

    @abstractmethod
    def add_attention(self, layer: Any, x: Tensor, attended: Tensor) -> Tensor:
        """x plus the output projection of ``attended`` [B, N, H d] -> [B, N, C]."""

    @abstractmethod
    def add_mlp(self, layer: Any, x: Tensor) -> Tensor:
        """x plus the MLP of its norm, [B, N, C] -> [B, N, C]."""

    @abstractmethod
    def shape(self, model: nn.Module) -> ModelShape:
        """The sizes of the model."""

    def vision_config(self, config: Any) -> Any:
        """The configuration of the vision tower within ``config``."""
        return config

    def tower_config(self, whole: Any) -> Any:
        """The configuration that the vision tower alone is built from, out of a whole model's."""
        return self.vision_config(whole)

    def num_protected(self, model: nn.Module) -> int:
        """Prefix tokens: class token, distillation token, registers."""
        return 1

    def example_inputs(self, model: Any, batch: int) -> dict[str, Tensor]:
        """Inputs of the right static shapes, name -> [batch, ...], in the order of an exported graph."""
        config = self.vision_config(model.config)
        height, width = height_and_width(config.image_size)
        return {"pixel_values": torch.zeros(batch, config.num_channels, height, width)}

    def run_layer(self, layer: Any, x: Tensor, mask: Tensor | None, **kwargs: Any) -> Tensor:
        """A whole block, untouched: x [B, N, C] -> [B, N, C], as the model's own loop calls it.

        A family whose blocks take no mask, or take it elsewhere, says so here.

        Args:
            layer: the block.
            x: [B, N, C].
            mask: for texts bool [B, 1, 1, N], else None.
            kwargs: what the model hands to each of its blocks.
        """
        return layer(x, mask, **kwargs)

    def attention(self, layer: Any) -> Any:
        """The attention module of a block, with ``q_proj``, ``k_proj``, ``v_proj`` and ``head_dim``."""
        return layer.attention

    def attention_scale(self, layer: Any) -> float:
        """The factor of Q K^T."""
        return float(self.attention(layer).scaling)

    def project(self, layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Norm and projections of a block: x [B, N, C] -> query, key, value, each [B, H, N, d]."""
        attention, normed = self.attention(layer), self.first_norm(layer)(x)
        query, key, value = (
            split_heads(linear(normed), attention.head_dim)
            for linear in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        return query, key, value


_NO_NORM = nn.Identity()


def split_heads(projected: Tensor, head_width: int) -> Tensor:
    """[B, N, H d] -> [B, H, N, d]."""
    return projected.unflatten(-1, (-1, head_width)).transpose(1, 2)


def height_and_width(size: Any) -> tuple[int, int]:
    """An image or patch size of a configuration, in pixels: a number, or (height, width)."""
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    return height, width


def patch_count(image_size: Any, patch_size: Any) -> int:
    """Patches of an image; both sizes in pixels, numbers or (height, width)."""
    height, width = height_and_width(image_size)
    patch_height, patch_width = height_and_width(patch_size)
    return (height // patch_height) * (width // patch_width)


def linear_flops(module: nn.Module) -> int:
    """Multiply-adds of all linear layers in ``module``, applied to one vector."""
    return sum(
        part.in_features * part.out_features for part in module.modules() if isinstance(part, nn.Linear)
    )


def patch_embedding_flops(convolution: nn.Conv2d, num_patches: int) -> int:
    """Multiply-adds of a patch embedding, per image."""
    return num_patches * convolution.weight.numel()
