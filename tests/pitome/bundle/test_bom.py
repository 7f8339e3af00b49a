"""The bill of materials fits the official schema, names what is in the bundle, and is the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_supported_id
from cyclonedx.validation.json import JsonStrictValidator

from pitome.bundle import Manifest, verify_bundle, write_manifest
from pitome.bundle.bom import bom_of, write_bom
from pitome.bundle.spdx import SPDX_OF
from tests.pitome.bundle.bundle_cases import (
    CONTENTS,
    KEY,
    changed,
    document,
    dual_document,
    make_bundle,
    sha256,
)

COMMIT = "c" * 40
CARD: dict[str, Any] = {
    "license": None,
    "license_name": None,
    "license_link": None,
    "library_name": None,
    "pipeline_tag": None,
    "languages": [],
    "base_models": [],
    "datasets": [],
}


def bom(found: dict[str, Any]) -> dict[str, Any]:
    """Of a manifest: valid by the official schema, which knows no key that it does not name."""
    data = bom_of(Manifest.model_validate(found))
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())
    assert error is None, error
    read: dict[str, Any] = json.loads(data)
    return read


def component(found: dict[str, Any], reference: str) -> dict[str, Any]:
    """One of its components, of which no two have one reference."""
    references = [each["bom-ref"] for each in found["components"]]
    assert len(set(references)) == len(references)
    part: dict[str, Any] = next(each for each in found["components"] if each["bom-ref"] == reference)
    return part


def test_what_it_is_of() -> None:
    found = bom(document())
    assert found["metadata"]["component"]["name"] == "clip-b16"
    assert found["metadata"]["tools"]["components"] == [
        {"type": "application", "name": "pitome", "version": "0.1.0"}
    ]
    weights = component(found, "weights")
    assert (weights["type"], weights["name"], weights["version"]) == (
        "machine-learning-model",
        "org/clip",
        "a1",
    )
    assert weights["hashes"] == [{"alg": "SHA-256", "content": KEY}]
    plugin = component(found, "file:libpitome_plugin.so")
    assert (plugin["type"], plugin["version"]) == ("library", "0.1.0")
    assert plugin["hashes"][0]["content"] == sha256(CONTENTS["libpitome_plugin.so"])
    package = component(found, "build:onnxruntime")
    assert package["purl"] == "pkg:pypi/onnxruntime@1.32.0"
    assert package["scope"] == "excluded"
    files = {each["name"]: each["hashes"][0]["content"] for each in found["components"] if "hashes" in each}
    wanted = {name: sha256(data) for name, data in CONTENTS.items() if name != "report.html"}
    assert files == wanted | {"org/clip": KEY}


def test_what_runs_depends_on_nothing_that_only_built_it() -> None:
    (dependency,) = bom(document())["dependencies"]
    assert dependency["ref"] == "bundle"
    assert "weights" in dependency["dependsOn"]
    assert "file:model.onnx" in dependency["dependsOn"]
    assert not any(each.startswith("build:") for each in dependency["dependsOn"])


def test_a_model_of_two_graphs() -> None:
    found = bom(dual_document())
    assert component(found, "file:text.onnx")["type"] == "file"


def test_there_is_no_time_in_it_and_the_serial_number_is_of_its_content() -> None:
    first = bom(document())
    assert "timestamp" not in json.dumps(first)
    later = changed("created", "2027-01-01T00:00:00+00:00")
    later["accuracy"], later["environment"]["cpu"] = [], "another processor"
    assert bom(later) == first
    others = [bom(changed(*change)) for change in _CHANGES]
    serials = {each["serialNumber"] for each in (first, *others)}
    assert len(serials) == 1 + len(_CHANGES)
    assert all(serial.startswith("urn:uuid:") for serial in serials)


_CHANGES = (
    ("model.weights.sha256", "1" * 64),
    ("environment.packages", {"onnxruntime": "1.33.0"}),
    ("assets.0.sha256", "1" * 64),
    ("pitome_version", "0.2.0"),
)


def test_a_pinned_checkpoint_of_the_hub_has_a_package_url() -> None:
    found = bom(changed("model.weights.revision", COMMIT))
    assert component(found, "weights")["purl"] == f"pkg:huggingface/org/clip@{COMMIT}"
    assert "purl" not in component(bom(document()), "weights")


def test_random_weights_are_called_random() -> None:
    made = changed(
        "model.weights", {"source": "random", "sha256": KEY, "random": True, "seed": 7, "revision": None}
    )
    made["build"]["model"]["seed"], made["accuracy"] = 7, []
    found = bom(made)
    assert component(found, "weights")["properties"] == [
        {"name": "pitome:random", "value": "true"},
        {"name": "pitome:seed", "value": "7"},
    ]
    assert "seeded random weights" in found["metadata"]["component"]["description"]


@pytest.mark.parametrize(
    ("card", "licenses"),
    [
        ({}, None),
        ({"license": "apache-2.0"}, [{"license": {"id": "Apache-2.0"}}]),
        ({"license": "MIT"}, [{"license": {"id": "MIT"}}]),
        ({"license": "openrail++"}, [{"license": {"name": "openrail++"}}]),
        ({"license": "gpl-3.0"}, [{"license": {"name": "gpl-3.0"}}]),
        (
            {"license": "other", "license_name": "Mine", "license_link": "https://x.org/a b"},
            [{"license": {"name": "Mine"}}],
        ),
        (
            {"license": "other", "license_name": "Mine", "license_link": "https://x.org/mine"},
            [{"license": {"name": "Mine", "url": "https://x.org/mine"}}],
        ),
        ({"license": "other", "license_link": "LICENSE"}, [{"license": {"name": "other"}}]),
        ({"license": '"}\u202e<b>é'}, [{"license": {"name": '"}\u202e<b>é'}}]),
    ],
)
def test_licences(card: dict[str, str], licenses: object) -> None:
    found = bom(changed("model.card", CARD | card))
    assert component(found, "weights").get("licenses") == licenses


def test_every_name_of_a_licence_is_one_of_spdx() -> None:
    assert all(is_supported_id(name) and hub_name == name.lower() for hub_name, name in SPDX_OF.items())
    assert not is_supported_id("apache-2.0")


@pytest.mark.parametrize("name", ["org/näme", "../../a folder", "PyPI x==1", "\u202eevil", "a" * 250])
def test_names_of_any_kind(name: str) -> None:
    found = bom(changed("model.weights.source", name))
    assert component(found, "weights")["name"] == name


def test_it_is_a_file_of_the_bundle_and_no_file_of_the_bundle_before_is_written_into(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "clip-b16")
    manifest = write_bom(folder, Manifest.model_validate(document()))
    write_manifest(folder, manifest)
    assert [asset.role for asset in verify_bundle(folder).assets] == ["labels", "bom"]
    before = (folder / "bom.cdx.json").read_bytes()
    (tmp_path / "published.json").hardlink_to(folder / "bom.cdx.json")
    again = write_bom(folder, manifest)
    assert again == manifest
    assert write_bom(folder, manifest.model_copy(update={"pitome_version": "9"})) != manifest
    assert (tmp_path / "published.json").read_bytes() == before
