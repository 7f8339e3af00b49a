"""The parts of the operator's body, in the ONNX text format; function.py puts them together.

A vector over the tokens is a column [B, N, 1], as sizes come and as GatherND takes indices. All positions
count from the first token, the prefix included. ``{names in braces}`` are filled in with the names of values.

What costs no node is written for onnxruntime's kernels on a CPU: constants have as many dimensions as the
columns that they meet (a scalar meets a column element by element), and elements of columns are taken by
GatherND, faster than GatherElements.
"""

from __future__ import annotations

from pitome.merge import NON_FINITE_SOURCE, NON_FINITE_TARGET, SMALLEST_NORM

# Tensors, because tools that fold constants read value_float as float64. A float attribute has no other way
# into a body, so a cast follows it at once.
CONSTANTS = """
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

WIDENED = """
    rows = Cast <to: int = 1> (metric)
"""

# The Gram matrix gives the norms as its diagonal: two passes over [N, N] in place of normalising rows [N, D].
GRAM = f"""
    rows_across = Transpose <perm: ints = [0, 2, 1]> ({{rows}})
    gram = MatMul ({{rows}}, rows_across)
    square = GatherElements <axis: int = 2> (gram, position)
    is_finite = Less (square, infinity)
    norm = Sqrt (square)
    smallest = Constant <value: tensor = float[1, 1, 1] {{{{{SMALLEST_NORM}}}}}> ()
    norm_clamped = Max (norm, smallest)
"""
BY_NORMS = """
    norm_across = Transpose <perm: ints = [0, 2, 1]> (norm_clamped)
    scaled = Div (gram, norm_clamped)
    cosine = Div (scaled, norm_across)
"""
BY_INVERSE_NORMS = """
    inverse = Reciprocal (norm_clamped)
    inverse_across = Transpose <perm: ints = [0, 2, 1]> (inverse)
    scaled = Mul (gram, inverse)
    cosine = Mul (scaled, inverse_across)
"""

# What the matrix holds of tokens that are not finite is replaced. Rows are targets here, and columns sources.
# By one choice for both, all targets of such a source are alike, and the first is its best, as it must be;
# its similarity is put right later.
REPLACED = f"""
    finite_across = Transpose <perm: ints = [0, 2, 1]> (is_finite)
    target_only = Constant <value: tensor = float[1, 1, 1] {{{NON_FINITE_TARGET}}}> ()
    source_only = Constant <value: tensor = float[1, 1, 1] {{{NON_FINITE_SOURCE}}}> ()
"""
BY_TWO_CHOICES = """
    finite_target = Where (is_finite, cosine, target_only)
    similarity = Where (finite_across, finite_target, source_only)
"""
BY_ONE_CHOICE = """
    is_finite_pair = And (is_finite, finite_across)
    similarity = Where (is_finite_pair, cosine, target_only)
"""
CHOSEN_LATER = """
    best_similarity = Where (is_finite, best_found, source_only)
"""

MARGIN = """
    margin_value = Constant <value_float: float = @margin> ()
    margin = Cast <to: int = 1> (margin_value)
"""

GAUSSIAN = """
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
FROM_MARGIN = """
    from_zero = Sub (similarity, margin)
"""
FROM_OFFSET = """
    offset_value = Constant <value_float: float = @offset> ()
    offset = Cast <to: int = 1> (offset_value)
    is_above = GreaterOrEqual (similarity, margin)
    zero_at = Where (is_above, offset, margin)
    from_zero = Sub (similarity, zero_at)
"""
FROM_ZERO = """
    is_above = GreaterOrEqual (similarity, margin)
    zero_at = Where (is_above, zero, margin)
    from_zero = Sub (similarity, zero_at)
"""
WIDTH = """
    width_value = Constant <value_float: float = @width> ()
    width = Cast <to: int = 1> (width_value)
    steps = Div (from_zero, width)
"""
# Elu leaves the line as it is where it is positive, so only a margin below the offset needs the choice.
RISING = """
    valued = {elu} ({steps})
"""
FALLING = """
    bent = {elu} ({steps})
    valued = Where (is_above, {steps}, bent)
"""
ELU = "Elu"
"""With alpha 1, its default. ONNX's own evaluator gives an Elu no attribute of a function."""
WEIGHTED_ELU = "Elu <alpha: float = @alpha>"

# The order is by rising cost, which is minus the sum of the energy function: the mean is over equally many
# for every token. A handicap sets apart who is not counted: padding comes first, a token that is not finite
# last of those that may merge, and the prefix, which may not, after it. Its inverse is the token's weight in
# the energies of all: 2^30 where it is counted, else 0 or so little that next to 2^30 nothing is left of it.
# No sum of energies times 2^30 comes near the handicap of a token that is not finite.
ORDER = """
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
ORDER_OR_POSITION = """
    by_position_value = Constant <value_int: int = @by_position> ()
    by_position = Cast <to: int = 9> (by_position_value)
    position_order = Add (position, prefix)
    order = Where (by_position, position_order, energy_order)
"""
POSITION = """
    order = Add (position, prefix)
"""

CANDIDATES = """
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
# in their own order, where both ways take the first of equals.
TO_TARGETS = """
    from_target = GatherND <batch_dims: int = 1> (similarity, target_all)
    to_target = Transpose <perm: ints = [0, 2, 1]> (from_target)
"""
BEST_BY_SORTING = """
    one_edge = Constant <value: tensor = int64[1] {{1}}> ()
    {best}, best_target = TopK <axis: int = 2, largest: int = 1> (to_target, one_edge)
"""
BEST_BY_SEARCH = """
    {best} = ReduceMax <keepdims: int = 1> (to_target, row_axis)
    best_target = ArgMax <axis: int = 2, keepdims: int = 1> (to_target)
"""
# The edges of padding are infinite. Where all penalties are positive, the logarithm of 0 makes them so.
PENALTY = """
    penalty_value = Constant <value_float: float = @size_penalty> ()
    penalty = Cast <to: int = 1> (penalty_value)
    log_size = Log (token_size)
    loss = Mul (log_size, penalty)
    {edge} = Sub (best_similarity, loss)
"""
PADDING_FIRST = """
    any_edge = Where (is_real, {edge}, infinity)
"""
EDGES = """
    edge = GatherND <batch_dims: int = 1> (any_edge, source_all)
    num_merged = Unsqueeze (merged, start)
    unused_edge, taken = TopK <axis: int = 1, largest: int = 1> (edge, num_merged)
    source_at = GatherND <batch_dims: int = 1> (source_all, taken)
    taken_target = GatherND <batch_dims: int = 1> (best_target, source_at)
    target_at = GatherND <batch_dims: int = 1> (target_all, taken_target)
"""

# The output's rows lie in a table: 0 to r-1 are the edges' groups, the one before the first token is zero,
# for what stands for nothing, then come the tokens. All edges with one target write theirs as its row, and
# whichever stays is the group's. The members are the 2r tokens with the lowest rows: all that merge, and
# where edges share targets also others, which match no group or have no size. M rows before the tokens take a
# node less than r + 1.
GROUP_ROWS = """
    num_rows = Add (merged, one)
"""
MORE_ROWS = """
    num_rows = Constant <value_int: int = @num_candidates> ()
"""
ROWS = """
    destination = ScatterElements <axis: int = 1> (position, source_at, target_at)
    num_members = Add (num_merged, num_merged)
    before_first = Constant <value: tensor = int64[1, 1, 1] {-1}> ()
    real_position = Where (is_real, position, before_first)
    own_row = Add (real_position, num_rows)
    edge_row = Slice (position, start, num_merged, token_axis)
    row = ScatterElements <axis: int = 1> (own_row, target_at, edge_row)
    row_of_token = GatherND <batch_dims: int = 1> (row, destination)
    member_row, member_at = TopK <axis: int = 1, largest: int = 0> (row_of_token, num_members)
    member_x = GatherND <batch_dims: int = 1> (x, member_at)
"""
# A row's weights are the sizes of its group's members. To multiply x with them takes a node less.
MEMBERS = """
    member_size = GatherND <batch_dims: int = 1> (token_size, member_at)
    flat_row = Squeeze (member_row, row_axis)
    off_on = Constant <value: tensor = float[2] {0, 1}> ()
    is_member = OneHot <axis: int = 1> (flat_row, num_rows, off_on)
"""
BY_WEIGHTED_X = """
    weighted = Mul ({number}, member_size)
    group_sum = MatMul (is_member, weighted)
    group_size = MatMul (is_member, member_size)
"""
BY_SMALL_WEIGHTS = """
    member_size_across = Transpose <perm: ints = [0, 2, 1]> (member_size)
    weight = Mul (is_member, member_size_across)
    group_sum = MatMul (weight, {number})
    group_size = ReduceSum <keepdims: int = 1> (weight, row_axis)
"""
MEANS = """
    smallest_size = Constant <value: tensor = float[1, 1, 1] {1.17549435e-38}> ()
    divisor = Max (group_size, smallest_size)
    group_mean = Div (group_sum, divisor)
"""
MEMBERS_WIDENED = """
    number = Cast <to: int = 1> (member_x)
"""
MEANS_NARROWED = """
    group_row = CastLike (group_mean, x)
"""

# The slot of a kept token is the number of kept tokens before it; a source takes its target's.
ASSIGNMENT = """
    is_kept = Equal (destination, position)
    kept = Cast <to: int = 6> (is_kept)
    kept_before = CumSum <exclusive: int = 1> (kept, one)
    slot = GatherND <batch_dims: int = 1> (kept_before, destination)
    assignment = Squeeze (slot, row_axis)
"""

# All members of a group have its row, so whichever of them writes to their slot writes the same.
OUTPUT = """
    table = Concat <axis: int = 1> ({group_row}, x)
    table_size = Concat <axis: int = 1> (group_size, token_size)
    row_of_slot = ScatterElements <axis: int = 1> (row_of_token, slot, row_of_token)
    num_kept = Sub (num_token, num_merged)
    kept_row = Slice (row_of_slot, start, num_kept, token_axis)
    size_out = GatherND <batch_dims: int = 1> (table_size, kept_row)
    y = GatherND <batch_dims: int = 1> (table, kept_row)
"""
