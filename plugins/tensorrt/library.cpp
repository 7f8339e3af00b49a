// What TensorRT looks for in a plugin library: IPluginRegistry::loadLibrary calls both.
#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include "energy_merge_creator.h"
#include "messages.h"

extern "C" PITOME_API nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& num_creators) noexcept {
  static pitome::EnergyMergeCreator creator;
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&creator};
  num_creators = 1;
  return creators;
}

extern "C" PITOME_API void setLoggerFinder(nvinfer1::ILoggerFinder* finder) noexcept {
  pitome::set_logger_finder(finder);
}
