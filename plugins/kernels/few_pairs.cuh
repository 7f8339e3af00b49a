// Launch 1 of few tokens: the similarity of every pair (step 1), and what each tile of pairs adds to the
// energies (step 2).
//
// A block computes one tile on or above the diagonal, for both of its sides. Tiles are small, so that one
// image fills more of the GPU, and a row of similarities is left to few steps.
#pragma once

#include "energy.cuh"
#include "similarity.cuh"

namespace pitome {

struct PairsShared {
  SimilarityTile<kFewTile> tile;
  TileProducts<kFewTile> energy;
  bool counted[2][kFewTile];  // in means: the token exists, is finite, and is no padding
};

// So many lanes have a row of the tile each.
constexpr int kPairLanes = kTileThreads<kFewTile> / kFewTile;

// Add the lanes' shares of one sum; the result is in all of them.
__device__ inline float add_pair_lanes(float share) {
#pragma unroll
  for (int lanes = 1; lanes < kPairLanes; lanes *= 2) share += __shfl_xor_sync(kAllLanes, share, lanes);
  return share;
}

// What a row that is no number is to another, or the cosine.
__device__ inline float flagged(float cosine, bool source_finite, bool target_finite) {
  if (!source_finite) return kNonFiniteSource;
  return target_finite ? cosine : kNonFiniteTarget;
}

template <typename T>
__global__ void __launch_bounds__(kTileThreads<kFewTile>, 3)
    compare_pairs(Problem problem, Workspace workspace, Global<const T> metric, Global<const float> size) {
  PITOME_KERNEL("compare_pairs");
  PITOME_SHARED(PairsShared, shared);
  SimilarityTile<kFewTile>& tile = shared.tile;
  const int tiles = problem.num_few_tiles();
  const int num_pairs = tiles * (tiles + 1) / 2;
  const int image = blockIdx.x / num_pairs;
  int row_tile, column_tile;
  find_tile(blockIdx.x % num_pairs, row_tile, column_tile);
  const bool diagonal = row_tile == column_tile;
  const int unprotected = problem.num_unprotected();
  allow_next_launch();

  const int side = threadIdx.x / kFewTile, place = threadIdx.x % kFewTile;
  const int token = (side == 0 ? row_tile : column_tile) * kFewTile + place;  // counted after the prefix
  const bool exists = side < 2 && token < unprotected;
  if (side < 2) tile.token[side][place] = exists ? problem.prefix + token : -1;
  const int64_t position = int64_t{image} * problem.num_tokens + problem.prefix + token;
  const bool real = exists && size.load(position) > 0;  // on its way while rows are compared
  compare_rows(problem, metric, image, diagonal, tile);
  if (side < 2) {
    shared.counted[side][place] = real && tile.inverse_norm[side][place] >= 0;
    if (diagonal && side == 0 && exists)
      workspace.inverse_norm.store(int64_t{image} * unprotected + token, tile.inverse_norm[0][place]);
  }
  __syncthreads();

  // The rows: what a row is to all others is the same in every step.
  const int line = threadIdx.x / kPairLanes, lane = threadIdx.x % kPairLanes;
  const int row = row_tile * kFewTile + line, column = column_tile * kFewTile + line;
  const float row_norm = tile.inverse_norm[0][line];
  const bool row_counted = shared.counted[0][line];
  const int64_t similarities = int64_t{image} * unprotected * problem.few_pitch();
  float share = 0;
#pragma unroll
  for (int step = 0; step < kFewTile / kPairLanes; ++step) {
    const int other = kPairLanes * step + lane, target = column_tile * kFewTile + other;
    const float other_norm = tile.inverse_norm[1][other];
    const float cosine = tile.products[line][other] * row_norm * other_norm;
    tile.products[line][other] = cosine;
    if (row < unprotected && target < unprotected)
      workspace.similarity.store(similarities + int64_t{row} * problem.few_pitch() + target,
                                 flagged(cosine, row_norm >= 0, other_norm >= 0));
    float energy = 0;
    if (problem.by_energy && row_counted && shared.counted[1][other]) energy = energy_of(problem, cosine);
    shared.energy[line][other] = energy;
    share += energy;
  }
  const int64_t parts = int64_t{image} * tiles * unprotected;
  share = add_pair_lanes(share);
  if (problem.by_energy && lane == 0 && row < unprotected)
    workspace.energy_part.store(parts + int64_t{column_tile} * unprotected + row, share);
  if (diagonal) return;

  // The columns, as rows of the tile below the diagonal.
  __syncthreads();
  const float column_norm = tile.inverse_norm[1][line];
  share = 0;
#pragma unroll
  for (int step = 0; step < kFewTile / kPairLanes; ++step) {
    const int other = kPairLanes * step + lane, target = row_tile * kFewTile + other;
    if (column < unprotected)
      workspace.similarity.store(
          similarities + int64_t{column} * problem.few_pitch() + target,
          flagged(tile.products[other][line], column_norm >= 0, tile.inverse_norm[0][other] >= 0));
    share += shared.energy[other][line];
  }
  share = add_pair_lanes(share);
  if (problem.by_energy && lane == 0 && column < unprotected)
    workspace.energy_part.store(parts + int64_t{row_tile} * unprotected + column, share);
}

}  // namespace pitome
