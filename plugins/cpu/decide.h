// The steps of a merge that choose: few numbers, and order matters.
#pragma once

#include "problem.h"

namespace pitome::cpu {

// Steps 3 to 5 of METHOD.md section 2: candidates by rank, split into sources and targets.
void choose_candidates(const Problem& problem, const Element& element);

// Steps 6 and 8: the r best edges, the slot of every token and the sources of every slot.
void take_edges(const Problem& problem, const Element& element);

}  // namespace pitome::cpu
