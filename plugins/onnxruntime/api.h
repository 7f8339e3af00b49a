// onnxruntime's C interface, with exceptions in place of statuses.
#pragma once

#include <onnxruntime_c_api.h>

#include <stdexcept>
#include <string>

namespace pitome::ort {

// The oldest interface that has what this library calls. Later ones offer it too. 1.17 is the first that lets
// an operator use the session's threads, 1.18 the first that gives memory which belongs to a stream.
constexpr uint32_t kApiVersion = PITOME_ONNXRUNTIME_API;
static_assert(kApiVersion <= ORT_API_VERSION, "onnxruntime's headers are older than what this library calls");

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
    return api.CreateStatus(ORT_INVALID_ARGUMENT,
                            (std::string("pitome::EnergyMerge: ") + failure.what()).c_str());
  } catch (const std::exception& error) {
    return api.CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
  } catch (...) {
    return api.CreateStatus(ORT_RUNTIME_EXCEPTION, "pitome::EnergyMerge: an unknown exception");
  }
}

}  // namespace pitome::ort
