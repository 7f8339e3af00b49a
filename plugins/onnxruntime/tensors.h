// The inputs and outputs of one call.
#pragma once

#include <vector>

#include "api.h"
#include "cpu/merge.h"

namespace pitome::ort {

// How many tensors the operator takes and gives: x, metric, size; y, size_out, assignment.
constexpr size_t kInputs = 3;
constexpr size_t kOutputs = 3;

// The shape of a call by its inputs, which are of the type that the node was registered for.
//
// Raises Failure where the inputs do not fit each other or the parameters.
cpu::Shape read_shape(const OrtApi& api, const OrtKernelContext* context, const cpu::Parameters& parameters,
                      cpu::DataType type);

// Where the inputs lie, and the outputs, which are made.
cpu::Tensors open_tensors(const OrtApi& api, OrtKernelContext* context, const cpu::Parameters& parameters,
                          const cpu::Shape& shape);

}  // namespace pitome::ort
