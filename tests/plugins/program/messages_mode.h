// `messages`: one refusal under every kind of logger finder; prints how many messages each logger got. What
// goes to stderr instead says the scenario's name, as the layer's.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <stdexcept>

#include "library.h"
#include "logger.h"

class ThrowingFinder final : public nvinfer1::ILoggerFinder {
 public:
  nvinfer1::ILogger* findLogger() override { throw std::runtime_error("no logger here"); }
};

class MessageScenarios {
 public:
  explicit MessageScenarios(const Library& library) : library_(library) {}

  void refuse(const char* scenario) {
    logger_.clear();
    PluginPointer plugin(library_.creator().createPlugin(scenario, nullptr, nvinfer1::TensorRTPhase::kBUILD));
    require(plugin == nullptr, "a refusal");
    std::printf("%s\"%s\": %d", separator_, scenario, logger_.count());
    separator_ = ", ";
  }

  // A finder of a TensorRT with this version must be asked or, of a foreign version, never touched.
  void refuse_with(const char* scenario, int32_t version, nvinfer1::ILogger* logger, bool asked) {
    CountingFinder finder(logger);
    reported_version() = version;
    library_.set_logger_finder(&finder);
    refuse(scenario);
    require((finder.count() > 0) == asked,
            std::string(scenario) + (asked ? " to be asked" : " not to be asked"));
    library_.set_logger_finder(nullptr);
  }

  void run() {
    std::printf("{");
    refuse("never_set");
    refuse_with("same_version", NV_TENSORRT_VERSION, &logger_, true);
    refuse("null_afterwards");
    refuse_with("same_major", NV_TENSORRT_MAJOR * 10000 + 9999, &logger_, true);
    refuse_with("newer_major", (NV_TENSORRT_MAJOR + 1) * 10000, &logger_, false);
    refuse_with("older_major", (NV_TENSORRT_MAJOR - 1) * 10000 + 9999, &logger_, false);
    refuse_with("eight", 8601, &logger_, false);
    refuse_with("no_logger", NV_TENSORRT_VERSION, nullptr, true);
    ThrowingFinder thrower;
    reported_version() = NV_TENSORRT_VERSION;
    library_.set_logger_finder(&thrower);
    refuse("throws");
    refuse_with("same_version_again", NV_TENSORRT_VERSION, &logger_, true);
    std::printf("}\n");
  }

 private:
  const Library& library_;
  CountingLogger logger_;
  const char* separator_ = "";
};
