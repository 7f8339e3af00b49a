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

constexpr int kMostFewSources = kMostFewUnprotected / 2;  // and targets
constexpr uint32_t kNoKey = ~uint32_t{0};

// So many lanes side by side have a source.
constexpr int kSourceLanes = kFewThreads / kMostFewSources;
// Of the targets a lane has stretches of so many: their similarities are on their way at once.
constexpr int kStretch = 15;
constexpr int kMostFewStretches = ceil_divide(kMostFewSources, kStretch) * kStretch;
static_assert(kFewThreads == kMostFewUnprotected, "a thread for each token");

struct alignas(16) FewShared {
  uint32_t energy_key[kMostFewUnprotected];
  uint32_t edge_key[kMostFewSources];
  uint32_t pair_key[kMostFewSources];  // of each source that goes: target's position, its own
  uint32_t member[kMostFewSources];    // the same in ascending order: sources of one target side by side
  float size[kMostFewTokens];
  uint16_t source[kMostFewSources], target[kMostFewStretches];  // positions without the prefix, by rank
  uint16_t slot[kMostFewTokens];                                // of each kept token
  uint16_t token_of_slot[kMostFewTokens];
  uint32_t kept[kMostFewTokens / kWarp];  // a bit for each token
  bool goes[kMostFewTokens];
};

// How many of `count` keys are before the key at `index`, equal ones by their index; `kLanes` lanes side by
// side count together. Behind the keys lie some that are kNoKey, up to a multiple of 4 kLanes.
template <int kLanes>
__device__ inline int rank_of(const uint32_t* keys, int count, int index) {
  const uint32_t key = keys[index];
  const int lane = threadIdx.x % kLanes, own_four = index / 4 * 4;
  int before = 0;
#pragma unroll 4
  for (int first = 4 * lane; first < count; first += 4 * kLanes) {
    const uint4 four = *reinterpret_cast<const uint4*>(keys + first);
    const uint32_t limit = first < own_four ? key + 1 : key;  // no key but kNoKey is the largest number
    before += (four.x < limit) + (four.y < limit) + (four.z < limit) + (four.w < limit);
  }
  if (lane == 0)
    for (int other = own_four; other < index; ++other) before += keys[other] == key;
#pragma unroll
  for (int lanes = 1; lanes < kLanes; lanes *= 2) before += __shfl_xor_sync(kAllLanes, before, lanes);
  return before;
}

// Step 5: the token with this rank is a source, a target, or neither. The first target also stands past the
// last one, where find_best looks.
__device__ inline void put_candidate(const Problem& problem, int rank, int token, FewShared& shared) {
  if (rank >= problem.num_candidates) return;
  const int source = rank - problem.source_start, target = rank - problem.target_start;
  const int shift = problem.split_step - 1;  // a step is 1 or 2
  if (source >= 0 && (source & shift) == 0 && source >> shift < problem.num_sources()) {
    shared.source[source >> shift] = static_cast<uint16_t>(token);
    return;
  }
  shared.target[target >> shift] = static_cast<uint16_t>(token);
  if (target > 0) return;
  const int targets = problem.num_targets();
  for (int past = targets; past < ceil_divide(targets, kStretch) * kStretch; ++past)
    shared.target[past] = static_cast<uint16_t>(token);
}

// A key for the token of this thread by its energy (step 2), but for the mean: all sums of an image are
// divided by one number, which changes no order.
__device__ inline uint32_t energy_key_of(const Problem& problem, const Workspace& workspace,
                                         Global<const float> size, int image) {
  const int unprotected = problem.num_unprotected(), tiles = problem.num_few_tiles(), token = threadIdx.x;
  if (token >= unprotected) return kNoKey;
  const float own_size = size.load(int64_t{image} * problem.num_tokens + problem.prefix + token);
  const bool finite = workspace.inverse_norm.load(int64_t{image} * unprotected + token) >= 0;
  const int64_t first_part = int64_t{image} * tiles * unprotected + token;
  float energy = 0;
#pragma unroll
  for (int tile = 0; tile < kMostFewUnprotected / kFewTile; ++tile)
    if (tile < tiles) energy += workspace.energy_part.load(first_part + tile * unprotected);
  if (!finite) energy = -infinity();
  if (!(own_size > 0)) energy = infinity();
  return falling(energy);
}

// Step 6 for the source that this thread's lanes have: its best target, by similarity. What stands past the
// last target is as similar as the first one, and loses to it as the higher index.
__device__ inline void find_best(const Problem& problem, const Workspace& workspace, int image, int source,
                                 const FewShared& shared, float& value, int& best) {
  const int targets = problem.num_targets();
  const int64_t row =
      (int64_t{image} * problem.num_unprotected() + shared.source[source]) * problem.few_pitch();
  value = -infinity();
  best = targets;
  for (int first = threadIdx.x % kSourceLanes * kStretch; first < targets; first += kSourceLanes * kStretch) {
    float similarity[kStretch];
#pragma unroll
    for (int k = 0; k < kStretch; ++k)
      similarity[k] = workspace.similarity.load(row + shared.target[first + k]);
#pragma unroll
    for (int k = 0; k < kStretch; ++k) {
      if (similarity[k] > value) {
        value = similarity[k];
        best = first + k;
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
  const int source = threadIdx.x / kSourceLanes, sources = problem.num_sources();
  const bool exists = source < sources;
  float value;
  int best;
  find_best(problem, workspace, image, exists ? source : 0, shared, value, best);
  const int from = problem.prefix + shared.source[exists ? source : 0];
  const float size = shared.size[from];
  const float edge = size > 0 ? value - problem.size_penalty * logf(size) : infinity();
  const bool first_lane = threadIdx.x % kSourceLanes == 0;
  if (first_lane) shared.edge_key[source] = exists ? falling(edge) : kNoKey;
  __syncthreads();
  const int rank = rank_of<kSourceLanes>(shared.edge_key, sources, source);
  if (!first_lane) return;
  const bool taken = exists && rank < problem.num_merged;
  const uint32_t to = problem.prefix + shared.target[best];
  shared.pair_key[source] = taken ? to << 16 | static_cast<uint32_t>(from) : kNoKey;
  if (taken) shared.goes[from] = true;
}

__device__ inline int target_of_pair(uint32_t pair) { return static_cast<int>(pair >> 16); }
__device__ inline int source_of_pair(uint32_t pair) { return static_cast<int>(pair & 0xffffu); }

// Step 8: the slot of every kept token, and the sources that go in the order of their targets.
__device__ inline void number_few_slots(const Problem& problem, FewShared& shared) {
  const int lane = threadIdx.x % kWarp;
  for (int token = threadIdx.x; token < kMostFewTokens; token += kFewThreads) {
    const unsigned votes = __ballot_sync(kAllLanes, token < problem.num_tokens && !shared.goes[token]);
    if (lane == 0) shared.kept[token / kWarp] = votes;
  }
  const int source = threadIdx.x / kSourceLanes;
  const uint32_t pair = shared.pair_key[source];
  const int place = rank_of<kSourceLanes>(shared.pair_key, problem.num_sources(), source);
  if (pair != kNoKey && threadIdx.x % kSourceLanes == 0) shared.member[place] = pair;
  __syncthreads();

  for (int token = threadIdx.x; token < problem.num_tokens; token += kFewThreads) {
    const unsigned kept = shared.kept[token / kWarp];
    if ((kept >> lane & 1) == 0) continue;
    int slot = __popc(kept & ((1u << lane) - 1));
    for (int warp = 0; warp < token / kWarp; ++warp) slot += __popc(shared.kept[warp]);
    shared.slot[token] = static_cast<uint16_t>(slot);
    shared.token_of_slot[slot] = static_cast<uint16_t>(token);
  }
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

__device__ inline void write_few_assignment(const Problem& problem, const FewShared& shared,
                                            int64_t first_token, Global<int> assignment) {
  for (int token = threadIdx.x; token < problem.num_tokens; token += kFewThreads)
    if (!shared.goes[token]) assignment.store(first_token + token, shared.slot[token]);
  const int place = threadIdx.x;
  if (place >= problem.num_merged) return;
  const uint32_t pair = shared.member[place];
  assignment.store(first_token + source_of_pair(pair), shared.slot[target_of_pair(pair)]);
}

template <typename T, bool kInVectors>
__global__ void __launch_bounds__(kFewThreads, 2)
    decide_and_merge(Problem problem, Workspace workspace, Global<const T> x, Global<const float> size,
                     Global<T> y, Global<float> size_out, Global<int> assignment) {
  PITOME_KERNEL("decide_and_merge");
  PITOME_SHARED(FewShared, shared);
  const int blocks = problem.num_few_blocks(), thread = threadIdx.x;
  const int image = blockIdx.x / blocks, part = blockIdx.x % blocks;
  const int64_t first_token = int64_t{image} * problem.num_tokens;
  for (int token = thread; token < problem.num_tokens; token += kFewThreads) {
    shared.size[token] = size.load(first_token + token);
    shared.goes[token] = false;
  }
  wait_for_last_launch();
  int rank = thread;
  if (problem.by_energy) {
    shared.energy_key[rank] = energy_key_of(problem, workspace, size, image);
    __syncthreads();
    rank = rank_of<1>(shared.energy_key, problem.num_unprotected(), thread);
  }
  if (thread < problem.num_unprotected()) put_candidate(problem, rank, thread, shared);
  __syncthreads();
  take_few_edges(problem, workspace, image, shared);
  __syncthreads();
  number_few_slots(problem, shared);
  __syncthreads();

  if (part == 0) write_few_assignment(problem, shared, first_token, assignment);
  for (int turn = 0; turn < kFewSlotsPerBlock / (kFewThreads / kWarp); ++turn) {
    const int slot = part * kFewSlotsPerBlock + turn * (kFewThreads / kWarp) + thread / kWarp;
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
}

}  // namespace pitome
