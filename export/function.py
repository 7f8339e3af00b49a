"""The operator's body as a model-local ONNX function, made of standard ops (DESIGN.md, "The operator").

ONNX Runtime, TensorRT-RTX and TensorRT all take it: no Scatter with a reduction, no NonZero, no TopK
over more than 3840. Parsers tell functions apart by bare name only, so one body serves all merges of a file.
Strings cannot steer it: it follows their integer twins. What no merge of the file asks for is left out.

Runtimes take their time for every node, so a body has at most 80 that are no constants, and what is left of
them makes it quicker for onnxruntime on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.export import body_parts as parts
from pitome.op import ONNX_DOMAIN, ONNX_NAME
from pitome.parameters import MergeParameters

if TYPE_CHECKING:
    import onnx

OPSET = 18
IR_VERSION = 8
"""The lowest that has model-local functions, so what serving images of 2023 still read."""

_SIGNATURE = f"""
<domain: "{ONNX_DOMAIN}", opset_import: ["" : {OPSET}]>
{ONNX_NAME} <num_merged, num_candidates, num_protected, margin, offset, width, alpha, size_penalty, order,
             function, split, by_position, source_start, source_stop, target_start, target_stop, split_step,
             plugin_namespace, plugin_version> (x, metric, size) => (y, size_out, assignment)
"""

MOST_NODES = 80
"""Without constants, in a file whose merges need no more than that."""
# What spare nodes are spent on, one each, in the order of what they save.
_FEW_ROWS, _INVERSE_NORMS, _ONE_CHOICE, _NO_SORTING, _SMALL_WEIGHTS = range(1, 6)


def energy_merge_function(merges: Iterable[MergeParameters], *, narrow: bool) -> onnx.FunctionProto:
    """The body of ``pitome::EnergyMerge`` that serves all these merges of one file.

    Args:
        merges: of the file.
        narrow: x and the metrics have fewer bits than float32.

    Raises:
        InputError: merges by energy with different functions.
    """
    from onnx import parser

    merges = tuple(merges)

    def body(spare: int) -> onnx.FunctionProto:
        return parser.parse_function(f"{_SIGNATURE}{{{''.join(_chosen_parts(merges, narrow, spare))}}}")

    return body(spare=max(0, MOST_NODES - num_nodes(body(spare=0))))


def num_nodes(function: onnx.FunctionProto) -> int:
    """Of a body, without constants."""
    return sum(node.op_type != "Constant" for node in function.node)


def _chosen_parts(merges: tuple[MergeParameters, ...], narrow: bool, spare: int) -> Iterator[str]:
    by_energy = [merge for merge in merges if merge.order == "energy"]
    both = 0 < len(by_energy) < len(merges)
    yield parts.CONSTANTS
    yield from _similarity(narrow, spare)
    if by_energy:
        yield from _energy(by_energy)
        yield parts.ORDER.format(order="energy_order" if both else "order")
    yield parts.ORDER_OR_POSITION if both else "" if by_energy else parts.POSITION
    yield parts.CANDIDATES
    yield from _edges([merge.size_penalty for merge in merges], spare)
    yield from _groups(narrow, spare)
    yield parts.ASSIGNMENT
    yield parts.OUTPUT.format(group_row="group_row" if narrow else "group_mean")


def _similarity(narrow: bool, spare: int) -> Iterator[str]:
    """[B, N, N] float32, of targets to sources."""
    if narrow:
        yield parts.WIDENED
    yield parts.GRAM.format(rows="rows" if narrow else "metric")
    yield parts.BY_INVERSE_NORMS if spare >= _INVERSE_NORMS else parts.BY_NORMS
    yield parts.REPLACED
    yield parts.BY_ONE_CHOICE if spare >= _ONE_CHOICE else parts.BY_TWO_CHOICES


def _energy(merges: list[MergeParameters]) -> Iterator[str]:
    """The energy's function of the similarity."""
    functions = sorted({merge.function for merge in merges})
    if len(functions) > 1:
        raise InputError(
            "one ONNX file for merges by energies of different functions",
            f"the merges have {' and '.join(functions)}, and parsers take the first body for all of them",
            "Use one function in all layers that merge by energy",
        )
    yield parts.MARGIN
    if functions == ["gaussian"]:
        yield parts.GAUSSIAN
        return
    sloped = any(merge.width != 1 for merge in merges)
    if not any(merge.jump for merge in merges):
        yield parts.FROM_MARGIN
    else:
        yield parts.FROM_OFFSET if any(merge.offset for merge in merges) else parts.FROM_ZERO
    if sloped:
        yield parts.WIDTH
    elu = parts.ELU if all(merge.alpha == 1 for merge in merges) else parts.WEIGHTED_ELU
    bend = parts.FALLING if any(merge.offset > merge.margin for merge in merges) else parts.RISING
    yield bend.format(elu=elu, steps="steps" if sloped else "from_zero")


def _edges(penalties: list[float], spare: int) -> Iterator[str]:
    """The best target of each source, and the r best edges."""
    yield parts.TO_TARGETS
    search = parts.BEST_BY_SEARCH if spare >= _NO_SORTING else parts.BEST_BY_SORTING
    if spare >= _ONE_CHOICE:
        yield search.format(best="best_found")
        yield parts.CHOSEN_LATER
    else:
        yield search.format(best="best_similarity")
    edge = "best_similarity"
    if any(penalties):
        edge = "any_edge" if all(penalties) else "penalised"
        yield parts.PENALTY.format(edge=edge)
    if not all(penalties):
        yield parts.PADDING_FIRST.format(edge=edge)
    yield parts.EDGES


def _groups(narrow: bool, spare: int) -> Iterator[str]:
    """The rows of all tokens, and what the table holds of groups: r rows and zeros."""
    yield parts.GROUP_ROWS if spare >= _FEW_ROWS else parts.MORE_ROWS
    yield parts.ROWS
    yield parts.MEMBERS
    if narrow:
        yield parts.MEMBERS_WIDENED
    means = parts.BY_SMALL_WEIGHTS if spare >= _SMALL_WEIGHTS else parts.BY_WEIGHTED_X
    yield means.format(number="number" if narrow else "member_x")
    yield parts.MEANS
    if narrow:
        yield parts.MEANS_NARROWED
