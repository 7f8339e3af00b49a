// Launch 3: for each source the most similar target of each tile of targets (step 6).
#pragma once

#include "similarity.cuh"

namespace pitome {

// Keep the larger of two values, of equal ones that of the lower target.
__device__ inline void keep_better(float& value, int& target, float other_value, int other_target) {
  if (other_value > value || (other_value == value && other_target < target)) {
    value = other_value;
    target = other_target;
  }
}

template <typename T>
__global__ void __launch_bounds__(kTileThreads<kTile>)
    find_edges(Problem problem, Workspace workspace, Global<const T> metric) {
  PITOME_KERNEL("find_edges");
  PITOME_SHARED(SimilarityTile<kTile>, tile);
  const int target_tiles = problem.num_target_tiles();
  const int num_tiles = problem.num_source_tiles() * target_tiles;
  const int image = blockIdx.x / num_tiles;
  const int first_source = blockIdx.x % num_tiles / target_tiles * kTile;
  const int target_tile = blockIdx.x % num_tiles % target_tiles;
  const int first_target = target_tile * kTile;

  const int place = threadIdx.x % kTile;
  if (threadIdx.x < kTile) {
    int source = first_source + place;
    tile.token[0][place] = source < problem.num_sources()
                               ? token_of_rank(problem, workspace, image, problem.source_rank(source))
                               : -1;
  } else if (threadIdx.x < 2 * kTile) {
    int target = first_target + place;
    tile.token[1][place] = target < problem.num_targets()
                               ? token_of_rank(problem, workspace, image, problem.target_rank(target))
                               : -1;
  }
  compare_rows(problem, metric, image, false, tile);

  const int line = threadIdx.x / 4, lane = threadIdx.x % 4;
  float value = -infinity();
  int best = problem.num_targets();
  for (int step = 0; step < kTile / 4; ++step) {
    int column = 4 * step + lane;
    if (first_target + column < problem.num_targets())
      keep_better(value, best, tile.similarity(line, column), first_target + column);
  }
#pragma unroll
  for (int lanes = 1; lanes < 4; lanes *= 2) {
    float other_value = __shfl_xor_sync(kAllLanes, value, lanes);
    int other_best = __shfl_xor_sync(kAllLanes, best, lanes);
    keep_better(value, best, other_value, other_best);
  }
  if (lane == 0 && first_source + line < problem.num_sources()) {
    int64_t index =
        (int64_t{image} * target_tiles + target_tile) * problem.num_sources() + first_source + line;
    workspace.best_similarity.store(index, value);
    workspace.best_target.store(index, best);
  }
}

}  // namespace pitome
