#include "tensors.h"

namespace pitome::ort {
namespace {

using Extents = std::vector<int64_t>;

std::string written(const Extents& extents) {
  std::string text = "[";
  for (size_t axis = 0; axis < extents.size(); ++axis)
    text += (axis ? ", " : "") + std::to_string(extents[axis]);
  return text + "]";
}

const OrtValue* input(const OrtApi& api, const OrtKernelContext* context, size_t index) {
  const OrtValue* value = nullptr;
  check(api, api.KernelContext_GetInput(context, index, &value));
  if (value == nullptr) throw Failure("an input is missing. Give x, metric and size.");
  return value;
}

Extents extents_of(const OrtApi& api, const OrtValue* value) {
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check(api, api.GetTensorTypeAndShape(value, &info));
  size_t count = 0;
  OrtStatus* status = api.GetDimensionsCount(info, &count);
  Extents extents(status == nullptr ? count : 0);
  if (status == nullptr) status = api.GetDimensions(info, extents.data(), count);
  api.ReleaseTensorTypeAndShapeInfo(info);
  check(api, status);
  return extents;
}

const void* data_of(const OrtApi& api, const OrtValue* value) {
  // onnxruntime's older interfaces have no function for constant data; nothing is written there.
  void* data = nullptr;
  check(api, api.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  return data;
}

void* make_output(const OrtApi& api, OrtKernelContext* context, size_t index, const Extents& extents) {
  OrtValue* value = nullptr;
  check(api, api.KernelContext_GetOutput(context, index, extents.data(), extents.size(), &value));
  if (value == nullptr) throw Failure("an output is left out. Name y, size_out and assignment.");
  void* data = nullptr;
  check(api, api.GetTensorMutableData(value, &data));
  return data;
}

}  // namespace

cpu::Shape read_shape(const OrtApi& api, const OrtKernelContext* context, const cpu::Parameters& parameters,
                      cpu::DataType type) {
  Extents found[kInputs];
  for (size_t index = 0; index < kInputs; ++index) found[index] = extents_of(api, input(api, context, index));
  const Extents &x = found[0], &metric = found[1], &size = found[2];
  if (x.size() != 3 || metric.size() != 3 || metric[0] != x[0] || metric[1] != x[1]) {
    throw Failure(
        "x " + written(x) + " with metric " + written(metric) +
        ": they need three dimensions, and the same first two. Give x [B, N, C] and metric [B, N, D].");
  }
  if (size != Extents{x[0], x[1], 1}) {
    throw Failure("size " + written(size) + ": x has " + std::to_string(x[1]) + " tokens. Give size " +
                  written({x[0], x[1], 1}) + ".");
  }
  const cpu::Shape shape{x[0], x[1], x[2], metric[2], type};
  if (const std::string reason = cpu::refusal(parameters, shape); !reason.empty()) throw Failure(reason);
  return shape;
}

cpu::Tensors open_tensors(const OrtApi& api, OrtKernelContext* context, const cpu::Parameters& parameters,
                          const cpu::Shape& shape) {
  const int64_t kept = shape.num_tokens - parameters.num_merged;
  cpu::Tensors tensors;
  tensors.x = data_of(api, input(api, context, 0));
  tensors.metric = data_of(api, input(api, context, 1));
  tensors.size = static_cast<const float*>(data_of(api, input(api, context, 2)));
  tensors.y = make_output(api, context, 0, {shape.batch, kept, shape.width});
  tensors.size_out = static_cast<float*>(make_output(api, context, 1, {shape.batch, kept, 1}));
  tensors.assignment = static_cast<int32_t*>(make_output(api, context, 2, {shape.batch, shape.num_tokens}));
  return tensors;
}

}  // namespace pitome::ort
