// Step 1 of METHOD.md section 2 for a tile of pairs, 64 x 64 or 32 x 32: dot products of raw rows, and norms.
#pragma once

#include "multiply.cuh"

namespace pitome {

constexpr float kSmallestNorm = 1e-6f;
constexpr float kNonFiniteTarget = -2.0f;
constexpr float kNonFiniteSource = -3.0f;
constexpr float kNoRow = -1.0f;  // in place of an inverse norm

// What a block holds of one tile. The rows are done with when the products are written.
template <int kRows>
struct alignas(128) SimilarityTile {
  union {
    TileRows<kRows> rows[2];
    TileProducts<kRows> products;
  };
  int token[2][kRows];           // position of each row, negative where there is none
  float inverse_norm[2][kRows];  // negative where the row is not finite or there is none

  // The cosine of two rows that exist (step 1); row = source, column = target.
  __device__ float similarity(int row, int column) const {
    if (inverse_norm[0][row] < 0) return kNonFiniteSource;
    if (inverse_norm[1][column] < 0) return kNonFiniteTarget;
    return products[row][column] * inverse_norm[0][row] * inverse_norm[1][column];
  }
};

// How many pieces of the rows are on their way at once: memory takes longer than the product of one piece.
// Fewer for float32, whose products take longer, and more registers; and before sm80, where more would spill.
// A smaller tile leaves more registers.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <typename T, int kRows>
constexpr int kFetches = 64 / kRows;
#else
template <typename T, int kRows>
constexpr int kFetches = (std::is_same_v<T, float> ? 1 : 2) * 64 / kRows;
#endif

// How rows are read: in vectors of 16 bytes, element by element, or as the problem says, anew for each piece.
// The last takes more instructions, and no second copy of the loop, for which large tiles lack registers.
enum class Access { kVectors, kElements, kAsTheProblemSays };

// Reads rows of the metric piece by piece: each thread always has the same vector of the same rows, so a
// row's sum of squares is added up in the same order wherever the row stands.
template <typename T, int kRows, Access kAccess>
class RowReader {
 public:
  __device__ RowReader(const Problem& problem, Global<const T> metric, int image,
                       const SimilarityTile<kRows>& tile, bool second_is_first)
      : metric_(metric),
        width_(problem.metric_width),
        in_vectors_(kAccess == Access::kAsTheProblemSays ? problem.metric_in_vectors
                                                         : kAccess == Access::kVectors),
        num_parts_(second_is_first ? kParts / 2 : kParts) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      int token = part < num_parts_ ? tile.token[side(part)][row(part)] : -1;
      start_[part] = token < 0 ? -1 : (int64_t{image} * problem.num_tokens + token) * width_;
    }
  }

  // Fetch the vectors that begin at element `first` of the rows, as fetch number `slot` of those on their
  // way.
  __device__ void fetch(int first, int slot) {
    const int column = first + static_cast<int>(threadIdx.x) % kRowVectors * kVector<T>;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      Elements<T> piece;
      if (start_[part] >= 0 && column < width_) {
        if (in_vectors_) {
          piece.vector = metric_.load_vector(start_[part] + column);
        } else {
#pragma unroll
          for (int k = 0; k < kVector<T>; ++k)
            if (column + k < width_) piece.value[k] = metric_.load(start_[part] + column + k);
        }
      }
      vector_[slot][part] = piece.vector;
    }
  }

  // Put what was fetched into the tile and add its squares to the norms.
  __device__ void store(SimilarityTile<kRows>& tile, int slot) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      if (part >= num_parts_) break;
      tile.rows[side(part)][row(part)][threadIdx.x % kRowVectors] = vector_[slot][part];
      Elements<T> piece;
      piece.vector = vector_[slot][part];
#pragma unroll
      for (int k = 0; k < kVector<T>; ++k) {
        float number = to_float(piece.value[k]);
        square_[part] += number * number;
      }
    }
  }

  // Of the lanes that have a row's squares, each finishes one of their rows.
  __device__ void write_norms(SimilarityTile<kRows>& tile, bool second_is_first) const {
    static_assert(kParts <= kRowVectors, "a lane for each part");
    const int part = threadIdx.x % kRowVectors;
    float own = 0;
#pragma unroll
    for (int other = 0; other < kParts; ++other) {
      float square = square_[other];
#pragma unroll
      for (int lanes = 1; lanes < kRowVectors; lanes *= 2)
        square += __shfl_xor_sync(kAllLanes, square, lanes);
      if (other == part) own = square;
    }
    if (part >= num_parts_) return;
    const bool usable = tile.token[side(part)][row(part)] >= 0 && own < infinity();
    const float inverse = usable ? 1.0f / fmaxf(sqrtf(own), kSmallestNorm) : kNoRow;
    tile.inverse_norm[side(part)][row(part)] = inverse;
    if (second_is_first) tile.inverse_norm[1][row(part)] = inverse;
  }

 private:
  // Vectors of each thread in a piece of both sides' rows.
  static constexpr int kParts = 2 * kRows * kRowVectors / kTileThreads<kRows>;

  __device__ static int side(int part) { return part / (kParts / 2); }
  __device__ static int row(int part) {
    return (threadIdx.x + part % (kParts / 2) * kTileThreads<kRows>) / kRowVectors;
  }

  Global<const T> metric_;
  int width_;
  bool in_vectors_;
  int num_parts_;
  int64_t start_[kParts];
  uint4 vector_[kFetches<T, kRows>][kParts];
  float square_[kParts] = {};
};

template <Access kAccess, int kRows, typename T>
__device__ void compare_rows_read(const Problem& problem, Global<const T> metric, int image,
                                  bool second_is_first, SimilarityTile<kRows>& tile) {
  RowReader<T, kRows, kAccess> reader(problem, metric, image, tile, second_is_first);
  TileProduct<T, kRows> product;
#pragma unroll
  for (int slot = 0; slot < kFetches<T, kRows>; ++slot) reader.fetch(slot * kDepth<T>, slot);
  for (int start = 0; start < problem.metric_width; start += kFetches<T, kRows> * kDepth<T>) {
#pragma unroll
    for (int slot = 0; slot < kFetches<T, kRows>; ++slot) {
      const int first = start + slot * kDepth<T>;
      if (first >= problem.metric_width) break;
      reader.store(tile, slot);
      __syncthreads();
      reader.fetch(first + kFetches<T, kRows> * kDepth<T>, slot);  // while this piece is multiplied
      product.add(tile.rows[0], tile.rows[second_is_first ? 0 : 1]);
      __syncthreads();
    }
  }
  product.write(tile.products);
  reader.write_norms(tile, second_is_first);
  __syncthreads();
}

// Fill `products` and `inverse_norm` from the rows named in `token`, with all threads of the block.
template <int kRows, typename T>
__device__ void compare_rows(const Problem& problem, Global<const T> metric, int image, bool second_is_first,
                             SimilarityTile<kRows>& tile) {
  __syncthreads();  // `token` is complete
  if constexpr (kRows > kFewTile) {
    compare_rows_read<Access::kAsTheProblemSays>(problem, metric, image, second_is_first, tile);
  } else if (problem.metric_in_vectors) {
    compare_rows_read<Access::kVectors>(problem, metric, image, second_is_first, tile);
  } else {
    compare_rows_read<Access::kElements>(problem, metric, image, second_is_first, tile);
  }
}

}  // namespace pitome
