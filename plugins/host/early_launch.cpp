#include "early_launch.h"

#include <utility>

#include "fiber.h"

namespace pitome_host {

EarlyLaunch early_launch;

// Every type that kernels store takes at least this.
constexpr uint64_t kUnit = 2;

static uint64_t unit_of(const void* address) { return reinterpret_cast<uint64_t>(address) / kUnit; }

void EarlyLaunch::begin(bool early) {
  early_ = early;
  if (early) ++number_;
}

void EarlyLaunch::end() {
  early_ = false;
  stored_before_ = std::move(stored_);
  stored_.clear();
}

void EarlyLaunch::check(const void* address, bool has_waited) const {
  if (early_ && !has_waited && stored_before_.count(unit_of(address)) != 0)
    throw Fault{"a kernel that may start early looks at what the one before it wrote, and has not waited"};
}

void EarlyLaunch::remember(const void* address) {
  if (watches_) stored_.insert(unit_of(address));
}

}  // namespace pitome_host
