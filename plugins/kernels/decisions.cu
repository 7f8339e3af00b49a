#include <algorithm>

#include "enqueue.h"
#include "order.cuh"
#include "select.cuh"

namespace pitome {

// Enough threads for a pair of keys each, within what a block may have.
static int threads_for(int num_keys) {
  return std::min(std::max(next_power_of_two(num_keys) / 2, kWarp), 1024);
}

cudaError_t enqueue_order(const Problem& problem, const Workspace& workspace,
                          const pitome_merge_tensors& tensors, cudaStream_t stream) {
  return launch(problem.batch, threads_for(problem.num_unprotected()), stream, order_tokens, problem,
                workspace, Global<const float>(tensors.size));
}

cudaError_t enqueue_selection(const Problem& problem, const Workspace& workspace,
                              const pitome_merge_tensors& tensors, cudaStream_t stream) {
  return launch(problem.batch, threads_for(problem.num_tokens), stream, select_edges, problem, workspace,
                Global<const float>(tensors.size), Global<int>(tensors.assignment));
}

}  // namespace pitome
