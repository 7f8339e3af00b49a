#include "operator.h"

#include <climits>

#include "tensors.h"

namespace pitome::ort {
namespace {

constexpr int kVersion = 2;  // of the domain: files of version 1 are run by their function

ONNXTensorElementDataType element_type(const OrtCustomOp* self) {
  switch (static_cast<const Operator*>(self)->type) {
    case cpu::DataType::kFloat16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    case cpu::DataType::kBFloat16:
      return ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
    case cpu::DataType::kFloat32:
      break;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

// x, metric and size.
ONNXTensorElementDataType input_type(const OrtCustomOp* self, size_t index) {
  return index == 2 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT : element_type(self);
}

// y, size_out and assignment.
ONNXTensorElementDataType output_type(const OrtCustomOp* self, size_t index) {
  if (index == 0) return element_type(self);
  return index == 1 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}

OrtStatus* create(const OrtCustomOp* self, const OrtApi* api, const OrtKernelInfo* info, void** kernel) {
  const Operator& asked = *static_cast<const Operator*>(self);
  return guarded(*api, [&] { *kernel = asked.make(*api, info, asked.type).release(); });
}

OrtStatus* compute(void* kernel, OrtKernelContext* context) {
  const Kernel& merge = *static_cast<const Kernel*>(kernel);
  return guarded(merge.api(), [&] { merge.compute(context); });
}

}  // namespace

Operator::Operator(const char* for_provider, cpu::DataType of, MakeKernel by)
    : OrtCustomOp{}, provider(for_provider), type(of), make(by) {
  version = kApiVersion;
  GetName = [](const OrtCustomOp*) { return "EnergyMerge"; };
  GetExecutionProviderType = [](const OrtCustomOp* self) {
    return static_cast<const Operator*>(self)->provider;
  };
  GetInputTypeCount = [](const OrtCustomOp*) { return kInputs; };
  GetInputType = input_type;
  GetOutputTypeCount = [](const OrtCustomOp*) { return kOutputs; };
  GetOutputType = output_type;
  const auto required = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
  GetInputCharacteristic = required;
  GetOutputCharacteristic = required;
  GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  GetStartVersion = [](const OrtCustomOp*) { return kVersion; };
  GetEndVersion = [](const OrtCustomOp*) { return INT_MAX; };
  CreateKernelV2 = create;
  KernelComputeV2 = compute;
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
}

std::vector<Operator> operators_for(const char* provider, MakeKernel make) {
  return {Operator(provider, cpu::DataType::kFloat32, make),
          Operator(provider, cpu::DataType::kFloat16, make),
          Operator(provider, cpu::DataType::kBFloat16, make)};
}

}  // namespace pitome::ort
