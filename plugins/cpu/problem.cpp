#include "problem.h"

#include <algorithm>

namespace pitome::cpu {
namespace {

constexpr int64_t kMostChunks = 64;

class Layout {
 public:
  explicit Layout(char* memory) : memory_(memory) {}

  template <typename T>
  void place(T*& array, int64_t count) {
    array = memory_ ? reinterpret_cast<T*>(memory_ + used_) : nullptr;
    used_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }
  size_t used() const { return used_; }

 private:
  char* memory_;
  size_t used_ = 0;
};

int64_t source_count(const Parameters& parameters) {
  const int64_t candidates = parameters.num_candidates;
  return parameters.split == Split::kAlternateSecond ? candidates / 2 : divided_up(candidates, 2);
}

}  // namespace

Problem::Problem(const Parameters& asked, const Shape& of, int64_t rows_at_once)
    : parameters(asked),
      shape(of),
      num_scored(of.num_tokens - asked.num_protected),
      padded_count(padded(num_scored)),
      num_sources(source_count(asked)),
      num_targets(asked.num_candidates - num_sources),
      num_kept(of.num_tokens - asked.num_merged) {
  const int64_t groups = divided_up(num_scored, rows_at_once);
  chunk_rows = rows_at_once * divided_up(groups, kMostChunks);
  num_chunks = divided_up(num_scored, chunk_rows);
}

size_t lay_out(const Problem& problem, char* memory, Element* element) {
  const int64_t padded_count = problem.padded_count, num_tokens = problem.shape.num_tokens;
  const bool by_energy = problem.parameters.order == Order::kEnergy;
  Layout layout(memory);
  layout.place(element->packed, padded_count * problem.shape.metric_width);
  layout.place(element->similarity, padded_count * padded_count);
  layout.place(element->weight, padded_count);
  layout.place(element->not_finite, padded_count);
  layout.place(element->row_sums, by_energy ? padded_count : 0);
  layout.place(element->column_sums, by_energy ? problem.num_chunks * padded_count : 0);
  layout.place(element->energy, padded_count);
  layout.place(element->keys, problem.num_scored);
  layout.place(element->order, problem.parameters.num_candidates);
  layout.place(element->sources, problem.num_sources);
  layout.place(element->targets, padded(problem.num_targets));
  layout.place(element->handicap, padded(problem.num_targets));
  layout.place(element->edges, problem.num_sources);
  layout.place(element->best, problem.num_sources);
  layout.place(element->slot, num_tokens);
  layout.place(element->target_of, num_tokens);
  layout.place(element->kept, problem.num_kept);
  layout.place(element->first, problem.num_kept + 1);
  layout.place(element->members, problem.parameters.num_merged);
  return layout.used();
}

}  // namespace pitome::cpu
