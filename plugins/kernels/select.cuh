// Launch 4: the r best edges, the slot of every token, and who is in each slot (steps 6 and 8). One block an
// image.
#pragma once

#include "edges.cuh"
#include "problem.cuh"
#include "sort.cuh"

namespace pitome {

constexpr int kMostSources = ceil_divide(PITOME_MAX_TOKENS, 2);

struct SelectShared {
  uint64_t key[next_power_of_two(kMostSources)];
  uint16_t best[kMostSources];        // each source's target
  uint16_t slot[PITOME_MAX_TOKENS];   // 1 for a kept token, 0 for one that goes; then each token's slot
  uint16_t begin[PITOME_MAX_TOKENS];  // of each token's sources in the sorted list
  uint16_t end[PITOME_MAX_TOKENS];
  int warp_sum[kWarp];
};

// Step 6: a key for each source, the best edge first.
__device__ inline void rank_edges(const Problem& problem, const Workspace& workspace,
                                  Global<const float> size, int image, SelectShared& shared) {
  const int sources = problem.num_sources(), tiles = problem.num_target_tiles();
  for (int source = threadIdx.x; source < next_power_of_two(sources); source += blockDim.x) {
    if (source >= sources) {
      shared.key[source] = kLastKey;
      continue;
    }
    float value = -infinity();
    int best = problem.num_targets();
    for (int tile = 0; tile < tiles; ++tile) {
      int64_t index = (int64_t{image} * tiles + tile) * sources + source;
      keep_better(value, best, workspace.best_similarity.load(index), workspace.best_target.load(index));
    }
    int token = token_of_rank(problem, workspace, image, problem.source_rank(source));
    float token_size = size.load(int64_t{image} * problem.num_tokens + token);
    float edge = token_size > 0 ? value - problem.size_penalty * logf(token_size) : infinity();
    shared.best[source] = static_cast<uint16_t>(best);
    shared.key[source] = make_key(falling(edge), source);
  }
  sort_keys(shared.key, next_power_of_two(sources));
}

// The first r keys become (target's position, source's position), sorted.
__device__ inline void take_edges(const Problem& problem, const Workspace& workspace, int image,
                                  SelectShared& shared) {
  for (int token = threadIdx.x; token < problem.num_tokens; token += blockDim.x) {
    shared.slot[token] = 1;
    shared.begin[token] = shared.end[token] = 0;
  }
  __syncthreads();
  const int num_keys = next_power_of_two(problem.num_merged);
  for (int edge = threadIdx.x; edge < num_keys; edge += blockDim.x) {
    if (edge >= problem.num_merged) {
      shared.key[edge] = kLastKey;
      continue;
    }
    int source = static_cast<int>(static_cast<uint32_t>(shared.key[edge]));
    int target_rank = problem.target_rank(shared.best[source]);
    int from = token_of_rank(problem, workspace, image, problem.source_rank(source));
    int to = token_of_rank(problem, workspace, image, target_rank);
    shared.slot[from] = 0;
    shared.key[edge] = make_key(to, from);
  }
  sort_keys(shared.key, num_keys);
}

// Sums of `slot` up to and without each token, by all threads: each has a stretch of tokens side by side.
__device__ inline void number_slots(int num_tokens, SelectShared& shared) {
  const int stretch = ceil_divide(num_tokens, blockDim.x);
  const int first = min(static_cast<int>(threadIdx.x) * stretch, num_tokens);
  const int last = min(first + stretch, num_tokens);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  int own = 0;
  for (int token = first; token < last; ++token) own += shared.slot[token];
  int until = own;
  for (int lanes = 1; lanes < kWarp; lanes *= 2) {
    int before = __shfl_up_sync(kAllLanes, until, lanes);
    if (lane >= lanes) until += before;
  }
  if (lane == kWarp - 1) shared.warp_sum[warp] = until;
  __syncthreads();
  int next = until - own;
  for (int other = 0; other < warp; ++other) next += shared.warp_sum[other];
  for (int token = first; token < last; ++token) {
    int kept = shared.slot[token];
    shared.slot[token] = static_cast<uint16_t>(next);
    next += kept;
  }
}

__device__ inline int target_of(uint64_t key) { return static_cast<int>(key >> 32); }
__device__ inline int source_of(uint64_t key) { return static_cast<int>(static_cast<uint32_t>(key)); }

__global__ void __launch_bounds__(1024)
    select_edges(Problem problem, Workspace workspace, Global<const float> size, Global<int> assignment) {
  PITOME_KERNEL("select_edges");
  PITOME_SHARED(SelectShared, shared);
  const int image = blockIdx.x;
  rank_edges(problem, workspace, size, image, shared);
  take_edges(problem, workspace, image, shared);
  number_slots(problem.num_tokens, shared);

  const int last = problem.num_merged - 1;
  for (int edge = threadIdx.x; edge <= last; edge += blockDim.x) {
    uint64_t key = shared.key[edge];
    if (edge == 0 || target_of(shared.key[edge - 1]) != target_of(key))
      shared.begin[target_of(key)] = static_cast<uint16_t>(edge);
    if (edge == last || target_of(shared.key[edge + 1]) != target_of(key))
      shared.end[target_of(key)] = static_cast<uint16_t>(edge + 1);
    workspace.member.store(int64_t{image} * problem.num_merged + edge, source_of(key));
  }
  __syncthreads();

  // A token that goes has the slot number of the next kept one; it takes its target's.
  for (int edge = threadIdx.x; edge <= last; edge += blockDim.x) {
    uint64_t key = shared.key[edge];
    assignment.store(int64_t{image} * problem.num_tokens + source_of(key), shared.slot[target_of(key)]);
    shared.begin[source_of(key)] = PITOME_MAX_TOKENS;
  }
  __syncthreads();
  for (int token = threadIdx.x; token < problem.num_tokens; token += blockDim.x) {
    if (shared.begin[token] == PITOME_MAX_TOKENS) continue;
    int slot = shared.slot[token];
    assignment.store(int64_t{image} * problem.num_tokens + token, slot);
    workspace.slot.store(int64_t{image} * problem.num_kept() + slot,
                         make_int4(token, shared.begin[token], shared.end[token], 0));
  }
}

}  // namespace pitome
