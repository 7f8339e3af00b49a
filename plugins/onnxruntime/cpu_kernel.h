// One node pitome::EnergyMerge on the CPU.
#pragma once

#include "kernel.h"

namespace pitome::ort {

class CpuKernel final : public Kernel {
 public:
  CpuKernel(const OrtApi& api, const OrtKernelInfo* info, cpu::DataType type);
  ~CpuKernel() override;

  void compute(OrtKernelContext* context) const override;

 private:
  cpu::Parameters parameters_;
  cpu::DataType type_;
  OrtMemoryInfo* memory_ = nullptr;
};

}  // namespace pitome::ort
