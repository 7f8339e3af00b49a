// The operator's attributes as TensorRT carries them: plugin fields. Read with every check, and written.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include <array>
#include <string>

namespace pitome {

constexpr char kPluginName[] = "EnergyMerge";
constexpr char kPluginVersion[] = "2";
constexpr char kPluginNamespace[] = "pitome";

constexpr int32_t kNumAttributes = 17;

// What a node says: the operator's parameters, and twins of its order and split in numbers.
struct Attributes {
  explicit Attributes(const pitome_merge_parameters& of)
      : parameters(of), twins(pitome_merge_twins_of(&of)) {}
  Attributes() = default;

  pitome_merge_parameters parameters{};
  pitome_merge_twins twins{};
};

// The parameters of a collection that TensorRT, a parser or a user made. Throws Refusal unless each attribute
// is there exactly once, of its type and length and in range, and the twins say what the texts say.
// `plugin_namespace` and `plugin_version` may be there.
pitome_merge_parameters read_parameters(const nvinfer1::PluginFieldCollection* collection);

// All parameters by name and exact value (floats as %a), "num_merged=3 num_candidates=7 ...".
std::string describe_parameters(const pitome_merge_parameters& parameters);

// The fields of all attributes: their names and types, without values.
class AttributeNames {
 public:
  AttributeNames() noexcept;
  AttributeNames(const AttributeNames&) = delete;
  AttributeNames& operator=(const AttributeNames&) = delete;
  const nvinfer1::PluginFieldCollection* collection() const { return &collection_; }

 private:
  std::array<nvinfer1::PluginField, kNumAttributes> fields_;
  nvinfer1::PluginFieldCollection collection_;
};

// The same with their values, and the storage that they point into. read_parameters takes them back.
class AttributeFields {
 public:
  explicit AttributeFields(const pitome_merge_parameters& parameters);
  AttributeFields(const AttributeFields&) = delete;
  AttributeFields& operator=(const AttributeFields&) = delete;
  const nvinfer1::PluginFieldCollection* collection() const { return &collection_; }

 private:
  Attributes attributes_;
  std::array<nvinfer1::PluginField, kNumAttributes> fields_;
  nvinfer1::PluginFieldCollection collection_;
};

}  // namespace pitome
