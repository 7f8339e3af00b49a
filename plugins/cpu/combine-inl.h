// Step 7 of METHOD.md section 2: the rows of the output.
#if defined(PITOME_CPU_COMBINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PITOME_CPU_COMBINE_INL_H_
#undef PITOME_CPU_COMBINE_INL_H_
#else
#define PITOME_CPU_COMBINE_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "numbers-inl.h"
#include "problem.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

inline float counted_size(float size) { return size > 0.0F ? size : 0.0F; }

// One slot that took in sources: their mean by size, the target first, then its sources as they stand.
template <class T>
void mean_row(const Problem& problem, const Element& element, int64_t slot, T* to) {
  const Floats d;
  const int64_t width = problem.shape.width;
  const T* x = static_cast<const T*>(element.x);
  const int64_t target = element.kept[slot];
  const int32_t *begin = element.members + element.first[slot],
                *end = element.members + element.first[slot + 1];
  const Vector own = hn::Set(d, counted_size(element.size[target])),
               total = hn::Set(d, element.size_out[slot]);
  for (int64_t column = 0; column < width; column += kLanes) {
    const size_t count = static_cast<size_t>(std::min<int64_t>(kLanes, width - column));
    Vector sum = hn::Mul(own, load_part(d, x + target * width + column, count));
    for (const int32_t* source = begin; source != end; ++source) {
      const Vector row = load_part(d, x + *source * width + column, count);
      sum = hn::MulAdd(hn::Set(d, counted_size(element.size[*source])), row, sum);
    }
    store_part(d, hn::Div(sum, total), to + column, count);
  }
}

template <class T>
void combine_rows(const Problem& problem, const Element& element, int64_t first, int64_t last) {
  const int64_t width = problem.shape.width;
  const T* x = static_cast<const T*>(element.x);
  for (int64_t slot = first; slot < last; ++slot) {
    const int64_t token = element.kept[slot];
    float total = counted_size(element.size[token]);
    for (int32_t index = element.first[slot]; index < element.first[slot + 1]; ++index) {
      total += counted_size(element.size[element.members[index]]);
    }
    element.size_out[slot] = total;
    T* to = static_cast<T*>(element.y) + slot * width;
    const size_t bytes = static_cast<size_t>(width) * sizeof(T);
    if (total == 0.0F) {
      std::memset(static_cast<void*>(to), 0, bytes);
    } else if (element.first[slot] == element.first[slot + 1]) {
      std::memcpy(static_cast<void*>(to), x + token * width, bytes);
    } else {
      mean_row(problem, element, slot, to);
    }
  }
}

void combine(const Problem& problem, const Element& element, int64_t first, int64_t last) {
  switch (problem.shape.type) {
    case DataType::kFloat32:
      return combine_rows<float>(problem, element, first, last);
    case DataType::kFloat16:
      return combine_rows<Float16>(problem, element, first, last);
    case DataType::kBFloat16:
      return combine_rows<BFloat16>(problem, element, first, last);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#endif
