"""Values of other types than the signatures say: an error that names what was given and what is wanted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pitome import compress
from pitome.errors import InputError
from pitome.settings import MergeSettings, ScheduleOptions
from tests.tiny_models import tiny_model

NUMBERS = "Give a whole number or a tuple of whole numbers"
TWO = "Give a tuple of 2 numbers"


def refusal(model: Any = None, **arguments: Any) -> str:
    with pytest.raises(InputError) as error:
        compress(tiny_model("ViTModel") if model is None else model, **arguments)
    return str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratio": "0.9"}, "RATIO=0.9: it is the text '0.9'. Give a number"),
        ({"ratio": [0.9]}, "RATIO=(0.9,): its type is tuple. Give a number"),
        ({"ratio": True}, "RATIO=True: its type is bool. Give a number"),
        ({"ratio": 1j}, "RATIO=1j: its type is complex. Give a number"),
        ({"flops": "0.7"}, "FLOPS=0.7: it is the text '0.7'. Give a number"),
        ({"r": "3"}, f"R=3: it is the text '3'. {NUMBERS}"),
        ({"r": 2.5}, f"R=2.5: its type is float. {NUMBERS}"),
        ({"r": [1, "2", 0, 0]}, f"R=(1, '2', 0, 0): its type is tuple. {NUMBERS}"),
        ({"r": {1: 2}}, f"R={{1: 2}}: its type is dict. {NUMBERS}"),
        ({"r": torch.tensor(3)}, f"R=tensor(3): its type is Tensor. {NUMBERS}"),
        ({"method": 3}, "METHOD=3: its type is int. Give a text"),
        ({"method": ["pitome"]}, "METHOD=['pitome']: its type is list. Give a text"),
        ({"settings": "tome"}, "SETTINGS=tome: it is the text 'tome'. Give a MergeSettings"),
        ({"settings": {"method": "tome"}}, "SETTINGS={'method': 'tome'}: its type is dict. Give a MergeS"),
        ({"schedule": (1, 1)}, "SCHEDULE=(1, 1): its type is tuple. Give a TokenSchedule or a ScheduleOpt"),
        ({"schedule": MergeSettings()}, "SCHEDULE=MergeSettings(method='pitome', "),
        ({"tokens": "all"}, "TOKENS=all: it is the text 'all'. Give 'unmerged' or 'merged'"),
        ({"tokens": None}, "TOKENS=None: its type is NoneType. Give 'unmerged' or 'merged'"),
        ({"sequence_length": "3"}, "SEQUENCE_LENGTH=3: it is the text '3'. Give a whole number"),
        ({"sequence_length": 2.5}, "SEQUENCE_LENGTH=2.5: its type is float. Give a whole number"),
    ],
    ids=str,
)
def test_arguments_of_compress(arguments: dict[str, Any], message: str) -> None:
    assert refusal(**arguments).startswith(message)


@pytest.mark.parametrize(
    ("record", "values", "message"),
    [
        (MergeSettings, {"method": None}, "METHOD=None: its type is NoneType. Give a text"),
        (MergeSettings, {"metric": 3}, "METRIC=3: its type is int. Give 'hidden' or 'keys'"),
        (
            MergeSettings,
            {"candidates": [1]},
            "CANDIDATES=(1,): its type is tuple. Give a number or 'paper' or",
        ),
        (MergeSettings, {"candidates": "x"}, "CANDIDATES=x: it is the text 'x'. Give a number or 'paper' or"),
        (MergeSettings, {"margin": 1}, f"MARGIN=1: its type is int. {TWO}"),
        (MergeSettings, {"margin": (0.9,)}, f"MARGIN=(0.9,): its type is tuple. {TWO}"),
        (MergeSettings, {"margin": (0.9, "x")}, f"MARGIN=(0.9, 'x'): its type is tuple. {TWO}"),
        (MergeSettings, {"size_penalty": [1]}, "SIZE_PENALTY=(1,): its type is tuple. Give a number"),
        (MergeSettings, {"size_penalty": "0.1"}, "SIZE_PENALTY=0.1: it is the text '0.1'. Give a number"),
        (MergeSettings, {"proportional_attention": "0"}, "PROP_ATTN=0: it is the text '0'. Give True or F"),
        (MergeSettings, {"seed": None}, "SEED=None: its type is NoneType. Give a whole number"),
        (MergeSettings, {"seed": 1.5}, "SEED=1.5: its type is float. Give a whole number"),
        (ScheduleOptions, {"layers": 3}, "LAYERS=3: its type is int. Give a tuple of whole numbers"),
        (ScheduleOptions, {"layers": "0,1"}, "LAYERS=0,1: it is the text '0,1'. Give a tuple of whole n"),
        (ScheduleOptions, {"layers": (1.5,)}, "LAYERS=(1.5,): its type is tuple. Give a tuple of whole n"),
        (ScheduleOptions, {"flops": 0.8, "shape": 3}, "SHAPE=3: its type is int. Give 'ratio' or 'constant'"),
    ],
    ids=str,
)
def test_fields_of_the_records(record: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        record(**values)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "model",
    ["vit", None, 3, nn.Linear, torch.zeros(2), SimpleNamespace(config=SimpleNamespace(model_type="vit"))],
    ids=lambda model: type(model).__name__,
)
def test_what_is_no_module(model: Any) -> None:
    with pytest.raises(InputError) as error:
        compress(model)
    assert str(error.value) == (
        f"a {type(model).__name__} to compress: it is no PyTorch module. Give a model of the transformers "
        "library, such as ViTModel.from_pretrained(...)"
    )


def test_numbers_of_numpy_and_lists_are_taken() -> None:
    model = tiny_model("ViTModel")
    assert compress(model, r=np.int64(2)).compression.schedule.num_merged == (2,) * 4
    assert compress(model, r=[2, 0, 0, 1]).compression.schedule.num_merged == (2, 0, 0, 1)
    of_list = ScheduleOptions(r=2, layers=[0, 2])  # type: ignore[arg-type]
    assert of_list == ScheduleOptions(r=2, layers=(0, 2))
    assert compress(model, of_list).compression.schedule.num_merged == (2, 0, 2, 0)
    assert MergeSettings(margin=[0.9, 1], size_penalty=1).margin == (0.9, 1)  # type: ignore[arg-type]
    assert compress(model, ratio=np.float32(1)).compression.schedule.merges_nothing
