"""One vector of a text in the model itself, as sentence-transformers makes it of the tokens.

Merged tokens pool as the tokens that they stand for: the mean is weighted by size, the class token is taken
as it is, and the maximum is over the tokens that are left. With unmerged outputs, where every original
position has its group's vector, these are the plain formulas over the positions that are no padding.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from pitome.errors import InputError
from pitome.models.sentence_files import HEAD, DenseLayer, PoolingMode, SentenceModules
from pitome.models.tensor_checks import check_finite, check_tensors
from pitome.models.weight_files import read_weights
from pitome.observe import current_observer
from pitome.text_inputs import ATTENTION_MASK

SENTENCE_EMBEDDING = "sentence_embedding"


@dataclass
class SentenceOutput(ModelOutput):
    """Output of an encoder that makes one vector of a text."""

    sentence_embedding: Tensor | None = None
    """[B, D]."""
    last_hidden_state: Tensor | None = None
    """[B, N, C]."""
    pooler_output: Tensor | None = None


class SentenceHead(nn.Module):
    """Pooling, and what follows it.

    Args:
        modules: what the checkpoint says of it.
        width: C of the tokens.

    Raises:
        InputError: widths that do not fit together.
    """

    def __init__(self, modules: SentenceModules, width: int) -> None:
        super().__init__()
        self.pooling = modules.pooling
        size = width * len(modules.pooling)
        if modules.pooled_width not in (None, width):
            raise _wrong_width(modules, f"pools vectors of {modules.pooled_width}", f"tokens of {width}")
        steps: list[nn.Module] = []
        for step in modules.steps:
            if not isinstance(step, DenseLayer):
                steps.append(_UnitLength())
                continue
            if step.in_features != size:
                raise _wrong_width(
                    modules, f"has a Dense of {step.in_features}", f"a vector of {size} before it"
                )
            steps += (nn.Linear(size, step.out_features, bias=step.bias), getattr(nn, step.activation)())
            size = step.out_features
        self.steps = nn.ModuleList(steps)
        self.dimension = size

    def forward(self, tokens: Tensor, size: Tensor) -> Tensor:
        """[B, D].

        Args:
            tokens: [B, N, C].
            size: [B, N] how many real tokens each stands for; 0 is padding.
        """
        # Sums over hundreds of tokens are not for half precision.
        exact = torch.promote_types(tokens.dtype, torch.float32)
        wide, weight = tokens.to(exact), size.to(exact).unsqueeze(-1)
        vector = torch.cat([_pooled(mode, wide, weight) for mode in self.pooling], dim=-1)
        for step in self.steps:
            vector = step(vector.to(tokens.dtype) if isinstance(step, nn.Linear) else vector)
        return vector


class _UnitLength(nn.Module):
    def forward(self, vector: Tensor) -> Tensor:
        """[B, D] -> [B, D] of length 1."""
        exact = torch.promote_types(vector.dtype, torch.float32)
        return nn.functional.normalize(vector.to(exact), p=2.0, dim=-1)


def _pooled(mode: PoolingMode, tokens: Tensor, size: Tensor) -> Tensor:
    """tokens [B, N, C], size [B, N, 1] -> [B, C]."""
    if mode == "cls":
        return tokens[:, 0]
    if mode == "max":
        return tokens.masked_fill(size <= 0, torch.finfo(tokens.dtype).min).amax(dim=1)
    # A select, not a product: padding positions may hold anything.
    total = (tokens.masked_fill(size <= 0, 0.0) * size).sum(dim=1)
    count = size.sum(dim=1).clamp(min=1e-9)
    return total / (count if mode == "mean" else count.sqrt())


def add_sentence_head(model: nn.Module, modules: SentenceModules) -> None:
    """Make an encoder return `SentenceOutput`, in place; the head's weights are random.

    It gets a class of its own, of the name and with the forward signature of the old one, which it is derived
    from.
    """
    config: Any = model.config
    model.add_module(HEAD, SentenceHead(modules, int(config.hidden_size)))
    model.__class__ = _class_with_embedding(type(model))


def load_sentence_head(model: nn.Module, modules: SentenceModules, sha256: str) -> str:
    """Give the head of a model the weights of its Dense layers.

    Args:
        model: with a head.
        modules: what it was made from.
        sha256: of the encoder's weights.

    Returns:
        The SHA-256 of all weights: the encoder's own where there are no others, else of the list of them.

    Raises:
        InputError: weights that are missing, damaged, not finite or of another shape.
    """
    head = getattr(model, HEAD)
    linears = [part for part in head.steps if isinstance(part, nn.Linear)]
    layers = [step for step in modules.steps if isinstance(step, DenseLayer)]
    digests = [sha256]
    for layer, linear in zip(layers, linears, strict=True):
        tensors, digest = read_weights(layer.folder)
        where = str(layer.folder)
        check_tensors(tensors, where)
        _fill(linear, tensors, where)
        check_finite(linear, where)
        digests.append(digest)
    return sha256 if len(digests) == 1 else _digest_of(digests)


def _digest_of(digests: list[str]) -> str:
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def _fill(linear: nn.Linear, tensors: Mapping[str, Tensor], where: str) -> None:
    wanted = {f"linear.{name}": value for name, value in linear.state_dict().items()}
    wrong = [f"{name} is missing" for name in wanted if name not in tensors]
    wrong += [f"{name} is left over" for name in sorted(tensors.keys() - wanted.keys())]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if wrong:
        raise InputError(
            f"the weights {where} of a Dense module",
            f"they do not fit: {'; '.join(wrong)}",
            "Give the weights that belong to its config.json",
        )
    linear.load_state_dict({name.removeprefix("linear."): value.float() for name, value in tensors.items()})


def _wrong_width(modules: SentenceModules, found: str, wanted: str) -> InputError:
    return InputError(
        f"the sentence-transformers modules in {modules.folder}",
        f"a module {found} numbers, and there are {wanted}",
        "Fetch the whole folder again",
    )


def _class_with_embedding(model_class: type[nn.Module]) -> type[nn.Module]:
    accepted = signature(model_class.forward)

    @functools.wraps(model_class.forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> SentenceOutput:
        """The encoder's output with the text's vector; InputError where a tuple is asked for."""
        asked = kwargs.get("return_dict")
        if not (getattr(self.config, "return_dict", True) if asked is None else asked):
            raise InputError(
                "return_dict=False for a model with a sentence embedding",
                "the embedding is a field of the output, and a tuple has none",
                "Leave return_dict out",
            )
        given = accepted.bind(self, *args, **kwargs).arguments
        output = model_class.forward(self, *args, **kwargs)
        tokens = output.last_hidden_state
        return SentenceOutput(
            sentence_embedding=getattr(self, HEAD)(tokens, _sizes(tokens, given.get(ATTENTION_MASK))),
            last_hidden_state=tokens,
            pooler_output=getattr(output, "pooler_output", None),
        )

    content = {"forward": forward, "__module__": model_class.__module__, "__doc__": model_class.__doc__}
    return type(model_class.__name__, (model_class,), content)


def _sizes(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """[B, N]: of tokens in the short form their sizes, else 1 where the mask has a token."""
    if mask is None:
        return tokens.new_ones(tokens.shape[:2])
    flat = mask[:, 0, 0, :] if mask.dim() == 4 else mask  # as ``compress`` prepares it
    if flat.shape[1] == tokens.shape[1]:
        return flat.to(tokens.dtype)
    observer = current_observer()
    assert observer is not None, "merged tokens are returned by `return_merged_tokens` alone, which observes"
    assert observer.size is not None, "another length, so something was merged"
    return observer.size[:, :, 0]
