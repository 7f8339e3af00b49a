#include "energy_merge_plugin.h"

#include "refusal.h"
#include "tensors.h"

namespace pitome {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;

constexpr int32_t kAccepted = 0;
constexpr int32_t kRefused = 1;
constexpr size_t kMessageSize = 512;

InputShapes shapes_of(const PluginTensorDesc* inputs) {
  return {inputs[kX].dims, inputs[kMetric].dims, inputs[kSize].dims};
}

void check_types_of(const PluginTensorDesc* inputs) {
  check_types(inputs[kX].type, inputs[kMetric].type, inputs[kSize].type);
}

InputShapes profile_shapes(const DynamicPluginTensorDesc* inputs, Dims DynamicPluginTensorDesc::* edge) {
  return {inputs[kX].*edge, inputs[kMetric].*edge, inputs[kSize].*edge};
}

Dims constants_of(const DimsExprs& expressions) {
  Dims dims{expressions.nbDims, {}};
  for (int32_t axis = 0; axis < expressions.nbDims && axis < Dims::MAX_DIMS; ++axis) {
    const nvinfer1::IDimensionExpr* extent = expressions.d[axis];
    dims.d[axis] = extent->isConstant() ? extent->getConstantValue() : -1;
  }
  return dims;
}

}  // namespace

EnergyMergePlugin::EnergyMergePlugin(const pitome_merge_parameters& parameters)
    : parameters_(parameters), fields_(parameters), description_(describe_parameters(parameters)) {}

nvinfer1::IPluginCapability* EnergyMergePlugin::getCapabilityInterface(
    nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* EnergyMergePlugin::clone() noexcept {
  return guarded<nvinfer1::IPluginV3*>("clone", nullptr, [&] { return new EnergyMergePlugin(parameters_); });
}

int32_t EnergyMergePlugin::getNbOutputs() const noexcept { return kNumOutputs; }

int32_t EnergyMergePlugin::getOutputDataTypes(DataType* output_types, int32_t num_outputs,
                                              const DataType* input_types,
                                              int32_t num_inputs) const noexcept {
  return guarded("getOutputDataTypes", kRefused, [&] {
    check_counts(num_inputs, num_outputs);
    check_types(input_types[kX], input_types[kMetric], input_types[kSize]);
    for (int32_t output = 0; output < num_outputs; ++output) {
      output_types[output] = type_of(num_inputs + output, input_types[kX]);
    }
    return kAccepted;
  });
}

int32_t EnergyMergePlugin::getOutputShapes(const DimsExprs* inputs, int32_t num_inputs, const DimsExprs*,
                                           int32_t, DimsExprs* outputs, int32_t num_outputs,
                                           nvinfer1::IExprBuilder& builder) noexcept {
  return guarded("getOutputShapes", kRefused, [&] {
    check_counts(num_inputs, num_outputs);
    // What is known of the shapes is checked as early as here; types are not known yet and do not matter.
    planned_shape(parameters_,
                  {constants_of(inputs[kX]), constants_of(inputs[kMetric]), constants_of(inputs[kSize])},
                  DataType::kFLOAT);
    const auto *batch = inputs[kX].d[0], *num_tokens = inputs[kX].d[1], *width = inputs[kX].d[2];
    const auto* num_merged = builder.constant(parameters_.num_merged);
    const auto* num_kept = builder.operation(nvinfer1::DimensionOperation::kSUB, *num_tokens, *num_merged);
    outputs[kY - kNumInputs] = {3, {batch, num_kept, width}};
    outputs[kSizeOut - kNumInputs] = {3, {batch, num_kept, builder.constant(1)}};
    outputs[kAssignment - kNumInputs] = {2, {batch, num_tokens}};
    return kAccepted;
  });
}

bool EnergyMergePlugin::supportsFormatCombination(int32_t position, const DynamicPluginTensorDesc* tensors,
                                                  int32_t num_inputs, int32_t num_outputs) noexcept {
  if (num_inputs != kNumInputs || num_outputs != kNumOutputs) return false;
  if (position < 0 || position >= kNumInputs + kNumOutputs) return false;
  const PluginTensorDesc& asked = tensors[position].desc;
  if (asked.format != nvinfer1::TensorFormat::kLINEAR) return false;
  if (position == kX) return is_merged_type(asked.type);
  return asked.type == type_of(position, tensors[kX].desc.type);
}

int32_t EnergyMergePlugin::configurePlugin(const DynamicPluginTensorDesc* inputs, int32_t num_inputs,
                                           const DynamicPluginTensorDesc*, int32_t num_outputs) noexcept {
  return guarded("configurePlugin", kRefused, [&] {
    check_counts(num_inputs, num_outputs);
    DataType type = inputs[kX].desc.type;
    check_types(type, inputs[kMetric].desc.type, inputs[kSize].desc.type);
    planned_shape(parameters_, profile_shapes(inputs, &DynamicPluginTensorDesc::min), type);
    planned_shape(parameters_, profile_shapes(inputs, &DynamicPluginTensorDesc::max), type);
    return kAccepted;
  });
}

size_t EnergyMergePlugin::getWorkspaceSize(const DynamicPluginTensorDesc* inputs, int32_t num_inputs,
                                           const DynamicPluginTensorDesc*,
                                           int32_t num_outputs) const noexcept {
  return guarded("getWorkspaceSize", size_t{0}, [&] {
    check_counts(num_inputs, num_outputs);
    // The workspace grows with batch and num_tokens, so that of the largest shape is enough for all.
    pitome_merge_shape largest = actual_shape(
        parameters_, profile_shapes(inputs, &DynamicPluginTensorDesc::max), inputs[kX].desc.type);
    return pitome_merge_workspace_size(&parameters_, &largest);
  });
}

int32_t EnergyMergePlugin::onShapeChange(const PluginTensorDesc* inputs, int32_t num_inputs,
                                         const PluginTensorDesc*, int32_t num_outputs) noexcept {
  return guarded("onShapeChange", kRefused, [&] {
    check_counts(num_inputs, num_outputs);
    check_types_of(inputs);
    actual_shape(parameters_, shapes_of(inputs), inputs[kX].type);
    return kAccepted;
  });
}

int32_t EnergyMergePlugin::enqueue(const PluginTensorDesc* input_descriptions, const PluginTensorDesc*,
                                   const void* const* inputs, void* const* outputs, void* workspace,
                                   cudaStream_t stream) noexcept {
  return guarded("enqueue", kRefused, [&] {
    // From what is there now, not from the last onShapeChange: a clone may run without one of its own.
    check_types_of(input_descriptions);
    pitome_merge_shape shape =
        actual_shape(parameters_, shapes_of(input_descriptions), input_descriptions[kX].type);
    pitome_merge_tensors tensors{inputs[kX],
                                 inputs[kMetric],
                                 static_cast<const float*>(inputs[kSize]),
                                 outputs[kY - kNumInputs],
                                 static_cast<float*>(outputs[kSizeOut - kNumInputs]),
                                 static_cast<int32_t*>(outputs[kAssignment - kNumInputs]),
                                 workspace};
    char message[kMessageSize] = "";
    if (pitome_merge_enqueue(&parameters_, &shape, &tensors, stream, message, sizeof message) != PITOME_OK) {
      throw Refusal(message);
    }
    return kAccepted;
  });
}

nvinfer1::IPluginV3* EnergyMergePlugin::attachToContext(nvinfer1::IPluginResourceContext*) noexcept {
  return clone();
}

const nvinfer1::PluginFieldCollection* EnergyMergePlugin::getFieldsToSerialize() noexcept {
  return fields_.collection();
}

}  // namespace pitome
