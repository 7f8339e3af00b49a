#include "merge_dtype.cuh"

namespace pitome {
PITOME_INSTANTIATE(float)
}  // namespace pitome
