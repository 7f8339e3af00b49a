// Sorting in shared memory: all keys differ, so that no order is left open.
#pragma once

#include "device.cuh"

namespace pitome {

constexpr uint64_t kLastKey = ~uint64_t{0};

__host__ __device__ constexpr int next_power_of_two(int number) {
  int power = 1;
  while (power < number) power *= 2;
  return power;
}

// A number that is smaller the larger the value is; -0 counts as 0.
__device__ inline uint32_t falling(float value) {
  value += 0.0f;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

__device__ inline uint64_t make_key(uint32_t first, uint32_t second) {
  return uint64_t{first} << 32 | second;
}

// Sort `count` keys, a power of two, ascending, with all threads of the block (bitonic: no data-dependent
// step). The keys may have been written by any thread just before, and be read by any thread right after.
//
// 32 pairs side by side are always one warp's. Up to a stride of 32 they lie among 64 keys side by side, so
// that from one such step to the next the warp waits only for itself.
__device__ inline void sort_keys(uint64_t* keys, int count) {
  bool own_keys = false;
  for (int size = 2; size <= count; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      if (own_keys && stride <= kWarp) {
        __syncwarp();
      } else {
        __syncthreads();
      }
      own_keys = stride <= kWarp;
      for (int index = threadIdx.x; index < count / 2; index += blockDim.x) {
        int low = 2 * index - (index & (stride - 1));
        int high = low + stride;
        bool ascending = (low & size) == 0;
        if ((keys[low] > keys[high]) == ascending) {
          uint64_t key = keys[low];
          keys[low] = keys[high];
          keys[high] = key;
        }
      }
    }
  }
  __syncthreads();
}

}  // namespace pitome
