// What the library shows: onnxruntime's entry point, and what it is.
#include <mutex>

#include "cpu/merge.h"
#include "operator.h"

#define PITOME_EXPORT extern "C" __attribute__((visibility("default")))

namespace pitome::ort {
namespace {

// Sessions point to it for as long as they live, so it is made once and never taken away.
OrtCustomOpDomain* domain(const OrtApi& api) {
  static std::mutex mutex;
  static OrtCustomOpDomain* made = nullptr;
  static const std::vector<Operator> operators = all_operators();
  std::lock_guard<std::mutex> lock(mutex);
  if (made != nullptr) return made;
  OrtCustomOpDomain* begun = nullptr;
  check(api, api.CreateCustomOpDomain("pitome", &begun));
  for (const Operator& each : operators) check(api, api.CustomOpDomain_Add(begun, &each));
  return made = begun;
}

}  // namespace
}  // namespace pitome::ort

// Called by SessionOptions.register_custom_ops_library(PATH) and its like in other languages.
PITOME_EXPORT OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  const OrtApi* api = base->GetApi(pitome::ort::kApiVersion);
  if (api == nullptr) {  // it has said why on stderr; the oldest interface can still make a status
    const std::string reason = "pitome::EnergyMerge needs onnxruntime 1." +
                               std::to_string(pitome::ort::kApiVersion) +
                               " or newer. Without this library the model's own function is used.";
    return base->GetApi(1)->CreateStatus(ORT_FAIL, reason.c_str());
  }
  return pitome::ort::guarded(
      *api, [&] { pitome::ort::check(*api, api->AddCustomOpDomain(options, pitome::ort::domain(*api))); });
}

// The version of this library, such as "0.1.0".
PITOME_EXPORT const char* pitome_onnxruntime_version() { return PITOME_VERSION; }

// The oldest interface of onnxruntime that it works with.
PITOME_EXPORT uint32_t pitome_onnxruntime_api() { return pitome::ort::kApiVersion; }

// The providers that it has the operator for, by onnxruntime's names.
PITOME_EXPORT const char* pitome_onnxruntime_providers() {
  static const std::string names = [] {
    std::string found;
    for (const auto& each : pitome::ort::all_operators()) {
      if (found.find(each.provider) == std::string::npos)
        found += (found.empty() ? "" : " ") + std::string(each.provider);
    }
    return found;
  }();
  return names.c_str();
}

// The instruction sets that it chooses from on this kind of CPU, by Highway's names, the best first.
PITOME_EXPORT const char* pitome_onnxruntime_instruction_sets() { return pitome::cpu::instruction_sets(); }
