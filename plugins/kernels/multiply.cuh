// Products of two tiles of rows, accumulated in float32: by tensor cores where there are some for the type,
// else by loops. On the CPU, mma.h is that of host/include.
#pragma once

#include <mma.h>

#include "problem.cuh"

namespace pitome {

// Of a block that computes one tile: four to a row.
template <int kRows>
constexpr int kTileThreads = 4 * kRows;

// A tile in shared memory: rows of 8 vectors of 16 bytes. The ninth keeps rows 4 banks apart.
constexpr int kRowVectors = 8;
constexpr int kRowPitch = kRowVectors + 1;
template <int kRows>
using TileRows = uint4[kRows][kRowPitch];

// The elements of a row in one tile: 32 of float32, 64 of float16 and bfloat16.
template <typename T>
constexpr int kDepth = kRowVectors * kVector<T>;

// Products of rows in shared memory; pitches that are no multiple of 32 banks.
template <int kRows>
constexpr int kProductPitch = kRows + 4;
template <int kRows>
using TileProducts = float[kRows][kProductPitch<kRows>];

// Sixteen threads side by side have 4 rows, and of each every 16th product.
template <typename T, int kRows>
class LoopProduct {
 public:
  __device__ void add(const TileRows<kRows>& first, const TileRows<kRows>& second) {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#if defined(PITOME_HOST)
    pitome_host::count_multiply_adds(4 * kColumns * kDepth<T>);
#endif
#pragma unroll 2
    for (int vector = 0; vector < kRowVectors; ++vector) {
      Elements<T> left[4], right[kColumns];
#pragma unroll
      for (int part = 0; part < 4; ++part) left[part].vector = first[row + kRowStep * part][vector];
#pragma unroll
      for (int part = 0; part < kColumns; ++part) right[part].vector = second[column + 16 * part][vector];
#pragma unroll
      for (int k = 0; k < kVector<T>; ++k) {
        float a[4], b[kColumns];
#pragma unroll
        for (int part = 0; part < 4; ++part) a[part] = to_float(left[part].value[k]);
#pragma unroll
        for (int part = 0; part < kColumns; ++part) b[part] = to_float(right[part].value[k]);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
          for (int j = 0; j < kColumns; ++j) sum_[i][j] += a[i] * b[j];
        }
      }
    }
  }

  __device__ void write(TileProducts<kRows>& products) const {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) products[row + kRowStep * i][column + 16 * j] = sum_[i][j];
    }
  }

 private:
  static constexpr int kRowStep = kTileThreads<kRows> / 16;
  static constexpr int kColumns = kRows / 16;

  float sum_[4][kColumns] = {};
};

// Groups of 4 warps share out the elements of each piece of the rows; each warp of a group has a quarter of
// the products.
template <typename T, int kRows>
class TensorCoreProduct {
 public:
  __device__ TensorCoreProduct() {
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
#pragma unroll
      for (int j = 0; j < kParts; ++j) nvcuda::wmma::fill_fragment(sum_[i][j], 0.0f);
    }
  }

  __device__ void add(const TileRows<kRows>& first, const TileRows<kRows>& second) {
    using namespace nvcuda::wmma;
    constexpr int pitch = kRowPitch * kVector<T>;
    constexpr int share = kDepth<T> / kGroups;
#pragma unroll
    for (int step = 0; step < share; step += 16) {
      const int k = group() * share + step;
      fragment<matrix_a, 16, 16, 16, T, row_major> a[kParts];
      fragment<matrix_b, 16, 16, 16, T, col_major> b[kParts];  // its columns are the second tile's rows
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        load_matrix_sync(a[part], reinterpret_cast<const T*>(first[row(part)]) + k, pitch);
        load_matrix_sync(b[part], reinterpret_cast<const T*>(second[column(part)]) + k, pitch);
      }
#pragma unroll
      for (int i = 0; i < kParts; ++i) {
#pragma unroll
        for (int j = 0; j < kParts; ++j) mma_sync(sum_[i][j], a[i], b[j], sum_[i][j]);
      }
    }
  }

  // All threads of the block: a second group adds to what the first has written.
  __device__ void write(TileProducts<kRows>& products) const {
    using namespace nvcuda::wmma;
    if (group() == 0) store(products);
    if constexpr (kGroups == 1) return;
    __syncthreads();
    if (group() == 0) return;
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
#pragma unroll
      for (int j = 0; j < kParts; ++j) {
        Sum total;
        load_matrix_sync(total, &products[row(i)][column(j)], kProductPitch<kRows>, mem_row_major);
#pragma unroll
        for (int element = 0; element < total.num_elements; ++element)
          total.x[element] += sum_[i][j].x[element];
        store_matrix_sync(&products[row(i)][column(j)], total, kProductPitch<kRows>, mem_row_major);
      }
    }
  }

 private:
  using Sum = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float>;
  static constexpr int kGroups = kTileThreads<kRows> / kWarp / 4;
  static_assert(kGroups == 1 || kGroups == 2, "write() adds up two");
  static constexpr int kParts = kRows / 32;

  __device__ static int group() { return threadIdx.x / kWarp / 4; }
  __device__ static int row(int part) { return threadIdx.x / kWarp / 2 % 2 * kRows / 2 + 16 * part; }
  __device__ static int column(int part) { return threadIdx.x / kWarp % 2 * kRows / 2 + 16 * part; }

  __device__ void store(TileProducts<kRows>& products) const {
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
#pragma unroll
      for (int j = 0; j < kParts; ++j)
        nvcuda::wmma::store_matrix_sync(&products[row(i)][column(j)], sum_[i][j], kProductPitch<kRows>,
                                        nvcuda::wmma::mem_row_major);
    }
  }

  Sum sum_[kParts][kParts];
};

// float32 has no tensor cores that keep 24 bits; sm75 has none for bfloat16.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <typename T, int kRows>
using TileProduct =
    std::conditional_t<std::is_same_v<T, __half>, TensorCoreProduct<T, kRows>, LoopProduct<T, kRows> >;
#else
template <typename T, int kRows>
using TileProduct =
    std::conditional_t<std::is_same_v<T, float>, LoopProduct<T, kRows>, TensorCoreProduct<T, kRows> >;
#endif

}  // namespace pitome
