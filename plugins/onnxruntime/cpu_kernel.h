// One node pitome::EnergyMerge on the CPU.
#pragma once

#include "api.h"
#include "cpu/merge.h"

namespace pitome::ort {

// It keeps nothing of a call: several threads and sessions may run it at once.
class CpuKernel {
 public:
  // Raises Failure where the node's attributes are not within the contract.
  CpuKernel(const OrtApi& api, const OrtKernelInfo* info, cpu::DataType type);
  CpuKernel(const CpuKernel&) = delete;
  CpuKernel& operator=(const CpuKernel&) = delete;
  ~CpuKernel();

  const OrtApi& api() const { return api_; }

  // Raises Failure where the inputs' shapes do not fit.
  void compute(OrtKernelContext* context) const;

 private:
  const OrtApi& api_;
  cpu::Parameters parameters_;
  cpu::DataType type_;
  OrtMemoryInfo* memory_ = nullptr;
};

}  // namespace pitome::ort
