// The library as it is built without CUDA.
#include "cpu_kernel.h"
#include "operator.h"

namespace pitome::ort {

std::vector<Operator> all_operators() { return operators_for(kCpuProvider, make_kernel<CpuKernel>); }

}  // namespace pitome::ort
