// Step 1 of METHOD.md section 2, first half: rows of the metric become unit rows, in panels. A panel holds
// kPanel tokens, transposed: for each column of the metric the values of all its tokens.
#if defined(PITOME_CPU_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PITOME_CPU_PACK_INL_H_
#undef PITOME_CPU_PACK_INL_H_
#else
#define PITOME_CPU_PACK_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "numbers-inl.h"
#include "problem.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kPanel = 2 * kLanes;
static_assert(kPadding % kPanel == 0, "panels fill the padding");

template <class T>
float sum_of_squares(const T* row, int64_t depth) {
  const Floats d;
  Vector even = hn::Zero(d), odd = hn::Zero(d);
  int64_t k = 0;
  for (; k + 2 * static_cast<int64_t>(kLanes) <= depth; k += 2 * kLanes) {
    const Vector first = load(d, row + k), second = load(d, row + k + kLanes);
    even = hn::MulAdd(first, first, even);
    odd = hn::MulAdd(second, second, odd);
  }
  for (; k < depth; k += kLanes) {
    const Vector rest = load_part(d, row + k, static_cast<size_t>(depth - k));
    even = hn::MulAdd(rest, rest, even);
  }
  return hn::ReduceSum(d, hn::Add(even, odd));
}

// What a row is multiplied by; 0 for a row that is to be all 0, whatever is in it.
template <class T>
float scale_of(const T* row, int64_t depth, bool* finite) {
  const float squares = sum_of_squares(row, depth);
  *finite = std::isfinite(squares);
  return *finite ? 1.0F / std::max(std::sqrt(squares), kSmallestNorm) : 0.0F;
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load_scaled(D d, const T* row, float scale, size_t count) {
  if (scale == 0.0F) return hn::Zero(d);  // 0 times a NaN is not 0
  return hn::Mul(load_part(d, row, count), hn::Set(d, scale));
}

#if HWY_TARGET == HWY_SCALAR

constexpr int64_t kTogether = 1;

template <class T>
void transpose(const T* const* rows, const float* scales, int64_t depth, float* to) {
  const hn::CappedTag<float, 1> d;
  for (int64_t k = 0; k < depth; ++k)
    hn::StoreU(load_scaled(d, rows[0] + k, scales[0], 1), d, to + k * kPanel);
}

#else

constexpr int64_t kTogether = 4;

// Four tokens, four columns at a time.
template <class T>
void transpose(const T* const* rows, const float* scales, int64_t depth, float* to) {
  const hn::FixedTag<float, 4> d;
  for (int64_t k = 0; k < depth; k += 4) {
    const size_t count = static_cast<size_t>(std::min<int64_t>(4, depth - k));
    const auto a = load_scaled(d, rows[0] + k, scales[0], count);
    const auto b = load_scaled(d, rows[1] + k, scales[1], count);
    const auto c = load_scaled(d, rows[2] + k, scales[2], count);
    const auto e = load_scaled(d, rows[3] + k, scales[3], count);
    const auto ab_lower = hn::InterleaveLower(d, a, b), ab_upper = hn::InterleaveUpper(d, a, b);
    const auto ce_lower = hn::InterleaveLower(d, c, e), ce_upper = hn::InterleaveUpper(d, c, e);
    float* column = to + k * kPanel;
    hn::StoreU(hn::ConcatLowerLower(d, ce_lower, ab_lower), d, column);
    if (count > 1) hn::StoreU(hn::ConcatUpperUpper(d, ce_lower, ab_lower), d, column + kPanel);
    if (count > 2) hn::StoreU(hn::ConcatLowerLower(d, ce_upper, ab_upper), d, column + 2 * kPanel);
    if (count > 3) hn::StoreU(hn::ConcatUpperUpper(d, ce_upper, ab_upper), d, column + 3 * kPanel);
  }
}

#endif

template <class T>
void pack_rows(const Problem& problem, const Element& element, int64_t panel) {
  const int64_t depth = problem.shape.metric_width, prefix = problem.parameters.num_protected;
  const T* metric = static_cast<const T*>(element.metric) + prefix * depth;
  float* packed = element.packed + panel * kPanel * depth;
  for (int64_t begin = 0; begin < kPanel; begin += kTogether) {
    const T* rows[kTogether];
    float scales[kTogether];
    for (int64_t index = 0; index < kTogether; ++index) {
      const int64_t token = panel * kPanel + begin + index;
      const bool exists = token < problem.num_scored;
      bool finite = true;
      rows[index] = metric + (exists ? token : 0) * depth;
      scales[index] = exists ? scale_of(rows[index], depth, &finite) : 0.0F;
      element.not_finite[token] = finite ? 0.0F : 1.0F;
      element.weight[token] = exists && finite && element.size[prefix + token] > 0.0F ? 1.0F : 0.0F;
    }
    transpose(rows, scales, depth, packed + begin);
  }
}

void pack(const Problem& problem, const Element& element, int64_t panel) {
  switch (problem.shape.type) {
    case DataType::kFloat32:
      return pack_rows<float>(problem, element, panel);
    case DataType::kFloat16:
      return pack_rows<Float16>(problem, element, panel);
    case DataType::kBFloat16:
      return pack_rows<BFloat16>(problem, element, panel);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#endif
