"""docs/gpu.md is true as far as can be seen without a GPU: names, targets, commands, a bundle's files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pitome.bundle import verify_bundle
from pitome.bundle.build_options import PlanOptions
from pitome.bundle.graph_records import GraphRecord, TensorRecord
from pitome.bundle.manifest import PLUGIN_NAME
from pitome.export.plans.tensorrt_rtx import DATACENTER_TARGETS
from pitome.models.families.clip import Clip
from pitome.runtime.plans.fit import RTX_TARGETS
from tests.checkout import ROOT
from tests.cli.command_line import Outcome
from tests.command_options import parse
from tests.make_dry_run import pitome_runs

PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
INLINE = re.findall(r"`((?:pitome|make) [^`]* [^`]*)`", PAGE)
FLAGS = {
    "--onnx",
    "--saveEngine",
    "--loadEngine",
    "--staticPlugins",
    "--stronglyTyped",
    "--noTF32",
    "--minShapes",
    "--optShapes",
    "--maxShapes",
    "--shapes",
    "--skipInference",
    "--useCudaGraph",
    "--noDataTransfers",
    "--useSpinWait",
}
"""Those of trtexec 10's source (samples/common/sampleOptions.cpp) that the page may use."""


def rows() -> list[list[str]]:
    """The table: GPU, target, backend, how, verified, run."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines[1:]
    ]


@pytest.mark.quick
def test_the_table_names_every_target_that_is_built_for() -> None:
    by_target = {row[1]: row for row in rows() if row[1]}
    compiled = re.search(r"set\(targets ([\d ]+)\)", (ROOT / "plugins/kernels/compile.cmake").read_text())
    assert compiled is not None
    plugin_targets = [f"sm{number}" for number in compiled.group(1).split()]
    assert set(by_target) == set(plugin_targets)
    for target, row in by_target.items():
        by_rtx = row[2].startswith("TensorRT-RTX")
        assert by_rtx == (target in RTX_TARGETS)
        assert by_rtx != (target in DATACENTER_TARGETS)
        assert ("--backend tensorrt`" in row[3]) != by_rtx
    for gpu in ("T4", "H100", "H200", "B200", "A100", "L4"):
        assert any(gpu in re.split(r"[, ]+", row[0]) for row in rows()), gpu


@pytest.mark.quick
def test_no_gpu_is_said_to_have_run_anything() -> None:
    assert all(row[5] == "never" for row in rows())


@pytest.mark.quick
@pytest.mark.parametrize("command", [line for line in (*COMMANDS, *INLINE) if not line.startswith("trtexec")])
def test_every_command_is_understood(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "pitome":
        assert parse(words[1:])
    else:
        assert all(parse(arguments) for arguments in pitome_runs(*words[1:]))


def trtexec(folder: Path, graph: GraphRecord, onnx: str) -> list[str]:
    """The command that builds what ``pitome build --backend tensorrt`` builds, by what a manifest says."""

    def shapes(batch: int) -> str:
        sizes = [(each.name, "x".join(map(str, (batch, *each.shape[1:])))) for each in graph.inputs]
        return ",".join(f"{name}:{shape}" for name, shape in sizes)

    smallest, typical, largest = PlanOptions().profile
    return [
        "trtexec",
        f"--onnx={folder / onnx}",
        f"--saveEngine={graph.name}.plan",
        f"--staticPlugins={folder / PLUGIN_NAME}",
        "--stronglyTyped",
        "--noTF32",
        f"--minShapes={shapes(smallest)}",
        f"--optShapes={shapes(typical)}",
        f"--maxShapes={shapes(largest)}",
        "--skipInference",
    ]


def test_the_command_of_trtexec_fits_what_a_bundle_holds(built: tuple[Path, Outcome]) -> None:
    """Of the tiny bundle its files are there; with CLIP-B/16's names and sizes it is the page's."""
    bundle = built[0]
    graph = verify_bundle(bundle).merged_graph
    onnx = next(record.file for record in graph.own_files if record.precision == PlanOptions().precision)
    assert (bundle / onnx).is_file()
    command = trtexec(bundle, graph, onnx)
    assert command[6] == "--minShapes=pixel_values:1x3x32x32"
    wanted = Clip.default_preprocess
    pixels = TensorRecord(
        name=graph.inputs[0].name,
        dtype="float32",
        shape=("batch", wanted.channels, wanted.height, wanted.width),
    )
    assert onnx == f"{graph.name}.fp16.onnx"
    whole = graph.model_copy(update={"name": "image", "inputs": (pixels,)})
    command = trtexec(Path("build/clip-b16"), whole, "image.fp16.onnx")
    building, running = [shlex.split(line) for line in COMMANDS if line.startswith("trtexec")]
    assert building == command
    plan, library = command[2].partition("=")[2], command[3]
    assert running[1:3] == [f"--loadEngine={plan}", library]
    assert running[3] == f"--shapes={command[7].partition('=')[2]}"


@pytest.mark.quick
def test_the_flags_of_trtexec_are_known() -> None:
    lines = [shlex.split(line) for line in COMMANDS if line.startswith("trtexec")]
    used = {word.partition("=")[0] for line in lines for word in line[1:]}
    assert len(lines) == 2
    assert used <= FLAGS


@pytest.mark.quick
def test_the_readme_leads_here() -> None:
    assert "(docs/gpu.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
