// Launch 1: what each tile of pairs adds to the energies (step 2). Only order = "energy" needs it.
//
// Similarity is symmetric, so a block computes one tile on or above the diagonal and adds its rows to the
// energies of one tile of tokens and its columns to those of the other.
#pragma once

#include "similarity.cuh"

namespace pitome {

struct EnergyShared {
  SimilarityTile<kTile> tile;
  float counted[2][kTile];  // 1 where the token counts in means: it exists, is finite, and is no padding
};

// f of step 2. Divided by the width, not multiplied by its inverse: the two round differently. Below the
// margin alone the exponent is not positive, so that it cannot overflow.
__device__ inline float energy_of(const Problem& problem, float similarity) {
  if (problem.gaussian) {
    float distance = (1.0f - similarity) / problem.energy_width;
    return expf(-0.5f * (distance * distance));
  }
  const bool below = similarity < problem.margin;
  float distance = similarity - (below ? problem.margin : problem.offset);
  if (problem.energy_width != 1.0f) distance /= problem.energy_width;
  return below ? problem.alpha * (expf(distance) - 1.0f) : distance;
}

// The tile above the diagonal with this number: (0, 0), (0, 1), (1, 1), (0, 2), ...
__device__ inline void find_tile(int number, int& row, int& column) {
  column = static_cast<int>((sqrtf(8.0f * static_cast<float>(number) + 1.0f) - 1.0f) / 2.0f);
  while (column * (column + 1) / 2 > number) --column;
  while ((column + 1) * (column + 2) / 2 <= number) ++column;
  row = number - column * (column + 1) / 2;
}

// Add four lanes' shares of one sum; the result is in all four.
__device__ inline float add_four_lanes(float share) {
  share += __shfl_xor_sync(kAllLanes, share, 1);
  return share + __shfl_xor_sync(kAllLanes, share, 2);
}

template <typename T>
__global__ void __launch_bounds__(kTileThreads<kTile>)
    add_energies(Problem problem, Workspace workspace, Global<const T> metric, Global<const float> size) {
  PITOME_KERNEL("add_energies");
  PITOME_SHARED(EnergyShared, shared);
  SimilarityTile<kTile>& tile = shared.tile;
  const int tiles = problem.num_token_tiles();
  const int num_pairs = tiles * (tiles + 1) / 2;
  const int image = blockIdx.x / num_pairs;
  int row_tile, column_tile;
  find_tile(blockIdx.x % num_pairs, row_tile, column_tile);
  const bool diagonal = row_tile == column_tile;
  const int unprotected = problem.num_unprotected();

  const int side = threadIdx.x / kTile, place = threadIdx.x % kTile;
  const int token = (side == 0 ? row_tile : column_tile) * kTile + place;  // counted after the prefix
  const bool exists = side < 2 && token < unprotected;
  if (side < 2) tile.token[side][place] = exists ? problem.prefix + token : -1;
  compare_rows(problem, metric, image, diagonal, tile);

  if (side < 2) {
    bool finite = exists && tile.inverse_norm[side][place] >= 0;
    int64_t position = int64_t{image} * problem.num_tokens + problem.prefix + token;
    shared.counted[side][place] = finite && size.load(position) > 0 ? 1.0f : 0.0f;
    if (diagonal && side == 0 && exists)
      workspace.inverse_norm.store(int64_t{image} * unprotected + token, tile.inverse_norm[0][place]);
  }
  __syncthreads();

  // Four lanes have a row each. The energies take the products' place, for the columns.
  const int line = threadIdx.x / 4, lane = threadIdx.x % 4;
  float share = 0;
#pragma unroll 1
  for (int step = 0; step < kTile / 4; ++step) {
    int column = 4 * step + lane;
    bool counted = shared.counted[0][line] * shared.counted[1][column] > 0;
    float energy = counted ? energy_of(problem, tile.similarity(line, column)) : 0.0f;
    tile.products[line][column] = energy;
    share += energy;
  }
  share = add_four_lanes(share);
  const int64_t parts = int64_t{image} * tiles * unprotected;
  const int row = row_tile * kTile + line, column = column_tile * kTile + line;
  if (lane == 0 && row < unprotected)
    workspace.energy_part.store(parts + int64_t{column_tile} * unprotected + row, share);
  if (diagonal) return;

  __syncthreads();
  share = 0;
  for (int step = 0; step < kTile / 4; ++step) share += tile.products[4 * step + lane][line];
  share = add_four_lanes(share);
  if (lane == 0 && column < unprotected)
    workspace.energy_part.store(parts + int64_t{row_tile} * unprotected + column, share);
}

}  // namespace pitome
