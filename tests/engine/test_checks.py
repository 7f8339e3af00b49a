"""What a build refuses is refused by a dry run too, before long work begins; and what it takes is taken."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pitome import engine
from pitome.bundle import read_manifest
from pitome.engine.checks import check_all
from pitome.engine.options import (
    CheckOptions,
    EngineOptions,
    ExportOptions,
    MergeSettings,
    ModelOptions,
    PlaceOptions,
    PlanOptions,
    ScheduleOptions,
)
from pitome.engine.progress import Silent
from pitome.errors import InputError, PitomeError
from pitome.models.loading import load_model
from pitome.models.preset_file import PresetFile, PresetModel, write_preset_file
from tests.cli.command_line import pitome
from tests.export.plans.plugin_files import NO_CREATORS, compile_library


@pytest.fixture
def options(clip_folder: Path, tmp_path: Path) -> EngineOptions:
    """Of a small model and a plan that is built here."""
    return EngineOptions(
        ModelOptions(str(clip_folder)),
        plan=PlanOptions("fp32", targets=("sm80",)),
        place=PlaceOptions(tmp_path / "build"),
    )


@pytest.mark.parametrize(
    ("schedule", "method"),
    [
        (ScheduleOptions(r=0), "pitome"),
        (ScheduleOptions(r=(0, 0, 0)), "pitome"),
        (ScheduleOptions(flops=1.0), "pitome"),
        (ScheduleOptions(ratio=1.0), "pitome"),
        (ScheduleOptions(ratio=0.99), "pitome"),  # 16 tokens are too few for it
        (ScheduleOptions(layers=()), "pitome"),
        (ScheduleOptions(), "none"),
        (ScheduleOptions(), "random"),
    ],
)
def test_a_model_that_merges_nothing_builds_for_sm75(
    options: EngineOptions, schedule: ScheduleOptions, method: str
) -> None:
    plan = PlanOptions(targets=("sm75",))
    prepared, final = check_all(
        replace(options, schedule=schedule, merge=MergeSettings(method), plan=plan), Silent()
    )
    assert prepared.compression.method.operator_nodes(prepared.compression.schedule.num_merged) == 0
    assert not final.parent.exists(), "a check writes nothing"


def test_a_model_that_merges_does_by_the_plugin_only(options: EngineOptions, tmp_path: Path) -> None:
    plan = PlanOptions(targets=("sm75",))
    with pytest.raises(InputError, match=r"TARGETS=sm75 with MERGE_PATH=function: .*float32"):
        check_all(replace(options, plan=plan), Silent())
    library = compile_library(tmp_path, NO_CREATORS)
    check_all(replace(options, plan=replace(plan, merge_path=("plugin",), plugin=library)), Silent())


REFUSED = {
    "a target": (("--targets", "sm80,sm90"), "does not compile for sm90"),
    "a target that merges need": (("--targets", "sm75"), "float32"),
    "no target": (("--targets", ""), "compiles for named GPU architectures"),
    "a profile": (("--profile", "8,1,32"), "the batch sizes are not 1 <= min <= opt <= max"),
    "a merge path": (("--merge-path", "typo"), "there is no merge path 'typo'"),
    "merge paths": (("--merge-path", "plugin,plugin"), "plugin stands there more than once"),
    "a plugin that is not there": (("--merge-path", "function,plugin", "--plugin", "a.so"), "no such file"),
    "a plugin": (("--plugin", "own.so"), "loads a plugin library"),
    "an option for texts": (("--sequence-length", "12"), "the model takes images"),
    "a task for texts": (("--image-size", "33"), "the patches are 8 pixels wide"),
    "a name": (("--name", "a/b"), "a bundle's folder is named with letters, digits and _ . + -"),
    "a long name": (("--name", "a" * 300), "cannot be written (File name too long)"),
    "a schedule": (("--r", "9"), "at most half of them can merge"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_dry_run_refuses_what_a_build_refuses(clip_folder: Path, tmp_path: Path, case: str) -> None:
    words, text = REFUSED[case]
    messages = []
    for dry in ((), ("--dry-run",)):
        outcome = pitome("engine", clip_folder, "--out", tmp_path / "build", *words, *dry)
        assert outcome.code == 2
        assert text in outcome.message
        messages.append(outcome.message)
    assert messages[0] == messages[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_a_dry_run_needs_the_backend(clip_folder: Path, tmp_path: Path) -> None:
    words = ("engine", clip_folder, "--out", tmp_path, "--backend", "tensorrt", "--dry-run")
    assert "the Python module tensorrt is not installed" in pitome(*words).message


def test_a_folder_that_cannot_take_a_bundle(options: EngineOptions, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a file")
    foreign = tmp_path / "foreign"
    (foreign / "clip-tiny").mkdir(parents=True)
    (foreign / "clip-tiny" / "mine.txt").write_text("mine")
    lock = tmp_path / "lock"
    (lock / "clip-tiny.lock").mkdir(parents=True)
    for out, text in (
        (file, "cannot be written (Not a directory)"),
        (foreign, "the folder holds something other than a bundle"),
        (lock, "cannot be written (a folder has the lock's name)"),
    ):
        with pytest.raises(InputError) as caught:
            check_all(replace(options, place=PlaceOptions(out)), Silent())
        assert text in str(caught.value)


@pytest.mark.parametrize(
    "check",
    [
        CheckOptions(batches=()),
        CheckOptions(batches=(0,)),
        CheckOptions(threads=0),
        CheckOptions(device="gpu"),
    ],
)
def test_numbers_and_names_of_a_library_are_checked_too(options: EngineOptions, check: CheckOptions) -> None:
    with pytest.raises(InputError):
        check_all(replace(options, check=check), Silent())


@pytest.fixture
def runs(vit_folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two checkpoints of one name: run1/checkpoint-500 and run2/checkpoint-500, with other weights."""
    from safetensors.torch import load_file, save_file

    folders = tmp_path / "run1" / "checkpoint-500", tmp_path / "run2" / "checkpoint-500"
    for folder in folders:
        shutil.copytree(vit_folder, folder)
    weights = load_file(folders[1] / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, folders[1] / "model.safetensors", metadata={"format": "pt"})
    return folders


def export_of(model: str | Path, out: Path, name: str | None = None) -> ExportOptions:
    return ExportOptions(
        ModelOptions(str(model)), ScheduleOptions(r=0), precision="fp32", place=PlaceOptions(out, name)
    )


@pytest.mark.full
def test_two_models_of_one_name_do_not_replace_each_other(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out, (first, second) = tmp_path / "build", runs
    before = engine.export(export_of(first, out)).manifest
    again = shutil.copytree(first, tmp_path / "elsewhere" / "checkpoint-500")
    taken = engine.export(export_of(again, out))
    assert taken.reused == ("model.onnx",), "equal weights are one model"

    with pytest.raises(InputError) as caught:
        check_all(export_of(second, out), Silent())
    message = str(caught.value)
    assert f"build {out / 'checkpoint-500'}: it holds another model of this name" in message
    assert before.model.weights.sha256[:12] in message
    assert "Choose another name with NAME= or another folder with OUT=, or replace it with NAME=" in message

    mine = engine.export(export_of(second, out, "second")).folder
    assert mine == out / "second"
    assert read_manifest(out / "checkpoint-500").model == taken.manifest.model
    engine.export(export_of(second, out, "checkpoint-500"))
    assert read_manifest(out / "checkpoint-500").model.weights == read_manifest(mine).model.weights


def test_a_bundle_that_cannot_be_read_is_not_replaced_either(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out, (first, second) = tmp_path / "build", runs
    folder = engine.export(export_of(first, out)).folder
    old = {"schema_version": 1, **json.loads((folder / "manifest.json").read_text()), "plans": []}
    (folder / "manifest.json").write_text(json.dumps({**old, "schema_version": 1}))
    check_all(export_of(first, out), Silent())
    with pytest.raises(InputError, match="it holds another model of this name"):
        check_all(export_of(second, out), Silent())


def test_two_preset_files_for_folders_of_one_name(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out, files = tmp_path / "build", []
    for folder in runs:
        digest = load_model(str(folder)).sha256
        preset = PresetFile(
            model=PresetModel(name=folder.name, sha256=digest),
            method=MergeSettings(),
            schedule=ScheduleOptions(r=0),
        )
        files.append(folder.parent / "tuned.preset.toml")
        write_preset_file(files[-1], preset)
    engine.export(export_of(files[0], out))
    with pytest.raises(InputError, match="it holds another model of this name"):
        check_all(export_of(files[1], out), Silent())


@pytest.mark.parametrize("method", ["none", "random"])
def test_a_dry_run_of_a_method_without_margins(clip_folder: Path, tmp_path: Path, method: str) -> None:
    shown = pitome("engine", clip_folder, "--out", tmp_path, "--dry-run", "--method", method)
    assert shown.code == 0, shown.err
    assert "layer" in shown.out


def test_a_cache_that_cannot_be_used_is_found_first(
    options: EngineOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("PITOME_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"the cache folder .*can't be used \(Not a directory\)"):
        check_all(options, Silent())


def test_a_profile_beyond_any_gpu(options: EngineOptions) -> None:
    plan = replace(options.plan, profile=(1, 8, 10**20))
    with pytest.raises(InputError, match="a plan's batch is at most"):
        check_all(replace(options, plan=plan), Silent())


@pytest.mark.full
def test_a_folder_named_like_a_preset_does_not_replace_its_bundle(vit_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    random = replace(export_of("fashion-vit", out), model=ModelOptions("fashion-vit", weights="random"))
    engine.export(random)
    assert (out / "fashion-vit-random").is_dir()
    engine.export(replace(random, model=replace(random.model, seed=1)))  # the same model, named alike
    named_alike = shutil.copytree(vit_folder, tmp_path / "fashion-vit-random")
    with pytest.raises(PitomeError, match="it holds another model of this name"):
        check_all(export_of(named_alike, out), Silent())
