// `merge SEED`: every case on stdin through a whole life of the plugin; the results to stdout.
//
// A case is the eleven parameters, B, N, C, D and the type, four bytes each, then x, metric and size; a
// result is y, size_out and assignment. Nothing but bytes, in the machine's order.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "expressions.h"
#include "field_list.h"
#include "library.h"
#include "logger.h"
#include "tensors.h"

// Where the host build runs kernels; device memory is plain memory there.
class HostStream {
 public:
  explicit HostStream(const Library& library)
      : synchronize_(library.symbol<void (*)(void*)>("pitome_host_stream_synchronize")),
        destroy_(library.symbol<void (*)(void*)>("pitome_host_stream_destroy")),
        stream_(library.symbol<void* (*)()>("pitome_host_stream_create")()) {}
  HostStream(const HostStream&) = delete;
  HostStream& operator=(const HostStream&) = delete;
  ~HostStream() { destroy_(stream_); }

  void synchronize() const { synchronize_(stream_); }
  cudaStream_t get() const { return static_cast<cudaStream_t>(stream_); }

 private:
  void (*synchronize_)(void*);
  void (*destroy_)(void*);
  void* stream_;
};

class ResourceContext final : public nvinfer1::IPluginResourceContext {
 public:
  nvinfer1::IGpuAllocator* getGpuAllocator() const noexcept override { return nullptr; }
  nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return nullptr; }
};

struct MergeCase {
  pitome_merge_parameters parameters;
  pitome_merge_shape shape;
};
static_assert(sizeof(MergeCase) == 16 * 4, "the layout of a case on stdin");

inline void read_exactly(void* destination, size_t size) {
  require(std::fread(destination, 1, size, stdin) == size, "more bytes on stdin");
}

// How much larger than a case's batch the profile's largest is: the plugin must plan for that one.
constexpr int32_t kMoreBatch = 2;

inline std::vector<nvinfer1::DynamicPluginTensorDesc> profile_of(const MergeCase& merge) {
  Descriptions unknown(merge.parameters, merge.shape, -1);
  Descriptions smallest(merge.parameters, merge.shape, merge.shape.batch > 0 ? 1 : 0);
  Descriptions actual(merge.parameters, merge.shape, merge.shape.batch);
  Descriptions largest(merge.parameters, merge.shape, merge.shape.batch + kMoreBatch);
  std::vector<nvinfer1::DynamicPluginTensorDesc> profile(kTensors);
  for (int32_t index = 0; index < kTensors; ++index) {
    profile[index] = {unknown.all[index], smallest.all[index].dims, largest.all[index].dims,
                      actual.all[index].dims};
  }
  return profile;
}

inline void check_identity(nvinfer1::IPluginV3OneCore& core) {
  require(std::strcmp(core.getPluginName(), "EnergyMerge") == 0, "the name EnergyMerge");
  require(std::strcmp(core.getPluginVersion(), "2") == 0, "the version 2");
  require(std::strcmp(core.getPluginNamespace(), "pitome") == 0, "the namespace pitome");
}

inline void check_shapes(nvinfer1::IPluginV3OneBuild& build, const MergeCase& merge) {
  ExpressionBuilder builder;
  Descriptions unknown(merge.parameters, merge.shape, -1);
  nvinfer1::DimsExprs inputs[kInputs], outputs[kTensors - kInputs];
  for (int32_t index = 0; index < kInputs; ++index) inputs[index] = builder.shape(unknown.all[index].dims);
  require(build.getNbOutputs() == kTensors - kInputs, "3 outputs");
  require(build.getOutputShapes(inputs, kInputs, nullptr, 0, outputs, kTensors - kInputs, builder) == 0,
          "getOutputShapes to return 0");
  for (int64_t batch : {int64_t{1}, int64_t{merge.shape.batch}, int64_t{1000}}) {
    Descriptions expected(merge.parameters, merge.shape, batch);
    for (int32_t index = kInputs; index < kTensors; ++index) {
      require(equal(evaluate(outputs[index - kInputs], batch), expected.all[index].dims),
              "the shape of output " + std::to_string(index - kInputs));
    }
  }
}

inline void check_types(nvinfer1::IPluginV3OneBuild& build, const Descriptions& tensors) {
  nvinfer1::DataType inputs[kInputs], outputs[kTensors - kInputs];
  for (int32_t index = 0; index < kInputs; ++index) inputs[index] = tensors.all[index].type;
  require(build.getOutputDataTypes(outputs, kTensors - kInputs, inputs, kInputs) == 0,
          "getOutputDataTypes to return 0");
  for (int32_t index = kInputs; index < kTensors; ++index) {
    require(outputs[index - kInputs] == tensors.all[index].type,
            "the type of output " + std::to_string(index - kInputs));
  }
}

// Every position takes its own type in linear format and nothing else, asked as TensorRT asks: one by one,
// with those after it undefined.
inline void check_formats(nvinfer1::IPluginV3OneBuild& build,
                          const std::vector<nvinfer1::DynamicPluginTensorDesc>& profile) {
  using nvinfer1::DataType;
  const DataType types[] = {DataType::kFLOAT, DataType::kHALF, DataType::kBF16,
                            DataType::kINT32, DataType::kINT8, DataType::kINT64};
  for (int32_t position = 0; position < kTensors; ++position) {
    std::vector<nvinfer1::DynamicPluginTensorDesc> asked = profile;
    for (int32_t later = position + 1; later < kTensors; ++later) {
      std::memset(static_cast<void*>(&asked[later]), 0xff, sizeof asked[later]);
    }
    for (DataType type : types) {
      asked[position].desc.type = type;
      bool floating = type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
      bool supported = position == 0 ? floating : type == profile[position].desc.type;
      asked[position].desc.format = nvinfer1::TensorFormat::kLINEAR;
      require(
          build.supportsFormatCombination(position, asked.data(), kInputs, kTensors - kInputs) == supported,
          "position " + std::to_string(position) + (supported ? " to take" : " to refuse") + " type " +
              std::to_string(static_cast<int32_t>(type)));
      asked[position].desc.format = nvinfer1::TensorFormat::kCHW32;
      require(!build.supportsFormatCombination(position, asked.data(), kInputs, kTensors - kInputs),
              "position " + std::to_string(position) + " to refuse a format that is not linear");
    }
  }
}

inline PluginPointer create(const Library& library, const nvinfer1::PluginFieldCollection* fields,
                            nvinfer1::TensorRTPhase phase) {
  PluginPointer plugin(library.creator().createPlugin("case", fields, phase));
  require(plugin != nullptr, "createPlugin to make a plugin");
  return plugin;
}

// The build phase; what is left of it is a plugin made from the serialised fields, and the workspace's size.
inline PluginPointer build_case(const Library& library, const MergeCase& merge, size_t* workspace_size) {
  PluginPointer created;
  {
    HeapCollection fields(fields_of(merge.parameters));
    created = create(library, fields.get(), nvinfer1::TensorRTPhase::kBUILD);
  }
  PluginPointer cloned(created->clone());
  require(cloned != nullptr && cloned != created, "clone to make another plugin");
  std::string id = Capabilities(*created).build.getTimingCacheID();
  created.reset();
  Capabilities capabilities(*cloned);
  check_identity(capabilities.core);
  require(id == capabilities.build.getTimingCacheID(), "a clone's timing cache ID to be the same");

  std::vector<nvinfer1::DynamicPluginTensorDesc> profile = profile_of(merge);
  const nvinfer1::DynamicPluginTensorDesc *inputs = profile.data(), *outputs = inputs + kInputs;
  check_types(capabilities.build, Descriptions(merge.parameters, merge.shape, -1));
  check_shapes(capabilities.build, merge);
  check_formats(capabilities.build, profile);
  require(capabilities.build.configurePlugin(inputs, kInputs, outputs, kTensors - kInputs) == 0,
          "configurePlugin to return 0");
  *workspace_size = capabilities.build.getWorkspaceSize(inputs, kInputs, outputs, kTensors - kInputs);
  pitome_merge_shape largest = merge.shape;
  largest.batch += kMoreBatch;
  auto* size_of = library.symbol<decltype(&pitome_merge_workspace_size)>("pitome_merge_workspace_size");
  require(*workspace_size == size_of(&merge.parameters, &largest),
          "the workspace of the profile's largest batch");

  PluginPointer restored =
      create(library, capabilities.runtime.getFieldsToSerialize(), nvinfer1::TensorRTPhase::kRUNTIME);
  require(id == Capabilities(*restored).build.getTimingCacheID(), "the attributes to survive serialisation");
  return restored;
}

inline void run_case(const Library& library, const HostStream& stream, const MergeCase& merge) {
  size_t workspace_size = 0;
  PluginPointer restored = build_case(library, merge, &workspace_size);
  ResourceContext context;
  PluginPointer attached(Capabilities(*restored).runtime.attachToContext(&context));
  require(attached != nullptr && attached != restored, "attachToContext to make another plugin");
  restored.reset();
  nvinfer1::IPluginV3OneRuntime& runtime = Capabilities(*attached).runtime;

  Descriptions tensors(merge.parameters, merge.shape, merge.shape.batch);
  std::vector<Memory> memory;
  for (const nvinfer1::PluginTensorDesc& tensor : tensors.all) memory.emplace_back(bytes_of(tensor));
  for (int32_t index = 0; index < kInputs; ++index) read_exactly(memory[index].data(), memory[index].size());
  Memory workspace(workspace_size);

  const void* inputs[kInputs];
  void* outputs[kTensors - kInputs];
  std::vector<std::string> before;
  for (int32_t index = 0; index < kInputs; ++index) {
    inputs[index] = memory[index].data();
    before.emplace_back(memory[index].data(), memory[index].size());
  }
  for (int32_t index = kInputs; index < kTensors; ++index) outputs[index - kInputs] = memory[index].data();

  const nvinfer1::PluginTensorDesc *in = tensors.all, *out = in + kInputs;
  require(runtime.setTactic(0) == 0, "setTactic to return 0");
  require(runtime.onShapeChange(in, kInputs, out, kTensors - kInputs) == 0, "onShapeChange to return 0");
  require(runtime.enqueue(in, out, inputs, outputs, workspace.data(), stream.get()) == 0,
          "enqueue to return 0");
  attached.reset();  // what was enqueued must not need the plugin any more
  stream.synchronize();

  for (int32_t index = 0; index < kInputs; ++index) {
    require(std::memcmp(before[index].data(), memory[index].data(), memory[index].size()) == 0,
            "input " + std::to_string(index) + " to stay as it was");
  }
  for (int32_t index = kInputs; index < kTensors; ++index) {
    require(std::fwrite(memory[index].data(), 1, memory[index].size(), stdout) == memory[index].size(),
            "stdout to take the results");
  }
}

inline void run_merges(const Library& library, uint64_t seed) {
  CountingLogger logger;
  CountingFinder finder(&logger);
  library.set_logger_finder(&finder);
  library.symbol<void (*)(uint64_t)>("pitome_host_set_seed")(seed);
  HostStream stream(library);
  MergeCase merge;
  for (int32_t index = 0; std::fread(&merge, 1, sizeof merge, stdin) == sizeof merge; ++index) {
    try {
      run_case(library, stream, merge);
      require(logger.count() == 0, "no message");
    } catch (const std::exception& error) {
      throw std::runtime_error("case " + std::to_string(index) + ": " + error.what() + "\n" + logger.last());
    }
  }
  std::fflush(stdout);
  library.set_logger_finder(nullptr);
}
