// The library as it is built with CUDA. Where onnxruntime has no such provider, the operators for it are
// never asked for.
#include "cpu_kernel.h"
#include "cuda_kernel.h"
#include "operator.h"

namespace pitome::ort {

std::vector<Operator> all_operators() {
  std::vector<Operator> operators = operators_for(kCpuProvider, make_kernel<CpuKernel>);
  for (const Operator& each : operators_for(kCudaProvider, make_kernel<CudaKernel>))
    operators.push_back(each);
  return operators;
}

}  // namespace pitome::ort
