// One thread of a block: a stack of its own, and where it waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "include/cuda_runtime.h"
#include "stack_switch.h"

namespace pitome_host {

// What a kernel did that no GPU defines: a barrier that not all threads reach, say.
struct Fault {
  std::string text;
};

class Fiber {
 public:
  enum class State { kReady, kAtBarrier, kInWarp, kFinished };

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Get ready to run `body`, whatever it was doing before.
  void start(const std::function<void()>& body);

  // Run until it waits or is finished. Called by the scheduler; throws the fault of the body.
  void resume();

  // Go back to the scheduler. Called by the running fiber.
  void pause();

  State state = State::kFinished;
  Place place = {};         // where it waits
  uint64_t value = 0;       // what it brought there
  unsigned mask = 0;        // with which lanes it exchanges
  uint3 thread = {};        // its threadIdx
  int index = 0;            // its number in the block
  bool has_waited = false;  // for the kernel before this one

 private:
  static void enter();

  StackSwitch own_, scheduler_;
  void* stack_;
  const std::function<void()>* body_ = nullptr;
  std::optional<Fault> fault_;
  // For AddressSanitizer, which must know on which stack the code runs.
  void* fake_stack_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_stack_bytes_ = 0;
};

}  // namespace pitome_host
