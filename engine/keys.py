"""Keys that tell whether an artefact of an earlier build is still the right one.

A key is the digest of everything an artefact was made from: equal key and intact file mean it is reused.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from pitome.bundle import NativeRecord, OnnxRecord, digest_of
from pitome.bundle.own_data_records import OwnDataRecord
from pitome.bundle.record import Precision
from pitome.compression import Compression
from pitome.engine.options import CheckOptions
from pitome.engine.records import installed_version, method_record, schedule_record
from pitome.engine.sentence_record import sentence_record
from pitome.export.plans import PlanRequest
from pitome.models.loading import LoadedModel
from pitome.runtime import CPU
from pitome.runtime.native import NativeLibrary

_PARITY_PACKAGES = ("torch", "transformers", "onnxruntime", "scikit-image", "pillow")
_EXPORT_PACKAGES = ("torch", "transformers", "onnx", "onnxscript", "onnx-ir")


def onnx_key(loaded: LoadedModel, compression: Compression, precision: str) -> str:
    """Of a merged graph."""
    return digest_of(
        {
            "model": _model(loaded),
            "method": method_record(compression).model_dump(),
            "schedule": schedule_record(compression).model_dump(),
            "precision": precision,
            **_exporter(),
        }
    )


def inlined_key(onnx: OnnxRecord) -> str:
    """Of the graph that is another with the operator's body in place of its nodes."""
    return digest_of({"inlined": onnx.sha256, "packages": {"onnx": installed_version("onnx")}})


def unmerged_key(loaded: LoadedModel, precision: Precision = "fp32") -> str:
    """Of the unmerged graph that latency is measured against."""
    other = {} if precision == "fp32" else {"precision": precision}
    return digest_of({"model": _model(loaded), **other, **_exporter()})


def plan_key(
    onnx: OnnxRecord, request: PlanRequest, backend_version: str | None, plugin: NativeRecord | None
) -> str:
    """Of a plan; ``plugin`` is what it is built with."""
    return digest_of(
        {
            "onnx": onnx.sha256,
            "targets": request.targets,
            "profile": request.profile,
            "backend": request.backend,
            "version": backend_version,
            "merge_path": request.merge_path,
            "plugin": plugin.sha256 if plugin else None,
            "embedded": request.embed_plugin,
            "source": source_digest("pitome.export.plans"),
        }
    )


def parity_key(
    graphs: tuple[OnnxRecord, ...],
    loaded: LoadedModel,
    check: CheckOptions,
    native: NativeLibrary | None = None,
    own: OwnDataRecord | None = None,
) -> str:
    """Of a parity check; ``own``: which images or texts of the user's it was on."""
    return digest_of(
        {
            "onnx": [graph.sha256 for graph in graphs],
            "model": _model(loaded),
            "preprocess": loaded.preprocess.model_dump(mode="json"),
            "images": check.parity_images,
            "threads": check.threads,
            **({} if own is None else {"own_data": own.model_dump(exclude={"data"})}),
            **_native(native),
            "packages": {package: installed_version(package) for package in _PARITY_PACKAGES},
            "source": source_digest("pitome", "pitome.export", "pitome.validate"),
            **_other_device(check),
        }
    )


def latency_key(
    graph: OnnxRecord, loaded: LoadedModel, check: CheckOptions, native: NativeLibrary | None = None
) -> str:
    """Of a latency measurement."""
    from pitome.validate.bench.latency import cpu_model

    return digest_of(
        {
            "onnx": graph.sha256,
            "unmerged": unmerged_key(loaded),
            "batches": check.batches,
            "threads": check.threads,
            "seconds": check.latency_seconds,
            **_native(native),
            "runtime": installed_version("onnxruntime"),
            "cpu": cpu_model(),
            "source": source_digest("pitome.export", "pitome.validate"),
            **_other_device(check),
        }
    )


def _native(library: NativeLibrary | None) -> dict[str, str]:
    return {} if library is None else {"native": library.record.sha256}


@lru_cache
def source_digest(*folders: str) -> str:
    """Digest of the Python sources in folders of this project."""
    digest = hashlib.sha256()
    for folder in folders:
        root = Path(str(resources.files(folder)))
        # os.walk does not follow links, so a checkout's links to the other folders add nothing here.
        paths = [Path(parent, name) for parent, _, names in os.walk(root) for name in names]
        for path in sorted(path for path in paths if path.suffix == ".py"):
            digest.update(f"{folder}/{path.relative_to(root).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _model(loaded: LoadedModel) -> dict[str, Any]:
    return {
        "weights": loaded.sha256,
        "architecture": loaded.architecture,
        "image_size": loaded.image_size,
        "config": json.loads(json.dumps(loaded.config, default=str)),
        **_sentence(loaded),
    }


def _sentence(loaded: LoadedModel) -> dict[str, Any]:
    """How one vector is made of the tokens; nothing where it is not, so that other keys stay as they were."""
    found = sentence_record(loaded)
    return {} if found is None else {"sentence": found.model_dump(mode="json")}


def _other_device(check: CheckOptions) -> dict[str, str]:
    """Nothing for the CPU: what was checked and measured before there was a choice stays valid."""
    return {} if check.device == CPU.name else {"device": check.device}


def _exporter() -> dict[str, Any]:
    packages = {package: installed_version(package) for package in _EXPORT_PACKAGES}
    return {"packages": packages, "source": source_digest("pitome", "pitome.export")}
