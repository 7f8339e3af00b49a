// What kernels ask of the device's memory, by kernel.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>

namespace pitome_host {

// A transfer between device memory and a GPU moves whole sectors.
constexpr uint64_t kSectorBytes = 32;

struct Counter {
  int64_t launches = 0;
  int64_t blocks = 0;
  int64_t threads_per_block = 0;
  int64_t loaded_bytes = 0;  // every load of every thread, whichever cache serves it
  int64_t stored_bytes = 0;
  int64_t distinct_bytes = 0;  // sectors that a launch touched, each once: what device memory must move
  int64_t warp_waits = 0;      // of the first warp of a block for its lanes, at most
  int64_t barriers = 0;        // that a block came to, at most
  int64_t multiply_adds = 0;   // of tiles, padding included
};

struct Counters {
  bool enabled = false;
  std::map<std::string, Counter> by_kernel;
  Counter* current = nullptr;
  std::string name;
  std::unordered_set<uint64_t> sectors;

  void begin(int64_t blocks, int64_t threads_per_block);
  void end();
  void touch(const void* address, size_t bytes);
};

extern Counters counters;

// Every access of a kernel to device memory, for what early launches must not do.
void watch_access(const void* address, bool stores);

// How often the threads of one block met, and the lanes of its first warp.
void count_waits(int64_t barriers, int64_t warp_waits);

// {"kernel": {"launches": 1, ...}, ...}
std::string counters_as_json();

}  // namespace pitome_host
