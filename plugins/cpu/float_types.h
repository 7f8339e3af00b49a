// The 16-bit types as they lie in memory.
#pragma once

#include <cstdint>

namespace pitome::cpu {

struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

}  // namespace pitome::cpu
