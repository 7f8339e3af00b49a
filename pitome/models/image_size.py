"""Another image size for a loaded model: its position embeddings are resized once, not at every run.

``transformers`` interpolates them in forward, where asked. Done ahead it gives the same numbers, and the
exported graph needs no resize.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from pitome.errors import InputError
from pitome.models.family import Family


def square_image_size(config: Any) -> int:
    """The size in pixels that a vision configuration is made for.

    Raises:
        InputError: it is not square, or empty.
    """
    return _square(config.image_size, "images")


def square_patch_size(config: Any) -> int:
    """The size in pixels of a vision configuration's patches.

    Raises:
        InputError: they are not square, or empty.
    """
    return _square(config.patch_size, "patches")


def check_image_size(image_size: int, config: Any) -> int:
    """``image_size`` if the patches of ``config`` tile it.

    Raises:
        InputError: not a positive multiple of the patch size.
    """
    patch = square_patch_size(config)
    if image_size >= patch and image_size % patch == 0:
        return image_size
    lower = image_size // patch * patch
    choices = f"{lower} or {lower + patch}" if lower >= patch else f"{patch} or more"
    raise InputError(
        f"IMAGE_SIZE={image_size}",
        f"the patches are {patch} pixels wide, and {image_size} is no positive multiple of that",
        f"Choose {choices}",
    )


def _square(size: Any, what: str) -> int:
    sides = set(size) if isinstance(size, (tuple, list)) else {size}
    if len(sides) == 1 and isinstance(side := sides.pop(), int):
        if side < 1:
            raise InputError(
                f"{what} of {size} pixels", "a size is a number from 1 up", "Correct the model's config.json"
            )
        return side
    raise InputError(
        f"{what} of {size} pixels", "only square ones are supported", "Choose another checkpoint"
    )


def set_image_size(model: nn.Module, family: Family, image_size: int) -> None:
    """Resize the position embeddings of ``model`` in place, bicubic as ``interpolate_pos_encoding`` does.

    Raises:
        InputError: the model's position embeddings can't be interpolated.
    """
    import torch

    config = family.vision_config(model.config)
    current = square_image_size(config)
    if image_size == current:
        return
    found = [
        (name, part) for name, part in model.named_modules() if hasattr(part, "interpolate_pos_encoding")
    ]
    if len(found) != 1:
        raise InputError(
            f"IMAGE_SIZE={image_size}",
            f"the model is made for {current} pixels and its position embeddings can't be interpolated",
            f"Choose {current}",
        )
    name, old = found[0]
    tokens = (image_size // square_patch_size(config)) ** 2 + family.num_protected(model)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        # Only the shape of the first argument is looked at.
        shape_only = torch.zeros(1, tokens, config.hidden_size)
        table = old.interpolate_pos_encoding(shape_only, image_size, image_size)
        for part in model.modules():
            if hasattr(part, "config"):
                family.vision_config(part.config).image_size = image_size
        new = type(old)(config).to(table.dtype)
        state = old.state_dict()
        key = next(key for key in state if key.startswith("position_embedding"))
        state[key] = table.reshape(new.state_dict()[key].shape)
        new.load_state_dict(state)
    model.set_submodule(name, new.train(old.training))
