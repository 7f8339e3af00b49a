// onnxruntime's C interface, with exceptions in place of statuses.
#pragma once

#include <onnxruntime_c_api.h>

#include <stdexcept>
#include <string>

namespace pitome::ort {

// The oldest interface that has what this library calls: that of onnxruntime 1.17. Later ones offer it too.
constexpr uint32_t kApiVersion = 17;

// What is wrong with a node or its inputs, or what onnxruntime said.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void check(const OrtApi& api, OrtStatus* status) {
  if (status == nullptr) return;
  std::string message = api.GetErrorMessage(status);
  api.ReleaseStatus(status);
  throw Failure(message);
}

// Runs `work`, whose exceptions become a status: none may reach onnxruntime.
template <typename Work>
OrtStatus* guarded(const OrtApi& api, const Work& work) noexcept {
  try {
    work();
    return nullptr;
  } catch (const Failure& failure) {
    return api.CreateStatus(ORT_INVALID_ARGUMENT, (std::string("pitome::EnergyMerge: ") + failure.what()).c_str());
  } catch (const std::exception& error) {
    return api.CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
  } catch (...) {
    return api.CreateStatus(ORT_RUNTIME_EXCEPTION, "pitome::EnergyMerge: an unknown exception");
  }
}

}  // namespace pitome::ort
