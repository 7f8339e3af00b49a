"""The bill of materials of a bundle: ``bom.cdx.json``, in CycloneDX 1.6.

It is made of the manifest's records and nothing else, has no time in it, and its serial number is made of its
own content: the same bundle always has the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pitome.bundle.manifest import Manifest
from pitome.bundle.model_records import CardRecord, ModelRecord
from pitome.bundle.record import BOM_NAME, AssetRecord, FileRecord, NativeRecord
from pitome.bundle.spdx import SPDX_OF

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")
_LOADED_BY = {"tensorrt": "TensorRT and TensorRT-RTX", "onnxruntime": "onnxruntime"}

Part = dict[str, Any]
"""An object of CycloneDX."""


def write_bom(folder: Path, manifest: Manifest) -> Manifest:
    """Write the bill of materials of a bundle that is being built; the manifest with its record.

    Args:
        folder: that :func:`build_folder` gave; a file of the bundle before is replaced, never written into.
        manifest: with everything but the report and its own digest.
    """
    data = bom_of(manifest)
    path = Path(folder) / BOM_NAME
    path.unlink(missing_ok=True)  # it may be a link to the published bundle's
    path.write_bytes(data)
    record = AssetRecord(file=BOM_NAME, sha256=hashlib.sha256(data).hexdigest(), role="bom")
    return manifest.model_copy(update={"assets": (*_other_assets(manifest), record)})


def bom_of(manifest: Manifest) -> bytes:
    """The bill of materials of a bundle."""
    model = manifest.model
    bundle: Part = {
        "bom-ref": "bundle",
        "type": "machine-learning-model",
        "name": model.name,
        "description": _description(manifest),
        "modelCard": _model_card(model),
    }
    components = [
        _weights(model),
        *(_native(library) for library in manifest.native),
        *(_file(record) for record in _files(manifest)),
        *_packages(manifest),
    ]
    document: Part = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "pitome", "version": manifest.pitome_version}]
            },
            "component": bundle,
        },
        "components": components,
        "dependencies": [_dependency("bundle", components)],
    }
    document["serialNumber"] = f"urn:uuid:{_serial(document)}"
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _serial(document: Part) -> uuid.UUID:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return uuid.uuid5(uuid.NAMESPACE_OID, f"sha256:{hashlib.sha256(content).hexdigest()}")


def _description(manifest: Manifest) -> str:
    merged = f"{sum(manifest.schedule.num_merged)} tokens merged, {manifest.flops.ratio:.3f} of the FLOPs"
    random = ", seeded random weights" if manifest.model.weights.random else ""
    return f"{manifest.model.family} for {manifest.model.task}: {merged}{random}"


def _model_card(model: ModelRecord) -> Part:
    return {"modelParameters": {"task": model.task, "architectureFamily": model.family}}


def _weights(model: ModelRecord) -> Part:
    """The model as it was loaded, before anything was merged."""
    weights, card = model.weights, model.card
    found: Part = {
        "bom-ref": "weights",
        "type": "machine-learning-model",
        "name": weights.source,
        "hashes": _hashes(weights.sha256),
        "modelCard": _model_card(model),
        "properties": [{"name": "pitome:random", "value": str(weights.random).lower()}],
    }
    if weights.seed is not None:
        found["properties"].append({"name": "pitome:seed", "value": str(weights.seed)})
    if weights.revision is not None:
        found["version"] = weights.revision
        if _COMMIT.fullmatch(weights.revision) and _HUB_ID.fullmatch(weights.source):
            found["purl"] = f"pkg:huggingface/{weights.source}@{weights.revision}"
    if card is not None and (licenses := _licenses(card)):
        found["licenses"] = licenses
    return found


def _licenses(card: CardRecord) -> list[Part]:
    """As SPDX names it, where it has a name for it; else as the card does."""
    if card.license is None and card.license_name is None:
        return []
    known = SPDX_OF.get((card.license or "").lower())
    if known is not None:
        return [{"license": {"id": known}}]
    named: Part = {"name": card.license_name or card.license}
    if card.license_link is not None and _LINK.fullmatch(card.license_link):
        named["url"] = card.license_link
    return [{"license": named}]


def _native(library: NativeRecord) -> Part:
    return {
        "bom-ref": f"file:{library.file}",
        "type": "library",
        "name": library.file,
        "version": library.version,
        "description": f"The operator pitome::EnergyMerge, loaded by {_LOADED_BY[library.kind]}",
        "scope": "required" if library.kind == "tensorrt" else "optional",
        "hashes": _hashes(library.sha256),
    }


def _files(manifest: Manifest) -> Iterator[FileRecord]:
    """Graphs, plans and what belongs to the model, each once."""
    seen: set[str] = set()
    for record in (*(each for graph in manifest.graphs for each in graph.files()), *_other_assets(manifest)):
        if record.file not in seen:
            seen.add(record.file)
            yield record


def _other_assets(manifest: Manifest) -> tuple[AssetRecord, ...]:
    return tuple(asset for asset in manifest.assets if asset.role != "bom")


def _file(record: FileRecord) -> Part:
    return {
        "bom-ref": f"file:{record.file}",
        "type": "file",
        "name": record.file,
        "hashes": _hashes(record.sha256),
    }


def _packages(manifest: Manifest) -> Iterator[Part]:
    """What built it, and need not be there to run it."""
    environment = manifest.environment
    yield {
        "bom-ref": "build:python",
        "type": "platform",
        "name": "python",
        "version": environment.python,
        "scope": "excluded",
    }
    for name, version in sorted(environment.packages.items()):
        plain = re.sub(r"[-_.]+", "-", name).lower()
        yield {
            "bom-ref": f"build:{name}",
            "type": "library",
            "name": name,
            "version": version,
            "scope": "excluded",
            "purl": f"pkg:pypi/{quote(plain)}@{quote(version)}",
        }


def _dependency(of: str, components: list[Part]) -> Part:
    """What is left out at run time is in the list, and not among what the bundle depends on."""
    needed = [each["bom-ref"] for each in components if each.get("scope") != "excluded"]
    return {"ref": of, "dependsOn": needed}


def _hashes(sha256: str) -> list[Part]:
    return [{"alg": "SHA-256", "content": sha256}]
