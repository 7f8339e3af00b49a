// Makes EnergyMerge plugins from plugin fields, for the builder, the ONNX parser and the runtime.
#pragma once

#include <NvInferRuntime.h>

#include "fields.h"

namespace pitome {

class EnergyMergeCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  nvinfer1::IPluginV3* createPlugin(const char* name, const nvinfer1::PluginFieldCollection* collection,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override { return names_.collection(); }
  const char* getPluginName() const noexcept override { return kPluginName; }
  const char* getPluginVersion() const noexcept override { return kPluginVersion; }
  const char* getPluginNamespace() const noexcept override { return kPluginNamespace; }

 private:
  AttributeNames names_;
};

}  // namespace pitome
