// `describe`: a field collection in words on stdin, what the creator and the plugin say to it as JSON on
// stdout.
//
// Lines; names and data are in hexadecimal, `-` is a null pointer:
//   layer NAME | phase NUMBER | null_collection | null_fields | count NUMBER
//   field NAME TYPE LENGTH DATA
//   tensor TYPE EXTENT...            in order; -1 is an unknown extent
// With tensors, the entry points of the build and of the run get them too.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "expressions.h"
#include "field_list.h"
#include "json.h"
#include "library.h"
#include "logger.h"
#include "tensors.h"

struct Description {
  std::optional<std::string> layer = "layer";
  int32_t phase = 0;
  FieldList fields;
  std::vector<nvinfer1::PluginTensorDesc> tensors;
};

inline std::optional<std::string> from_hexadecimal(const std::string& text) {
  if (text == "-") return std::nullopt;
  std::string bytes;
  for (size_t index = 0; index + 1 < text.size(); index += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(index, 2), nullptr, 16));
  }
  return bytes;
}

inline nvinfer1::PluginTensorDesc read_tensor(std::istringstream& words) {
  int32_t type = 0;
  words >> type;
  nvinfer1::PluginTensorDesc tensor{
      {0, {}}, static_cast<nvinfer1::DataType>(type), nvinfer1::TensorFormat::kLINEAR, -1.0F};
  for (int64_t extent; words >> extent;) tensor.dims.d[tensor.dims.nbDims++] = extent;
  return tensor;
}

inline Description read_description() {
  Description description;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, name, data;
    int32_t type = 0, number = 0;
    words >> what;
    if (what == "layer") {
      words >> name;
      description.layer = from_hexadecimal(name);
    } else if (what == "phase") {
      words >> description.phase;
    } else if (what == "null_collection") {
      description.fields.null_collection = true;
    } else if (what == "null_fields") {
      description.fields.null_fields = true;
    } else if (what == "count") {
      words >> number;
      description.fields.claimed_count = number;
    } else if (what == "field") {
      words >> name >> type >> number >> data;
      description.fields.entries.push_back({from_hexadecimal(name),
                                            static_cast<nvinfer1::PluginFieldType>(type), number,
                                            from_hexadecimal(data == "" ? "-" : data)});
    } else {
      require(what == "tensor", "a known line, not " + line);
      description.tensors.push_back(read_tensor(words));
    }
  }
  return description;
}

// What one call returned and which message it gave, as members of a JSON object.
class Answers {
 public:
  explicit Answers(CountingLogger& logger) : logger_(logger) {}

  template <typename Call>
  void ask(const char* name, Call call) {
    logger_.clear();
    long long returned = static_cast<long long>(call());
    std::printf("%s\"%s\": {\"returned\": %lld, \"messages\": %d, \"message\": %s}", separator_, name,
                returned, logger_.count(), json(logger_.last()).c_str());
    separator_ = ", ";
  }

 private:
  CountingLogger& logger_;
  const char* separator_ = "";
};

inline void print_fields(const char* title, const nvinfer1::PluginFieldCollection* fields) {
  std::printf(", \"%s\": [", title);
  for (int32_t index = 0; index < fields->nbFields; ++index) {
    const nvinfer1::PluginField& field = fields->fields[index];
    size_t size = field.type == nvinfer1::PluginFieldType::kCHAR ? 1 : 4;
    std::string data;
    if (field.data != nullptr) {
      data.assign(static_cast<const char*>(field.data), size * static_cast<size_t>(field.length));
    }
    std::printf("%s{\"name\": %s, \"type\": %d, \"length\": %d, \"data\": %s}", index > 0 ? ", " : "",
                json(field.name).c_str(), static_cast<int32_t>(field.type), field.length,
                field.data == nullptr ? "null" : json(data).c_str());
  }
  std::printf("]");
}

// All entry points that take tensors, with however many there are. The outputs' descriptions are not looked
// at.
inline void ask_about_tensors(Capabilities& capabilities,
                              const std::vector<nvinfer1::PluginTensorDesc>& tensors, Answers& answers) {
  auto count = static_cast<int32_t>(tensors.size());
  constexpr int32_t kOutputs = kTensors - kInputs;
  ExpressionBuilder builder;
  std::vector<nvinfer1::DataType> types;
  std::vector<nvinfer1::DimsExprs> shapes;
  std::vector<nvinfer1::DynamicPluginTensorDesc> profile;
  for (const nvinfer1::PluginTensorDesc& tensor : tensors) {
    types.push_back(tensor.type);
    shapes.push_back(builder.shape(tensor.dims));
    profile.push_back({tensor, tensor.dims, tensor.dims, tensor.dims});
  }
  nvinfer1::DataType output_types[kOutputs];
  nvinfer1::DimsExprs output_shapes[kOutputs];
  nvinfer1::PluginTensorDesc outputs[kOutputs] = {};
  nvinfer1::DynamicPluginTensorDesc output_profile[kOutputs] = {};
  const void* no_inputs[kInputs] = {};
  void* no_outputs[kOutputs] = {};
  nvinfer1::IPluginV3OneBuild& build = capabilities.build;
  nvinfer1::IPluginV3OneRuntime& runtime = capabilities.runtime;
  answers.ask("getOutputDataTypes",
              [&] { return build.getOutputDataTypes(output_types, kOutputs, types.data(), count); });
  answers.ask("getOutputShapes", [&] {
    return build.getOutputShapes(shapes.data(), count, nullptr, 0, output_shapes, kOutputs, builder);
  });
  answers.ask("configurePlugin",
              [&] { return build.configurePlugin(profile.data(), count, output_profile, kOutputs); });
  answers.ask("getWorkspaceSize",
              [&] { return build.getWorkspaceSize(profile.data(), count, output_profile, kOutputs); });
  answers.ask("onShapeChange",
              [&] { return runtime.onShapeChange(tensors.data(), count, outputs, kOutputs); });
  if (count == kInputs) {  // enqueue is not told how many there are
    answers.ask("enqueue", [&] {
      return runtime.enqueue(tensors.data(), outputs, no_inputs, no_outputs, nullptr, nullptr);
    });
  }
}

inline void describe(const Library& library) {
  CountingLogger logger;
  CountingFinder finder(&logger);
  library.set_logger_finder(&finder);
  Description description = read_description();
  HeapCollection fields(description.fields);
  const char* layer = description.layer ? description.layer->c_str() : nullptr;
  nvinfer1::IPluginCreatorV3One& creator = library.creator();
  PluginPointer plugin;
  std::printf("{\"creator\": [%s, %s, %s]", json(creator.getPluginName()).c_str(),
              json(creator.getPluginVersion()).c_str(), json(creator.getPluginNamespace()).c_str());
  print_fields("field_names", creator.getFieldNames());
  std::printf(", \"calls\": {");
  Answers answers(logger);
  answers.ask("createPlugin", [&] {
    plugin.reset(
        creator.createPlugin(layer, fields.get(), static_cast<nvinfer1::TensorRTPhase>(description.phase)));
    return plugin != nullptr;
  });
  if (plugin != nullptr) {
    Capabilities capabilities(*plugin);
    if (!description.tensors.empty()) ask_about_tensors(capabilities, description.tensors, answers);
    std::printf("}, \"timing_cache_id\": %s, \"metadata\": %s",
                json(capabilities.build.getTimingCacheID()).c_str(),
                json(capabilities.build.getMetadataString()).c_str());
    print_fields("fields", capabilities.runtime.getFieldsToSerialize());
    std::printf("}\n");
  } else {
    std::printf("}}\n");
  }
  library.set_logger_finder(nullptr);
}
