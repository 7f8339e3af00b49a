// The plugin library, loaded from a file as TensorRT does, and what its host build adds.
#pragma once

#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "require.h"

class Library {
 public:
  explicit Library(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(dlerror());
    int32_t count = -1;
    auto* creators = symbol<nvinfer1::IPluginCreatorInterface* const* (*)(int32_t&)>("getCreators")(count);
    require(count == 1 && creators != nullptr && creators[0] != nullptr, "one creator");
    require(std::strcmp(creators[0]->getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") == 0,
            "an IPluginCreatorV3One");
    creator_ = static_cast<nvinfer1::IPluginCreatorV3One*>(creators[0]);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() { dlclose(handle_); }

  nvinfer1::IPluginCreatorV3One& creator() const { return *creator_; }

  void set_logger_finder(nvinfer1::ILoggerFinder* finder) const {
    symbol<void (*)(nvinfer1::ILoggerFinder*)>("setLoggerFinder")(finder);
  }

  template <typename Function>
  Function symbol(const char* name) const {
    void* address = dlsym(handle_, name);
    require(address != nullptr, std::string("the library to export ") + name);
    Function function;
    std::memcpy(&function, &address, sizeof function);
    return function;
  }

 private:
  void* handle_;
  nvinfer1::IPluginCreatorV3One* creator_ = nullptr;
};

using PluginPointer = std::unique_ptr<nvinfer1::IPluginV3>;

// The capability interfaces of one plugin, which stays the owner.
struct Capabilities {
  explicit Capabilities(nvinfer1::IPluginV3& plugin)
      : core(find<nvinfer1::IPluginV3OneCore>(plugin, nvinfer1::PluginCapabilityType::kCORE,
                                              "PLUGIN_V3ONE_CORE")),
        build(find<nvinfer1::IPluginV3OneBuild>(plugin, nvinfer1::PluginCapabilityType::kBUILD,
                                                "PLUGIN_V3ONE_BUILD")),
        runtime(find<nvinfer1::IPluginV3OneRuntime>(plugin, nvinfer1::PluginCapabilityType::kRUNTIME,
                                                    "PLUGIN_V3ONE_RUNTIME")) {}

  nvinfer1::IPluginV3OneCore& core;
  nvinfer1::IPluginV3OneBuild& build;
  nvinfer1::IPluginV3OneRuntime& runtime;

 private:
  template <typename Interface>
  static Interface& find(nvinfer1::IPluginV3& plugin, nvinfer1::PluginCapabilityType type, const char* kind) {
    auto* capability = static_cast<Interface*>(plugin.getCapabilityInterface(type));
    require(capability != nullptr, std::string("a capability interface ") + kind);
    require(std::strcmp(capability->getInterfaceInfo().kind, kind) == 0,
            std::string("the interface ") + kind);
    return *capability;
  }
};
