// Steps 1 and 2 of METHOD.md section 2: every pair's similarity once, and the energies' sums while a tile of
// it is in registers. A tile is kRows tokens of one panel against all tokens of another, from its own on: the
// sums of the others come from both sides.
#if defined(PITOME_CPU_COMPARE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PITOME_CPU_COMPARE_INL_H_
#undef PITOME_CPU_COMPARE_INL_H_
#else
#define PITOME_CPU_COMPARE_INL_H_
#endif

#include <algorithm>

#include "energy-inl.h"
#include "numbers-inl.h"
#include "pack-inl.h"
#include "problem.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

// A tile's products, kRows x 2 vectors, stay in registers: there are 32 of them with AVX-512 and NEON,
// else 16.
#if HWY_TARGET == HWY_SCALAR
constexpr int64_t kRows = 2;
#elif HWY_MAX_BYTES == 64 || HWY_ARCH_ARM_A64
constexpr int64_t kRows = 8;
#else
constexpr int64_t kRows = 4;
#endif
static_assert(kPanel % kRows == 0, "the rows of a tile lie in one panel");

// An array and no class: compilers do not give a class's own constructor the instruction set that its vectors
// need.
template <int kVectors>
using Tile = Vector[kRows][kVectors];

// Dot products of kRows tokens with kVectors vectors of tokens.
template <int kVectors>
HWY_INLINE void multiply(const float* HWY_RESTRICT rows, const float* HWY_RESTRICT columns, int64_t depth,
                         Tile<kVectors> tile) {
  const Floats d;
#pragma GCC unroll 8
  for (int64_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) tile[row][vector] = hn::Zero(d);
  }
  for (int64_t k = 0; k < depth; ++k, rows += kPanel, columns += kPanel) {
    Vector column[kVectors];
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) column[vector] = hn::Load(d, columns + vector * kLanes);
#pragma GCC unroll 8
    for (int64_t row = 0; row < kRows; ++row) {
      const Vector broadcast = hn::Set(d, rows[row]);
#pragma GCC unroll 2
      for (int vector = 0; vector < kVectors; ++vector) {
        tile[row][vector] = hn::MulAdd(broadcast, column[vector], tile[row][vector]);
      }
    }
  }
}

struct TilePlace {
  int64_t row;      // the first of kRows
  int64_t column;   // the first of the panel
  bool both_sides;  // another panel than the rows': its tokens are not compared with the rows' elsewhere
};

template <int kVectors, class Energy>
HWY_INLINE void compare_tile(const Problem& problem, const Element& element, const Energy& energy,
                             const TilePlace& place, float* HWY_RESTRICT column_sums, Vector* sums) {
  const Floats d;
  const int64_t depth = problem.shape.metric_width, distance = problem.padded_count;
  const float* rows = element.packed + place.row / kPanel * kPanel * depth + place.row % kPanel;
  Tile<kVectors> tile;
  multiply<kVectors>(rows, element.packed + place.column * depth, depth, tile);
  float* HWY_RESTRICT similarity = element.similarity + place.row * distance + place.column;
#pragma GCC unroll 2
  for (int vector = 0; vector < kVectors; ++vector) {
    const int64_t column = vector * static_cast<int64_t>(kLanes);
    Vector weight = hn::Zero(d), added = hn::Zero(d);
    if (Energy::kUsed) weight = hn::Load(d, element.weight + place.column + column);
#pragma GCC unroll 8
    for (int64_t row = 0; row < kRows; ++row) {
      const Vector product = tile[row][vector];
      hn::Store(product, d, similarity + row * distance + column);
      if (!Energy::kUsed) continue;
      const Vector value = energy(product);
      sums[row] = hn::MulAdd(value, weight, sums[row]);
      added = hn::MulAdd(value, hn::Set(d, element.weight[place.row + row]), added);
    }
    if (Energy::kUsed && place.both_sides) {
      float* there = column_sums + place.column + column;
      hn::Store(hn::Add(hn::Load(d, there), added), d, there);
    }
  }
}

// Where the columns begin whose sums the rows from `row` on add to.
inline int64_t first_column_added(int64_t row) { return (row / kPanel + 1) * kPanel; }

template <class Energy>
void compare_rows(const Problem& problem, const Element& element, int64_t chunk, const Energy& energy) {
  const Floats d;
  const int64_t count = problem.num_scored, first = chunk * problem.chunk_rows;
  const int64_t last = std::min(count, first + problem.chunk_rows);
  float* column_sums = element.column_sums + chunk * problem.padded_count;
  if (Energy::kUsed) {
    std::fill(column_sums + std::min(first_column_added(first), problem.padded_count),
              column_sums + problem.padded_count, 0.0F);
  }
  for (int64_t row = first; row < last; row += kRows) {
    Vector sums[kRows];
#pragma GCC unroll 8
    for (int64_t index = 0; index < kRows; ++index) sums[index] = hn::Zero(d);
    const int64_t own = row / kPanel * kPanel;
    for (int64_t column = own; column < count; column += kPanel) {
      const TilePlace place{row, column, column != own};
      if (count - column > static_cast<int64_t>(kLanes)) {
        compare_tile<2>(problem, element, energy, place, column_sums, sums);
      } else {
        compare_tile<1>(problem, element, energy, place, column_sums, sums);
      }
    }
    if (!Energy::kUsed) continue;
    for (int64_t index = 0; index < kRows; ++index) {
      element.row_sums[row + index] = hn::ReduceSum(d, sums[index]);
    }
  }
}

void compare(const Problem& problem, const Element& element, int64_t chunk) {
  const Parameters& parameters = problem.parameters;
  if (parameters.order == Order::kPosition) {
    compare_rows(problem, element, chunk, NoEnergy());
  } else if (parameters.function == Function::kGaussian) {
    compare_rows(problem, element, chunk, Gaussian(parameters));
  } else if (is_power_of_two(parameters.width)) {
    compare_rows(problem, element, chunk, Piecewise<false>(parameters));
  } else {
    compare_rows(problem, element, chunk, Piecewise<true>(parameters));
  }
}

void average(const Problem& problem, const Element& element) {
  const Floats d;
  Vector weights = hn::Zero(d);
  for (int64_t column = 0; column < problem.num_scored; column += kLanes) {
    weights = hn::Add(weights, hn::Load(d, element.weight + column));
  }
  const Vector count = hn::Set(d, std::max(1.0F, hn::ReduceSum(d, weights)));
  for (int64_t column = 0; column < problem.num_scored; column += kLanes) {
    Vector sum = hn::Load(d, element.row_sums + column);
    for (int64_t chunk = 0; first_column_added(chunk * problem.chunk_rows) <= column; ++chunk) {
      sum = hn::Add(sum, hn::Load(d, element.column_sums + chunk * problem.padded_count + column));
    }
    hn::Store(hn::Div(sum, count), d, element.energy + column);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#endif
