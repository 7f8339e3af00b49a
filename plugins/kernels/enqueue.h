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
// Of few tokens: all there is to launch.
template <typename T>
cudaError_t enqueue_few_pairs(const Problem& problem, const Workspace& workspace,
                              const pitome_merge_tensors& tensors, cudaStream_t stream);
template <typename T>
cudaError_t enqueue_few_merge(const Problem& problem, const Workspace& workspace,
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

// Whether kernels may start before the one ahead of them has ended (programmatic dependent launch): where the
// environment says PITOME_EARLY_LAUNCH=1, and the GPU is of compute capability 9.0 or later. No GPU has run
// it yet.
bool early_launch_is_on();

// For a kernel that waits by itself before it looks at what the one before it wrote (device.cuh).
template <typename... Parameters, typename... Arguments>
cudaError_t launch_early(int64_t blocks, int threads, cudaStream_t stream, void (*kernel)(Parameters...),
                         Arguments... arguments) {
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = early_launch_is_on() ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace pitome
