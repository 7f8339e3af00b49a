// A kernel that may start while the one before it runs must not look at what that one wrote before it waited.
//
// Kernels run one after another here. So it is checked instead: what a kernel stored is remembered, and an
// early one's access to it by a thread that has not waited is a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>

namespace pitome_host {

class EarlyLaunch {
 public:
  // From here on what is stored is remembered.
  void watch() { watches_ = true; }

  // Kernels so far that might have started early.
  int number() const { return number_; }

  // Before and after the blocks of a kernel.
  void begin(bool early);
  void end();

  // An access by the running thread, which has waited or not; throws Fault.
  void check(const void* address, bool has_waited) const;
  void remember(const void* address);

 private:
  bool watches_ = false, early_ = false;
  int number_ = 0;
  std::unordered_set<uint64_t> stored_, stored_before_;
};

extern EarlyLaunch early_launch;

}  // namespace pitome_host
