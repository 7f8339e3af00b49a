// `memory`: every entry point that allocates, with each of its allocations failing in turn. It must return
// its refusal with one message each time, and work as soon as there is memory again.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "expressions.h"
#include "field_list.h"
#include "library.h"
#include "logger.h"
#include "merge_mode.h"
#include "tensors.h"

// How many more allocations succeed; negative: all. plugin_program.cpp's operator new looks at it.
inline int64_t& allocations_left() {
  static int64_t left = -1;
  return left;
}

class MemoryScenarios {
 public:
  explicit MemoryScenarios(const Library& library) : library_(library), finder_(&logger_) {
    library_.set_logger_finder(&finder_);
  }
  ~MemoryScenarios() { library_.set_logger_finder(nullptr); }

  // `works` runs the entry point once and says whether it did its work.
  template <typename Call>
  void exhaust(const char* name, Call works) {
    int32_t failures = 0;
    for (bool worked = false; !worked; ++failures) {
      logger_.clear();
      allocations_left() = failures;
      worked = works();
      bool ran_out = allocations_left() == 0;
      allocations_left() = -1;
      if (worked) {
        require(logger_.count() == 0, std::string(name) + " to work in silence, not: " + logger_.last());
        break;
      }
      require(ran_out, std::string(name) + " to work with memory, not: " + logger_.last());
      require(
          logger_.one_error() && std::strstr(logger_.last(), "memory on the host: none is left") != nullptr,
          std::string(name) + " without memory to say so, once");
    }
    require(failures > 0, std::string(name) + " to allocate");
    std::printf("%s\"%s\": %d", separator_, name, failures);
    separator_ = ", ";
  }

  // A refusal needs memory for its text; without any it must still be a refusal.
  template <typename Call>
  void exhaust_refusal(const char* name, Call refused) {
    for (int32_t allocations = 0; allocations < 64; ++allocations) {
      logger_.clear();
      allocations_left() = allocations;
      bool as_expected = refused();
      allocations_left() = -1;
      require(as_expected && logger_.one_error(), std::string(name) + " to refuse with one message");
    }
  }

  void run() {
    pitome_merge_parameters parameters{2, 5, 1, 0.9F, 0.9F, 1.0F, 1.0F, 0.0F, 0, 0, 0};
    HeapCollection right(fields_of(parameters));
    parameters.num_merged = 3;
    HeapCollection wrong(fields_of(parameters));
    nvinfer1::IPluginCreatorV3One& creator = library_.creator();
    auto create = [&](const HeapCollection& fields) {
      return creator.createPlugin("layer", fields.get(), nvinfer1::TensorRTPhase::kBUILD);
    };
    std::printf("{");
    exhaust("createPlugin", [&] { return PluginPointer(create(right)) != nullptr; });
    exhaust_refusal("createPlugin", [&] { return PluginPointer(create(wrong)) == nullptr; });
    PluginPointer plugin(create(right));
    Capabilities capabilities(*plugin);
    ResourceContext context;
    exhaust("clone", [&] { return PluginPointer(plugin->clone()) != nullptr; });
    exhaust("attachToContext",
            [&] { return PluginPointer(capabilities.runtime.attachToContext(&context)) != nullptr; });
    const nvinfer1::PluginTensorDesc two_dimensions[kInputs] = {};
    exhaust_refusal("onShapeChange", [&] {
      return capabilities.runtime.onShapeChange(two_dimensions, kInputs, nullptr, kTensors - kInputs) != 0;
    });
    std::printf("}\n");
  }

 private:
  const Library& library_;
  CountingLogger logger_;
  CountingFinder finder_;
  const char* separator_ = "";
};
