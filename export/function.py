"""The operator's body as a model-local ONNX function, made of standard ops (DESIGN.md, "The operator").

ONNX Runtime, TensorRT-RTX and TensorRT all take it: no Scatter with a reduction, no NonZero, no TopK
over more than 3840. A body serves one (order, function, split), because parsers tell functions apart by
bare name only and string attributes cannot steer a body; everything else is an attribute reference.

All positions count from the first token, the prefix included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitome.merge import NON_FINITE_SOURCE, NON_FINITE_TARGET, SMALLEST_NORM
from pitome.op import ONNX_DOMAIN, ONNX_NAME
from pitome.parameters import Function, Order, Split

if TYPE_CHECKING:
    import onnx

OPSET = 18

_SIGNATURE = f"""
<domain: "{ONNX_DOMAIN}", opset_import: ["" : {OPSET}]>
{ONNX_NAME} <num_merged, num_candidates, num_protected, margin, offset, width, alpha, size_penalty, order,
             function, split, by_position, source_start, source_stop, target_start, target_stop, split_step,
             plugin_namespace, plugin_version> (x, metric, size) => (y, size_out, assignment)
"""

_CONSTANTS = """
    zero = Constant <value_ints: ints = [0]> ()
    one = Constant <value_ints: ints = [1]> ()
    two = Constant <value_ints: ints = [2]> ()
    flat = Constant <value_ints: ints = [0, -1]> ()
    end = Constant <value_ints: ints = [9223372036854775807]> ()
    zero_scalar = Constant <value_int: int = 0> ()
    one_scalar = Constant <value_int: int = 1> ()
    minus_one_scalar = Constant <value_int: int = -1> ()
    number_zero = Constant <value_float: float = 0.0> ()
    number_one = Constant <value_float: float = 1.0> ()
    infinity = Constant <value: tensor = float {inf}> ()
    minus_infinity = Constant <value: tensor = float {-inf}> ()
    merged_scalar = Constant <value_int: int = @num_merged> ()
    merged = Unsqueeze (merged_scalar, zero)
    prefix = Constant <value_int: int = @num_protected> ()
    candidate_scalar = Constant <value_int: int = @num_candidates> ()
    num_candidate = Unsqueeze (candidate_scalar, zero)
    num_token = Shape <start: int = 1, end: int = 2> (x)
    num_token_scalar = Squeeze (num_token, zero)
    position_row = Range (zero_scalar, num_token_scalar, one_scalar)
    size_flat = Reshape (size, flat)
    token_size = Max (size_flat, number_zero)
"""

# The Gram matrix gives the norms as its diagonal: two passes over [N, N] in place of normalising rows
# of [N, C]. The prefix takes part up to here, and costs less than a copy of the rows without it.
_SIMILARITY = f"""
    rows = Cast <to: int = 1> (metric)
    rows_across = Transpose <perm: ints = [0, 2, 1]> (rows)
    gram = MatMul (rows, rows_across)
    gram_flat = Reshape (gram, flat)
    num_token_next = Add (num_token_scalar, one_scalar)
    num_gram = Mul (num_token_scalar, num_token_scalar)
    diagonal_at = Range (zero_scalar, num_gram, num_token_next)
    square = Gather <axis: int = 1> (gram_flat, diagonal_at)
    is_finite = Less (square, infinity)
    norm = Sqrt (square)
    smallest = Constant <value_float: float = {SMALLEST_NORM}> ()
    norm_clamped = Max (norm, smallest)
    inverse = Reciprocal (norm_clamped)
    inverse_row = Unsqueeze (inverse, two)
    inverse_column = Unsqueeze (inverse, one)
    scaled = Mul (gram, inverse_row)
    cosine = Mul (scaled, inverse_column)
    finite_row = Unsqueeze (is_finite, two)
    finite_column = Unsqueeze (is_finite, one)
    fill_target = Constant <value_float: float = {NON_FINITE_TARGET}> ()
    fill_source = Constant <value_float: float = {NON_FINITE_SOURCE}> ()
    finite_target = Where (finite_column, cosine, fill_target)
    similarity = Where (finite_row, finite_target, fill_source)
"""

_ENERGY = {
    "piecewise": """
    margin_value = Constant <value_float: float = @margin> ()
    offset_value = Constant <value_float: float = @offset> ()
    width_value = Constant <value_float: float = @width> ()
    from_offset = Sub (similarity, offset_value)
    linear = Div (from_offset, width_value)
    from_margin = Sub (similarity, margin_value)
    below = Min (from_margin, number_zero)
    below_width = Div (below, width_value)
    bent = Elu <alpha: float = @alpha> (below_width)
    is_above = GreaterOrEqual (similarity, margin_value)
    valued = Where (is_above, linear, bent)
""",
    "gaussian": """
    margin_value = Constant <value_float: float = @margin> ()
    sigma = Sub (number_one, margin_value)
    distance = Sub (number_one, similarity)
    steps = Div (distance, sigma)
    steps_square = Mul (steps, steps)
    minus_half = Constant <value_float: float = -0.5> ()
    exponent = Mul (steps_square, minus_half)
    valued = Exp (exponent)
""",
}

# A token that is not finite comes last of those that may merge, and the prefix, which may not, after it:
# the lowest float stands for the first of the two, because no mean of the energy function is that low.
_CANDIDATES = {
    "energy": """
    is_real = Greater (token_size, number_zero)
    is_unprotected = GreaterOrEqual (position_row, prefix)
    is_scored = And (is_real, is_unprotected)
    is_counted = And (is_scored, is_finite)
    counted = Cast <to: int = 1> (is_counted)
    counted_column = Unsqueeze (counted, two)
    energy_sum = MatMul (valued, counted_column)
    energy_flat = Reshape (energy_sum, flat)
    count = ReduceSum <keepdims: int = 1> (counted, one)
    count_clamped = Max (count, number_one)
    mean_energy = Div (energy_flat, count_clamped)
    lowest = Constant <value_float: float = -3.4028234663852886e38> ()
    finite_energy = Where (is_finite, mean_energy, lowest)
    real_energy = Where (is_real, finite_energy, infinity)
    token_energy = Where (is_unprotected, real_energy, minus_infinity)
    unused_energy, candidate = TopK <axis: int = 1, largest: int = 1> (token_energy, num_candidate)
""",
    "position": """
    after_last = Add (prefix, candidate_scalar)
    place_row = Range (prefix, after_last, one_scalar)
    batch_only = Shape <start: int = 0, end: int = 1> (x)
    candidate_shape = Concat <axis: int = 0> (batch_only, num_candidate)
    candidate = Expand (place_row, candidate_shape)
""",
}

_SPLIT = {
    "alternate": """
    source_all = Slice (candidate, zero, end, one, two)
    target_all = Slice (candidate, one, end, one, two)
""",
    "alternate_second": """
    source_all = Slice (candidate, one, end, one, two)
    target_all = Slice (candidate, zero, end, one, two)
""",
    "half": """
    rounded_up = Add (num_candidate, one)
    half = Div (rounded_up, two)
    source_all = Slice (candidate, zero, half, one)
    target_all = Slice (candidate, half, end, one)
""",
}

# Gathering whole rows, transposing and gathering rows again is far cheaper than gathering single
# elements; the targets end up on axis 1 in their own order, where ArgMax takes the first of equals.
_EDGES = """
    source_index = Unsqueeze (source_all, two)
    target_index = Unsqueeze (target_all, two)
    from_source = GatherND <batch_dims: int = 1> (similarity, source_index)
    to_any = Transpose <perm: ints = [0, 2, 1]> (from_source)
    between = GatherND <batch_dims: int = 1> (to_any, target_index)
    best_similarity = ReduceMax <keepdims: int = 0> (between, one)
    best_target = ArgMax <axis: int = 1, keepdims: int = 0> (between)
    source_all_size = GatherElements <axis: int = 1> (token_size, source_all)
    source_is_real = Greater (source_all_size, number_zero)
    safe_size = Where (source_is_real, source_all_size, number_one)
    log_size = Log (safe_size)
    penalty = Constant <value_float: float = @size_penalty> ()
    loss = Mul (log_size, penalty)
    penalised = Sub (best_similarity, loss)
    edge = Where (source_is_real, penalised, infinity)
    unused_edge, taken = TopK <axis: int = 1, largest: int = 1> (edge, merged)
    source_at = GatherElements <axis: int = 1> (source_all, taken)
    taken_target = GatherElements <axis: int = 1> (best_target, taken)
    target_at = GatherElements <axis: int = 1> (target_all, taken_target)
"""

# One row for every edge holds the mean of its whole group; edges with one target hold the same row.
_MEANS = """
    source_row = Unsqueeze (source_at, two)
    target_row = Unsqueeze (target_at, two)
    source_x = GatherND <batch_dims: int = 1> (x, source_row)
    target_x = GatherND <batch_dims: int = 1> (x, target_row)
    source_number = Cast <to: int = 1> (source_x)
    target_number = Cast <to: int = 1> (target_x)
    source_size = GatherElements <axis: int = 1> (token_size, source_at)
    target_size = GatherElements <axis: int = 1> (token_size, target_at)
    target_across = Unsqueeze (target_at, one)
    same_target = Equal (target_row, target_across)
    same_number = Cast <to: int = 1> (same_target)
    source_size_across = Unsqueeze (source_size, one)
    weight = Mul (same_number, source_size_across)
    weighted = MatMul (weight, source_number)
    target_size_column = Unsqueeze (target_size, two)
    target_weighted = Mul (target_number, target_size_column)
    group_sum = Add (target_weighted, weighted)
    received = ReduceSum <keepdims: int = 1> (weight, two)
    group_size_column = Add (target_size_column, received)
    group_is_real = Greater (group_size_column, number_zero)
    safe_group_size = Where (group_is_real, group_size_column, number_one)
    group_mean = Div (group_sum, safe_group_size)
    group_row = CastLike (group_mean, x)
    group_size = Reshape (group_size_column, flat)
    first_edge = ArgMax <axis: int = 2, keepdims: int = 0> (same_number)
"""

# Kept tokens keep their order: sorted by falling distance from the end, which the removed lose.
_SLOTS = """
    from_end_row = Range (num_token_scalar, zero_scalar, minus_one_scalar)
    from_end_number = Cast <to: int = 1> (from_end_row)
    size_shape = Shape (size_flat)
    from_end = Expand (from_end_number, size_shape)
    source_shape = Shape (source_at)
    no_distance = Expand (number_zero, source_shape)
    kept_distance = ScatterElements <axis: int = 1> (from_end, source_at, no_distance)
    num_kept = Sub (num_token, merged)
    unused_distance, kept_at = TopK <axis: int = 1, largest: int = 1> (kept_distance, num_kept)
"""

# The slot of a kept token is the number of kept tokens before it; a source takes its target's.
_ASSIGNMENT = """
    kept_flag = Sign (kept_distance)
    kept_number = Cast <to: int = 7> (kept_flag)
    kept_until = CumSum (kept_number, one_scalar)
    kept_slot = Sub (kept_until, one_scalar)
    slot_of_source = GatherElements <axis: int = 1> (kept_slot, target_at)
    assignment_long = ScatterElements <axis: int = 1> (kept_slot, source_at, slot_of_source)
    assignment = Cast <to: int = 6> (assignment_long)
"""

# Rows 0 to N-1 of the table are the tokens, then one row for each edge, then a zero for empty slots.
_OUTPUT = """
    all_group_size = ScatterElements <axis: int = 1> (token_size, target_at, group_size)
    kept_size = GatherElements <axis: int = 1> (all_group_size, kept_at)
    size_out = Unsqueeze (kept_size, two)
    first_edge_row = Add (first_edge, num_token)
    position = Expand (position_row, size_shape)
    row_of_position = ScatterElements <axis: int = 1> (position, target_at, first_edge_row)
    kept_row = GatherElements <axis: int = 1> (row_of_position, kept_at)
    zero_row_number = Add (num_token, merged)
    kept_is_real = Greater (kept_size, number_zero)
    kept_row_or_zero = Where (kept_is_real, kept_row, zero_row_number)
    first_x = Slice (x, zero, one, one)
    zero_row = Sub (first_x, first_x)
    table = Concat <axis: int = 1> (x, group_row, zero_row)
    kept_row_index = Unsqueeze (kept_row_or_zero, two)
    y = GatherND <batch_dims: int = 1> (table, kept_row_index)
"""


def energy_merge_function(order: Order, function: Function, split: Split) -> onnx.FunctionProto:
    """The body of ``pitome::EnergyMerge`` for one order, function and split."""
    from onnx import parser

    parts = [_CONSTANTS, _SIMILARITY]
    if order == "energy":
        parts.append(_ENERGY[function])
    parts += [_CANDIDATES[order], _SPLIT[split], _EDGES, _MEANS, _SLOTS, _ASSIGNMENT, _OUTPUT]
    return parser.parse_function(f"{_SIGNATURE}{{{''.join(parts)}}}")
