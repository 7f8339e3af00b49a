// Products of two tiles of rows, accumulated in float32: by tensor cores where there are some for the type,
// else by loops. The loops are also what the CPU build runs.
#pragma once

#include "problem.cuh"

#if !defined(PITOME_HOST)
#include <mma.h>
#endif

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

#if !defined(PITOME_HOST)

// Each of the 8 warps has two of the 4 x 4 squares of 16 x 16 products.
template <typename T>
class TensorCoreProduct {
 public:
  __device__ TensorCoreProduct() {
    nvcuda::wmma::fill_fragment(sum_[0], 0.0f);
    nvcuda::wmma::fill_fragment(sum_[1], 0.0f);
  }

  __device__ void add(const TileRows& first, const TileRows& second) {
    using namespace nvcuda::wmma;
    constexpr int pitch = kRowPitch * kVector<T>;
    const T* left = reinterpret_cast<const T*>(first[row()]);
#pragma unroll
    for (int k = 0; k < kDepth<T>; k += 16) {
      fragment<matrix_a, 16, 16, 16, T, row_major> a;
      load_matrix_sync(a, left + k, pitch);
#pragma unroll
      for (int part = 0; part < 2; ++part) {
        const T* right = reinterpret_cast<const T*>(second[column(part)]);
        fragment<matrix_b, 16, 16, 16, T, col_major> b;  // its columns are the second tile's rows
        load_matrix_sync(b, right + k, pitch);
        mma_sync(sum_[part], a, b, sum_[part]);
      }
    }
  }

  __device__ void write(TileProducts& products) const {
    using namespace nvcuda::wmma;
#pragma unroll
    for (int part = 0; part < 2; ++part)
      store_matrix_sync(&products[row()][column(part)], sum_[part], kProductPitch, mem_row_major);
  }

 private:
  __device__ static int row() { return threadIdx.x / kWarp / 2 * 16; }
  __device__ static int column(int part) { return (threadIdx.x / kWarp % 2 * 2 + part) * 16; }

  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> sum_[2];
};

#endif

// float32 has no tensor cores that keep 24 bits; sm75 has none for bfloat16.
#if defined(PITOME_HOST)
template <typename T>
using TileProduct = LoopProduct<T>;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <typename T>
using TileProduct = std::conditional_t<std::is_same_v<T, __half>, TensorCoreProduct<T>, LoopProduct<T> >;
#else
template <typename T>
using TileProduct = std::conditional_t<std::is_same_v<T, float>, LoopProduct<T>, TensorCoreProduct<T> >;
#endif

}  // namespace pitome
