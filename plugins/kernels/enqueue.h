// The launches of one merge, by the dtype of x. Behind this, sources may be CUDA; before it, none is.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "problem.cuh"

namespace pitome {

// Sources of each translation unit: merge_float32.cu, merge_float16.cu and merge_bfloat16.cu.
template <typename T>
cudaError_t enqueue_energies(const Problem& problem, const Workspace& workspace,
                             const pitome_merge_tensors& tensors, cudaStream_t stream);
template <typename T>
cudaError_t enqueue_edges(const Problem& problem, const Workspace& workspace,
                          const pitome_merge_tensors& tensors, cudaStream_t stream);
template <typename T>
cudaError_t enqueue_rows(const Problem& problem, const Workspace& workspace,
                         const pitome_merge_tensors& tensors, cudaStream_t stream);

// decisions.cu
cudaError_t enqueue_order(const Problem& problem, const Workspace& workspace,
                          const pitome_merge_tensors& tensors, cudaStream_t stream);
cudaError_t enqueue_selection(const Problem& problem, const Workspace& workspace,
                              const pitome_merge_tensors& tensors, cudaStream_t stream);

template <typename... Parameters, typename... Arguments>
cudaError_t launch(int64_t blocks, int threads, cudaStream_t stream, void (*kernel)(Parameters...),
                   Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace pitome
