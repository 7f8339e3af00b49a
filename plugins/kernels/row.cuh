// Step 7 for one row: the weighted mean of a token and its sources, or the token bit for bit, by one warp.
#pragma once

#include "problem.cuh"

namespace pitome {

// 16 bytes of a row at a time, or one element where rows do not start at multiples of 16 bytes.
template <typename T, bool kInVectors>
struct Piece {
  static constexpr int kCount = kInVectors ? kVector<T> : 1;
  Elements<T> element;

  __device__ void load(Global<const T> from, int64_t index) {
    if constexpr (kInVectors) {
      element.vector = from.load_vector(index);
    } else {
      element.value[0] = from.load(index);
    }
  }
  __device__ void store(Global<T> to, int64_t index) const {
    if constexpr (kInVectors) {
      to.store_vector(index, element.vector);
    } else {
      to.store(index, element.value[0]);
    }
  }
};

// Pieces of a row that a lane has on their way at once.
constexpr int kPiecesAtOnce = 3;

// Add `weight` times the pieces of a row to a sum.
template <typename T, bool kInVectors>
__device__ inline void add_weighted(const Piece<T, kInVectors> (&row)[kPiecesAtOnce], float weight,
                                    float (&sum)[kPiecesAtOnce][Piece<T, kInVectors>::kCount]) {
#pragma unroll
  for (int piece = 0; piece < kPiecesAtOnce; ++piece) {
#pragma unroll
    for (int k = 0; k < Piece<T, kInVectors>::kCount; ++k)
      sum[piece][k] += weight * to_float(row[piece].element.value[k]);
  }
}

// Write one row of y. `Members` are the sources of the row's token, ascending: count(), token(index), which
// is a position in the image, and weight(index).
//
// The pieces of the token and of its first source are asked for before either is looked at, and those of a
// source before the one ahead of it is added.
template <typename T, bool kInVectors, typename Members>
__device__ void write_row(int width, Global<const T> x, Global<T> y, int64_t first_token, int token,
                          int64_t output_row, float own, float total, const Members& members) {
  using Row = Piece<T, kInVectors>;
  constexpr int kStride = kWarp * Row::kCount;
  const int lane = threadIdx.x % kWarp;
  for (int start = lane * Row::kCount; start < width; start += kPiecesAtOnce * kStride) {
    const auto load_row = [&](int row_token, Row(&row)[kPiecesAtOnce]) {
#pragma unroll
      for (int piece = 0; piece < kPiecesAtOnce; ++piece) {
        const int column = start + piece * kStride;
        if (column < width) row[piece].load(x, (first_token + row_token) * width + column);
      }
    };
    Row row[kPiecesAtOnce], next[kPiecesAtOnce];
    if (total > 0) load_row(token, row);
    if (total > 0 && members.count() > 0) {
      load_row(members.token(0), next);
      float sum[kPiecesAtOnce][Row::kCount];
#pragma unroll
      for (int piece = 0; piece < kPiecesAtOnce; ++piece) {
#pragma unroll
        for (int k = 0; k < Row::kCount; ++k) sum[piece][k] = own * to_float(row[piece].element.value[k]);
      }
      for (int index = 0; index < members.count(); ++index) {
#pragma unroll
        for (int piece = 0; piece < kPiecesAtOnce; ++piece) row[piece] = next[piece];
        if (index + 1 < members.count()) load_row(members.token(index + 1), next);
        add_weighted<T, kInVectors>(row, members.weight(index), sum);
      }
#pragma unroll
      for (int piece = 0; piece < kPiecesAtOnce; ++piece) {
#pragma unroll
        for (int k = 0; k < Row::kCount; ++k)
          row[piece].element.value[k] = from_float<T>(sum[piece][k] / total);
      }
    }
#pragma unroll
    for (int piece = 0; piece < kPiecesAtOnce; ++piece) {
      const int column = start + piece * kStride;
      if (column < width) row[piece].store(y, output_row * width + column);
    }
  }
}

}  // namespace pitome
