"""Merge maps: which tokens of a photo or a sentence have become one, layer by layer."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitome.errors import InputError
from pitome.images.transform import shown_pixels
from pitome.validate.evaluate.records import ImageLayer, ImageMaps, MergeMaps, TextLayer, TextMaps

if TYPE_CHECKING:
    from PIL.Image import Image
    from tokenizers import Tokenizer
    from torch import Tensor, nn

    from pitome.bundle import ImagePreprocess
    from pitome.models.loading import LoadedModel

Groups = NDArray[np.int64]
"""[positions]: for each the first position of its group, so that a group keeps its number while it grows."""
Pixels = NDArray[np.uint8]

SIDE = 336
"""About the longer side of a map in pixels."""
MOST_LAYERS = 12
"""A deeper model's maps are of so many of its merging layers, the last one among them."""
_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "camera")
_GOLDEN = 0.61803398875  # neighbouring numbers get hues far apart (a low-discrepancy sequence)
_HUES = 12


def merge_maps_of(loaded: LoadedModel, model: nn.Module, count: int = 4) -> MergeMaps:
    """The maps that a report shows where the user names no inputs: photos of scikit-image, or long sentences.

    Args:
        loaded: the model before it was compressed, with what its inputs need.
        model: what ``pitome.compress`` returned for it, in eval mode.
        count: inputs, at least 1.

    Raises:
        InputError: a model that merges nothing, has no tokenizer for its texts or no grid of patches; or
            scikit-image has not its photos.
    """
    compression: Any = model.compression if hasattr(model, "compression") else None
    method = "none" if compression is None else compression.settings.method
    if loaded.family.modality == "image":
        from pitome.validate.photos import real_photos

        names, pixels = real_photos(loaded.image_preprocess)
        chosen = [names.index(name) for name in _PHOTOS[:count] if name in names]
        shown = [names[place] for place in chosen]
        images = image_merge_maps(model, shown, pixels[chosen], loaded.image_preprocess)
        return MergeMaps(model=loaded.name, method=method, images=images)
    from pitome.validate.sentences import SENTENCES

    if loaded.tokenizer is None:
        raise InputError(
            f"merge maps of {loaded.name}",
            "its checkpoint has no tokenizer.json",
            "Give a checkpoint with its tokenizer",
        )
    texts = [" ".join(SENTENCES[place::count]) for place in range(count)]
    return MergeMaps(model=loaded.name, method=method, texts=text_merge_maps(model, loaded.tokenizer, texts))


def image_merge_maps(
    model: nn.Module, names: Sequence[str], pixels: Tensor, preprocess: ImagePreprocess
) -> tuple[ImageMaps, ...]:
    """Run a compressed model and draw what it merged.

    Args:
        model: what ``pitome.compress`` returned for an image model, in eval mode.
        names: one per image.
        pixels: [n, C, H, W] float32, preprocessed.
        preprocess: how they were, to get the photo back.

    Raises:
        InputError: a model that merges nothing, or whose patches are no grid of squares.
    """
    layers = _groups_by_layer(model, {"pixel_values": pixels})
    prefix = _prefix(model)
    maps = []
    for index, name in enumerate(names):
        image = shown_pixels(pixels[index].numpy(), preprocess)
        drawn = [(layer, first_members(groups[index][prefix:].numpy())) for layer, groups in layers.items()]
        maps.append(_image_maps(name, image, drawn))
    return tuple(maps)


def text_merge_maps(model: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[TextMaps, ...]:
    """Run a compressed text model and tell which tokens it merged.

    Args:
        model: what ``pitome.compress`` returned for a text model, in eval mode.
        tokenizer: of the checkpoint, padding to the model's length.
        texts: at least one.

    Raises:
        InputError: a model that merges nothing, or no text.
    """
    from pitome.models.tokenizer import encode_texts

    inputs = encode_texts(tokenizer, texts)
    layers = _groups_by_layer(model, inputs)
    maps = []
    for index in range(len(texts)):
        real = inputs["attention_mask"][index].bool()
        ids = inputs["input_ids"][index][real].tolist()
        found = [(layer, first_members(groups[index][real].numpy())) for layer, groups in layers.items()]
        maps.append(
            TextMaps(
                words=tuple(str(tokenizer.id_to_token(number)) for number in ids),
                layers=tuple(
                    TextLayer(layer=layer, tokens=len(set(groups.tolist())), groups=tuple(groups.tolist()))
                    for layer, groups in found
                ),
            )
        )
    return tuple(maps)


def first_members(slots: NDArray[Any]) -> Groups:
    """[positions] slots with any numbers -> for each position the first one that has the same number."""
    _, first, place = np.unique(slots, return_index=True, return_inverse=True)
    return first[place].astype(np.int64)


def draw_groups(image: Pixels, groups: Groups) -> Image:
    """Every group in the mean colour of its pixels; groups of more than one patch have a coloured border.

    Args:
        image: [H, W, 3], each patch a square of the same whole number of pixels.
        groups: [rows, columns], numbers as from `first_members`.

    Returns:
        A picture of the same size, with at most 256 colours.
    """
    from PIL import Image

    rows, columns = groups.shape
    cell = image.shape[0] // rows
    patches = image.reshape(rows, cell, columns, cell, 3).mean(axis=(1, 3)).reshape(-1, 3)
    numbers, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    means = np.stack([np.bincount(place, patches[:, channel]) for channel in range(3)], axis=1)
    colours = (means / count[:, None] + 0.5).astype(np.uint8)
    drawn = colours[place].reshape(rows, columns, 3).repeat(cell, axis=0).repeat(cell, axis=1)
    borders = np.array([_hue(int(number)) for number in numbers], dtype=np.uint8)
    shared = (count > 1)[place].reshape(rows, columns)
    hues = borders[place].reshape(rows, columns, 3)
    _draw_borders(drawn, groups, shared, hues, max(1, cell // 8))
    return Image.fromarray(drawn).quantize(256, dither=Image.Dither.NONE)


def _draw_borders(drawn: Pixels, groups: Groups, shared: NDArray[np.bool_], hues: Pixels, width: int) -> None:
    """Along the inside of every edge to another group; a token that stands alone gets a thin dark line."""
    rows, columns = groups.shape
    cell = drawn.shape[0] // rows
    padded = np.pad(groups, 1, constant_values=-1)
    for row in range(rows):
        for column in range(columns):
            block = drawn[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
            thick = width if shared[row, column] else 1
            colour = hues[row, column] if shared[row, column] else block[0, 0] // 2
            own, near = groups[row, column], padded[row : row + 3, column : column + 3]
            edges = (near[0, 1] != own, near[2, 1] != own, near[1, 0] != own, near[1, 2] != own)
            for edge, part in zip(
                edges, (block[:thick], block[-thick:], block[:, :thick], block[:, -thick:]), strict=True
            ):
                if edge:
                    part[:] = colour


def _hue(number: int) -> tuple[int, int, int]:
    import colorsys

    place = int(number * _GOLDEN % 1 * _HUES)
    red, green, blue = colorsys.hsv_to_rgb(place / _HUES, 0.85, 1.0 if place % 2 else 0.8)
    return int(255 * red), int(255 * green), int(255 * blue)


def _image_maps(name: str, image: Pixels, drawn: Sequence[tuple[int, Groups]]) -> ImageMaps:
    from PIL import Image

    height, width = image.shape[:2]
    count = len(drawn[0][1])
    rows = round((count * height / width) ** 0.5)
    if not rows or count % rows or height * (count // rows) != width * rows:
        raise InputError(
            f"a merge map of {count} patches over {height} x {width} pixels",
            "they make no grid of squares",
            "Leave the merge maps out for this model",
        )
    columns = count // rows
    cell = max(6, SIDE // max(rows, columns))
    size = (columns * cell, rows * cell)
    photo = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(photo)
    return ImageMaps(
        name=name,
        photo=_data_uri(photo, "jpeg", quality=85),
        patches=count,
        layers=tuple(
            ImageLayer(
                layer=layer,
                tokens=len(np.unique(groups)),
                picture=_data_uri(draw_groups(pixels, groups.reshape(rows, columns)), "png", optimize=True),
            )
            for layer, groups in drawn
        ),
    )


def _data_uri(image: Image, kind: str, **options: Any) -> str:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"


def _prefix(model: Any) -> int:
    return int(model.compression.schedule.num_protected)


def _groups_by_layer(model: Any, inputs: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """Merging layer -> [n, N] the token that every original position has become part of."""
    import torch

    from pitome.merge import compose_assignments
    from pitome.observe import observe_merges

    compression = getattr(model, "compression", None)
    if compression is None or not compression.schedule.merging_layers:
        raise InputError(
            "merge maps",
            "the model is not compressed" if compression is None else "no layer of it merges",
            "Give what pitome.compress returns for a keep ratio below 1",
        )
    with torch.no_grad(), observe_merges(keep_metric=False) as observer:
        model(**inputs)
    found: dict[int, Tensor] = {}
    groups: Tensor | None = None
    for record in observer.records:
        groups = record.decided if groups is None else compose_assignments(groups, record.decided)
        found[record.layer] = groups
    chosen = _spread([*found], MOST_LAYERS)
    return {layer: found[layer] for layer in chosen}


def _spread(layers: Sequence[int], most: int) -> list[int]:
    """At most so many of the layers, evenly spread, the first and the last among them."""
    if len(layers) <= most:
        return list(layers)
    return [layers[round(place * (len(layers) - 1) / (most - 1))] for place in range(most)]
