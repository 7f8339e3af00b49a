// Runs the threads of one block, in a random order between the places where they wait for each other.
#pragma once

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fiber.h"

namespace pitome_host {

class Block {
 public:
  // Run `body` once for every thread. Throws Fault.
  void run(dim3 size, const std::function<void()>& body, std::mt19937_64& random);

  int wait(bool value, Place place);
  const uint64_t* exchange(unsigned mask, uint64_t value, Place place);
  void* shared_memory(size_t bytes);
  Fiber& running() { return *current_; }

 private:
  struct Warp {
    uint64_t published[32];  // what the lanes brought to the exchange that they leave now
  };

  void prepare(const std::function<void()>& body);
  void run_ready(std::mt19937_64& random);
  bool run_warp(int warp, std::mt19937_64& random);
  void release_warp(int first);
  bool release_barrier();
  [[noreturn]] void report_stuck() const;

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<int> warp_order_, lane_order_;
  std::vector<Warp> warps_;
  Fiber* current_ = nullptr;
  int num_threads_ = 0;
  int64_t first_warp_waits_ = 0;
  int votes_ = 0;  // of the barrier that is being left
  struct FreeShared {
    void operator()(void* memory) const;
  };
  std::unique_ptr<void, FreeShared> shared_;
  size_t shared_bytes_ = 0;
};

// Barriers that threads came to, as "file:line", and those that let everyone pass: the tests' way to show
// that a missing barrier is noticed.
extern std::set<std::string> seen_barriers, open_barriers;

}  // namespace pitome_host
