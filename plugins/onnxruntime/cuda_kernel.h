// One node pitome::EnergyMerge on a GPU: the plugin's kernels on the session's stream.
#pragma once

#include <pitome_merge.h>

#include "kernel.h"

namespace pitome::ort {

class CudaKernel : public Kernel {
 public:
  CudaKernel(const OrtApi& api, const OrtKernelInfo* info, cpu::DataType type);
  ~CudaKernel() override;

  // Enqueues the merge, and does not wait for it. Raises Failure also where CUDA refuses a launch.
  void compute(OrtKernelContext* context) const final;

 private:
  // Called while the workspace is still there.
  virtual void after_launch(void* stream) const;

  cpu::Parameters parameters_;
  cpu::DataType type_;
  pitome_merge_parameters asked_;
  OrtAllocator* allocator_ = nullptr;  // of the provider's device
};

}  // namespace pitome::ort
