// Launch 5: the values (step 7). A warp has one slot: it reads the rows of its tokens once and writes one
// row.
#pragma once

#include "row.cuh"

namespace pitome {

constexpr int kMergeThreads = 128;
constexpr int kSlotsPerBlock = kMergeThreads / kWarp;

__device__ inline float weight_of(Global<const float> size, int64_t token) {
  return fmaxf(size.load(token), 0.0f);
}

// size_b + sum of size_a, in the order of the values' sums.
__device__ inline float add_sizes(const Workspace& workspace, Global<const float> size, int64_t first_token,
                                  int64_t first_member, int4 slot) {
  float total = weight_of(size, first_token + slot.x);
  for (int index = slot.y; index < slot.z; ++index)
    total += weight_of(size, first_token + workspace.member.load(first_member + index));
  return total;
}

template <typename T, bool kInVectors>
__global__ void __launch_bounds__(kMergeThreads)
    merge_rows(Problem problem, Workspace workspace, Global<const T> x, Global<const float> size, Global<T> y,
               Global<float> size_out) {
  PITOME_KERNEL("merge_rows");
  using Row = Piece<T, kInVectors>;
  const int64_t slot_index = int64_t{blockIdx.x} * kSlotsPerBlock + threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  if (slot_index >= int64_t{problem.batch} * problem.num_kept()) return;
  const int64_t image = slot_index / problem.num_kept();
  const int64_t first_token = image * problem.num_tokens, first_member = image * problem.num_merged;
  const int4 slot = workspace.slot.load(slot_index);
  const bool received = slot.y < slot.z;
  const float own = weight_of(size, first_token + slot.x);
  const float total = add_sizes(workspace, size, first_token, first_member, slot);
  if (lane == 0) size_out.store(slot_index, total);

  for (int column = lane * Row::kCount; column < problem.width; column += kWarp * Row::kCount) {
    Row row;
    if (total > 0) row.load(x, (first_token + slot.x) * problem.width + column);
    if (total > 0 && received) {
      float sum[Row::kCount];
#pragma unroll
      for (int k = 0; k < Row::kCount; ++k) sum[k] = own * to_float(row.element.value[k]);
      for (int index = slot.y; index < slot.z; ++index) {
        int64_t token = first_token + workspace.member.load(first_member + index);
        float weight = weight_of(size, token);
        Row other;
        other.load(x, token * problem.width + column);
#pragma unroll
        for (int k = 0; k < Row::kCount; ++k) sum[k] += weight * to_float(other.element.value[k]);
      }
#pragma unroll
      for (int k = 0; k < Row::kCount; ++k) row.element.value[k] = from_float<T>(sum[k] / total);
    }
    row.store(y, slot_index * problem.width + column);
  }
}

}  // namespace pitome
