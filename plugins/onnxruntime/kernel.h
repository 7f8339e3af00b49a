// What runs one node pitome::EnergyMerge, on whatever provider.
#pragma once

#include <memory>

#include "api.h"
#include "cpu/merge.h"

namespace pitome::ort {

// It keeps nothing of a call: several threads and sessions may run it at once.
class Kernel {
 public:
  explicit Kernel(const OrtApi& api) : api_(api) {}
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  const OrtApi& api() const { return api_; }

  // Raises Failure where the inputs' shapes do not fit.
  virtual void compute(OrtKernelContext* context) const = 0;

 protected:
  const OrtApi& api_;
};

// The kernel of a node whose x is of this type. Raises Failure where its attributes are not within the
// contract.
using MakeKernel = std::unique_ptr<Kernel> (*)(const OrtApi& api, const OrtKernelInfo* info,
                                               cpu::DataType type);

template <typename Made>
std::unique_ptr<Kernel> make_kernel(const OrtApi& api, const OrtKernelInfo* info, cpu::DataType type) {
  return std::make_unique<Made>(api, info, type);
}

}  // namespace pitome::ort
