#include "fiber.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define PITOME_START_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define PITOME_FINISH_SWITCH(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define PITOME_START_SWITCH(save, bottom, size)
#define PITOME_FINISH_SWITCH(save, bottom, size)
#endif

namespace pitome_host {

// AddressSanitizer keeps zones between variables, and needs more.
constexpr size_t kStackBytes = 256 * 1024;

static Fiber* entering = nullptr;

Fiber::Fiber() {
  // Pages come into being when they are touched: a thousand stacks cost little.
  stack_ =
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
}

Fiber::~Fiber() { munmap(stack_, kStackBytes); }

void Fiber::start(const std::function<void()>& body) {
  body_ = &body;
  state = State::kReady;
  fake_stack_ = nullptr;
  fault_.reset();
  own_.prepare(stack_, kStackBytes, &Fiber::enter);
}

void Fiber::enter() {
  Fiber* self = entering;
  PITOME_FINISH_SWITCH(nullptr, &self->scheduler_stack_, &self->scheduler_stack_bytes_);
  try {
    (*self->body_)();
  } catch (const Fault& fault) {
    self->fault_ = fault;  // an exception cannot leave its stack
  }
  self->state = State::kFinished;
  PITOME_START_SWITCH(nullptr, self->scheduler_stack_, self->scheduler_stack_bytes_);
  self->scheduler_.resume(self->own_);
}

void Fiber::resume() {
  [[maybe_unused]] void* own_fake_stack = nullptr;
  entering = this;
  PITOME_START_SWITCH(&own_fake_stack, stack_, kStackBytes);
  own_.resume(scheduler_);
  PITOME_FINISH_SWITCH(own_fake_stack, nullptr, nullptr);
  if (fault_) throw Fault(*fault_);
}

void Fiber::pause() {
  PITOME_START_SWITCH(&fake_stack_, scheduler_stack_, scheduler_stack_bytes_);
  scheduler_.resume(own_);
  PITOME_FINISH_SWITCH(fake_stack_, &scheduler_stack_, &scheduler_stack_bytes_);
}

}  // namespace pitome_host
