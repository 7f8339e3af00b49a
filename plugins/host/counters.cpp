#include "counters.h"

#include "include/cuda_runtime.h"

namespace pitome_host {

Counters counters;

static int64_t pending_blocks, pending_threads;

void Counters::begin(int64_t blocks, int64_t threads_per_block) {
  current = nullptr;
  sectors.clear();
  pending_blocks = blocks;
  pending_threads = threads_per_block;
}

void Counters::end() {
  if (current != nullptr) current->distinct_bytes += static_cast<int64_t>(sectors.size() * kSectorBytes);
  current = nullptr;
  sectors.clear();
}

void Counters::touch(const void* address, size_t bytes) {
  uint64_t first = reinterpret_cast<uint64_t>(address) / kSectorBytes;
  uint64_t last = (reinterpret_cast<uint64_t>(address) + bytes - 1) / kSectorBytes;
  for (uint64_t sector = first; sector <= last; ++sector) sectors.insert(sector);
}

void name_kernel(const char* name) {
  if (!counters.enabled || counters.current != nullptr) return;
  Counter& counter = counters.by_kernel[name];
  counter.launches += 1;
  counter.blocks += pending_blocks;
  counter.threads_per_block = pending_threads;
  counters.current = &counter;
}

void count_load(const void* address, size_t bytes) {
  watch_access(address, false);
  if (counters.current == nullptr) return;
  counters.current->loaded_bytes += static_cast<int64_t>(bytes);
  counters.touch(address, bytes);
}

void count_store(const void* address, size_t bytes) {
  watch_access(address, true);
  if (counters.current == nullptr) return;
  counters.current->stored_bytes += static_cast<int64_t>(bytes);
  counters.touch(address, bytes);
}

void count_waits(int64_t barriers, int64_t warp_waits) {
  if (counters.current == nullptr) return;
  counters.current->barriers = std::max(counters.current->barriers, barriers);
  counters.current->warp_waits = std::max(counters.current->warp_waits, warp_waits);
}

void count_multiply_adds(int64_t number) {
  if (counters.current != nullptr) counters.current->multiply_adds += number;
}

std::string counters_as_json() {
  std::string text = "{";
  for (const auto& [name, counter] : counters.by_kernel) {
    if (text.size() > 1) text += ", ";
    text += "\"" + name + "\": {";
    const std::pair<const char*, int64_t> fields[] = {{"launches", counter.launches},
                                                      {"blocks", counter.blocks},
                                                      {"threads_per_block", counter.threads_per_block},
                                                      {"loaded_bytes", counter.loaded_bytes},
                                                      {"stored_bytes", counter.stored_bytes},
                                                      {"distinct_bytes", counter.distinct_bytes},
                                                      {"warp_waits", counter.warp_waits},
                                                      {"barriers", counter.barriers},
                                                      {"multiply_adds", counter.multiply_adds}};
    for (const auto& [key, number] : fields)
      text += (key == fields[0].first ? "\"" : ", \"") + std::string(key) + "\": " + std::to_string(number);
    text += "}";
  }
  return text + "}";
}

}  // namespace pitome_host
