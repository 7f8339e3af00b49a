"""Pictures as binary PPM or PGM, which the C++ examples read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """[height, width, channels]: smooth stripes with noise, black and white corners."""
    random = np.random.default_rng(seed)
    waves = 127 + 100 * np.sin(np.arange(height)[:, None, None] / 5 + np.arange(width)[None, :, None] / 7)
    pixels = np.clip(waves + random.normal(0, 40, (height, width, channels)), 0, 255).astype(np.uint8)
    pixels[0, 0], pixels[-1, -1] = 0, 255
    return pixels


def write_ppm(path: Path, pixels: NDArray[np.uint8], comment: str = "") -> Path:
    """A picture [height, width, 1 or 3] as a file."""
    height, width, channels = pixels.shape
    header = f"P{6 if channels == 3 else 5}\n{comment}{width} {height}\n255\n"
    path.write_bytes(header.encode() + pixels.tobytes())
    return path
