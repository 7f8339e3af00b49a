// One merge as the kernels see it: sizes, settings, and who is a source and who a target.
#pragma once

#include <pitome_merge.h>

#include "device.cuh"

namespace pitome {

// Rows and columns of a tile of similarities.
constexpr int kTile = 64;

// Few tokens have launches of their own: up to so many after the prefix, and with it.
constexpr int kMostFewUnprotected = 256;
constexpr int kMostFewTokens = 288;
constexpr int kFewTile = 32;
constexpr int kFewThreads = 256;
constexpr int kFewSlotsPerBlock = 16;

struct Problem {
  int batch;
  int num_tokens;      // N
  int width;           // C
  int metric_width;    // D
  int num_merged;      // r
  int num_candidates;  // M
  int prefix;
  float margin;
  float offset;
  float energy_width;  // of the piecewise function, or sigma of the gaussian
  float alpha;
  float size_penalty;
  int source_start, target_start, split_step;  // sources and targets as slices of the candidates' ranks
  int sources;
  bool by_energy;
  bool gaussian;
  bool metric_in_vectors;  // rows of the metric start at multiples of 16 bytes
  bool x_in_vectors;       // and so do rows of x and y

  __host__ __device__ int num_unprotected() const { return num_tokens - prefix; }
  __host__ __device__ int num_kept() const { return num_tokens - num_merged; }
  __host__ __device__ int num_sources() const { return sources; }
  __host__ __device__ int num_targets() const { return num_candidates - sources; }
  __host__ __device__ int num_token_tiles() const { return ceil_divide(num_unprotected(), kTile); }
  __host__ __device__ int num_source_tiles() const { return ceil_divide(num_sources(), kTile); }
  __host__ __device__ int num_target_tiles() const { return ceil_divide(num_targets(), kTile); }

  __host__ __device__ bool has_few_tokens() const {
    return num_unprotected() <= kMostFewUnprotected && num_tokens <= kMostFewTokens;
  }
  __host__ __device__ int num_few_tiles() const { return ceil_divide(num_unprotected(), kFewTile); }
  __host__ __device__ int num_few_blocks() const { return ceil_divide(num_kept(), kFewSlotsPerBlock); }
  // Floats from one row of similarities to the next: rows start at a sector of memory.
  __host__ __device__ int few_pitch() const { return num_few_tiles() * kFewTile; }

  // Rank among the candidates of a source (METHOD.md section 2, step 5) and of a target.
  __device__ int source_rank(int source) const { return source_start + split_step * source; }
  __device__ int target_rank(int target) const { return target_start + split_step * target; }
};

// Where the kernels leave what later ones need. T = N - prefix; [B, ...] each.
struct Workspace {
  Global<float> similarity;       // [B, T, T in whole tiles], row = source; of few tokens, as the next two
  Global<float> energy_part;      // [B, token tiles, T], what each tile of columns adds to a token's energy
  Global<float> inverse_norm;     // [B, T], negative where the row is not finite
  Global<int> candidate;          // [B, M], positions by falling energy
  Global<float> best_similarity;  // [B, target tiles, sources], the best of each tile of targets
  Global<int> best_target;        // [B, target tiles, sources], and which target it is
  Global<int4> slot;              // [B, N - r], {its token, first and past the last of its sources, 0}
  Global<int> member;             // [B, r], sources, those of one slot side by side and ascending
};

// The position of the candidate with this rank; without energies the order is that of the positions.
__device__ inline int token_of_rank(const Problem& problem, const Workspace& workspace, int image, int rank) {
  if (!problem.by_energy) return problem.prefix + rank;
  return workspace.candidate.load(int64_t{image} * problem.num_candidates + rank);
}

}  // namespace pitome
