// The launches that depend on the dtype, for the one that a translation unit instantiates.
#pragma once

#include "edges.cuh"
#include "energy.cuh"
#include "enqueue.h"
#include "few_merge.cuh"
#include "few_pairs.cuh"
#include "merge.cuh"

namespace pitome {

template <typename T>
Global<const T> rows(const void* address) {
  return Global<const T>(static_cast<const T*>(address));
}

template <typename T>
cudaError_t enqueue_energies(const Problem& problem, const Workspace& workspace,
                             const pitome_merge_tensors& tensors, cudaStream_t stream) {
  int64_t tiles = problem.num_token_tiles();
  return launch(problem.batch * (tiles * (tiles + 1) / 2), kTileThreads<kTile>, stream, add_energies<T>,
                problem, workspace, rows<T>(tensors.metric), Global<const float>(tensors.size));
}

template <typename T>
cudaError_t enqueue_edges(const Problem& problem, const Workspace& workspace,
                          const pitome_merge_tensors& tensors, cudaStream_t stream) {
  int64_t tiles = int64_t{problem.num_source_tiles()} * problem.num_target_tiles();
  return launch(problem.batch * tiles, kTileThreads<kTile>, stream, find_edges<T>, problem, workspace,
                rows<T>(tensors.metric));
}

template <typename T>
cudaError_t enqueue_rows(const Problem& problem, const Workspace& workspace,
                         const pitome_merge_tensors& tensors, cudaStream_t stream) {
  int64_t slots = int64_t{problem.batch} * problem.num_kept();
  auto kernel = problem.x_in_vectors ? merge_rows<T, true> : merge_rows<T, false>;
  return launch((slots + kSlotsPerBlock - 1) / kSlotsPerBlock, kMergeThreads, stream, kernel, problem,
                workspace, rows<T>(tensors.x), Global<const float>(tensors.size),
                Global<T>(static_cast<T*>(tensors.y)), Global<float>(tensors.size_out));
}

template <typename T>
cudaError_t enqueue_few_pairs(const Problem& problem, const Workspace& workspace,
                              const pitome_merge_tensors& tensors, cudaStream_t stream) {
  int64_t tiles = problem.num_few_tiles();
  return launch(problem.batch * (tiles * (tiles + 1) / 2), kTileThreads<kFewTile>, stream, compare_pairs<T>,
                problem, workspace, rows<T>(tensors.metric), Global<const float>(tensors.size));
}

template <typename T>
cudaError_t enqueue_few_merge(const Problem& problem, const Workspace& workspace,
                              const pitome_merge_tensors& tensors, cudaStream_t stream) {
  auto kernel = problem.x_in_vectors ? decide_and_merge<T, true> : decide_and_merge<T, false>;
  return launch_early(int64_t{problem.batch} * problem.num_few_blocks(), kFewThreads, stream, kernel, problem,
                      workspace, rows<T>(tensors.x), Global<const float>(tensors.size),
                      Global<T>(static_cast<T*>(tensors.y)), Global<float>(tensors.size_out),
                      Global<int>(tensors.assignment));
}

#define PITOME_INSTANTIATE(T)                                                                              \
  template cudaError_t enqueue_energies<T>(const Problem&, const Workspace&, const pitome_merge_tensors&,  \
                                           cudaStream_t);                                                  \
  template cudaError_t enqueue_edges<T>(const Problem&, const Workspace&, const pitome_merge_tensors&,     \
                                        cudaStream_t);                                                     \
  template cudaError_t enqueue_rows<T>(const Problem&, const Workspace&, const pitome_merge_tensors&,      \
                                       cudaStream_t);                                                      \
  template cudaError_t enqueue_few_pairs<T>(const Problem&, const Workspace&, const pitome_merge_tensors&, \
                                            cudaStream_t);                                                 \
  template cudaError_t enqueue_few_merge<T>(const Problem&, const Workspace&, const pitome_merge_tensors&, \
                                            cudaStream_t);

}  // namespace pitome
