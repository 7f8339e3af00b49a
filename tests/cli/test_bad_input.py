"""What cannot be done ends in exit code 2 with what was asked, what was found and a way out; no files."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.cli.command_line import Outcome, finish, pitome, start
from tests.export.plans.fake_machine import FakeMachine, machine

__all__ = ["machine"]


def refused(outcome: Outcome, *parts: str) -> None:
    """The outcome is a readable error that says all of this."""
    assert outcome.code == 2
    assert outcome.out == ""
    for part in parts:
        assert part in outcome.message
    assert "Traceback" not in outcome.err


@pytest.fixture
def engine(tmp_path: Path, clip_folder: Path) -> Callable[..., Outcome]:
    """``engine(option, ...)`` runs ``pitome engine``, which must leave no bundle; ``model=`` is MODEL."""

    def run(*options: str, model: str | Path = clip_folder) -> Outcome:
        outcome = pitome("engine", model, "--out", tmp_path / "build", *options)
        assert not (tmp_path / "build").exists()
        return outcome

    return run


OPTIONS = {
    "ratio of nothing": (
        ("--ratio", "0"),
        ("RATIO=0.0: a keep ratio lies in (0, 1]", "Choose for instance RATIO=0.9"),
    ),
    "ratio over one": (
        ("--ratio", "1.5"),
        ("RATIO=1.5: a keep ratio lies in (0, 1]", "Choose for instance RATIO=0.9"),
    ),
    "r too large": (
        ("--r", "6"),
        (
            "R=6, merging 6 tokens in layer 1: 10 unprotected tokens are left there, ",
            "Merge at most 5 tokens in this layer",
        ),
    ),
    "negative r": (
        ("--r", "-1"),
        ("R=-1, merging -1 tokens in layer 0: it is not a number of tokens from 0 up",),
    ),
    "r for other layers": (
        ("--r", "1,1"),
        ("R=1,1: 2 counts for a model of 3 layers", "Give 3 counts, with 0 for a layer that merges nothing"),
    ),
    "r that is no number": (
        ("--r", "1,x"),
        ("R=1,x: not numbers with commas between them", "Give numbers with commas between them"),
    ),
    "ratio and r": (
        ("--ratio", "0.9", "--r", "2"),
        ("RATIO=0.9 and R=2: each of them sets the whole schedule", "Give only one of RATIO, R and FLOPS"),
    ),
    "layer that is not there": (
        ("--layers", "1,3"),
        ("LAYERS=1,3: the model has the layers 0 to 2, not 3", "Name layers that exist"),
    ),
    "protect and candidates": (
        ("--protect", "0.1", "--candidates", "all"),
        ("PROTECT=0.1 and CANDIDATES=all: both say the same thing", "Give only one of them"),
    ),
    "candidates that are no number": (
        ("--candidates", "most"),
        ("CANDIDATES=most: not all, paper or a number", "Give all, paper or a number"),
    ),
    "seed of random weights": (
        ("--weights", "random", "--seed", "99999999999999999999999"),
        ("Invalid value for '--seed': Input should be less than or equal to 9223372036854775807",),
    ),
    "seed of random pairs": (
        ("--method", "random", "--seed", "-99999999999999999999999"),
        ("Invalid value for '--seed': Input should be greater than or equal to -9223372036854775808",),
    ),
    "image size": (
        ("--image-size", "33"),
        ("IMAGE_SIZE=33: the patches are 8 pixels wide", "Choose 32 or 40"),
    ),
    "image size beyond all memory": (
        ("--image-size", "80000000", "--dry-run"),
        ("IMAGE_SIZE=80000000: it needs at least 25,600,000.0 GB of memory, and ", "Choose a smaller"),
    ),
    "SM75": (
        ("--targets", "sm75"),
        ("TARGETS=sm75 with MERGE_PATH=function: ", "float32", "use MERGE_PATH=plugin"),
    ),
    "SM90": (
        ("--targets", "sm80,sm90"),
        ("does not compile for sm90", "Leave sm90 out, or use BACKEND=tensorrt on a machine with that GPU"),
    ),
    "SM100": (
        ("--targets", "SM100"),
        ("does not compile for sm100", "Leave sm100 out, or use BACKEND=tensorrt on a machine with that GPU"),
    ),
    "nonsense target": (
        ("--targets", "gtx1080"),
        (
            "'gtx1080' is not a GPU architecture that TensorRT-RTX knows",
            "Choose from sm75, sm80, sm86, sm89, sm120",
        ),
    ),
    "no target": (
        ("--targets", ""),
        ("TARGETS is empty: TensorRT-RTX compiles for named GPU architectures", "Name at least one of "),
    ),
    "falling profile": (
        ("--profile", "8,4,1"),
        ("PROFILE=8,4,1: the batch sizes are not 1 <= min <= opt <= max", "Give them in rising order"),
    ),
    "short profile": (
        ("--profile", "1,2"),
        ("PROFILE=1,2: not three batch sizes", "Give min,opt,max, such as PROFILE=1,8,32"),
    ),
    "SM75 by both paths": (
        ("--targets", "sm75", "--merge-path", "function,plugin"),
        ("TARGETS=sm75 with MERGE_PATH=function: ", "use MERGE_PATH=plugin"),
    ),
    "SM75 in bf16": (
        ("--targets", "sm75", "--merge-path", "plugin", "--precision", "bf16"),
        ("TARGETS=sm75 with PRECISION=bf16: sm75 has no bfloat16", "use PRECISION=fp16"),
    ),
    "a plugin that is not there": (
        ("--merge-path", "function,plugin", "--plugin", "own.so"),
        ("the plugin library own.so: there is no such file", "Run `make plugin` or `pitome plugin`"),
    ),
    "a plugin without its path": (
        ("--plugin", "own.so"),
        ("PLUGIN=own.so with ", "only MERGE_PATH=plugin loads a plugin library", "or use MERGE_PATH=plugin"),
    ),
    "embedding without the plugin's path": (
        ("--embed-plugin", "1"),
        ("EMBED_PLUGIN=1 with MERGE_PATH=function", "Leave EMBED_PLUGIN out"),
    ),
    "unknown merge path": (
        ("--merge-path", "magic"),
        ("MERGE_PATH=magic: there is no merge path 'magic'", "Choose function, plugin or function,plugin"),
    ),
    "one merge path twice": (
        ("--merge-path", "function,function"),
        ("MERGE_PATH=function,function: function stands there more than once",),
    ),
    "unknown method": (
        ("--method", "pitom"),
        ("Invalid value for '--method': ", "'pitom' is not one of 'authors', 'authors-2024', 'none'"),
    ),
    "unknown precision": (
        ("--precision", "int8"),
        ("Invalid value for '--precision': ", "'int8' is not one of 'fp32', 'fp16', 'bf16'"),
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_option(engine: Callable[..., Outcome], case: str) -> None:
    options, parts = OPTIONS[case]
    refused(engine(*options), *parts)


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_missing_backend_names_the_command_that_installs_it(engine: Callable[..., Outcome]) -> None:
    refused(
        engine("--backend", "tensorrt"),
        "BACKEND=tensorrt: the Python module tensorrt is not installed. Run pip install '.[gpu]'",
    )


def test_missing_plugin_names_the_command_that_builds_it(
    engine: Callable[..., Outcome], machine: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install_tensorrt("10.7.0")
    machine.install_driver(status=0)
    monkeypatch.chdir(tmp_path)
    refused(
        engine("--backend", "tensorrt"),
        "the plugin library build/plugin/libpitome_plugin.so: there is no such file. Run `make plugin` or",
    )


def test_error_as_json_is_one_document(engine: Callable[..., Outcome]) -> None:
    outcome = engine("--ratio", "1.5", "--json")
    assert outcome.code == 2
    assert outcome.document["exit_code"] == 2
    assert outcome.document["error"].startswith("RATIO=1.5: a keep ratio lies in (0, 1]")


def test_unknown_model_offers_the_nearest_presets(engine: Callable[..., Outcome]) -> None:
    refused(
        engine(model="clip-b61"),
        "MODEL=clip-b61: it is neither a preset, a folder nor an id of the form org/name",
        "Did you mean clip-b16",
        "`pitome models` lists the presets",
    )


def test_missing_folder(engine: Callable[..., Outcome]) -> None:
    refused(engine(model="./nowhere"), "MODEL=./nowhere: there is no such folder")


@pytest.mark.parametrize("model_type", ["resnet", "gpt2"])
def test_unknown_family(
    engine: Callable[..., Outcome], changed_model: Callable[[], Path], model_type: str
) -> None:
    folder = changed_model()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))
    refused(
        engine(model=folder),
        f"a model of type '{model_type}': no family knows its blocks; the families are bert (",
        "Choose a model of one of these families, or add a family in pitome/models",
    )


def test_folder_without_weights(engine: Callable[..., Outcome], changed_model: Callable[[], Path]) -> None:
    folder = changed_model()
    (folder / "model.safetensors").unlink()
    refused(
        engine(model=folder),
        f"the weights in {folder}: the folder has neither model.safetensors nor pytorch_model.bin",
        "Give a folder with weights, or WEIGHTS=random",
    )


def test_weights_with_nan(engine: Callable[..., Outcome], changed_model: Callable[[], Path]) -> None:
    from safetensors.torch import load_file, save_file

    path = changed_model() / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("layers.1.mlp.fc1.weight"))
    tensors[name][3, 5] = float("nan")
    save_file(tensors, path, metadata={"format": "pt"})
    refused(
        engine(model=path.parent),
        f"the weights {path.parent}: the tensor ",
        "layers.1.mlp.fc1.weight holds NaN or infinity. Fetch the weights again",
    )


class _Payload:
    """Unrestricted pickle would write the file when it reads this."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (self.canary, "pwned")


def test_pickle_is_not_run(
    engine: Callable[..., Outcome], changed_model: Callable[[], Path], tmp_path: Path
) -> None:
    folder, canary = changed_model(), tmp_path / "canary"
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    torch.save({"weight": _Payload(canary)}, path)
    refused(
        engine(model=folder),
        f"the weights {path}: only unrestricted pickle could read the file",
        "nothing was run. Convert the checkpoint to safetensors where you trust it",
    )
    assert not canary.exists()
    torch.load(path, weights_only=False)
    assert canary.exists(), "the payload would not have done anything"


def test_out_never_replaces_another_folder(clip_folder: Path, changed_model: Callable[[], Path]) -> None:
    folder = changed_model()
    outcome = pitome("export", clip_folder, "--out", folder.parent, "--precision", "fp32")
    assert outcome.code == 0
    refused(
        pitome("export", folder, "--out", folder.parent, "--precision", "fp32"),
        f"build {folder}: the folder holds something other than a bundle",
        "Delete it, or choose another folder with OUT=",
    )
    assert (folder / "model.safetensors").is_file()


def test_unreachable_hub_is_an_error_where_strict(tmp_path: Path) -> None:
    """In a process of its own, because huggingface_hub reads these variables when it is imported."""
    options = ("engine", "clip-b32", "--strict", "1", "--out", tmp_path / "build")
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    refused(
        finish(start(*options, environment=offline)),
        "the model openai/clip-vit-base-patch32",
        "the hub can't be reached",
        "give WEIGHTS= a folder, or WEIGHTS=random",
    )
    assert not (tmp_path / "build").exists()


def test_unreachable_hub_gives_loud_random_weights_where_not(tmp_path: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    shown = finish(start("engine", "deit-t16", "--dry-run", environment=offline))
    assert shown.code == 0
    assert "warning: deit-t16 gets RANDOM weights: the hub can't be reached" in shown.message
    assert "STRICT=1 makes this an error" in shown.message
