// Products of two tiles of rows, accumulated in float32: by tensor cores where there are some for the type,
// else by loops. On the CPU, mma.h is that of host/include.
#pragma once

#include <mma.h>

#include "problem.cuh"

namespace pitome {

constexpr int kTileThreads = 256;

// A tile in shared memory: rows of 8 vectors of 16 bytes. The ninth keeps rows 4 banks apart.
constexpr int kRowVectors = 8;
constexpr int kRowPitch = kRowVectors + 1;
using TileRows = uint4[kTile][kRowPitch];

// The elements of a row in one tile: 32 of float32, 64 of float16 and bfloat16.
template <typename T>
constexpr int kDepth = kRowVectors * kVector<T>;

// Products of rows in shared memory; pitches that are no multiple of 32 banks.
constexpr int kProductPitch = kTile + 4;
using TileProducts = float[kTile][kProductPitch];

// Thread (i, j) of 16 x 16 has the products of rows i, i + 16, ... and j, j + 16, ...
template <typename T>
class LoopProduct {
 public:
  __device__ void add(const TileRows& first, const TileRows& second) {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#if defined(PITOME_HOST)
    pitome_host::count_multiply_adds(16 * kDepth<T>);
#endif
#pragma unroll 2
    for (int vector = 0; vector < kRowVectors; ++vector) {
      Elements<T> left[4], right[4];
#pragma unroll
      for (int part = 0; part < 4; ++part) {
        left[part].vector = first[row + 16 * part][vector];
        right[part].vector = second[column + 16 * part][vector];
      }
#pragma unroll
      for (int k = 0; k < kVector<T>; ++k) {
        float a[4], b[4];
#pragma unroll
        for (int part = 0; part < 4; ++part) {
          a[part] = to_float(left[part].value[k]);
          b[part] = to_float(right[part].value[k]);
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
          for (int j = 0; j < 4; ++j) sum_[i][j] += a[i] * b[j];
        }
      }
    }
  }

  __device__ void write(TileProducts& products) const {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) products[row + 16 * i][column + 16 * j] = sum_[i][j];
    }
  }

 private:
  float sum_[4][4] = {};
};

// Two groups of 4 warps halve the elements of each piece of the rows. Each warp of a group has 32 x 32
// products: a smaller square would read more of the rows for each product.
template <typename T>
class TensorCoreProduct {
 public:
  __device__ TensorCoreProduct() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 2; ++j) nvcuda::wmma::fill_fragment(sum_[i][j], 0.0f);
    }
  }

  __device__ void add(const TileRows& first, const TileRows& second) {
    using namespace nvcuda::wmma;
    constexpr int pitch = kRowPitch * kVector<T>;
    constexpr int half = kDepth<T> / 2;
#pragma unroll
    for (int step = 0; step < half; step += 16) {
      const int k = group() * half + step;
      fragment<matrix_a, 16, 16, 16, T, row_major> a[2];
      fragment<matrix_b, 16, 16, 16, T, col_major> b[2];  // its columns are the second tile's rows
#pragma unroll
      for (int part = 0; part < 2; ++part) {
        load_matrix_sync(a[part], reinterpret_cast<const T*>(first[row(part)]) + k, pitch);
        load_matrix_sync(b[part], reinterpret_cast<const T*>(second[column(part)]) + k, pitch);
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int j = 0; j < 2; ++j) mma_sync(sum_[i][j], a[i], b[j], sum_[i][j]);
      }
    }
  }

  // All threads of the block: the second group adds to what the first has written.
  __device__ void write(TileProducts& products) const {
    using namespace nvcuda::wmma;
    if (group() == 0) store(products);
    __syncthreads();
    if (group() == 0) return;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        Sum total;
        load_matrix_sync(total, &products[row(i)][column(j)], kProductPitch, mem_row_major);
#pragma unroll
        for (int element = 0; element < total.num_elements; ++element)
          total.x[element] += sum_[i][j].x[element];
        store_matrix_sync(&products[row(i)][column(j)], total, kProductPitch, mem_row_major);
      }
    }
  }

 private:
  using Sum = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float>;

  __device__ static int group() { return threadIdx.x / kWarp / 4; }
  __device__ static int row(int part) { return threadIdx.x / kWarp / 2 % 2 * 32 + 16 * part; }
  __device__ static int column(int part) { return threadIdx.x / kWarp % 2 * 32 + 16 * part; }

  __device__ void store(TileProducts& products) const {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 2; ++j)
        nvcuda::wmma::store_matrix_sync(&products[row(i)][column(j)], sum_[i][j], kProductPitch,
                                        nvcuda::wmma::mem_row_major);
    }
  }

  Sum sum_[2][2];
};

// float32 has no tensor cores that keep 24 bits; sm75 has none for bfloat16.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <typename T>
using TileProduct = std::conditional_t<std::is_same_v<T, __half>, TensorCoreProduct<T>, LoopProduct<T> >;
#else
template <typename T>
using TileProduct = std::conditional_t<std::is_same_v<T, float>, LoopProduct<T>, TensorCoreProduct<T> >;
#endif

}  // namespace pitome
