// Whether programmatic dependent launches are asked for, and possible.
#include <cstdlib>
#include <cstring>

#include "enqueue.h"

namespace pitome {

constexpr int kFirstMajorVersion = 9;

static bool is_asked_for() {
  const char* value = std::getenv("PITOME_EARLY_LAUNCH");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

bool early_launch_is_on() {
  static const bool asked_for = is_asked_for();
  if (!asked_for) return false;
  int device = 0, major_version = 0;
  return cudaGetDevice(&device) == cudaSuccess &&
         cudaDeviceGetAttribute(&major_version, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
         major_version >= kFirstMajorVersion;
}

}  // namespace pitome
