// Launch 2 of few tokens: all decisions of an image (steps 3 to 6 and 8), by every block that writes rows of
// it, and the rows (step 7).
//
// Each block decides for itself: that is cheaper than a launch, or a wait for other blocks. Keys are ranked
// by counting those that come before, which needs no step after step as a sort does.
#pragma once

#include "edges.cuh"
#include "row.cuh"
#include "sort.cuh"

namespace pitome {

constexpr int kMostFewSources = kMostFewUnprotected / 2;
constexpr uint32_t kNoKey = ~uint32_t{0};

// Of each token two lanes count, of each source four.
constexpr int kTokenLanes = kFewThreads / kMostFewUnprotected;
constexpr int kSourceLanes = kFewThreads / kMostFewSources;
// Similarities that a lane has on their way at once.
constexpr int kSimilaritiesAtOnce = 16;

struct alignas(16) FewShared {
  uint32_t energy_key[kMostFewUnprotected];
  uint32_t edge_key[kMostFewSources];
  uint32_t pair_key[kMostFewSources];  // of each source that goes: target's position, its own
  uint32_t member[kMostFewSources];    // the same in ascending order: sources of one target side by side
  float size[kMostFewTokens];
  uint16_t candidate[kMostFewUnprotected];  // positions by rank
  uint16_t slot[kMostFewTokens];            // of each kept token
  uint16_t token_of_slot[kMostFewTokens];
  uint32_t kept[kMostFewTokens / kWarp];  // a bit for each token
  bool goes[kMostFewTokens];
};

// How many of `count` keys are before the key at `index`, equal ones by their index; `kLanes` lanes side by
// side count together. Behind the keys lie some that are kNoKey, up to a multiple of 4 kLanes.
template <int kLanes>
__device__ inline int rank_of(const uint32_t* keys, int count, int index) {
  const uint32_t key = keys[index];
  const int lane = threadIdx.x % kLanes;
  int before = 0;
#pragma unroll 4
  for (int first = 4 * lane; first < count; first += 4 * kLanes) {
    const uint4 four = *reinterpret_cast<const uint4*>(keys + first);
    const uint32_t others[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) before += others[k] < key + (first + k < index ? 1u : 0u) ? 1 : 0;
  }
#pragma unroll
  for (int lanes = 1; lanes < kLanes; lanes *= 2) before += __shfl_xor_sync(kAllLanes, before, lanes);
  return before;
}

// Steps 3 and 4, but for the mean: all sums of an image are divided by one number, which changes no order.
__device__ inline void order_candidates(const Problem& problem, const Workspace& workspace, int image,
                                        FewShared& shared) {
  const int unprotected = problem.num_unprotected(), tiles = problem.num_few_tiles();
  const int own = threadIdx.x;
  if (own < kMostFewUnprotected) {
    uint32_t key = kNoKey;
    if (own < unprotected) {
      const bool finite = workspace.inverse_norm.load(int64_t{image} * unprotected + own) >= 0;
      float energy = 0;
#pragma unroll
      for (int tile = 0; tile < kMostFewUnprotected / kFewTile; ++tile)
        if (tile < tiles)
          energy += workspace.energy_part.load((int64_t{image} * tiles + tile) * unprotected + own);
      if (!finite) energy = -infinity();
      if (!(shared.size[problem.prefix + own] > 0)) energy = infinity();
      key = falling(energy);
    }
    shared.energy_key[own] = key;
  }
  __syncthreads();
  const int token = threadIdx.x / kTokenLanes;
  const int rank = rank_of<kTokenLanes>(shared.energy_key, unprotected, token);
  if (threadIdx.x % kTokenLanes == 0 && token < unprotected)
    shared.candidate[rank] = static_cast<uint16_t>(problem.prefix + token);
}

// Step 6 for the source that this thread's lanes have: its best target, by similarity.
__device__ inline void find_best(const Problem& problem, const Workspace& workspace, int image, int source,
                                 const FewShared& shared, float& value, int& best) {
  const int lane = threadIdx.x % kSourceLanes, targets = problem.num_targets();
  value = -infinity();
  best = targets;
  if (source < problem.num_sources()) {
    const int row = shared.candidate[problem.source_rank(source)] - problem.prefix;
    const int64_t start =
        (int64_t{image} * problem.num_unprotected() + row) * problem.few_pitch() - problem.prefix;
    for (int first = lane; first < targets; first += kSimilaritiesAtOnce * kSourceLanes) {
      float similarity[kSimilaritiesAtOnce];
#pragma unroll
      for (int k = 0; k < kSimilaritiesAtOnce; ++k) {
        const int target = first + k * kSourceLanes;
        if (target < targets)
          similarity[k] = workspace.similarity.load(start + shared.candidate[problem.target_rank(target)]);
      }
#pragma unroll
      for (int k = 0; k < kSimilaritiesAtOnce; ++k) {
        const int target = first + k * kSourceLanes;
        if (target < targets) keep_better(value, best, similarity[k], target);
      }
    }
  }
#pragma unroll
  for (int lanes = 1; lanes < kSourceLanes; lanes *= 2) {
    const float other_value = __shfl_xor_sync(kAllLanes, value, lanes);
    const int other_best = __shfl_xor_sync(kAllLanes, best, lanes);
    keep_better(value, best, other_value, other_best);
  }
}

// The r best edges: a key of each, and who goes.
__device__ inline void take_few_edges(const Problem& problem, const Workspace& workspace, int image,
                                      FewShared& shared) {
  const int source = threadIdx.x / kSourceLanes;
  const bool first_lane = threadIdx.x % kSourceLanes == 0;
  float value;
  int best;
  find_best(problem, workspace, image, source, shared, value, best);
  const bool exists = source < problem.num_sources();
  const int from = exists ? shared.candidate[problem.source_rank(source)] : 0;
  if (first_lane) {
    const float size = shared.size[from];
    const float edge = size > 0 ? value - problem.size_penalty * logf(size) : infinity();
    shared.edge_key[source] = exists ? falling(edge) : kNoKey;
  }
  __syncthreads();
  const int rank = rank_of<kSourceLanes>(shared.edge_key, problem.num_sources(), source);
  if (!first_lane) return;
  const bool taken = exists && rank < problem.num_merged;
  shared.pair_key[source] =
      taken ? uint32_t{shared.candidate[problem.target_rank(best)]} << 16 | static_cast<uint32_t>(from)
            : kNoKey;
  if (taken) shared.goes[from] = true;
}

__device__ inline int target_of_pair(uint32_t pair) { return static_cast<int>(pair >> 16); }
__device__ inline int source_of_pair(uint32_t pair) { return static_cast<int>(pair & 0xffffu); }

// Step 8: the slot of every kept token, and the sources that go in the order of their targets.
__device__ inline void number_few_slots(const Problem& problem, FewShared& shared) {
  const int token = threadIdx.x, lane = token % kWarp;
  const bool kept = token < problem.num_tokens && !shared.goes[token];
  const unsigned votes = __ballot_sync(kAllLanes, kept);
  if (token < kMostFewTokens && lane == 0) shared.kept[token / kWarp] = votes;

  const int source = threadIdx.x / kSourceLanes;
  const uint32_t pair = shared.pair_key[source];
  const int place = rank_of<kSourceLanes>(shared.pair_key, problem.num_sources(), source);
  if (pair != kNoKey && threadIdx.x % kSourceLanes == 0) shared.member[place] = pair;
  __syncthreads();

  if (!kept) return;
  int slot = __popc(votes & ((1u << lane) - 1));
  for (int warp = 0; warp < token / kWarp; ++warp) slot += __popc(shared.kept[warp]);
  shared.slot[token] = static_cast<uint16_t>(slot);
  shared.token_of_slot[slot] = static_cast<uint16_t>(token);
}

// What write_row asks of the sources of one token.
class FewMembers {
 public:
  // By all lanes of a warp.
  __device__ FewMembers(const FewShared& shared, int num_merged, int token) : shared_(shared) {
    const int lane = threadIdx.x % kWarp;
    for (int start = 0; start < num_merged; start += kWarp) {
      const bool own = start + lane < num_merged && target_of_pair(shared.member[start + lane]) == token;
      const unsigned votes = __ballot_sync(kAllLanes, own);
      if (votes != 0 && count_ == 0) first_ = start + __ffs(votes) - 1;
      count_ += __popc(votes);
    }
  }

  __device__ int count() const { return count_; }
  __device__ int token(int index) const { return source_of_pair(shared_.member[first_ + index]); }
  __device__ float weight(int index) const { return fmaxf(shared_.size[token(index)], 0.0f); }

 private:
  const FewShared& shared_;
  int first_ = 0, count_ = 0;
};

template <typename T, bool kInVectors>
__global__ void __launch_bounds__(kFewThreads)
    decide_and_merge(Problem problem, Workspace workspace, Global<const T> x, Global<const float> size,
                     Global<T> y, Global<float> size_out, Global<int> assignment) {
  PITOME_KERNEL("decide_and_merge");
  PITOME_SHARED(FewShared, shared);
  const int blocks = problem.num_few_blocks();
  const int image = blockIdx.x / blocks, part = blockIdx.x % blocks;
  const int64_t first_token = int64_t{image} * problem.num_tokens;
  const int thread = threadIdx.x;
  if (thread < problem.num_tokens) {
    shared.size[thread] = size.load(first_token + thread);
    shared.goes[thread] = false;
  }
  if (!problem.by_energy && thread < problem.num_candidates)
    shared.candidate[thread] = static_cast<uint16_t>(problem.prefix + thread);
  __syncthreads();
  wait_for_last_launch();
  if (problem.by_energy) order_candidates(problem, workspace, image, shared);
  __syncthreads();
  take_few_edges(problem, workspace, image, shared);
  __syncthreads();
  number_few_slots(problem, shared);
  __syncthreads();

  if (part == 0 && thread < problem.num_tokens && !shared.goes[thread])
    assignment.store(first_token + thread, shared.slot[thread]);
  if (part == 0 && thread < problem.num_merged) {
    const uint32_t pair = shared.member[thread];
    assignment.store(first_token + source_of_pair(pair), shared.slot[target_of_pair(pair)]);
  }
  const int slot = part * kFewSlotsPerBlock + thread / kWarp;
  if (slot >= problem.num_kept()) return;
  const int token = shared.token_of_slot[slot];
  const FewMembers members(shared, problem.num_merged, token);
  const float own = fmaxf(shared.size[token], 0.0f);
  float total = own;
  for (int index = 0; index < members.count(); ++index) total += members.weight(index);
  const int64_t row = int64_t{image} * problem.num_kept() + slot;
  if (thread % kWarp == 0) size_out.store(row, total);
  write_row<T, kInVectors>(problem.width, x, y, first_token, token, row, own, total, members);
}

}  // namespace pitome
