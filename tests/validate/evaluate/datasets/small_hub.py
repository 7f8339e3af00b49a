"""Small datasets of the hub's library, and the library cut off from the network and the user's cache."""

from __future__ import annotations

import socket
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image


def cut_off(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """The library keeps its files in ``folder``, and a connection fails the test."""

    def refuse(*arguments: object) -> None:
        pytest.fail(f"a connection to {arguments}")  # not an Exception, which the code under test would catch

    patch.setattr(socket.socket, "connect", refuse)
    patch.setattr(socket, "getaddrinfo", refuse)
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
    patch.setattr(datasets.config, "HF_MODULES_CACHE", folder / "modules")


def texts(count, labelled=True, names=("bad", "good")):
    """Text k is of class k % 2 and has its name in it."""
    rows = {
        "idx": list(range(count)),
        "sentence": [f"text {place} {names[place % 2]}" for place in range(count)],
        "label": [place % 2 if labelled else -1 for place in range(count)],
    }
    features = {
        "idx": datasets.Value("int32"),
        "sentence": datasets.Value("string"),
        "label": datasets.ClassLabel(names=list(names)),
    }
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def images(count, names=("ant", "bee"), start=0):
    """Image k has the red level k and is of class k % 2."""
    rows = {
        "picture": [Image.new("RGB", (9, 9), (start + place, 0, 0)) for place in range(count)],
        "kind": [place % 2 for place in range(count)],
    }
    features = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(names))}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def save(folder, **splits):
    """Write splits as ``save_to_disk`` does -> the folder."""
    datasets.DatasetDict(splits).save_to_disk(str(folder))
    return folder


def red_levels(images):
    """Of all images of a set whose preprocessing changes no pixel."""
    return np.round(images.load(list(range(len(images))))[:, 0, 0, 0].numpy() * 255).astype(int)
