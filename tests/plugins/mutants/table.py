"""Mistakes that a careless edit could make in the C++ sources, each as text in place of other text.

Ordered by file: what a mutant changed is compiled together with the next mutant of the same file.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One mistake.

    Args:
        file: in plugins/; its folder says which library is built.
        old: text that is there exactly once.
        new: what stands in its place.
        check: the test file, in tests/plugins/, that must fail.
    """

    file: str
    old: str
    new: str
    check: str


KERNELS = "mutants/test_some_kernels.py"
CPU = "mutants/test_some_cpu.py"
CREATOR = "test_creator.py"
INTERFACE = "test_c_interface.py"
NODE = "onnxruntime/test_operator.py"

MUTANTS = (
    Mutant("kernels/edges.cuh", "other_target < target", "other_target > target", KERNELS),
    Mutant("kernels/energy.cuh", "similarity < problem.margin", "similarity <= problem.margin", KERNELS),
    Mutant("kernels/energy.cuh", "distance /= problem.energy_width", "distance /= 1.0f", KERNELS),
    Mutant("kernels/energy.cuh", "size.load(position) > 0 ?", "size.load(position) >= 0 ?", KERNELS),
    Mutant(
        "kernels/few_pairs.cuh",
        "real && tile.inverse_norm[side][place] >= 0;",
        "(real || exists) && tile.inverse_norm[side][place] >= 0;",
        KERNELS,
    ),
    Mutant(
        "kernels/few_pairs.cuh",
        "return target_finite ? cosine : kNonFiniteTarget;",
        "return target_finite ? cosine : 0.0f;",
        KERNELS,
    ),
    Mutant("kernels/few_merge.cuh", "before += keys[other] == key;", "before += 0;", KERNELS),
    Mutant("kernels/few_merge.cuh", "rank < problem.num_merged;", "rank <= problem.num_merged;", KERNELS),
    Mutant("kernels/few_merge.cuh", "value - problem.size_penalty * logf(size)", "value", KERNELS),
    Mutant(
        "kernels/few_merge.cuh", "if (!finite) energy = -infinity();", "if (!finite) energy = 0;", KERNELS
    ),
    Mutant("kernels/few_merge.cuh", "if (!(own_size > 0)) energy", "if (own_size < 0) energy", KERNELS),
    Mutant("kernels/few_merge.cuh", "similarity[k] > value", "similarity[k] >= value", KERNELS),
    Mutant(
        "kernels/order.cuh", "if (!(size.load(first_size + token) > 0)) energy = infinity();", "", KERNELS
    ),
    Mutant("kernels/select.cuh", "value - problem.size_penalty * logf(token_size)", "value", KERNELS),
    Mutant("kernels/select.cuh", "static_cast<uint16_t>(edge + 1)", "static_cast<uint16_t>(edge)", KERNELS),
    Mutant(
        "kernels/problem.cuh", "return target_start + split_step", "return source_start + split_step", KERNELS
    ),
    Mutant("kernels/row.cuh", "sum[piece][k] / total", "sum[piece][k]", KERNELS),
    Mutant("kernels/merge.cuh", "if (total > 0) row.load", "if (true) row.load", KERNELS),
    Mutant(
        "kernels/problem.cuh",
        "kMostFewUnprotected && num_tokens",
        "kMostFewUnprotected + 1 && num_tokens",
        KERNELS,
    ),
    Mutant("kernels/problem.cuh", "num_tokens <= kMostFewTokens;", "num_tokens > 0;", KERNELS),
    Mutant("kernels/device.cuh", "__float2half_rn(value)", "__float2half_rz(value)", KERNELS),
    Mutant("kernels/merge.cpp", "layout.place(workspace.member, batch * problem.num_merged);", "", KERNELS),
    Mutant("kernels/merge.cpp", "if (problem.by_energy) layout.place", "if (false) layout.place", KERNELS),
    Mutant(
        "kernels/few_merge.cuh",
        "energy_key_of(problem, workspace, size, image);\n    __syncthreads();",
        "energy_key_of(problem, workspace, size, image);",
        KERNELS,
    ),
    Mutant("kernels/few_merge.cuh", "kept & ((1u << lane) - 1)", "kept & ((2u << lane) - 1)", KERNELS),
    Mutant("kernels/checks.cpp", "asked.num_merged < 1", "asked.num_merged < 0", CREATOR),
    Mutant("kernels/checks.cpp", "if (!std::isfinite(number.value))", "if (false)", CREATOR),
    Mutant("kernels/checks.cpp", "asked.margin >= 1", "asked.margin > 1", CREATOR),
    Mutant("kernels/checks.cpp", "half = candidates - candidates / 2;", "half = candidates / 2;", CREATOR),
    Mutant("kernels/checks.cpp", "slice.found != slice.expected", "false", CREATOR),
    Mutant("kernels/checks.cpp", "{by_position, 1, candidates, 0", "{by_position, 0, candidates, 1", CREATOR),
    Mutant("kernels/merge.cpp", "pointer.address == nullptr", "false", INTERFACE),
    Mutant("kernels/merge.cpp", "most_per_image * problem.batch > kMostBlocks", "false", INTERFACE),
    Mutant("tensorrt/fields.cpp", "if (seen[position]) {", "if (false) {", CREATOR),
    Mutant("tensorrt/fields.cpp", "if (field.type == type) return;", "return;", CREATOR),
    Mutant("tensorrt/fields.cpp", "if (seen[index]) continue;", "continue;", CREATOR),
    Mutant("tensorrt/fields.cpp", "field.length != 1", "field.length < 1", CREATOR),
    Mutant("tensorrt/fields.cpp", "if (text == identity.value) return;", "return;", CREATOR),
    Mutant("tensorrt/fields.cpp", "collection->nbFields > kMaxFields", "collection->nbFields > 99", CREATOR),
    Mutant(
        "cpu/decide.cpp",
        "size[token] > 0.0F ? energy : kInfinity",
        "size[token] >= 0.0F ? energy : kInfinity",
        CPU,
    ),
    Mutant("cpu/decide.cpp", "value -= penalty * std::log", "value += penalty * std::log", CPU),
    Mutant("cpu/decide.cpp", "      return {1, 0, 2};", "      return {0, 1, 2};", CPU),
    Mutant("cpu/energy-inl.h", "return kDivides ? hn::Div(value, width)", "return kDivides ? value", CPU),
    Mutant("cpu/match-inl.h", "hn::Gt(similarity, best)", "hn::Ge(similarity, best)", CPU),
    Mutant("cpu/combine-inl.h", "hn::Div(sum, total)", "hn::Mul(sum, total)", CPU),
    Mutant("cpu/problem.cpp", "? candidates / 2 :", "? divided_up(candidates, 2) :", CPU),
    Mutant("onnxruntime/attributes.cpp", "if (found != expected) {", "if (false) {", NODE),
    Mutant("onnxruntime/attributes.cpp", "second ? 1 : 0", "0", NODE),
    Mutant("onnxruntime/attributes.cpp", "if (status == nullptr) return;", "return;", NODE),
)
