// What onnxruntime is told of the operator: one description for each type of x.
#pragma once

#include "api.h"
#include "cpu/merge.h"

namespace pitome::ort {

struct Operator : OrtCustomOp {
  explicit Operator(cpu::DataType of);

  cpu::DataType type;
};

}  // namespace pitome::ort
