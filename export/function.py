"""The operator's body as a model-local ONNX function, made of standard ops (DESIGN.md, "The operator").

ONNX Runtime, TensorRT-RTX and TensorRT all take it: no Scatter with a reduction, no NonZero, no TopK
over more than 3840. Parsers tell functions apart by bare name only, so one body serves all merges of a file.
Strings cannot steer it: it follows their integer twins. What no merge of the file asks for is left out.

A vector over the tokens is a column [B, N, 1], as sizes come and as GatherND takes indices. All positions
count from the first token, the prefix included.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    nothing = Constant <value: tensor = int64 {0}> ()
    one = Constant <value: tensor = int64 {1}> ()
    start = Constant <value: tensor = int64[1] {0}> ()
    zero = Constant <value: tensor = float {0}> ()
    infinity = Constant <value: tensor = float {inf}> ()
    merged = Constant <value_int: int = @num_merged> ()
    prefix = Constant <value_int: int = @num_protected> ()
    num_token = Shape <start: int = 1, end: int = 2> (x)
    column_shape = Shape <start: int = 1, end: int = 3> (size)
    ones = ConstantOfShape <value: tensor = int64[1] {1}> (column_shape)
    ordinal = CumSum (ones, nothing)
    token_size = Relu (size)
    is_real = Greater (size, zero)
"""

# A row that is not finite counts as zeros in the energies, and gets its own similarities with the edges.
_SIMILARITY = f"""
    rows = Cast <to: int = 1> (metric)
    norm = ReduceL2 <keepdims: int = 1> (rows, row_axis)
    is_finite = Less (norm, infinity)
    smallest = Constant <value: tensor = float {{{SMALLEST_NORM}}}> ()
    norm_clamped = Max (norm, smallest)
    scaled = Div (rows, norm_clamped)
    unit = Where (is_finite, scaled, zero)
    unit_across = Transpose <perm: ints = [0, 2, 1]> (unit)
    similarity = MatMul (unit, unit_across)
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
    square = Mul (steps, steps)
    exponent = Mul (square, minus_half)
    valued = Exp (exponent)
"""

# Where no merge's function jumps, the line starts where the exponential ends.
_CONTINUOUS = """
    width_value = Constant <value_float: float = @width> ()
    width = Cast <to: int = 1> (width_value)
    from_zero = Sub (similarity, margin)
    steps = Div (from_zero, width)
"""

_JUMPING = """
    width_value = Constant <value_float: float = @width> ()
    width = Cast <to: int = 1> (width_value)
    offset_value = Constant <value_float: float = @offset> ()
    offset = Cast <to: int = 1> (offset_value)
    is_above = GreaterOrEqual (similarity, margin)
    zero_at = Where (is_above, offset, margin)
    from_zero = Sub (similarity, zero_at)
    steps = Div (from_zero, width)
"""

# Elu leaves the line as it is where it is positive, so only a margin below the offset needs the choice.
_RISING = """
    valued = {elu} (steps)
"""
_FALLING = """
    bent = {elu} (steps)
    valued = Where (is_above, steps, bent)
"""
_ELU = "Elu"
"""With alpha 1, its default. ONNX's own evaluator gives an Elu no attribute of a function."""
_WEIGHTED_ELU = "Elu <alpha: float = @alpha>"

# The order is by rising cost, which is minus the sum of the energy function: the mean is over equally many
# for every token. A token that is not finite comes last of those that may merge, and the prefix, which may
# not, after it: no sum is as high as the first of these two.
_COST = """
    is_unprotected = Greater (ordinal, prefix)
    is_counted = And (is_real, is_unprotected)
    minus_one = Constant <value: tensor = float {-1}> ()
    sign = Where (is_counted, minus_one, zero)
    minus_energy = MatMul (valued, sign)
    highest = Constant <value: tensor = float {1e30}> ()
    minus_infinity = Constant <value: tensor = float {-inf}> ()
    finite_cost = Where (is_finite, minus_energy, highest)
"""
_COST_ONLY = """
    cost = Where (is_real, finite_cost, minus_infinity)
"""
_COST_OR_POSITION = """
    energy_cost = Where (is_real, finite_cost, minus_infinity)
    by_position_value = Constant <value_int: int = @by_position> ()
    by_position = Cast <to: int = 9> (by_position_value)
    position_cost = Cast <to: int = 1> (ordinal)
    cost = Where (by_position, position_cost, energy_cost)
"""
_ORDER = """
    last_cost = Where (is_unprotected, cost, infinity)
    unused_cost, order = TopK <axis: int = 1, largest: int = 0> (last_cost, num_token)
    position = ScatterElements <axis: int = 1> (order, order, order)
"""

# Alone, the order by position is known before the model runs. Its first rank is the first after the prefix.
_POSITION = """
    place = Sub (ordinal, one)
    all_shape = Shape (size)
    position = Expand (place, all_shape)
"""

_RANKS = """
    source_start = Constant <value_int: int = @source_start> ()
    source_stop = Constant <value_int: int = @source_stop> ()
    target_start = Constant <value_int: int = @target_start> ()
    target_stop = Constant <value_int: int = @target_stop> ()
    step = Constant <value_int: int = @split_step> ()
    source_rank = Range (source_start, source_stop, step)
    target_rank = Range (target_start, target_stop, step)
"""
_CANDIDATES = """
    source_all = Gather <axis: int = 1> (order, source_rank)
    target_all = Gather <axis: int = 1> (order, target_rank)
"""
_CANDIDATES_BY_POSITION = """
    source_place = Add (source_rank, prefix)
    target_place = Add (target_rank, prefix)
    source_all = Gather <axis: int = 1> (position, source_place)
    target_all = Gather <axis: int = 1> (position, target_place)
"""

# Every token points to its best target [B, N, 1], sources or not: fewer nodes than gathering the sources
# first. Gathering whole rows and transposing is far cheaper than gathering single elements. The targets lie
# in their own order, where TopK takes the first of equals. The logarithm of an empty size is never chosen.
_EDGES = f"""
    target_only = Constant <value: tensor = float {{{NON_FINITE_TARGET}}}> ()
    source_only = Constant <value: tensor = float {{{NON_FINITE_SOURCE}}}> ()
    one_edge = Constant <value: tensor = int64[1] {{1}}> ()
    finite_target = Where (is_finite, similarity, target_only)
    from_target = GatherND <batch_dims: int = 1> (finite_target, target_all)
    to_target = Transpose <perm: ints = [0, 2, 1]> (from_target)
    between = Where (is_finite, to_target, source_only)
    best_similarity, best_target = TopK <axis: int = 2, largest: int = 1> (between, one_edge)
    penalty_value = Constant <value_float: float = @size_penalty> ()
    penalty = Cast <to: int = 1> (penalty_value)
    log_size = Log (token_size)
    loss = Mul (log_size, penalty)
    penalised = Sub (best_similarity, loss)
    any_edge = Where (is_real, penalised, infinity)
    edge = GatherElements <axis: int = 1> (any_edge, source_all)
    num_merged = Unsqueeze (merged, start)
    unused_edge, taken = TopK <axis: int = 1, largest: int = 1> (edge, num_merged)
    source_at = GatherElements <axis: int = 1> (source_all, taken)
    taken_target = GatherElements <axis: int = 1> (best_target, source_at)
    target_at = GatherElements <axis: int = 1> (target_all, taken_target)
"""

# One row of weights [N] for every edge gives the mean of its whole group, so edges with one target give equal
# rows. One row more has no weights: zeros for the slots that stand for nothing.
_MEANS = """
    destination = ScatterElements <axis: int = 1> (position, source_at, target_at)
    target_across = Transpose <perm: ints = [0, 2, 1]> (target_at)
    is_member = Equal (destination, target_across)
    member_size = Where (is_member, token_size, zero)
    edge_size = Transpose <perm: ints = [0, 2, 1]> (member_size)
    one_row = Constant <value: tensor = int64[6] {0, 0, 0, 0, 1, 0}> ()
    weight = Pad (edge_size, one_row)
    number = Cast <to: int = 1> (x)
    group_sum = MatMul (weight, number)
    group_size = ReduceSum <keepdims: int = 1> (weight, row_axis)
    smallest_size = Constant <value: tensor = float {1.17549435e-38}> ()
    divisor = Max (group_size, smallest_size)
    group_mean = Div (group_sum, divisor)
    group_row = CastLike (group_mean, x)
"""

# The slot of a kept token is the number of kept tokens before it; a source takes its target's.
_ASSIGNMENT = """
    is_kept = Equal (destination, position)
    kept = Cast <to: int = 6> (is_kept)
    kept_before = CumSum <exclusive: int = 1> (kept, one)
    slot = GatherElements <axis: int = 1> (kept_before, destination)
    assignment = Squeeze (slot, row_axis)
"""

# Rows of the table: 0 to r-1 are the edges' groups, r is zero, then come the tokens. All members of a group
# take the row of its first edge, so whichever of them writes to their slot writes the same.
_OUTPUT = """
    table = Concat <axis: int = 1> (group_row, x)
    table_size = Concat <axis: int = 1> (group_size, token_size)
    edge_row = Range (nothing, merged, one)
    token_row = Add (ordinal, merged)
    own_row = Where (is_real, token_row, merged)
    member_row = Where (is_member, edge_row, own_row)
    row = ReduceMin <keepdims: int = 1> (member_row, row_axis)
    row_of_slot = ScatterElements <axis: int = 1> (row, slot, row)
    num_kept = Sub (num_token, merged)
    kept_row = Slice (row_of_slot, start, num_kept, token_axis)
    size_out = GatherElements <axis: int = 1> (table_size, kept_row)
    y = GatherND <batch_dims: int = 1> (table, kept_row)
"""


def energy_merge_function(merges: Iterable[MergeParameters]) -> onnx.FunctionProto:
    """The body of ``pitome::EnergyMerge`` that serves all these merges of one file.

    Raises:
        InputError: merges by energy with different functions.
    """
    from onnx import parser

    return parser.parse_function(f"{_SIGNATURE}{{{''.join(_parts(tuple(merges)))}}}")


def _parts(merges: tuple[MergeParameters, ...]) -> list[str]:
    by_energy = [merge for merge in merges if merge.order == "energy"]
    parts = [_CONSTANTS, _SIMILARITY]
    if not by_energy:
        parts += [_POSITION, _RANKS, _CANDIDATES_BY_POSITION]
    else:
        parts += [*_energy(by_energy), _COST]
        parts.append(_COST_OR_POSITION if len(by_energy) < len(merges) else _COST_ONLY)
        parts += [_ORDER, _RANKS, _CANDIDATES]
    return [*parts, _EDGES, _MEANS, _ASSIGNMENT, _OUTPUT]


def _energy(merges: list[MergeParameters]) -> list[str]:
    """The energy's function of the similarity."""
    functions = sorted({merge.function for merge in merges})
    if len(functions) > 1:
        raise InputError(
            "one ONNX file for merges by energies of different functions",
            f"the merges have {' and '.join(functions)}, and parsers take the first body for all of them",
            "Use one function in all layers that merge by energy",
        )
    if functions == ["gaussian"]:
        return [_MARGIN, _GAUSSIAN]
    elu = _ELU if all(merge.alpha == 1 for merge in merges) else _WEIGHTED_ELU
    line = _JUMPING if any(merge.jump for merge in merges) else _CONTINUOUS
    bend = _FALLING if any(merge.offset > merge.margin for merge in merges) else _RISING
    return [_MARGIN, line, bend.format(elu=elu)]
