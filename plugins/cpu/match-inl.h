// Step 6 of METHOD.md section 2: the most similar target of a source, the first of equal ones.
#if defined(PITOME_CPU_MATCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PITOME_CPU_MATCH_INL_H_
#undef PITOME_CPU_MATCH_INL_H_
#else
#define PITOME_CPU_MATCH_INL_H_
#endif

#include <limits>

#include "numbers-inl.h"
#include "problem.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

struct Best {
  float similarity;
  int32_t index;
};

// Of several lanes' best ones the highest, at the lowest index.
inline Best best_lane(Vector best, hn::Vec<hn::RebindToSigned<Floats>> where) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Vector highest = hn::Set(d, hn::ReduceMax(d, best));
  const auto candidates = hn::IfThenElse(hn::RebindMask(di, hn::Eq(best, highest)), where,
                                         hn::Set(di, std::numeric_limits<int32_t>::max()));
  return {hn::GetLane(highest), hn::ReduceMin(di, candidates)};
}

void match(const Problem& problem, const Element& element, int64_t first, int64_t last) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const auto distance = hn::Set(di, static_cast<int32_t>(problem.padded_count));
  for (int64_t index = first; index < last; ++index) {
    const int32_t source = element.sources[index];
    if (element.not_finite[source] != 0.0F) {
      element.edges[index] = kNonFiniteSource;
      element.best[index] = 0;
      continue;
    }
    const auto position = hn::Set(di, source);
    Vector best = hn::Set(d, -std::numeric_limits<float>::infinity());
    auto where = hn::Zero(di);
    for (int64_t target = 0; target < problem.num_targets; target += kLanes) {
      // Similarities stand in the row of the lower position.
      const auto other = hn::Load(di, element.targets + target);
      const auto offset = hn::Add(hn::Mul(hn::Min(position, other), distance), hn::Max(position, other));
      const Vector similarity =
          hn::Add(hn::GatherIndex(d, element.similarity, offset), hn::Load(d, element.handicap + target));
      const auto better = hn::Gt(similarity, best);
      best = hn::IfThenElse(better, similarity, best);
      where = hn::IfThenElse(hn::RebindMask(di, better), hn::Iota(di, static_cast<int32_t>(target)), where);
    }
    const Best found = best_lane(best, where);
    element.edges[index] = found.similarity;
    element.best[index] = found.index;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#endif
