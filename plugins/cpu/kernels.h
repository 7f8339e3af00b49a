// The steps of a merge that are vectorised, compiled once for each instruction set.
#pragma once

#include "problem.h"

namespace pitome::cpu {

// One instruction set's. Ranges are half open.
struct Kernels {
  const char* name;
  int64_t panel;         // tokens of one panel of `packed`
  int64_t rows_at_once;  // rows of the similarity that are made together

  // Step 1: unit rows of one panel, `weight` and `not_finite`.
  void (*pack)(const Problem&, const Element&, int64_t panel);
  // Steps 1 and 2: one chunk of rows of the similarity and, ordered by energy, its parts of the sums.
  void (*compare)(const Problem&, const Element&, int64_t chunk);
  // Step 2: the sums over the chunks, as means.
  void (*average)(const Problem&, const Element&);
  // Step 6: the best target of some sources.
  void (*match)(const Problem&, const Element&, int64_t first, int64_t last);
  // Step 7: some slots of the output.
  void (*combine)(const Problem&, const Element&, int64_t first, int64_t last);
};

// Of the best instruction set that this CPU has.
const Kernels& kernels();

}  // namespace pitome::cpu
