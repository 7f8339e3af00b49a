// Test equipment: the operator for CUDA on the CPU, with the execution model of ../host in place of a GPU.
#include <cuda_runtime.h>

#include "cuda_kernel.h"
#include "operator.h"

namespace pitome::ort {
namespace {

class HostKernel final : public CudaKernel {
 public:
  using CudaKernel::CudaKernel;

 private:
  // Nothing waits for a stream on the CPU.
  void after_launch(void* stream) const override { cudaStreamSynchronize(static_cast<cudaStream_t>(stream)); }
};

}  // namespace

std::vector<Operator> all_operators() { return operators_for(kCpuProvider, make_kernel<HostKernel>); }

}  // namespace pitome::ort
