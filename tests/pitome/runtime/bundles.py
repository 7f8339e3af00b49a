"""Small bundles of real checkpoints for the tests of `pitome.load`, made once for all processes of a run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pitome.bundle import Manifest, NativeRecord, PlanRecord, read_manifest, write_manifest
from pitome.engine.export_job import export
from pitome.engine.options import ExportOptions, ModelOptions, PlaceOptions
from pitome.runtime.native import NATIVE_NAME, describe_native
from pitome.settings import MergeSettings, ScheduleOptions
from tests.pitome.models.sentence_checkpoint import MEAN, write_json, write_sentence_checkpoint
from tests.plugins.onnxruntime.one_merge import LIBRARY
from tests.shared import shared_folder
from tests.tiny_models import tiny_model, tiny_text_model
from tests.validate.evaluate.tasks.small_clip import write_clip
from tests.validate.text_checkpoint import write_tokenizer

IMAGE_SIZES = {"hidden_size": 64, "num_hidden_layers": 3, "image_size": 32, "patch_size": 8}
PROMPTS = {"prompts": {"query": "is ", "passage": "a ", "none": ""}, "default_prompt_name": None}
LABELS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def _save_clip(folder: Path) -> None:
    tiny_model("CLIPVisionModelWithProjection", **IMAGE_SIZES).save_pretrained(folder)


def _save_classifier(folder: Path) -> None:
    names = dict(enumerate(LABELS))
    tiny_model("ViTForImageClassification", **IMAGE_SIZES, id2label=names).save_pretrained(folder)


def _save_features(folder: Path) -> None:
    tiny_model("Dinov2Model", **IMAGE_SIZES).save_pretrained(folder)


def _save_sentence(folder: Path) -> None:
    write_sentence_checkpoint(folder, MEAN, [None])
    write_json(folder / "config_sentence_transformers.json", PROMPTS)


def _save_text_classifier(folder: Path) -> None:
    names = {0: "no", 1: "yes", 2: "maybe"}
    tiny_text_model("BertForSequenceClassification", num_labels=3, id2label=names).save_pretrained(folder)
    write_tokenizer(folder)


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "clip": _save_clip,
    "classifier": _save_classifier,
    "features": _save_features,
    "sentence": _save_sentence,
    "text-classifier": _save_text_classifier,
    "whole-clip": write_clip,
}


def bundle_of(factory: pytest.TempPathFactory, kind: str) -> Path:
    """The bundle of one of `CHECKPOINTS`, merged at ratio 0.9; read it, do not change it. Of "clip" fp16 too.

    Its checkpoint lies beside it, in the folder ``checkpoint``.
    """

    def make(folder: Path) -> None:
        checkpoint = folder / "checkpoint" / kind
        CHECKPOINTS[kind](checkpoint)
        export(
            ExportOptions(
                ModelOptions(str(checkpoint)),
                ScheduleOptions(ratio=0.9),
                MergeSettings(),
                "fp16" if kind == "clip" else "fp32",
                PlaceOptions(folder / "build", kind),
            )
        )

    return shared_folder(factory, f"runtime-{kind}", make) / "build" / kind


def checkpoint_of(bundle: Path) -> Path:
    """The checkpoint of a bundle of `bundle_of`."""
    return bundle.parent.parent / "checkpoint" / bundle.name


def copy_of(bundle: Path, folder: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(bundle, folder / bundle.name))


def rewrite(bundle: Path, change: Callable[[dict[str, object]], object]) -> Manifest:
    """Change the manifest of a bundle's copy, and its digest."""
    document = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    change(document)
    manifest = Manifest.model_validate_json(json.dumps(document))
    write_manifest(bundle, manifest)
    return read_manifest(bundle)


def with_plan(bundle: Path, content: bytes = b"no plan at all", **changes: object) -> PlanRecord:
    """Put a plan into a bundle's copy; no library would take this one: nothing may come so far."""
    manifest = read_manifest(bundle)
    (graph,) = manifest.graphs
    record = PlanRecord.model_validate(
        {
            "file": f"model.fp16.{len(graph.plans)}.plan",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "backend": "tensorrt_rtx",
            "backend_version": "1.7.1.116",
            "targets": ("sm89",),
            "profile": (1, 8, 32),
            "precision": "fp16",
            "merge_path": "function",
            "executed": False,
            "build_seconds": 1.0,
            "key": "0" * 64,
            **changes,
        }
    )
    (bundle / record.file).write_bytes(content)
    changed = graph.model_copy(update={"plans": (*graph.plans, record)})
    write_manifest(bundle, manifest.model_copy(update={"graphs": (changed,)}))
    return record


def with_native(bundle: Path, **changes: object) -> NativeRecord:
    """Put the operator library for onnxruntime into a bundle's copy."""
    shutil.copy(LIBRARY, bundle / NATIVE_NAME)
    record = describe_native(LIBRARY).record.model_copy(update=changes)
    manifest = read_manifest(bundle)
    write_manifest(bundle, manifest.model_copy(update={"native": (*manifest.native, record)}))
    return record
