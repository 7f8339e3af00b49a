"""A whole CLIP through every command: two graphs, built, checked, measured, shown and found broken."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from pitome.bundle import Manifest, file_sha256, verify_bundle, write_manifest
from pitome.engine.checks import plan_of_graph, plan_requests
from pitome.engine.options import PlanOptions
from pitome.engine.prepare import reload
from pitome.engine.progress import Silent
from pitome.models.packaged import INCLUDED_FOLDER
from pitome.models.tokenizer import encode_texts, load_tokenizer
from pitome.runtime.onnxruntime import open_session
from tests.cli.command_line import QUICK, Outcome, contents, pitome
from tests.shared import shared_folder
from tests.validate.evaluate.tasks.small_clip import IMAGE_SIZE, LENGTH, PROJECTION, write_clip

FILES = {
    *("image.onnx", "image.fp16.onnx", "image.fp16.tensorrt_rtx.function.plan"),
    *("text.onnx", "text.fp16.onnx", "text.fp16.tensorrt_rtx.none.plan"),
    *("config.json", "preprocessor_config.json", "tokenizer.json", "report.html"),
    *("manifest.json", "manifest.json.sha256", "bom.cdx.json"),
}
FEW = ("--parity-images", "4")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of a whole CLIP, and its bundle in ``build``; read it, do not change it."""

    def make(folder: Path) -> None:
        write_clip(folder / "clip")
        built = pitome("engine", folder / "clip", "--out", folder / "build", *QUICK, "--targets", "sm80")
        assert built.code == 0, built.err
        (folder / "out.txt").write_text(built.out, encoding="utf-8")

    return shared_folder(tmp_path_factory, "whole-clip", make)


@pytest.fixture(scope="module")
def alone(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of the image tower alone, built from a copy of that checkpoint; read it, do not change it."""

    def make(folder: Path) -> None:
        shutil.copytree(whole / "clip", folder / "clip")
        built = pitome("export", folder / "clip", "--out", folder / "build", "--tower", "image")
        assert built.code == 0, built.err

    return shared_folder(tmp_path_factory, "image-tower-alone", make) / "build" / "clip"


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, beside its checkpoint."""
    shutil.copytree(whole / "clip", tmp_path / "clip")
    return Path(shutil.copytree(whole / "build" / "clip", tmp_path / "build" / "clip"))


def features(folder: Path, captions: list[str], images: torch.Tensor) -> tuple[Any, Any, dict[str, Any]]:
    """What ``transformers`` gives for texts and images, and the texts as tokens."""
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(folder).eval()
    config = model.config.text_config
    tokenizer = load_tokenizer(folder, config, config.max_position_embeddings).tokenizer
    assert tokenizer is not None
    texts = encode_texts(tokenizer, captions)
    with torch.no_grad():
        found = [model.get_text_features(**texts), model.get_image_features(images)]
    text, image = (getattr(each, "pooler_output", each).numpy() for each in found)
    return text, image, {name: value.numpy() for name, value in texts.items()}


def test_both_graphs_are_built_checked_and_planned(whole: Path) -> None:
    folder = whole / "build" / "clip"
    found = {path.name for path in folder.iterdir()}
    assert found >= FILES
    assert {name for name in found if name.endswith((".onnx", ".plan"))} <= FILES
    manifest = verify_bundle(folder)
    image, text = manifest.graphs
    assert (image.merges, text.merges) == (2, 0)
    assert [value.shape for value in text.inputs] == [("batch", LENGTH)] * 2
    assert [value.name for value in (*text.inputs, *text.outputs)] == [
        *("input_ids", "attention_mask"),
        "text_embeds",
    ]
    assert image.outputs[0].shape == text.outputs[0].shape == ("batch", PROJECTION)
    assert manifest.flops.base == image.flops.base + text.flops.base
    assert manifest.flops.merged == image.flops.merged + text.flops.merged
    assert image.flops.merged != image.flops.base
    assert text.flops.merged == text.flops.base
    assert manifest.parity is not None
    assert manifest.parity.decisions is not None
    assert manifest.parity.verdict == "pass"
    other = manifest.other_parity["text"]
    assert (other.verdict, other.decisions, other.reported_decisions) == ("pass", None, ())
    assert {each.output for each in other.arithmetic} == {"text_embeds"}
    assert {each.precision for each in other.arithmetic} == {"fp32", "fp16"}
    assert other.inputs == {"random": 4, "sentences": 24}
    assert other.batching is not None
    assert [plan.targets for plan in manifest.plans] == [("sm80",), ("sm80",)]
    assert manifest.latency is not None
    assert manifest.latency.graph == "image"
    assert {result.bound for result in manifest.latency.results} == {image.flops.bound}


def test_the_manifest_says_how_the_two_belong_together(whole: Path) -> None:
    from safetensors.torch import load_file

    model = verify_bundle(whole / "build" / "clip").model
    scale = load_file(whole / "clip" / "model.safetensors")["logit_scale"].exp().item()
    assert (model.system, model.task, model.normalised) == ("dual-encoder", "image-embedding", False)
    assert model.text is not None
    assert model.text.sequence_length == model.max_length == LENGTH
    assert model.logit_scale == pytest.approx(scale, rel=1e-6)
    assert model.logit_bias is None


def test_the_end_of_the_build_says_which_graph_is_merged(whole: Path) -> None:
    told = " ".join((whole / "out.txt").read_text(encoding="utf-8").split())
    for part in ("image graph", "merged", "not merged", "Parity, text graph", "text.fp16.onnx"):
        assert part in told
    page = (whole / "build" / "clip" / "report.html").read_text(encoding="utf-8")
    for part in ("The text graph", "the text graph is not merged", "of the image graph"):
        assert part in page


def test_unmerged_both_graphs_give_what_transformers_gives(whole: Path, tmp_path: Path) -> None:
    asked = ("export", whole / "clip", "--out", tmp_path, "--precision", "fp32", "--method", "none")
    assert pitome(*asked).code == 0
    images = torch.randn(3, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(0))
    captions = ["a photo of a bee", "ant", "the image of an ant a bee and more"]
    text, image, tokens = features(whole / "clip", captions, images)
    for file, inputs, wanted in (
        ("image.onnx", {"pixel_values": images.numpy()}, image),
        ("text.onnx", tokens, text),
    ):
        (found,) = open_session(tmp_path / "clip" / file).run(None, inputs)
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    # The bundle's own text graph is the same one: it is never merged.
    built = open_session(whole / "build" / "clip" / "text.onnx").run(None, tokens)[0]
    assert np.array_equal(built, open_session(tmp_path / "clip" / "text.onnx").run(None, tokens)[0])


@pytest.mark.full
def test_so_do_those_of_the_included_clip(tmp_path: Path) -> None:
    """fashion-clip, with its weights and its tokenizer."""
    asked = ("export", "fashion-clip", "--out", tmp_path, "--precision", "fp32", "--method", "none")
    assert pitome(*asked).code == 0
    images = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    captions = ["a photo of a shirt", "bag", "the picture of an ankle boot"]
    text, image, tokens = features(INCLUDED_FOLDER, captions, images)
    assert tokens["input_ids"].shape == (3, 16)
    for file, inputs, wanted in (
        ("image.onnx", {"pixel_values": images.numpy()}, image),
        ("text.onnx", tokens, text),
    ):
        (found,) = open_session(tmp_path / "fashion-clip" / file).run(None, inputs)
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_built_again_everything_is_taken_over(copied: Path) -> None:
    before = verify_bundle(copied)
    again = pitome(
        "engine", copied.parents[1] / "clip", "--out", copied.parent, *QUICK, "--targets", "sm80", "--json"
    )
    assert again.code == 0, again.err
    made = {name for name in FILES if name.startswith(("image.", "text."))}
    assert set(again.document["reused"]) == {*made, "parity", "latency"}
    after = verify_bundle(copied)
    assert (after.graphs, after.parity, after.other_parity) == (
        before.graphs,
        before.parity,
        before.other_parity,
    )


def test_the_image_tower_alone_is_a_plain_encoder(alone: Path, whole: Path) -> None:
    plain, both = verify_bundle(alone), verify_bundle(whole / "build" / "clip")
    (graph,) = plain.graphs
    assert (graph.name, graph.role, graph.onnx[0].file) == ("model", "encoder", "model.onnx")
    assert (plain.model.system, plain.model.text, plain.model.logit_scale) == (None, None, None)
    assert graph.onnx[0].sha256 == both.graphs[0].onnx[0].sha256, "the very same graph"
    assert plain.flops == both.graphs[0].flops
    compared = pitome("compare", alone, whole / "build" / "clip", "--json").document
    assert compared["ONNX fp32"][0].startswith("model.onnx")
    assert compared["ONNX fp32, text graph"][0] == "-"


def test_an_older_bundle_of_the_image_graph_is_still_what_its_manifest_says(
    alone: Path, tmp_path: Path
) -> None:
    """It was built before there was a TOWER, so its options name none."""
    shutil.copytree(alone.parents[1], tmp_path / "older")
    bundle = tmp_path / "older" / "build" / "clip"
    manifest = verify_bundle(bundle)
    model = replace(manifest.build.model, tower=None)
    build = manifest.build.model_copy(update={"model": model})
    write_manifest(bundle, manifest.model_copy(update={"build": build}))
    reloaded = reload(bundle, verify_bundle(bundle), Silent())
    assert (reloaded.name, reloaded.text) == ("model", None)


@pytest.mark.full
@pytest.mark.parametrize(
    "options", [("--precision", "bf16"), ("--precision", "fp16", "--inlined")], ids=" ".join
)
def test_both_graphs_in_other_forms(whole: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    built = pitome("export", whole / "clip", "--out", tmp_path, *options)
    assert built.code == 0, built.err
    image, text = verify_bundle(tmp_path / "clip").graphs
    precisions = {onnx.precision for onnx in text.onnx}
    assert precisions == {"fp32", options[1]}
    # What merges nothing is standard operators as it is.
    assert {onnx.inlined for onnx in image.onnx} == ({True, False} if "--inlined" in options else {False})
    assert not any(onnx.inlined for onnx in text.onnx)
    checked = pitome("validate", tmp_path / "clip", *FEW, "--task", "none")
    assert checked.code == 0, checked.err


@pytest.mark.full
def test_nothing_of_a_bundle_of_both_stays_beside_the_image_graph(copied: Path) -> None:
    model = copied.parents[1] / "clip"
    assert pitome("export", model, "--out", copied.parent, "--tower", "image").code == 0
    assert not [path.name for path in copied.iterdir() if path.name.startswith(("image.", "text."))]


def test_a_dry_run_counts_both(whole: Path) -> None:
    manifest = verify_bundle(whole / "build" / "clip")
    found = pitome("engine", whole / "clip", "--dry-run", "--json").document
    assert found["flops"] == manifest.flops.model_dump()
    assert found["graphs"] == {graph.name: graph.flops.model_dump() for graph in manifest.graphs}
    told = pitome("engine", whole / "clip", "--dry-run").out
    assert "text, not merged" in told
    assert f"({manifest.graphs[0].flops.ratio:.3f} of the image graph's)" in " ".join(told.split())


def test_bench_measures_the_merged_graph_and_says_so(copied: Path) -> None:
    options = ("--batch", "1", "--latency-seconds", "0.2")
    outcome = pitome("bench", copied, *options, "--record", "--json")
    assert outcome.code == 0, outcome.err
    manifest = verify_bundle(copied)
    assert outcome.document["graph"] == "image"
    assert outcome.document["results"][0]["bound"] == manifest.graphs[0].flops.bound
    assert manifest.latency is not None
    assert manifest.latency.model_dump(mode="json") == outcome.document


def test_validate_checks_both_graphs(copied: Path) -> None:
    outcome = pitome("validate", copied, *FEW, "--task", "none", "--record", "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.document
    assert found["parity"]["decisions"]["layers"]
    assert found["other_parity"]["text"]["verdict"] == "pass"
    (part,) = (each for each in found["parts"] if each["name"] == "parity")
    assert part["reason"].startswith("image: every decision agrees")
    assert "; text: " in part["reason"]
    manifest = verify_bundle(copied)
    assert manifest.other_parity["text"].command == manifest.parity.command  # type: ignore[union-attr]


@pytest.mark.full
def test_the_tables_of_a_validation_name_the_graph(copied: Path) -> None:
    printed = pitome("validate", copied, *FEW, "--task", "none", "--details")
    assert "Arithmetic of the text graph" in printed.out
    assert "text graph: fp32, onnxruntime: cosine" in " ".join(printed.out.split())


def test_a_plan_is_added_for_each_graph(copied: Path) -> None:
    asked = ("build", copied, "--precision", "fp16", "--targets", "sm86", "--profile", "1,2,4")
    outcome = pitome(*asked)
    assert outcome.code == 0, outcome.err
    manifest = verify_bundle(copied)
    assert [(graph.name, [plan.file for plan in graph.plans]) for graph in manifest.graphs] == [
        ("image", ["image.fp16.tensorrt_rtx.function.plan"]),
        ("text", ["text.fp16.tensorrt_rtx.none.plan"]),
    ]
    assert {(plan.targets, plan.profile) for plan in manifest.plans} == {(("sm86",), (1, 2, 4))}
    refused = pitome("build", copied, "--precision", "bf16")
    assert refused.code == 2
    assert f"a plan in bf16 from {copied}: its graphs are in fp32, fp16. " in refused.message


def spoilt(bundle: Path, file: str) -> Manifest:
    """The bundle with the weights of one graph changed, and digests that fit."""
    manifest, path = verify_bundle(bundle), bundle / file
    graph = onnx.load(str(path))
    weights = next(tensor for tensor in graph.graph.initializer if len(tensor.dims) == 2)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.01, weights.name))
    onnx.save(graph, str(path))
    graphs = [
        each.model_copy(
            update={
                "onnx": tuple(
                    record
                    if record.file != file
                    else record.model_copy(update={"sha256": file_sha256(path), "bytes": path.stat().st_size})
                    for record in each.onnx
                )
            }
        )
        for each in manifest.graphs
    ]
    write_manifest(bundle, manifest.model_copy(update={"graphs": tuple(graphs)}))
    return verify_bundle(bundle)


@pytest.mark.full
def test_an_altered_text_graph_whose_digest_fits_is_found(copied: Path) -> None:
    spoilt(copied, "text.onnx")
    before = contents(copied)
    failed: Outcome = pitome("validate", copied, *FEW, "--task", "none", "--record")
    assert failed.code == 1
    assert f"error: {copied} fails validation: parity: text: weights " in failed.message
    assert contents(copied) == before


@pytest.mark.quick
@pytest.mark.parametrize(
    ("options", "targets"),
    [
        (PlanOptions(), ("sm80", "sm86", "sm89", "sm120")),
        (PlanOptions(merge_path=("plugin",)), ("sm75", "sm80", "sm86", "sm89", "sm120")),
        (PlanOptions(merge_path=("function", "plugin")), ("sm75", "sm80", "sm86", "sm89", "sm120")),
        (PlanOptions(targets=("sm89",), embed_plugin=True, merge_path=("plugin",)), ("sm89",)),
        (PlanOptions(backend="tensorrt"), ()),
    ],
)
def test_the_text_plan_is_for_every_gpu_of_the_image_plans(
    options: PlanOptions, targets: tuple[str, ...]
) -> None:
    """It merges nothing: there is one, without the library."""
    (request,) = plan_requests(Path(), plan_of_graph(options, "text-encoder"), "text.onnx", 0, "text")
    assert request.targets == targets
    assert request.plan.name == f"text.fp16.{options.backend}.none.plan"
    assert (request.plugin, request.embed_plugin, request.needs_plugin) == (None, False, False)
    image = plan_requests(Path(), plan_of_graph(options, "image-encoder"), "image.onnx", 2, "image")
    assert {target for each in image for target in each.targets} == set(targets)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("model", "tower", "found"),
    [
        ("minilm-l6", "image", "TOWER=image: the model takes texts"),
        ("minilm-l6", "both", "TOWER=both of minilm-l6: there is no text tower beside its BertModel"),
        ("vit-b16", "both", "TOWER=both of vit-b16: there is no text tower beside its ViTForImage"),
        ("fashion-vit", "both", "there is no text tower beside its CLIPForImageClassification"),
        ("clip-b16", "text", "'text' is not one of 'image', 'both'"),
    ],
)
def test_a_tower_that_there_is_not_is_refused(model: str, tower: str, found: str) -> None:
    refused = pitome("engine", model, "--weights", "random", "--tower", tower, "--dry-run")
    assert refused.code == 2
    assert re.sub(r"TOWER=?", "--tower ", found).strip() in refused.message
