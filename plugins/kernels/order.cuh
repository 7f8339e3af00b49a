// Launch 2: the energies' sums, and the candidates by falling energy (steps 2 to 4). One block an image.
#pragma once

#include "problem.cuh"
#include "sort.cuh"

namespace pitome {

constexpr int kMostKeys = next_power_of_two(PITOME_MAX_TOKENS);

struct OrderShared {
  uint64_t key[kMostKeys];
};

__global__ void __launch_bounds__(1024)
    order_tokens(Problem problem, Workspace workspace, Global<const float> size) {
  PITOME_KERNEL("order_tokens");
  PITOME_SHARED(OrderShared, shared);
  const int image = blockIdx.x;
  const int unprotected = problem.num_unprotected();
  const int tiles = problem.num_token_tiles();
  const int num_keys = next_power_of_two(unprotected);
  const int64_t first_norm = int64_t{image} * unprotected;
  const int64_t first_size = int64_t{image} * problem.num_tokens + problem.prefix;

  int num_counted = 0;
  for (int start = 0; start < unprotected; start += blockDim.x) {
    int token = start + threadIdx.x;
    bool counted = token < unprotected && size.load(first_size + token) > 0 &&
                   workspace.inverse_norm.load(first_norm + token) >= 0;
    num_counted += __syncthreads_count(counted);
  }
  const float count = fmaxf(static_cast<float>(num_counted), 1.0f);

  for (int token = threadIdx.x; token < num_keys; token += blockDim.x) {
    uint64_t key = kLastKey;
    if (token < unprotected) {
      float energy = 0;
      for (int tile = 0; tile < tiles; ++tile)
        energy += workspace.energy_part.load((int64_t{image} * tiles + tile) * unprotected + token);
      energy /= count;
      if (workspace.inverse_norm.load(first_norm + token) < 0) energy = -infinity();
      if (!(size.load(first_size + token) > 0)) energy = infinity();
      key = make_key(falling(energy), token);
    }
    shared.key[token] = key;
  }
  sort_keys(shared.key, num_keys);

  for (int rank = threadIdx.x; rank < problem.num_candidates; rank += blockDim.x) {
    int token = static_cast<int>(static_cast<uint32_t>(shared.key[rank]));
    workspace.candidate.store(int64_t{image} * problem.num_candidates + rank, problem.prefix + token);
  }
}

}  // namespace pitome
