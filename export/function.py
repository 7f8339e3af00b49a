"""The operator's body as a model-local ONNX function, made of standard ops (DESIGN.md, "The operator").

ONNX Runtime, TensorRT-RTX and TensorRT all take it: no Scatter with a reduction, no NonZero, no TopK
over more than 3840. Parsers tell functions apart by bare name only, so one body serves all merges of a file.
Strings cannot steer it: it follows their integer twins. What no merge of the file asks for is left out.

A vector over the tokens is a column [B, N, 1], as sizes come and as GatherND takes indices. All positions
count from the first token, the prefix included.

Runtimes take their time for every node, so there are few. Where that costs none, it is written for
onnxruntime's kernels on a CPU: constants have as many dimensions as the columns that they meet (a scalar
meets a column element by element), and elements of columns are taken by GatherND, faster than GatherElements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.merge import NON_FINITE_SOURCE, NON_FINITE_TARGET, SMALLEST_NORM
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

# Tensors, because tools that fold constants read value_float as float64. A float attribute has no other way
# into a body, so a cast follows it at once.
_CONSTANTS = """
    token_axis = Constant <value: tensor = int64[1] {1}> ()
    row_axis = Constant <value: tensor = int64[1] {2}> ()
    one = Constant <value: tensor = int64 {1}> ()
    start = Constant <value: tensor = int64[1] {0}> ()
    zero = Constant <value: tensor = float[1, 1, 1] {0}> ()
    infinity = Constant <value: tensor = float[1, 1, 1] {inf}> ()
    merged = Constant <value_int: int = @num_merged> ()
    prefix = Constant <value_int: int = @num_protected> ()
    num_token = Shape <start: int = 1, end: int = 2> (x)
    column_shape = Shape (size)
    ones = ConstantOfShape <value: tensor = int64[1] {1}> (column_shape)
    position = CumSum <exclusive: int = 1> (ones, one)
    token_size = Relu (size)
    is_real = Greater (size, zero)
"""

_WIDENED = """
    rows = Cast <to: int = 1> (metric)
"""

# The Gram matrix gives the norms as its diagonal: two passes over [N, N] in place of normalising rows [N, D].
# What it holds of tokens that are not finite is replaced: rows are targets here, and columns sources.
_SIMILARITY = f"""
    rows_across = Transpose <perm: ints = [0, 2, 1]> ({{rows}})
    gram = MatMul ({{rows}}, rows_across)
    square = GatherElements <axis: int = 2> (gram, position)
    is_finite = Less (square, infinity)
    norm = Sqrt (square)
    smallest = Constant <value: tensor = float[1, 1, 1] {{{{{SMALLEST_NORM}}}}}> ()
    norm_clamped = Max (norm, smallest)
    norm_across = Transpose <perm: ints = [0, 2, 1]> (norm_clamped)
    finite_across = Transpose <perm: ints = [0, 2, 1]> (is_finite)
    scaled = Div (gram, norm_clamped)
    cosine = Div (scaled, norm_across)
    target_only = Constant <value: tensor = float[1, 1, 1] {{{{{NON_FINITE_TARGET}}}}}> ()
    source_only = Constant <value: tensor = float[1, 1, 1] {{{{{NON_FINITE_SOURCE}}}}}> ()
    finite_target = Where (is_finite, cosine, target_only)
    similarity = Where (finite_across, finite_target, source_only)
"""

_MARGIN = """
    margin_value = Constant <value_float: float = @margin> ()
    margin = Cast <to: int = 1> (margin_value)
"""

_GAUSSIAN = """
    number_one = Constant <value: tensor = float {1}> ()
    minus_half = Constant <value: tensor = float {-0.5}> ()
    sigma = Sub (number_one, margin)
    distance = Sub (number_one, similarity)
    steps = Div (distance, sigma)
    steps_square = Mul (steps, steps)
    exponent = Mul (steps_square, minus_half)
    valued = Exp (exponent)
"""

# The piecewise function of the similarity: where its line begins, its slope, and the bend below the margin.
# Where no merge's function jumps, the line begins where the exponential ends.
_FROM_MARGIN = """
    from_zero = Sub (similarity, margin)
"""
_FROM_OFFSET = """
    offset_value = Constant <value_float: float = @offset> ()
    offset = Cast <to: int = 1> (offset_value)
    is_above = GreaterOrEqual (similarity, margin)
    zero_at = Where (is_above, offset, margin)
    from_zero = Sub (similarity, zero_at)
"""
_FROM_ZERO = """
    is_above = GreaterOrEqual (similarity, margin)
    zero_at = Where (is_above, zero, margin)
    from_zero = Sub (similarity, zero_at)
"""
_WIDTH = """
    width_value = Constant <value_float: float = @width> ()
    width = Cast <to: int = 1> (width_value)
    steps = Div (from_zero, width)
"""
# Elu leaves the line as it is where it is positive, so only a margin below the offset needs the choice.
_RISING = """
    valued = {elu} ({steps})
"""
_FALLING = """
    bent = {elu} ({steps})
    valued = Where (is_above, {steps}, bent)
"""
# Elu and 1, which is as much for all tokens: onnxruntime's Elu takes longer than these four together.
_QUICK = """
    below = Min ({steps}, zero)
    power = Exp (below)
    above = Relu ({steps})
    valued = Add (above, power)
"""
_ELU = "Elu"
"""With alpha 1, its default. ONNX's own evaluator gives an Elu no attribute of a function."""
_WEIGHTED_ELU = "Elu <alpha: float = @alpha>"

# The order is by rising cost, which is minus the sum of the energy function: the mean is over equally many
# for every token. A handicap sets apart who is not counted: padding comes first, a token that is not finite
# last of those that may merge, and the prefix, which may not, after it. Its inverse is the token's weight in
# the energies of all: 2^30 where it is counted, else 0 or so little that next to 2^30 nothing is left of it.
# No sum of energies times 2^30 comes near the handicap of a token that is not finite.
_ORDER = """
    is_unprotected = GreaterOrEqual (position, prefix)
    light = Constant <value: tensor = float[1, 1, 1] {{9.31322574615478515625e-10}}> ()
    heavy = Constant <value: tensor = float[1, 1, 1] {{1e30}}> ()
    minus_infinity = Constant <value: tensor = float[1, 1, 1] {{-inf}}> ()
    finite_handicap = Where (is_finite, light, heavy)
    real_handicap = Where (is_real, finite_handicap, minus_infinity)
    handicap = Where (is_unprotected, real_handicap, infinity)
    counted = Reciprocal (handicap)
    energy = MatMul (valued, counted)
    cost = Sub (handicap, energy)
    unused_cost, {order} = TopK <axis: int = 1, largest: int = 0> (cost, num_token)
"""
# By position the first rank is the first after the prefix. The last ones are no tokens, and no candidates.
_ORDER_OR_POSITION = """
    by_position_value = Constant <value_int: int = @by_position> ()
    by_position = Cast <to: int = 9> (by_position_value)
    position_order = Add (position, prefix)
    order = Where (by_position, position_order, energy_order)
"""
_POSITION = """
    order = Add (position, prefix)
"""

_CANDIDATES = """
    source_start = Constant <value_int: int = @source_start> ()
    source_stop = Constant <value_int: int = @source_stop> ()
    target_start = Constant <value_int: int = @target_start> ()
    target_stop = Constant <value_int: int = @target_stop> ()
    step = Constant <value_int: int = @split_step> ()
    source_rank = Range (source_start, source_stop, step)
    target_rank = Range (target_start, target_stop, step)
    source_all = Gather <axis: int = 1> (order, source_rank)
    target_all = Gather <axis: int = 1> (order, target_rank)
"""

# Every token points to its best target [B, N, 1], sources or not: fewer nodes than gathering the sources
# first. Gathering whole rows and transposing is far cheaper than gathering single elements. The targets lie
# in their own order, where TopK takes the first of equals.
_BEST_TARGET = """
    one_edge = Constant <value: tensor = int64[1] {1}> ()
    from_target = GatherND <batch_dims: int = 1> (similarity, target_all)
    to_target = Transpose <perm: ints = [0, 2, 1]> (from_target)
    best_similarity, best_target = TopK <axis: int = 2, largest: int = 1> (to_target, one_edge)
"""
# The edges of padding are infinite. Where all penalties are positive, the logarithm of 0 makes them so.
_PENALTY = """
    penalty_value = Constant <value_float: float = @size_penalty> ()
    penalty = Cast <to: int = 1> (penalty_value)
    log_size = Log (token_size)
    loss = Mul (log_size, penalty)
    {edge} = Sub (best_similarity, loss)
"""
_PADDING_FIRST = """
    any_edge = Where (is_real, {edge}, infinity)
"""
_EDGES = """
    edge = GatherND <batch_dims: int = 1> (any_edge, source_all)
    num_merged = Unsqueeze (merged, start)
    unused_edge, taken = TopK <axis: int = 1, largest: int = 1> (edge, num_merged)
    source_at = GatherND <batch_dims: int = 1> (source_all, taken)
    taken_target = GatherND <batch_dims: int = 1> (best_target, source_at)
    target_at = GatherND <batch_dims: int = 1> (target_all, taken_target)
"""

# The output's rows lie in a table: 0 to r-1 are the edges' groups, then comes zero, for what stands for
# nothing, then the tokens. All edges with one target write theirs as its row, and whichever stays is the
# group's. The members are the 2r tokens with the lowest rows: all that merge, and where edges share targets
# also others, which match no group or have no size. M rows before the tokens take a node less than r + 1.
_FEW_ROWS = """
    num_rows = Add (merged, one)
"""
_MANY_ROWS = """
    num_rows = Constant <value_int: int = @num_candidates> ()
"""
_ROWS = """
    destination = ScatterElements <axis: int = 1> (position, source_at, target_at)
    num_members = Add (num_merged, num_merged)
    token_row = Add (position, num_rows)
    own_row = Where (is_real, token_row, merged)
    edge_row = Slice (position, start, num_merged, token_axis)
    row = ScatterElements <axis: int = 1> (own_row, target_at, edge_row)
    row_of_token = GatherND <batch_dims: int = 1> (row, destination)
    member_row, member_at = TopK <axis: int = 1, largest: int = 0> (row_of_token, num_members)
    member_x = GatherND <batch_dims: int = 1> (x, member_at)
"""
_MEANS = """
    member_size = GatherND <batch_dims: int = 1> (token_size, member_at)
    flat_row = Squeeze (member_row, row_axis)
    off_on = Constant <value: tensor = float[2] {{0, 1}}> ()
    is_member = OneHot <axis: int = 1> (flat_row, num_rows, off_on)
    weighted = Mul ({number}, member_size)
    group_sum = MatMul (is_member, weighted)
    group_size = MatMul (is_member, member_size)
    smallest_size = Constant <value: tensor = float[1, 1, 1] {{1.17549435e-38}}> ()
    divisor = Max (group_size, smallest_size)
    group_mean = Div (group_sum, divisor)
"""
_MEMBERS_WIDENED = """
    number = Cast <to: int = 1> (member_x)
"""
_MEANS_NARROWED = """
    group_row = CastLike (group_mean, x)
"""

# The slot of a kept token is the number of kept tokens before it; a source takes its target's.
_ASSIGNMENT = """
    is_kept = Equal (destination, position)
    kept = Cast <to: int = 6> (is_kept)
    kept_before = CumSum <exclusive: int = 1> (kept, one)
    slot = GatherND <batch_dims: int = 1> (kept_before, destination)
    assignment = Squeeze (slot, row_axis)
"""

# All members of a group have its row, so whichever of them writes to their slot writes the same.
_OUTPUT = """
    table = Concat <axis: int = 1> ({group_row}, x)
    table_size = Concat <axis: int = 1> (group_size, token_size)
    row_of_slot = ScatterElements <axis: int = 1> (row_of_token, slot, row_of_token)
    num_kept = Sub (num_token, num_merged)
    kept_row = Slice (row_of_slot, start, num_kept, token_axis)
    size_out = GatherND <batch_dims: int = 1> (table_size, kept_row)
    y = GatherND <batch_dims: int = 1> (table, kept_row)
"""


def energy_merge_function(merges: Iterable[MergeParameters], *, narrow: bool) -> onnx.FunctionProto:
    """The body of ``pitome::EnergyMerge`` that serves all these merges of one file.

    Args:
        merges: of the file.
        narrow: x and the metrics have fewer bits than float32. Then casts take the nodes that in float32 make
            it quicker.

    Raises:
        InputError: merges by energy with different functions.
    """
    from onnx import parser

    return parser.parse_function(f"{_SIGNATURE}{{{''.join(_parts(tuple(merges), narrow))}}}")


def _parts(merges: tuple[MergeParameters, ...], narrow: bool) -> Iterator[str]:
    by_energy = [merge for merge in merges if merge.order == "energy"]
    both = 0 < len(by_energy) < len(merges)
    quick = not narrow and not both
    yield _CONSTANTS
    if narrow:
        yield _WIDENED
    yield _SIMILARITY.format(rows="rows" if narrow else "metric")
    if by_energy:
        yield from _energy(by_energy, quick)
        yield _ORDER.format(order="energy_order" if both else "order")
    yield _ORDER_OR_POSITION if both else "" if by_energy else _POSITION
    yield _CANDIDATES
    yield _BEST_TARGET
    yield from _edges([merge.size_penalty for merge in merges])
    yield from _groups(narrow, few_rows=not (narrow and by_energy))
    yield _ASSIGNMENT
    yield _OUTPUT.format(group_row="group_row" if narrow else "group_mean")


def _energy(merges: list[MergeParameters], quick: bool) -> Iterator[str]:
    """The energy's function of the similarity."""
    functions = sorted({merge.function for merge in merges})
    if len(functions) > 1:
        raise InputError(
            "one ONNX file for merges by energies of different functions",
            f"the merges have {' and '.join(functions)}, and parsers take the first body for all of them",
            "Use one function in all layers that merge by energy",
        )
    yield _MARGIN
    if functions == ["gaussian"]:
        yield _GAUSSIAN
        return
    weighted = any(merge.alpha != 1 for merge in merges)
    jumping = any(merge.jump for merge in merges)
    sloped = any(merge.width != 1 for merge in merges)
    yield (
        _FROM_MARGIN if not jumping else _FROM_OFFSET if any(merge.offset for merge in merges) else _FROM_ZERO
    )
    if sloped:
        yield _WIDTH
    if any(merge.offset > merge.margin for merge in merges):
        bend = _FALLING
    else:
        bend = _QUICK if quick and not (weighted or jumping or sloped) else _RISING
    yield bend.format(elu=_WEIGHTED_ELU if weighted else _ELU, steps="steps" if sloped else "from_zero")


def _edges(penalties: list[float]) -> Iterator[str]:
    """The r best edges."""
    edge = "best_similarity"
    if any(penalties):
        edge = "any_edge" if all(penalties) else "penalised"
        yield _PENALTY.format(edge=edge)
    if not all(penalties):
        yield _PADDING_FIRST.format(edge=edge)
    yield _EDGES


def _groups(narrow: bool, few_rows: bool) -> Iterator[str]:
    """What the table holds of groups: r rows and zeros."""
    yield _FEW_ROWS if few_rows else _MANY_ROWS
    yield _ROWS
    if narrow:
        yield _MEMBERS_WIDENED
    yield _MEANS.format(number="number" if narrow else "member_x")
    if narrow:
        yield _MEANS_NARROWED
