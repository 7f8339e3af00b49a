"""What a preprocessor_config.json may say that is refused: family, content, and what the error names."""

from __future__ import annotations

from typing import Any

REFUSED: dict[str, tuple[str, dict[str, Any] | str, str]] = {
    "mean of two": (
        "vit",
        {"image_mean": [0.5, 0.5]},
        "its image_mean has 2 numbers for 3 channels. Give a num",
    ),
    "std of four": ("vit", {"image_std": [1, 1, 1, 1]}, "its image_std has 4 numbers for 3 channels"),
    "std of nothing": (
        "vit",
        {"image_std": [0.5, 0, 0.5]},
        "its image_std is [0.5, 0, 0.5], not a number above 0",
    ),
    "a scalar std of nothing": ("vit", {"image_std": 0}, "its image_std is 0, not a number above 0"),
    "std below nothing": ("vit", {"image_std": -1}, "its image_std is -1, not a number above 0"),
    "std that is nothing in float32": (
        "vit",
        {"image_std": 1e-60},
        "its image_std is 1e-60, not a number above",
    ),
    "mean beyond float32": (
        "vit",
        {"image_mean": 1e300},
        "its image_mean is 1e+300, not a number, or one for",
    ),
    "mean as text": ("vit", {"image_mean": "0.5"}, "its image_mean is '0.5', not a number, or one for each"),
    "mean of texts": (
        "vit",
        {"image_mean": ["0.5"] * 3},
        "its image_mean is ['0.5', '0.5', '0.5'], not a number",
    ),
    "mean true": (
        "vit",
        {"image_mean": True},
        "its image_mean is true, not a number, or one for each channel",
    ),
    "mean null": ("vit", {"image_mean": None}, "its image_mean is null, and do_normalize is true"),
    "filter null": ("vit", {"resample": None}, "its resample is null, and do_resize is true"),
    "crop_pct null": (
        "vit",
        {"image_processor_type": "ConvNextImageProcessor", "crop_pct": None, "size": 224},
        "its crop_pct is null, and size 224 needs it",
    ),
    "no mean": ("vit", {"image_mean": []}, "its image_mean is [], not a number, or one for each channel"),
    "NaN": ("vit", '{"image_mean": [NaN, 0.5, 0.5]}', "image_mean[0]: NaN is no number in JSON"),
    "infinity": ("vit", '{"rescale_factor": Infinity}', "rescale_factor: Infinity is no number in JSON"),
    "a key twice": ("vit", '{"size": 32, "size": 48}', "size: the key stands there twice"),
    "a list": ("vit", "[]", "it holds no JSON object"),
    "a filter without a number": ("vit", {"resample": 6}, "its resample is 6, not one of Pillow's numbers"),
    "a filter by its name": (
        "vit",
        {"resample": "bicubic"},
        "its resample is 'bicubic', not one of Pillow's",
    ),
    "a filter that is true": ("vit", {"resample": True}, "its resample is true, not one of Pillow's numbers"),
    "a switch of one": ("vit", {"do_resize": 1}, "its do_resize is 1, not true or false"),
    "a switch as text": ("vit", {"do_rescale": "false"}, "its do_rescale is 'false', not true or false"),
    "a factor of nothing": (
        "vit",
        {"rescale_factor": 0},
        "its rescale_factor is 0, not a number other than 0",
    ),
    "a size of nothing": ("vit", {"size": 0}, "its size is 0, not a number of pixels (1 to 4096)"),
    "a size below nothing": (
        "vit",
        {"size": {"height": -3, "width": 3}},
        "its size is {'height': -3, 'width': 3}",
    ),
    "a size of parts": ("vit", {"size": 32.5}, "its size is 32.5, not a number of pixels"),
    "a size of millions": (
        "vit",
        {"size": 10_000_000},
        "its size is 10000000, not a number of pixels (1 to 4096)",
    ),
    "a size of three": ("vit", {"size": [32, 32, 3]}, "its size is [32, 32, 3], not a number of pixels"),
    "a height alone": (
        "vit",
        {"size": {"height": 32}},
        "ViTImageProcessor refuses its fields (size must have one",
    ),
    "unknown edges": ("vit", {"size": {"edge": 32}}, "ViTImageProcessor refuses its fields (size must have"),
    "a longest edge alone": (
        "vit",
        {"size": {"longest_edge": 32}},
        "its size is {'longest_edge': 32}, which is",
    ),
    "the most that fits": (
        "vit",
        {"size": {"max_height": 32, "max_width": 32}},
        "which is not honoured. Give he",
    ),
    "a crop without a size": (
        "vit",
        {"do_center_crop": True},
        "its crop_size is missing, and do_center_crop is t",
    ),
    "a crop of edges": (
        "clip",
        {"crop_size": {"shortest_edge": 32}},
        "its crop_size names no height and width",
    ),
    "not square": (
        "vit",
        {"size": {"height": 224, "width": 448}},
        "its size makes images of 448 x 224 pixels",
    ),
    "not square, cropped": ("clip", {"crop_size": [32, 64]}, "its crop_size makes images of 64 x 32 pixels"),
    "padding": (
        "vit",
        {"do_pad": True, "pad_size": 32},
        "its do_pad is true, and images are not",
    ),
    "an unknown field": (
        "vit",
        {"do_flip_channel_order": True},
        "its do_flip_channel_order is no field of ViTIm",
    ),
    "a field of another class": (
        "vit",
        {"crop_pct": 0.9},
        "its crop_pct is no field of ViTImageProcessor that is",
    ),
    "crop_pct of nothing": (
        "vit",
        {"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0},
        "its crop_pct is 0, not a number above 0",
    ),
    "a class that is not rebuilt": (
        "vit",
        {"image_processor_type": "LlavaImageProcessor"},
        "its image_processor_type is LlavaImageProcessor, whose steps are not rebuilt here. Those that are",
    ),
    "a class without a Pil form": (
        "vit",
        {"image_processor_type": "VivitImageProcessor"},
        "its image_processor_type is VivitImageProcessor, of which transformers 5.23.0 has no Pil form",
    ),
    "a class of nobody": (
        "vit",
        {"image_processor_type": "MyImageProcessor"},
        "is MyImageProcessor, of which tra",
    ),
    "a class that is no name": (
        "vit",
        {"image_processor_type": 3},
        "its image_processor_type is 3, not a name",
    ),
    "code of its own": (
        "vit",
        {"auto_map": {"AutoImageProcessor": "my.py--Mine"}},
        "its auto_map names code of the checkpoint's own, which is not run",
    ),
    "colours for one channel": (
        "clip-1",
        {"image_mean": 0.5, "image_std": 0.5},
        "its do_convert_rgb is true by default in CLIPImageProcessor, and the model takes 1 channels",
    ),
    "means for one channel": (
        "vit-1",
        {},
        "its image_mean is left out, and ViTImageProcessor's own has 3 numbers f",
    ),
    "two channels": (
        "vit-2",
        {"image_mean": 0.5, "image_std": 0.5},
        "images have 1 (grey), 3 (RGB) or 4 (RGB and",
    ),
}
