// What the steps of one merge share: the numbers that do not change, and one batch element's memory.
#pragma once

#include "merge.h"

namespace pitome::cpu {

// Tokens are padded to this many in every array that vectors run over; no vector pair is longer.
constexpr int64_t kPadding = 32;

// The values of METHOD.md section 2, step 6, for rows that are not finite.
constexpr float kNonFiniteTarget = -2.0F;
constexpr float kNonFiniteSource = -3.0F;
constexpr float kSmallestNorm = 1e-6F;

inline int64_t divided_up(int64_t value, int64_t by) { return (value + by - 1) / by; }
inline int64_t padded(int64_t value) { return divided_up(value, kPadding) * kPadding; }

struct Problem {
  Problem(const Parameters& asked, const Shape& shape, int64_t rows_at_once);

  Parameters parameters;
  Shape shape;
  int64_t num_scored;    // T = N - num_protected
  int64_t padded_count;  // T, padded: also the distance between rows of the similarity
  int64_t num_sources;   // |A|
  int64_t num_targets;   // |B|
  int64_t num_kept;      // N - r
  // The similarity is made in chunks of rows, whose layout depends on T and the instruction set alone:
  // sums over them have the same bits whatever runs in parallel.
  int64_t chunk_rows;
  int64_t num_chunks;
};

// One batch element. Positions count from the first token after the prefix, except in `kept` and `members`.
struct Element {
  const void* x;
  const void* metric;
  const float* size;  // [N]
  void* y;
  float* size_out;
  int32_t* assignment;

  float* packed;       // the unit rows of the metric, panel by panel, transposed: [padded, D]
  float* similarity;   // [T, padded]; only from each row's own panel on
  float* weight;       // [padded], 1 where a token counts in means, else 0
  float* not_finite;   // [padded], 1 where a row is not finite, else 0
  float* row_sums;     // [padded]
  float* column_sums;  // [num_chunks, padded]
  float* energy;       // [padded]
  uint64_t* keys;      // [T], for sorting
  int32_t* order;      // [M], the candidates by rank
  int32_t* sources;    // [|A|]
  int32_t* targets;    // [|B| padded]
  float* handicap;     // [|B| padded], what is added to the similarity of a target
  float* edges;        // [|A|], the similarity to the best target, then the edge's value
  int32_t* best;       // [|A|], index into targets
  int32_t* slot;       // [N], the output slot of a kept token, -1 of a source
  int32_t* target_of;  // [N], of a source the position of its target, the prefix included
  int32_t* kept;       // [N - r], the token of each slot
  int32_t* first;      // [N - r + 1], where a slot's sources begin in `members`
  int32_t* members;    // [r], sources, slot by slot, ascending
};

// Lays the arrays of one element into memory. With nullptr only the size is of use.
size_t lay_out(const Problem& problem, char* memory, Element* element);

}  // namespace pitome::cpu
