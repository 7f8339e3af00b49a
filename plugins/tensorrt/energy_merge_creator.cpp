#include "energy_merge_creator.h"

#include "energy_merge_plugin.h"
#include "quote.h"
#include "refusal.h"

namespace pitome {
namespace {

// "createPlugin of layer 'x'", cut to the size; a null name is a layer without one.
void write_place(const char* layer, char* place, size_t size) {
  if (layer == nullptr) {
    std::snprintf(place, size, "createPlugin of an unnamed layer");
  } else {
    std::snprintf(place, size, "createPlugin of layer %s", quoted(layer).c_str());
  }
}

}  // namespace

// A plan holds the same fields as a network, so both phases check alike.
nvinfer1::IPluginV3* EnergyMergeCreator::createPlugin(const char* name,
                                                      const nvinfer1::PluginFieldCollection* collection,
                                                      nvinfer1::TensorRTPhase) noexcept {
  return guarded<nvinfer1::IPluginV3*>("createPlugin", nullptr, [&]() -> nvinfer1::IPluginV3* {
    char place[256];
    write_place(name, place, sizeof place);
    return guarded<nvinfer1::IPluginV3*>(place, nullptr,
                                         [&] { return new EnergyMergePlugin(read_parameters(collection)); });
  });
}

}  // namespace pitome
