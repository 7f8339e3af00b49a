"""A manifest reads back as it was written, and the schema refuses what contradicts itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pitome.bundle import Manifest, MethodRecord, read_manifest, verify_bundle, write_manifest
from pitome.bundle.schema_page import describe_schema
from pitome.energies import Energy
from pitome.errors import BundleError
from pitome.methods import make_method, method_names
from pitome.models.families import family_of_type
from pitome.parameters import to_float32
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings
from tests.checkout import ROOT
from tests.pitome.bundle.bundle_cases import (
    CONTENTS,
    OWN,
    changed,
    document,
    make_bundle,
    operator,
    refusal,
    sha256,
    write_raw,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "clip-b16")


finite = st.floats(allow_nan=False, allow_infinity=False)
margins = st.floats(-500, 500)
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,20}", fullmatch=True).filter(
    lambda name: name not in (*OWN, *CONTENTS)
)
digests = st.binary(max_size=8).map(sha256)
# Text without lone surrogates, which UTF-8 has no bytes for.
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    result = document()
    (graph,) = result["graphs"]
    merged = draw(st.lists(st.integers(0, 40), max_size=6))
    prefix = draw(st.integers(0, 2))
    tokens = [sum(merged) + 40 + prefix]
    for count in merged:
        tokens.append(tokens[-1] - count)
    candidates = [
        draw(st.integers(2 * count, max(2 * count, before - prefix))) if count else 0
        for count, before in zip(merged, tokens, strict=False)
    ]
    result["schedule"] = {"tokens": tokens, "num_merged": merged, "num_candidates": candidates}
    start, slope = draw(margins), draw(margins)
    energy = draw(st.sampled_from(["elu", "eq4", "sharp"]))
    result["method"]["settings"] |= {"margin": [start, slope], "energy": energy}
    result["method"]["num_protected"] = prefix
    result["method"]["layers"] = [
        operator(count, most, start - slope * layer / len(merged), energy) | {"num_protected": prefix}
        if count
        else None
        for layer, (count, most) in enumerate(zip(merged, candidates, strict=True))
    ]
    result["build"]["schedule"] = {"r": merged}
    result["build"]["merge"]["candidates"] = draw(st.none() | st.sampled_from([0.1, 1.0, 40, "all"]))
    base, less = draw(st.integers(1, 2**50)), draw(st.integers(1, 2**50))
    result["flops"] = {"base": base, "merged": less, "ratio": less / base, "bound": base / less}
    result["model"]["name"] = draw(names)
    if draw(st.booleans()):
        result["model"] |= {"task": "text-features", "preprocess": {"kind": "text", "sequence_length": 128}}
        graph["inputs"] = [{"name": draw(words), "dtype": "int64", "shape": [draw(words), 128]}]
    if draw(st.booleans()):
        result["parity"] = result["parity_key"] = None
    plans = graph["plans"]
    plans[0]["file"], plans[0]["sha256"] = draw(names), draw(digests)
    plans[0]["build_seconds"] = draw(finite.filter(lambda seconds: seconds >= 0))
    graph["flops"] = result["flops"]
    graph["merges"] = plans[1]["plugin_layers"] = sum(count > 0 for count in merged)
    if draw(st.booleans()) or not graph["merges"]:
        plans[0]["merge_path"] = "function" if graph["merges"] else "none"
        result["report"], result["native"] = None, []
        del plans[1]
    return Manifest.model_validate(result)


@given(manifest=manifests())
@settings(max_examples=60, deadline=None)
def test_any_manifest_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, manifest: Manifest
) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest


def test_the_written_manifest_is_the_document(folder: Path) -> None:
    assert json.loads((folder / OWN[0]).read_text()) == document()
    assert verify_bundle(folder) == Manifest.model_validate(document())


def test_the_same_manifest_gives_the_same_bytes_whatever_the_order_of_its_keys(folder: Path) -> None:
    before = (folder / OWN[0]).read_bytes()
    reverse = json.dumps({key: document()[key] for key in reversed(document())})
    write_manifest(folder, Manifest.model_validate_json(reverse))
    assert (folder / OWN[0]).read_bytes() == before


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("extra", 1, "extra: unknown key"),
        ("model.weights.extra", 1, "model.weights.extra: unknown key"),
        ("graphs.0.plans.0.extra", 1, "graphs[0].plans[0].extra: unknown key"),
        ("build.precision", "int8", "build.precision: should be 'fp32', 'fp16' or 'bf16'"),
        ("flops.base", "200", "flops.base: should be a valid integer, not '200'"),
        ("graphs.0.onnx", [], "graphs[0].onnx: should have at least 1 item"),
        ("created", "2026-11-22T10:00:00+01:00", "created: not a time in UTC"),
        ("graphs.0.onnx.0.byte", 1, "graphs[0].onnx[0].byte: unknown key (did you mean bytes?)"),
        ("build.merge.energi", "elu", "build.merge.energi: unknown key (did you mean energy?)"),
        ("schedule.tokens.0", 17.0, "schedule.tokens[0]: should be a valid integer, not 17.0"),
        ("schedule.tokens.0", "17", "schedule.tokens[0]: should be a valid integer, not '17'"),
        ("graphs.0.plans.0.bytes", True, "graphs[0].plans[0].bytes: should be a valid integer, not true"),
        ("flops.ratio", True, "flops.ratio: should be a valid number, not true"),
        ("build.merge.candidates", True, "build.merge.candidates: should be a valid number or a valid"),
        ("parity.inputs.noise", 4.0, "parity.inputs.noise: should be a valid integer, not 4.0"),
        ("created", "yesterday", "created: Invalid isoformat string: 'yesterday'"),
        ("report.sha256", "abc", "report.sha256: String should match pattern"),
        ("model.weights.seed", 0, "random weights have a seed, and only they have one"),
        ("model.weights.random", True, "random weights have a seed, and only they have one"),
        ("graphs.0.plans.0.profile", [8, 1, 32], "profile (8, 1, 32) is not min <= opt <= max"),
        ("graphs.0.plans.0.targets", [], "graphs[0].plans[0].targets: should have at least 1 item"),
        ("graphs.0.plans.0.plugin_embedded", True, "plugin_embedded, but merge_path is function"),
        ("native", [], "there is a library of kind tensorrt where a plan's merge_path is plugin, and only"),
        ("graphs.0.plans", [], "there is a library of kind tensorrt where a plan's merge_path is plugin"),
        ("method.layers", [None], "2 layers need the numbers of 2, not 1"),
        ("method.layers.0.num_candidates", 13, "the operator of layer 0 is not for 2 of 14 tokens"),
        ("method.layers.0.order", "size", "method.layers[0].order: should be 'energy' or 'position'"),
        ("method.settings.metric", "values", "method.settings.metric: should be 'hidden' or 'keys'"),
        ("method.settings.extra", 1, "method.settings.extra: unknown key"),
        ("build.merge.size_penalty", -1.0, "SIZE_PENALTY=-1.0: not a number from 0 to 1024"),
        ("build.schedule.ratio", 0.9, "RATIO=0.9 and R=2,0: each of them sets the whole schedule"),
        ("build.plan.precision", "fp32", "a plan in fp32 of a build in fp16"),
        ("build.model.extra", 1, "build.model.extra: unknown key"),
        (
            "model.preprocess.kind",
            "sound",
            "model.preprocess: tag 'sound' found using 'kind' does not",
        ),
        ("graphs.0.plans.1.plugin_layers", 0, "0 plugin_layers, but merge_path is plugin"),
        ("graphs.0.feeds", {"pixel_values": "tower.out"}, "model has no input pixel_values, or no graph"),
        ("schedule.tokens", [17, 15], "2 layers need 3 tokens and 2 num_candidates, not 2 and 2"),
        ("schedule.tokens", [17, 16, 15], "layer 0 merges 2 of 17 tokens: not 16 are left"),
        (
            "schedule.num_candidates",
            [3, 0],
            "layer 0 merges 2 tokens, so num_candidates is from 4 to 16, not 3",
        ),
        ("schedule.num_candidates", [17, 0], "so num_candidates is from 4 to 16, not 17"),
        ("flops.ratio", 0.7, "ratio is 0.7, but merged / base is 0.75"),
        ("flops.bound", 2.0, "bound is 2.0, but base / merged is 1.333"),
        ("report.file", "model.onnx", "model.onnx is listed twice with different digests"),
        ("report.file", "manifest.json", "manifest.json cannot list itself"),
    ],
)
def test_what_the_schema_refuses(folder: Path, path: str, value: object, text: str) -> None:
    write_raw(folder, json.dumps(changed(path, value)).encode())
    found = refusal(folder)
    assert "manifest.json does not fit its schema: " in found
    assert text in found


OFFSET = 0.8999999761581421  # of elu: the margin 0.9 as a float32
EXPECTED = "and by energy elu with margin 0.9 - 0.9 i/2 it is"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("layers.0.function", "gaussian", f"layer 0 has function gaussian, {EXPECTED} piecewise"),
        ("layers.0.margin", 0.5, f"layer 0 has margin 0.5, {EXPECTED} {OFFSET}"),
        ("layers.0.offset", 0.0, f"layer 0 has offset 0.0, {EXPECTED} {OFFSET}"),
        ("layers.0.width", 0.5, f"layer 0 has width 0.5, {EXPECTED} 1.0"),
        ("layers.0.alpha", 0.25, f"layer 0 has alpha 0.25, {EXPECTED} 1.0"),
        (
            "settings.margin",
            [0.8, 0.8],
            f"layer 0 has margin {OFFSET}, and by energy elu with margin 0.8 - 0.8",
        ),
        (
            "settings.energy",
            "eq4",
            f"layer 0 has offset {OFFSET}, and by energy eq4 with margin 0.9 - 0.9 i/2",
        ),
        ("settings.energy", "gaussian", "layer 0 has function piecewise, and by energy gaussian with margin"),
        (
            "layers.0.order",
            "position",
            f"layer 0 has offset {OFFSET}, and by the order of positions with margin",
        ),
        ("settings.energy", None, "layer 0 has numbers of an energy and a margin, and the settings name not"),
        ("settings.margin", None, "layer 0 has numbers of an energy and a margin, and the settings name not"),
    ],
)
def test_numbers_that_do_not_follow_from_the_name(folder: Path, path: str, value: object, text: str) -> None:
    write_raw(folder, json.dumps(changed(f"method.{path}", value)).encode())
    assert text in refusal(folder)


def test_the_last_bit_of_a_number_is_written_and_held_against_the_name(folder: Path) -> None:
    layer = read_manifest(folder).method.layers[0]
    assert layer is not None
    assert layer.margin == layer.offset == OFFSET == to_float32(0.9)
    written = json.loads((folder / OWN[0]).read_text())["method"]["layers"][0]
    assert (written["margin"], written["offset"]) == (OFFSET, OFFSET)
    # 0.9 is the same float32 and the next one is another.
    write_raw(folder, json.dumps(changed("method.layers.0.margin", 0.9)).encode())
    assert read_manifest(folder).method.layers[0] == layer
    write_raw(folder, json.dumps(changed("method.layers.0.margin", OFFSET + 2**-24)).encode())
    assert f"layer 0 has margin {OFFSET + 2**-24}, {EXPECTED} {OFFSET}" in refusal(folder)


def test_a_layer_by_position_has_no_numbers_of_an_energy(folder: Path) -> None:
    by_position = operator(2, 14, 0.9) | {"order": "position", "offset": 0.0}
    write_raw(folder, json.dumps(changed("method.layers.0", by_position)).encode())
    found = read_manifest(folder).method.layers[0]
    assert found is not None
    assert (found.order, found.offset, found.width) == ("position", 0.0, 1.0)


@pytest.mark.parametrize(
    ("method", "chosen"),
    [
        *((each, {}) for each in method_names()),
        *(("pitome", {"energy": energy, "margin": (0.7, 0.3)}) for energy in get_args(Energy)),
        ("authors-2024", {"energy": "eq4"}),
    ],
)
def test_what_every_method_leads_to_is_read_back(method: str, chosen: dict[str, Any]) -> None:
    made = make_method(MergeSettings(method, **chosen), family_of_type("clip"), 7)
    schedule = TokenSchedule.from_ratio(0.8 if made.merges else 1.0, 7, 50)
    record = MethodRecord(
        settings=made.settings, restore=made.restore, num_protected=1, layers=made.parameters(schedule)
    )
    assert MethodRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/./b",
        ".hidden",
        "a//b",
        "a/",
        "a\\b",
        "C:x",
        "a b",
        "a\n",
        "a\0",
    ],
)
def test_a_file_name_cannot_lead_out_of_the_bundle(folder: Path, name: str) -> None:
    write_raw(folder, json.dumps(changed("report.file", name)).encode())
    assert "report.file: String should match pattern" in refusal(folder)


def test_many_errors_are_cut_short(folder: Path) -> None:
    write_raw(folder, json.dumps({"schema_version": 2}).encode())
    text = refusal(folder)
    assert "pitome_version: it is missing" in text
    assert "and 4 more" in text


def test_what_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    manifest = Manifest.model_validate(document())
    assert manifest.parity is not None
    parity = manifest.parity.model_copy(update={"top1_agreement": {"fp32": float("nan")}})
    with pytest.raises(BundleError, match=r"parity\.top1_agreement\.fp32: nan is no share"):
        write_manifest(tmp_path, manifest.model_copy(update={"parity": parity}))
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    manifest = Manifest.model_validate(document())
    assert manifest.parity is not None
    parity = manifest.parity.model_copy(update={"inputs": {"noise": 2**64}})
    with pytest.raises(BundleError, match=r"parity\.inputs\.noise: 18446744073709551616 is beyond"):
        write_manifest(tmp_path, manifest.model_copy(update={"parity": parity}))
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_of_the_first_schema_is_refused_with_the_remedy(folder: Path) -> None:
    write_raw(folder, json.dumps({"schema_version": 1, "pitome_version": "0.1.0"}).encode())
    assert refusal(folder) == (
        f"bundle {folder}: its schema_version is 1, and this pitome reads 2. "
        "Run `make engine` for this model again"
    )


def test_an_invalid_manifest_is_not_written(tmp_path: Path) -> None:
    broken = Manifest.model_validate(document()).model_copy(update={"pitome_version": ""})
    with pytest.raises(BundleError, match="pitome_version: String should have at least 1 character"):
        write_manifest(tmp_path, broken)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_cannot_be_changed() -> None:
    manifest = Manifest.model_validate(document())
    with pytest.raises(ValidationError, match="frozen"):
        manifest.created = "now"


def test_the_documentation_is_up_to_date() -> None:
    page = (ROOT / "docs" / "bundle.md").read_text()
    assert page == describe_schema(), "run: python -m pitome.bundle.schema_page > docs/bundle.md"
