#include "merge_dtype.cuh"

namespace pitome {
PITOME_INSTANTIATE(__nv_bfloat16)
}  // namespace pitome
