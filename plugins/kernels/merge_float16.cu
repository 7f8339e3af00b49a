#include "merge_dtype.cuh"

namespace pitome {
PITOME_INSTANTIATE(__half)
}  // namespace pitome
