// What onnxruntime is told of the operator: one description for each provider and type of x.
#pragma once

#include <vector>

#include "kernel.h"

namespace pitome::ort {

struct Operator : OrtCustomOp {
  Operator(const char* for_provider, cpu::DataType of, MakeKernel by);

  const char* provider;
  cpu::DataType type;
  MakeKernel make;
};

constexpr const char* kCpuProvider = "CPUExecutionProvider";
constexpr const char* kCudaProvider = "CUDAExecutionProvider";

// The operator's descriptions for a provider, for every type.
std::vector<Operator> operators_for(const char* provider, MakeKernel make);

// All that this build of the library registers: operators_cpu.cpp, operators_cuda.cpp or operators_host.cpp.
std::vector<Operator> all_operators();

}  // namespace pitome::ort
