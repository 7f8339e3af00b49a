#include "decide.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace pitome::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Keys that sort ascending as values fall, and as indices rise among equal values.
uint64_t falling_key(float value, int64_t index) {
  value += 0.0F;  // -0 equals 0
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(~rising) << 32 | static_cast<uint64_t>(index);
}

int32_t index_of(uint64_t key) { return static_cast<int32_t>(key & 0xFFFFFFFFu); }

void sort_by_energy(const Problem& problem, const Element& element) {
  const int64_t count = problem.num_scored, wanted = problem.parameters.num_candidates;
  const float* size = element.size + problem.parameters.num_protected;
  for (int64_t token = 0; token < count; ++token) {
    const float energy = element.not_finite[token] != 0.0F ? -kInfinity : element.energy[token];
    element.keys[token] = falling_key(size[token] > 0.0F ? energy : kInfinity, token);
  }
  if (wanted < count) std::nth_element(element.keys, element.keys + wanted, element.keys + count);
  std::sort(element.keys, element.keys + wanted);
  for (int64_t rank = 0; rank < wanted; ++rank) element.order[rank] = index_of(element.keys[rank]);
}

// Ranks of the sources and of the targets: begin, and the step to the next.
struct Ranks {
  int64_t source, target, step;
};

Ranks ranks_of(const Problem& problem) {
  switch (problem.parameters.split) {
    case Split::kAlternate:
      return {0, 1, 2};
    case Split::kAlternateSecond:
      return {1, 0, 2};
    case Split::kHalf:
      break;
  }
  return {0, problem.num_sources, 1};
}

void sort_edges(const Problem& problem, const Element& element) {
  const float* size = element.size + problem.parameters.num_protected;
  const float penalty = problem.parameters.size_penalty;
  for (int64_t index = 0; index < problem.num_sources; ++index) {
    const float source_size = size[element.sources[index]];
    float value = element.edges[index];
    if (!(source_size > 0.0F)) {
      value = kInfinity;
    } else if (source_size != 1.0F) {
      value -= penalty * std::log(source_size);
    }
    element.keys[index] = falling_key(value, index);
  }
  std::nth_element(element.keys, element.keys + problem.parameters.num_merged,
                   element.keys + problem.num_sources);
}

// `target_of` of the sources that are taken, -1 elsewhere.
void mark_sources(const Problem& problem, const Element& element) {
  const int32_t prefix = problem.parameters.num_protected;
  const int64_t merged = problem.parameters.num_merged;
  const bool all = problem.num_sources == merged;
  std::fill_n(element.target_of, problem.shape.num_tokens, -1);
  if (!all) sort_edges(problem, element);
  for (int64_t place = 0; place < merged; ++place) {
    const int64_t index = all ? place : index_of(element.keys[place]);
    element.target_of[prefix + element.sources[index]] = prefix + element.targets[element.best[index]];
  }
}

// Kept tokens take the slots in their order.
void number_slots(const Problem& problem, const Element& element) {
  const int64_t count = problem.shape.num_tokens;
  int32_t slot = 0;
  for (int64_t token = 0; token < count; ++token) {
    const bool kept = element.target_of[token] < 0;
    element.slot[token] = kept ? slot : -1;
    if (kept) element.kept[slot++] = static_cast<int32_t>(token);
  }
  for (int64_t token = 0; token < count; ++token) {
    const int32_t target = element.target_of[token];
    element.assignment[token] = element.slot[target < 0 ? token : target];
  }
}

// A counting sort of the sources by slot; they are met in ascending order, and stay so.
void list_members(const Problem& problem, const Element& element) {
  const int64_t count = problem.shape.num_tokens, kept = problem.num_kept;
  std::fill_n(element.first, kept + 1, 0);
  for (int64_t token = 0; token < count; ++token) {
    if (element.target_of[token] >= 0) ++element.first[element.assignment[token]];
  }
  int32_t end = 0;
  for (int64_t slot = 0; slot < kept; ++slot) element.first[slot] = end += element.first[slot];
  element.first[kept] = end;
  for (int64_t token = count; token-- > 0;) {
    if (element.target_of[token] >= 0) {
      element.members[--element.first[element.assignment[token]]] = static_cast<int32_t>(token);
    }
  }
}

}  // namespace

void choose_candidates(const Problem& problem, const Element& element) {
  const bool by_energy = problem.parameters.order == Order::kEnergy;
  if (by_energy) sort_by_energy(problem, element);
  const auto token_at = [&](int64_t rank) {
    return by_energy ? element.order[rank] : static_cast<int32_t>(rank);
  };
  const Ranks ranks = ranks_of(problem);
  for (int64_t index = 0; index < problem.num_sources; ++index) {
    element.sources[index] = token_at(ranks.source + ranks.step * index);
  }
  for (int64_t index = 0; index < problem.num_targets; ++index) {
    const int32_t token = token_at(ranks.target + ranks.step * index);
    element.targets[index] = token;
    // The row of such a token is all 0, and so is its similarity.
    element.handicap[index] = element.not_finite[token] != 0.0F ? kNonFiniteTarget : 0.0F;
  }
  for (int64_t index = problem.num_targets; index < padded(problem.num_targets); ++index) {
    element.targets[index] = 0;
    element.handicap[index] = -kInfinity;
  }
}

void take_edges(const Problem& problem, const Element& element) {
  mark_sources(problem, element);
  number_slots(problem, element);
  list_members(problem, element);
}

}  // namespace pitome::cpu
